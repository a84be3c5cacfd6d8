import { parseDuration } from '../duration.ts'
import { printf } from '../go-format.ts'
import {
  humanize,
  humanize1024,
  humanizeDuration,
  humanizePercentage,
  humanizeTimestamp,
} from '../humanize.ts'
import { compare, equal } from './compare.ts'
import {
  Dictionary,
  isTrue,
  numberOf,
  printed,
  Struct,
  sampleValue,
  TemplateError,
  textOf,
  typeOf,
  type Value,
} from './values.ts'

/** One result of a query that a template asks. */
export interface Sample {
  /** With `__name__`, where it has one. */
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What functions need of the world. */
export interface FunctionContext {
  /** The hub's own address for people, such as `https://hub.example:9770`. */
  readonly externalUrl: string
  /** Answers a query at the rule's instant. Throws when it cannot. */
  readonly query: (expr: string) => readonly Sample[]
}

type Call = (args: readonly Value[], context: FunctionContext) => Value

interface Definition {
  readonly least: number
  /** Absent: as many as `least`. */
  readonly most?: number
  readonly call: Call
}

const one = (name: string, of: (value: number) => Value): Definition => ({
  least: 1,
  call: ([value]) => of(numberOf(value, name)),
})
const text = (name: string, of: (text: string) => Value): Definition => ({
  least: 1,
  call: ([value]) => of(textOf(value, name)),
})
const ordered = (name: string, holds: (order: number) => boolean): Definition => ({
  least: 2,
  call: ([a, b]) => holds(compare(a, b, name)),
})

function sampleOf(value: Value, name: string): Struct {
  if (value instanceof Struct && 'Labels' in value.fields) return value
  throw new TemplateError(
    `wrong type for value of ${name}; expected a sample of query; got ${typeOf(value)}`,
  )
}

function listOf(value: Value, name: string): readonly Value[] {
  if (Array.isArray(value)) return value as readonly Value[]
  throw new TemplateError(
    `wrong type for value of ${name}; expected the results of query; got ${typeOf(value)}`,
  )
}

function labelOf(value: Value, label: string, name: string): string {
  const labels = sampleOf(value, name).fields['Labels'] as Dictionary
  return textOf(labels.get(label), name)
}

/** Functions of Prometheus's templates (template/template.go of 2.42) and of Go's own, by name. */
const definitions: Readonly<Record<string, Definition>> = {
  query: {
    least: 1,
    call: ([expr], { query }) =>
      query(textOf(expr, 'query')).map(({ labels, value }) => sampleValue(labels, value)),
  },
  first: {
    least: 1,
    call: ([list]) => {
      const [found] = listOf(list, 'first')
      if (found === undefined)
        throw new TemplateError('error calling first: first() called on vector with no elements')
      return found
    },
  },
  label: { least: 2, call: ([name, sample]) => labelOf(sample, textOf(name, 'label'), 'label') },
  value: { least: 1, call: ([sample]) => sampleOf(sample, 'value').fields['Value'] },
  strvalue: { least: 1, call: ([sample]) => labelOf(sample, '__value__', 'strvalue') },
  sortByLabel: {
    least: 2,
    call: ([name, list]) => {
      const label = textOf(name, 'sortByLabel')
      const key = (sample: Value) => labelOf(sample, label, 'sortByLabel')
      return [...listOf(list, 'sortByLabel')].sort((a, b) => byBytes(key(a), key(b)))
    },
  },
  args: {
    least: 0,
    most: 100,
    call: (args) =>
      new Dictionary(Object.fromEntries(args.map((arg, i) => [`arg${i}`, arg])), undefined),
  },
  reReplaceAll: {
    least: 3,
    call: ([pattern, replacement, subject]) =>
      textOf(subject, 'reReplaceAll').replace(
        expression(textOf(pattern, 'reReplaceAll'), 'gu'),
        goReplacement(textOf(replacement, 'reReplaceAll')),
      ),
  },
  match: {
    least: 2,
    call: ([pattern, subject]) =>
      expression(textOf(pattern, 'match'), 'u').test(textOf(subject, 'match')),
  },
  safeHtml: text('safeHtml', (value) => value),
  title: text('title', (value) =>
    value.replace(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_all, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  ),
  toUpper: text('toUpper', (value) => value.toUpperCase()),
  toLower: text('toLower', (value) => value.toLowerCase()),
  graphLink: text('graphLink', (expr) => `/graph?g0.expr=${queryEscaped(expr)}&g0.tab=0`),
  tableLink: text('tableLink', (expr) => `/graph?g0.expr=${queryEscaped(expr)}&g0.tab=1`),
  stripPort: text('stripPort', (address) => hostAndPort(address)?.host ?? address),
  stripDomain: text('stripDomain', stripDomain),
  humanize: one('humanize', humanize),
  humanize1024: one('humanize1024', humanize1024),
  humanizeDuration: one('humanizeDuration', humanizeDuration),
  humanizePercentage: one('humanizePercentage', humanizePercentage),
  humanizeTimestamp: one('humanizeTimestamp', humanizeTimestamp),
  toTime: one('toTime', humanizeTimestamp),
  pathPrefix: {
    least: 0,
    call: (_args, { externalUrl }) => externalUrl.replace(/^[a-z]+:\/\/[^/]*/i, ''),
  },
  externalURL: { least: 0, call: (_args, { externalUrl }) => externalUrl },
  parseDuration: text('parseDuration', (duration) => {
    const millis = parseDuration(duration)
    if (millis !== undefined) return millis / 1000
    throw new TemplateError(
      `error calling parseDuration: not a valid duration string: ${JSON.stringify(duration)}`,
    )
  }),
  not: { least: 1, call: ([value]) => !isTrue(value) },
  eq: {
    least: 2,
    most: 100,
    call: ([first, ...others]) => others.some((other) => equal(first, other, 'eq')),
  },
  ne: { least: 2, call: ([a, b]) => !equal(a, b, 'ne') },
  lt: ordered('lt', (order) => order < 0),
  le: ordered('le', (order) => order <= 0),
  gt: ordered('gt', (order) => order > 0),
  ge: ordered('ge', (order) => order >= 0),
  len: { least: 1, call: ([value]) => BigInt(lengthOf(value)) },
  index: { least: 1, most: 100, call: ([value, ...keys]) => keys.reduce(indexed, value) },
  slice: { least: 1, most: 3, call: sliced },
  print: { least: 0, most: 100, call: joined },
  println: { least: 0, most: 100, call: (args) => `${args.map(printed).join(' ')}\n` },
  printf: {
    least: 1,
    most: 100,
    call: ([format, ...args]) =>
      printf(
        textOf(format, 'printf'),
        args.map((arg) =>
          typeof arg === 'number' || typeof arg === 'bigint' || typeof arg === 'boolean'
            ? arg
            : printed(arg),
        ),
      ),
  },
  html: {
    least: 0,
    most: 100,
    call: (args) =>
      joined(args).replace(/[<>&'"]/g, (character) => htmlNames[character] ?? character),
  },
  urlquery: { least: 0, most: 100, call: (args) => queryEscaped(joined(args)) },
  js: { least: 0, most: 100, call: (args) => JSON.stringify(joined(args)).slice(1, -1) },
}

/** Those whose arguments are only looked at as far as need be: the runner's own. */
const lazyFunctions = ['and', 'or']

/** Every name a template may call. */
export const functionNames: ReadonlySet<string> = new Set([
  ...Object.keys(definitions),
  ...lazyFunctions,
])

/** Calls a function that is not lazy. Throws TemplateError. */
export function callFunction(
  name: string,
  args: readonly Value[],
  context: FunctionContext,
): Value {
  const { least, most = least, call } = definitions[name]!
  if (args.length < least || args.length > most)
    throw new TemplateError(
      `wrong number of args for ${name}: want ${most > least ? 'at least ' : ''}${least} got ${args.length}`,
    )
  return call(args, context)
}

const htmlNames: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  "'": '&#39;',
  '"': '&#34;',
}

/** As Go's Sprint: a space between two of which neither is a text. */
function joined(args: readonly Value[]): string {
  return args
    .map((arg, i) => {
      const apart = i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string'
      return (apart ? ' ' : '') + printed(arg)
    })
    .join('')
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function lengthOf(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.length
  if (value instanceof Dictionary) return Object.keys(value.entries).length
  throw new TemplateError(`error calling len: len of type ${typeOf(value)}`)
}

function indexed(value: Value, key: Value): Value {
  if (value instanceof Dictionary) return value.get(textOf(key, 'index'))
  if (typeof key !== 'bigint')
    throw new TemplateError(`error calling index: cannot index with type ${typeOf(key)}`)
  const at = Number(key)
  if (Array.isArray(value) && at >= 0 && at < value.length) return value[at] as Value
  if (typeof value === 'string') {
    const byte = Buffer.from(value)[at]
    if (byte !== undefined) return BigInt(byte)
  }
  if (!Array.isArray(value) && typeof value !== 'string')
    throw new TemplateError(`error calling index: can't index item of type ${typeOf(value)}`)
  throw new TemplateError(`error calling index: index out of range: ${at}`)
}

function sliced([value, ...ends]: readonly Value[]): Value {
  const [from = 0, to = lengthOf(value)] = ends.map((end) => {
    if (typeof end === 'bigint') return Number(end)
    throw new TemplateError(
      `error calling slice: cannot index slice/array with type ${typeOf(end)}`,
    )
  })
  if (from < 0 || to > lengthOf(value) || from > to)
    throw new TemplateError(`error calling slice: index out of range: ${from} to ${to}`)
  if (typeof value === 'string') return Buffer.from(value).subarray(from, to).toString()
  return (value as readonly Value[]).slice(from, to)
}

/** As Go's url.QueryEscape. */
function queryEscaped(value: string): string {
  return encodeURIComponent(value)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

/** `host:port` and `[v6]:port`, as Go's net.SplitHostPort; undefined when it is none. */
function hostAndPort(address: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(address)
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' }
}

function stripDomain(address: string): string {
  const split = hostAndPort(address)
  const host = split?.host ?? address
  if (/^[\d.]+$/.test(host) || host.includes(':')) return address
  const [first] = host.split('.')
  return split === undefined || split.port === '' ? first! : `${first}:${split.port}`
}

/** Rule files are the administrator's own: an expression that is slow is theirs. */
function expression(pattern: string, flags: string): RegExp {
  const flagged = /^\(\?([ims]+)\)/.exec(pattern)
  const body = pattern.slice(flagged?.[0].length ?? 0).replaceAll('(?P<', '(?<')
  try {
    return new RegExp(body, flags + (flagged?.[1] ?? ''))
  } catch (error) {
    throw new TemplateError(`error parsing regexp: ${(error as Error).message}`)
  }
}

/** Go's `$1`, `${1}`, `${name}` in JavaScript's words; `$1x` names a group "1x", which is never there. */
function goReplacement(replacement: string) {
  return (...match: unknown[]): string => {
    const named = typeof match.at(-1) === 'object' ? (match.at(-1) as Record<string, string>) : {}
    return replacement.replace(/\$(?:(\$)|\{(\w+)\}|(\w+))/g, (_all, dollar, braced, plain) => {
      if (dollar !== undefined) return '$'
      const name: string = braced ?? plain
      if (!/^\d+$/.test(name)) return named[name] ?? ''
      const group = match[Number(name)]
      return typeof group === 'string' ? group : ''
    })
  }
}
