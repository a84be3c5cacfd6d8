import type { Labels } from './alert.ts'
import type { FunctionContext, Sample } from './template/functions.ts'
import { runTemplate } from './template/run.ts'
import { parseTemplate, type Template } from './template/syntax.ts'
import { Dictionary, Struct, TemplateError, type Value } from './template/values.ts'

export type { Sample } from './template/functions.ts'

/** What a template of a rule may read. */
export interface TemplateData {
  readonly labels: Labels
  readonly value: number
  readonly externalLabels: Labels
  /** The hub's own address for people. */
  readonly externalUrl?: string | undefined
  /** Answers `query`. What it throws comes out of `expand`, but TemplateError, which is shown. Absent: nothing is answered. */
  readonly query?: FunctionContext['query'] | undefined
}

/** A fault that `query` of TemplateData may throw to have it shown in the text. */
export { TemplateError } from './template/values.ts'

/**
 * Expands a text in Prometheus's template language (Go's text/template with Prometheus's functions). A fault gives
 * `<error expanding template: …>` in Prometheus's words; throws only what `data.query` throws.
 */
export function expand(text: string, data: TemplateData): string {
  if (!text.includes('{{')) return text
  try {
    return run(parsed(text), data)
  } catch (error) {
    if (error instanceof TemplateError) return `<error expanding template: ${error.message}>`
    throw error
  }
}

/** What is wrong with a template whatever the labels, or undefined. */
export function templateFault(text: string): string | undefined {
  try {
    run(parseTemplate(text), trial)
    return undefined
  } catch (error) {
    if (error instanceof TemplateError) return error.message
    throw error
  }
}

/** Whether a text asks the store, so that its answers must be had before it is expanded. */
export function asksQueries(text: string): boolean {
  return text.includes('{{') && /\bquery\b/.test(text)
}

/** Labels that read as a number and as a duration, one result for every query: what still fails is wrong for all. */
const anyLabels = new Proxy<Record<string, string>>(
  {},
  {
    get: () => '0',
    getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: '0' }),
  },
)
const trial: TemplateData = {
  labels: anyLabels,
  value: 1,
  externalLabels: anyLabels,
  query: (): readonly Sample[] => [{ labels: anyLabels, value: 1 }],
}

function run(template: Template, data: TemplateData): string {
  const { value, externalUrl = '' } = data
  const labels = new Dictionary(data.labels)
  const externalLabels = new Dictionary(data.externalLabels)
  const dot = new Struct({
    Labels: labels,
    ExternalLabels: externalLabels,
    ExternalURL: externalUrl,
    Value: value,
  })
  const variables: readonly (readonly [string, Value])[] = [
    ['$', dot],
    ['$labels', labels],
    ['$externalLabels', externalLabels],
    ['$externalURL', externalUrl],
    ['$value', value],
  ]
  const query = data.query ?? unanswered
  return runTemplate(template, dot, variables, { externalUrl, query })
}

function unanswered(): never {
  throw new TemplateError('query is not answered here')
}

/** Texts as they were read; rules have few, and use them at every evaluation. */
const readBefore = new Map<string, Template | TemplateError>()
const readBeforeMax = 5_000

function parsed(text: string): Template {
  const before = readBefore.get(text) ?? readNow(text)
  if (before instanceof TemplateError) throw before
  return before
}

function readNow(text: string): Template | TemplateError {
  if (readBefore.size >= readBeforeMax) readBefore.clear()
  let result: Template | TemplateError
  try {
    result = parseTemplate(text)
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    result = error
  }
  readBefore.set(text, result)
  return result
}
