import type { StoreLogger } from '../log.ts'
import type { Part } from '../parts/part.ts'
import { type Cursor, type CursorName, readCursor, writeCursor } from './cursor.ts'
import type { SealedSource } from './sealed-units.ts'

export interface SentSoFarParts {
  readonly engine: string
  readonly source: SealedSource
  /** Of the store, which the cursor goes with. */
  readonly folder: string
  readonly cursorName: CursorName
  readonly client: { readonly target: string }
  readonly logger: StoreLogger
}

/** How far an engine was sent what the store has sealed: its cursor, and the files beyond it. */
export class SentSoFar {
  readonly #parts: SentSoFarParts
  #cursor: Cursor | undefined

  constructor(parts: SentSoFarParts) {
    this.#parts = parts
  }

  /** Files that are not known to be in the engine. */
  get waiting(): readonly Part[] {
    const forwarded = this.#cursor?.forwarded ?? 0
    return this.#parts.source.parts.all.filter(({ order }) => order > forwarded)
  }

  /**
   * A file went because of its age: the samples that are lost with it. Before the first round the cursor is not known: nothing counts as
   * lost then.
   */
  lostWith(part: Part): number {
    if (part.order <= (this.#cursor?.forwarded ?? Infinity)) return 0
    const { engine, logger } = this.#parts
    logger.error(
      { samples: part.samples, order: part.order },
      `samples reached the end of their retention before ${engine} took them; mend it, or raise retentionDays`,
    )
    return part.samples
  }

  /** The cursor; where there is none of this target, nothing was forwarded and files up to `begun` may be there in part. */
  async load(begun: number): Promise<Cursor> {
    const { folder, cursorName, client } = this.#parts
    const { target } = client
    this.#cursor ??= (await readCursor(folder, cursorName, target)) ?? {
      target,
      forwarded: 0,
      begun,
    }
    return this.#cursor
  }

  /** Durable when it returns. */
  async save(cursor: Omit<Cursor, 'target'>): Promise<void> {
    const { folder, cursorName, client } = this.#parts
    const whole = { ...cursor, target: client.target }
    await writeCursor(folder, cursorName, whole)
    this.#cursor = whole
  }
}
