/** One field of a fact's value: what may be written there, and what to say when something else is. */
export interface Field<T> {
  /** Completes the sentence "write …". */
  readonly wants: string
  readonly optional: boolean
  readonly faultsOf: (value: unknown, at: string) => readonly string[]
  /** Only the type is used. */
  readonly like?: T
}

type Fields = Readonly<Record<string, Field<unknown>>>
type Like<F> = F extends Field<infer T> ? T : never
type Kept<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? never : K
}[keyof F]

/** The value that a set of fields describes. */
export type ValueOf<F extends Fields> = { readonly [K in Kept<F>]: Like<F[K]> } & {
  readonly [K in Exclude<keyof F, Kept<F>>]?: Like<F[K]>
}

type Needed<T> = Field<T> & { readonly optional: false }

function field<T>(wants: string, good: (value: unknown) => boolean): Needed<T> {
  return {
    wants,
    optional: false,
    faultsOf: (value, at) =>
      good(value) ? [] : [`${at}${value === undefined ? ' is missing' : ''}: write ${wants}`],
  }
}

/** A field that may be left out. */
export function optional<T>(inner: Field<T>): Field<T> & { readonly optional: true } {
  return {
    wants: inner.wants,
    optional: true,
    faultsOf: (value, at) => (value === undefined ? [] : inner.faultsOf(value, at)),
  }
}

/** Half of a character outside the basic plane. */
const halfCharacter = /\p{Surrogate}/u

/** Text with something in it; no NUL and no half of a character, which databases refuse. */
export function text(max: number): Needed<string> {
  return field(
    `text of 1 to ${max} characters`,
    (value) =>
      typeof value === 'string' &&
      value.length <= max &&
      /\S/.test(value) &&
      !value.includes('\0') &&
      !halfCharacter.test(value),
  )
}

/** A person's name, an incident's id, a host: one line. */
export function name(what: string, max = 200): Needed<string> {
  return field(
    `${what}, one line of 1 to ${max} characters`,
    (value) =>
      typeof value === 'string' &&
      value.length <= max &&
      /\S/.test(value) &&
      !/\p{Cc}/u.test(value) &&
      !halfCharacter.test(value),
  )
}

/** One word of a published list. */
export function code<const C extends string>(list: readonly C[]): Needed<C> {
  const known = new Set<unknown>(list)
  return field(
    list.length > 12
      ? 'a code of the published list (callward incident kinds root_cause)'
      : `one of ${list.join(', ')}`,
    (value) => known.has(value),
  )
}

/** A whole number from 0 on. */
export function count(max = Number.MAX_SAFE_INTEGER): Needed<number> {
  return field(
    max === Number.MAX_SAFE_INTEGER
      ? 'a whole number from 0 on'
      : `a whole number from 0 to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max,
  )
}

/** An amount of money in whole and hundredths. */
export function amount(): Needed<number> {
  return field(
    'an amount from 0 to 1,000,000,000,000 without its currency',
    (value) => typeof value === 'number' && value >= 0 && value <= 1e12,
  )
}

export function currency(): Needed<string> {
  return field(
    'a currency code of three capital letters (ISO 4217), as EUR',
    (value) => typeof value === 'string' && /^[A-Z]{3}$/.test(value),
  )
}

export function flag(): Needed<boolean> {
  return field('true or false', (value) => typeof value === 'boolean')
}

/** The latest time a record takes: the end of the year 9999. */
const lastMillis = 253_402_300_799_999

/** An instant in milliseconds since the epoch, UTC. */
export function instant(): Needed<number> {
  return field('an instant in milliseconds since 1970, UTC', isInstant)
}

export function isInstant(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= lastMillis
}

/** A SHA-256 in lower-case hexadecimal. */
export function hash(): Needed<string> {
  return field(
    'a SHA-256 in 64 lower-case hexadecimal digits',
    (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
  )
}

/** Whatever JSON holds; its size counts towards the limit of the whole value. */
export function anything(): Needed<unknown> {
  return field('any JSON value', (value) => value !== undefined)
}

/** A list without repeats. */
export function list<T>(inner: Field<T>, min: number, max: number): Needed<readonly T[]> {
  const wants = `a list of ${min} to ${max}, each ${inner.wants}`
  return {
    wants,
    optional: false,
    faultsOf(value, at) {
      if (!Array.isArray(value) || value.length < min || value.length > max) {
        return [`${at}${value === undefined ? ' is missing' : ''}: write ${wants}`]
      }
      const twice = value.findIndex((one, index) => value.indexOf(one) !== index)
      if (twice >= 0) return [`${at}[${twice}]: it stands in the list already; write it once`]
      return value.flatMap((one, index) => inner.faultsOf(one, `${at}[${index}]`))
    },
  }
}

/** Faults of an object against its fields; a field that is not known is a fault too. */
export function faultsOfObject(fields: Fields, value: unknown, at: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [`${at}: write an object with ${Object.keys(fields).join(', ')}`]
  }
  const given = value as Readonly<Record<string, unknown>>
  const faults = Object.entries(fields).flatMap(([key, one]) => [
    ...one.faultsOf(Object.hasOwn(given, key) ? given[key] : undefined, `${at}.${key}`),
  ])
  const strange = Object.keys(given).filter((key) => !Object.hasOwn(fields, key))
  return [
    ...faults,
    ...strange
      .slice(0, 5)
      .map(
        (key) =>
          `${at}: "${key.slice(0, 40)}" is not known; it takes ${Object.keys(fields).join(', ')}`,
      ),
  ]
}
