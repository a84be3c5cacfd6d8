import type { Millis } from './alert.ts'
import { parseDuration } from './duration.ts'

export type Path = readonly (string | number)[]
export type Mapping = Readonly<Record<string, unknown>>

/** Something wrong in a document. */
export interface DocumentFault {
  /** Where: `['route', 'routes', 2, 'group_wait']`. */
  readonly path: Path
  /** Says what to write instead. */
  readonly message: string
}

/** Faults one reading reports; more are counted in the last one. */
export const faultsMax = 200

/** Takes a document that was parsed from YAML or JSON apart and collects every fault with its place. Never throws. */
export class DocumentReader {
  readonly #faults: DocumentFault[] = []
  #more = 0

  get faults(): readonly DocumentFault[] {
    if (this.#more === 0) return this.#faults
    return [...this.#faults, { path: [], message: `and ${this.#more} more faults` }]
  }

  fault(path: Path, message: string): undefined {
    const where = path.length === 0 ? '' : `${formatPath(path)}: `
    if (this.#faults.length >= faultsMax) this.#more++
    else this.#faults.push({ path, message: where + message })
    return undefined
  }

  /** The mapping, its unknown keys named as faults; undefined when it is none. */
  mapping(
    value: unknown,
    path: Path,
    known: readonly string[],
    example: string,
  ): Mapping | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.fault(path, `must be a mapping; example: "${example}"`)
    for (const key of Object.keys(value))
      if (!known.includes(key))
        this.fault([...path, key], `unknown key "${key}"; known are ${known.join(', ')}`)
    return value as Mapping
  }

  /** The list's items; empty when absent or faulty. */
  list(value: unknown, path: Path, max: number, example: string): readonly unknown[] {
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) {
      this.fault(path, `must be a list; example: "${example}"`)
      return []
    }
    if (value.length > max) this.fault(path, `has ${value.length} items, at most ${max} are read`)
    return value.slice(0, max)
  }

  /** A text that is not empty; undefined when absent or faulty. */
  text(value: unknown, path: Path, example: string): string | undefined {
    if (value === undefined || value === null) return undefined
    if (typeof value === 'string' && value !== '') return value
    return this.fault(path, `must be a text; example: "${example}"`)
  }

  texts(value: unknown, path: Path, max: number, example: string): readonly string[] {
    return this.list(value, path, max, example)
      .map((item, i) => this.text(item ?? '', [...path, i], example))
      .filter((item) => item !== undefined)
  }

  flag(value: unknown, path: Path): boolean | undefined {
    if (value === undefined || value === null || typeof value === 'boolean')
      return value ?? undefined
    return this.fault(path, 'must be true or false')
  }

  /** A finite number; undefined when absent or faulty. */
  number(value: unknown, path: Path, example: string): number | undefined {
    if (value === undefined || value === null) return undefined
    if (typeof value === 'number' && Number.isFinite(value)) return value
    return this.fault(path, `must be a number; example: "${example}"`)
  }

  duration(value: unknown, path: Path, example: string): Millis | undefined {
    if (value === undefined || value === null) return undefined
    const duration =
      typeof value === 'string' || value === 0 ? parseDuration(String(value)) : undefined
    if (duration !== undefined) return duration
    return this.fault(path, `${JSON.stringify(value)} is not a duration; example: "${example}"`)
  }
}

/** `route.routes[2].group_wait`. */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`,
    '',
  )
}
