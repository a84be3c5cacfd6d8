/** Where in a document: `['clocks', 2, 'deadline']`. */
export type Path = readonly (string | number)[]
export type Mapping = Readonly<Record<string, unknown>>

/** Something wrong in a document; the message begins with the place and says what to write instead. */
export interface DocumentFault {
  readonly path: Path
  readonly message: string
}

/** Faults one reading reports; more are counted in the last one. */
const faultsMax = 100

/** Takes apart what was parsed from YAML or JSON and collects every fault with its place. Never throws. */
export class DocumentReader {
  readonly #faults: DocumentFault[] = []
  #more = 0

  get faults(): readonly DocumentFault[] {
    if (this.#more === 0) return this.#faults
    return [...this.#faults, { path: [], message: `and ${this.#more} more faults` }]
  }

  fault(path: Path, message: string): undefined {
    const place = formatPath(path)
    if (this.#faults.length >= faultsMax) this.#more++
    else this.#faults.push({ path, message: place === '' ? message : `${place}: ${message}` })
    return undefined
  }

  /** The mapping, unknown keys named as faults; undefined when it is none. */
  mapping(
    value: unknown,
    path: Path,
    known: readonly string[],
    example: string,
  ): Mapping | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.fault(path, `must be a mapping; example: ${example}`)
    for (const key of Object.keys(value))
      if (!known.includes(key))
        this.fault([...path, key], `unknown key "${shown(key)}"; known are ${known.join(', ')}`)
    return value as Mapping
  }

  /** The list's items; empty when absent or faulty. */
  list(value: unknown, path: Path, max: number, example: string): readonly unknown[] {
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) {
      this.fault(path, `must be a list; example: ${example}`)
      return []
    }
    if (value.length > max) this.fault(path, `has ${value.length} items; at most ${max} are read`)
    return value.slice(0, max)
  }

  /** A text of at most `max` characters that is not empty; undefined when absent or faulty. */
  text(value: unknown, path: Path, example: string, max = 2000): string | undefined {
    if (value === undefined || value === null) return undefined
    if (typeof value === 'string' && value.trim() !== '' && value.length <= max) return value
    return this.fault(path, `must be a text of at most ${max} characters; example: ${example}`)
  }

  required(value: unknown, path: Path, example: string, max?: number): string | undefined {
    if (value !== undefined && value !== null) return this.text(value, path, example, max)
    return this.fault(path, `is missing; example: ${example}`)
  }

  /** A name of a fact, clock or regime: small letters, digits, `_` and `-`. */
  name(value: unknown, path: Path, example: string): string | undefined {
    if (typeof value === 'string' && /^[a-z][a-z0-9_-]{0,62}$/.test(value)) return value
    return this.fault(path, `must be a name of small letters, digits, _ and -; example: ${example}`)
  }

  oneOf<T extends string>(value: unknown, path: Path, choices: readonly T[]): T | undefined {
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    return this.fault(path, `must be one of ${choices.join(', ')}`)
  }

  /** A day of the calendar, `2026-12-25`. */
  date(value: unknown, path: Path): string | undefined {
    if (typeof value === 'string' && isDate(value)) return value
    return this.fault(path, `${shown(value)} is no day; example: 2026-12-25`)
  }
}

/** True for a day that the calendar has, as `2026-12-25`. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(text)
}

/** A value as a message may quote it: short, on one line. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}

/** `clocks[2].deadline`. */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number'
        ? `${text}[${part}]`
        : `${text}${text === '' ? '' : '.'}${shown(part)}`,
    '',
  )
}
