import { callFunction, type FunctionContext } from './functions.ts'
import type { Node, Operand, Pipeline, Template } from './syntax.ts'
import { Dictionary, isTrue, printed, Struct, TemplateError, typeOf, type Value } from './values.ts'

/** Characters a text may come to. */
const lengthMax = 65_536
/** Steps one text may take: loops within loops end. */
const stepsMax = 100_000
/** Templates that call each other. */
const depthMax = 50

type Signal = 'break' | 'continue' | undefined

/** Runs a template that was read. Throws TemplateError. */
export function runTemplate(
  template: Template,
  dot: Value,
  variables: readonly (readonly [name: string, value: Value])[],
  context: FunctionContext,
): string {
  const run = new Run(template, context)
  run.begin(dot, variables)
  return run.output
}

class Run {
  readonly #template: Template
  readonly #context: FunctionContext
  #variables: { readonly name: string; value: Value }[] = []
  #parts: string[] = []
  #length = 0
  #steps = 0
  #depth = 0

  constructor(template: Template, context: FunctionContext) {
    this.#template = template
    this.#context = context
  }

  get output(): string {
    return this.#parts.join('')
  }

  begin(dot: Value, variables: readonly (readonly [string, Value])[]): void {
    this.#variables = variables.map(([name, value]) => ({ name, value }))
    this.#nodes(this.#template.body, dot)
  }

  #nodes(nodes: readonly Node[], dot: Value): Signal {
    for (const node of nodes) {
      if (++this.#steps > stepsMax)
        throw new TemplateError(`more than ${stepsMax} steps; write fewer loops`)
      const signal = this.#node(node, dot)
      if (signal !== undefined) return signal
    }
    return undefined
  }

  #node(node: Node, dot: Value): Signal {
    switch (node.kind) {
      case 'text':
        this.#write(node.text)
        return undefined
      case 'output': {
        const value = this.#pipeline(node.pipeline, dot)
        if (node.pipeline.variables.length === 0) this.#write(printed(value))
        return undefined
      }
      case 'template':
        this.#write(this.#named(node.name, node.pipeline && this.#pipeline(node.pipeline, dot)))
        return undefined
      case 'break':
      case 'continue':
        return node.kind
      case 'range':
        return this.#scoped(() => this.#range(node, dot))
      default:
        return this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot)
          if (!isTrue(value)) return this.#nodes(node.otherwise, dot)
          return this.#nodes(node.body, node.kind === 'with' ? value : dot)
        })
    }
  }

  #range(node: Extract<Node, { kind: 'if' | 'with' | 'range' }>, dot: Value): Signal {
    const { variables, declares, commands } = node.pipeline
    const value = this.#pipeline({ variables: [], declares, commands }, dot)
    const elements = elementsOf(value)
    for (const [key, element] of elements) {
      const signal = this.#scoped(() => {
        const values = variables.length === 1 ? [element] : [key, element]
        for (const [i, name] of variables.entries()) this.#set(name, values[i], declares)
        return this.#nodes(node.body, element)
      })
      if (signal === 'break') return undefined
    }
    return elements.length > 0 ? undefined : this.#nodes(node.otherwise, dot)
  }

  #scoped<T>(work: () => T): T {
    const begin = this.#variables.length
    const result = work()
    this.#variables.length = begin
    return result
  }

  #set(name: string, value: Value, declares: boolean): void {
    const known = declares ? undefined : this.#variables.findLast((one) => one.name === name)
    if (known === undefined) this.#variables.push({ name, value })
    else known.value = value
  }

  #write(text: string): void {
    this.#length += text.length
    if (this.#length > lengthMax)
      throw new TemplateError(`longer than ${lengthMax} characters; write less`)
    this.#parts.push(text)
  }

  /** What a template that was defined gives; its variables are its own. */
  #named(name: string, dot: Value): string {
    const nodes = this.#template.named.get(name)
    if (nodes === undefined) throw new TemplateError(`template "${name}" not defined`)
    if (++this.#depth > depthMax)
      throw new TemplateError(`more than ${depthMax} templates call each other`)
    const [parts, variables] = [this.#parts, this.#variables]
    this.#parts = []
    this.#variables = [{ name: '$', value: dot }]
    this.#nodes(nodes, dot)
    const text = this.#parts.join('')
    this.#parts = parts
    this.#variables = variables
    this.#depth--
    this.#length -= text.length
    return text
  }

  #pipeline({ variables, declares, commands }: Pipeline, dot: Value): Value {
    let value: Value
    for (const [i, command] of commands.entries())
      value =
        command.kind === 'call'
          ? this.#call(command.name, command.args, dot, i > 0 ? [value] : [])
          : this.#operand(command, dot)
    for (const name of variables) this.#set(name, value, declares)
    return value
  }

  #operand(operand: Operand, dot: Value): Value {
    switch (operand.kind) {
      case 'constant':
        return operand.value
      case 'dot':
        return dot
      case 'variable':
        return this.#variables.findLast(({ name }) => name === operand.name)?.value
      case 'call':
        return this.#call(operand.name, operand.args, dot, [])
      case 'pipeline':
        return this.#pipeline(operand.pipeline, dot)
      case 'fields':
        return operand.names.reduce(fieldOf, this.#operand(operand.of, dot))
    }
  }

  #call(name: string, args: readonly Operand[], dot: Value, piped: readonly Value[]): Value {
    if (++this.#steps > stepsMax)
      throw new TemplateError(`more than ${stepsMax} steps; write fewer loops`)
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, args, dot, piped)
    const values = [...args.map((arg) => this.#operand(arg, dot)), ...piped]
    return callFunction(name, values, this.#context)
  }

  /** The first that decides, or the last. */
  #shortCircuit(
    name: 'and' | 'or',
    args: readonly Operand[],
    dot: Value,
    piped: readonly Value[],
  ): Value {
    if (args.length + piped.length === 0)
      throw new TemplateError(`wrong number of args for ${name}: want at least 1 got 0`)
    let value: Value
    for (const arg of args) {
      value = this.#operand(arg, dot)
      if (isTrue(value) === (name === 'or')) return value
    }
    return piped.length > 0 ? piped[0] : value
  }
}

function fieldOf(value: Value, name: string): Value {
  if (value instanceof Dictionary) return value.get(name)
  if (value instanceof Struct && Object.hasOwn(value.fields, name)) return value.fields[name]
  throw new TemplateError(`can't evaluate field ${name} in type ${typeOf(value)}`)
}

function elementsOf(value: Value): (readonly [Value, Value])[] {
  if (Array.isArray(value)) return value.map((element: Value, i) => [BigInt(i), element] as const)
  if (value instanceof Dictionary)
    return Object.keys(value.entries)
      .sort()
      .map((key) => [key, value.entries[key]] as const)
  if (value === undefined) return []
  throw new TemplateError(`range can't iterate over ${printed(value)}`)
}
