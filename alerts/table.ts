/**
 * Rows by key, immutable and JSON-serialisable. A change copies one of 256 buckets, so that a state with ten thousand
 * alerts can be kept, compared and thrown away at the cost of what changed.
 */
export interface Table<T> {
  readonly size: number
  readonly buckets: readonly (Readonly<Record<string, T>> | null)[]
}

const bucketsMax = 256

/** No rows. */
export function emptyTable<T>(): Table<T> {
  return { size: 0, buckets: new Array<null>(bucketsMax).fill(null) }
}

/** A table of these rows. */
export function tableOf<T>(rows: Iterable<readonly [key: string, row: T]>): Table<T> {
  const draft = new TableDraft<T>(emptyTable())
  for (const [key, row] of rows) draft.set(key, row)
  return draft.finish()
}

/** The row of a key. */
export function rowOf<T>(table: Table<T>, key: string): T | undefined {
  const bucket = table.buckets[bucketOf(key)]
  return bucket !== null && bucket !== undefined && Object.hasOwn(bucket, key)
    ? bucket[key]
    : undefined
}

/** All rows, in an order that is the same for equal tables built in the same way. */
export function* rowsOf<T>(table: Table<T>): Generator<T> {
  for (const bucket of table.buckets) if (bucket !== null) yield* Object.values(bucket)
}

function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (bucketsMax - 1)
}

/** Collects changes to a table; the table itself stays as it was. */
export class TableDraft<T> {
  readonly #buckets: (Readonly<Record<string, T>> | null)[]
  readonly #owned = new Map<number, Record<string, T>>()
  readonly #changed = new Map<string, T | undefined>()
  #size: number

  constructor(table: Table<T>) {
    this.#buckets = [...table.buckets]
    this.#size = table.size
  }

  /** Rows written, or undefined where one was deleted: what a store has to write. */
  get changed(): ReadonlyMap<string, T | undefined> {
    return this.#changed
  }

  get size(): number {
    return this.#size
  }

  get(key: string): T | undefined {
    return rowOf({ size: this.#size, buckets: this.#buckets }, key)
  }

  set(key: string, row: T): void {
    const bucket = this.#own(key)
    if (!Object.hasOwn(bucket, key)) this.#size++
    bucket[key] = row
    this.#changed.set(key, row)
  }

  delete(key: string): void {
    const bucket = this.#own(key)
    if (!Object.hasOwn(bucket, key)) return
    this.#size--
    delete bucket[key]
    this.#changed.set(key, undefined)
  }

  finish(): Table<T> {
    return { size: this.#size, buckets: this.#buckets }
  }

  #own(key: string): Record<string, T> {
    const index = bucketOf(key)
    const known = this.#owned.get(index)
    if (known !== undefined) return known
    const copy = { ...this.#buckets[index] }
    this.#owned.set(index, copy)
    this.#buckets[index] = copy
    return copy
  }
}
