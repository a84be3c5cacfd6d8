import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { LedgerEpochRow } from '../records/schema.ts'
import { signCheckpoint, type TreeHead } from './checkpoint.ts'
import { type LedgerEntry, seal } from './entry.ts'
import type { LedgerKey } from './ledger-key.ts'
import {
  currentEpoch,
  type Database,
  insertEntry,
  lastCheckpoint,
  leavesFrom,
  nextNumber,
  recordedAtFrom,
  saveGrowth,
  tileReader,
} from './ledger-store.ts'
import { consistencyRanges, emptyRoot, type Hash, inclusionRanges, isConsistent } from './merkle.ts'
import { grow, rangeHashes, TreeBroken } from './tiles.ts'

export type { Database } from './ledger-store.ts'

/** Why a new log begins. */
export interface NewEpoch {
  /** Id of the new epoch: the same one opens it only once. */
  readonly id: string
  readonly reason: string
  /** Who asked for it. */
  readonly operator: string
}

/** What one turn of the sequencer did. */
export interface Sequenced {
  readonly added: number
  /** More entries wait. */
  readonly more: boolean
  /** Entries with their place in the tree. */
  readonly size: number
  /** When the oldest entry without a place was recorded. */
  readonly oldestWaitingAt: number | undefined
  /** Number of an entry that is gone, which stops the sequencer. */
  readonly gapAt: number | undefined
}

/** A checkpoint, or why none may be signed. */
export type Checkpointed =
  | { readonly kind: 'checkpoint'; readonly note: string; readonly size: number }
  | { readonly kind: 'inconsistent'; readonly reason: string }

/** Entries placed in one transaction: about 20 ms of this thread. */
const batchEntries = 2048
const hubActor = 'hub'

/** The ledger in the records: entries, places, checkpoints. */
export class LedgerLog {
  readonly #records: Records
  readonly #clock: Clock
  readonly #key: LedgerKey

  constructor(records: Records, clock: Clock, key: LedgerKey) {
    this.#records = records
    this.#clock = clock
    this.#key = key
  }

  /** Adds an entry in the caller's transaction. */
  append(tx: RecordsTransaction, entry: LedgerEntry): Promise<void> {
    return insertEntry(tx, this.#records.kind, seal(entry, this.#clock.now()))
  }

  /** Opens the first log, or the one a restore asks for, and notes this hub's key; safe to repeat. */
  async begin(asked: NewEpoch | undefined): Promise<LedgerEpochRow> {
    await this.#records.write(async (tx) => {
      const epoch = await currentEpoch(tx)
      if (epoch === undefined) await this.#open(tx, undefined, asked ?? this.#firstEpoch())
      else if (asked !== undefined && !(await isKnownEpoch(tx, asked.id)))
        await this.#open(tx, epoch, asked)
      await this.#noteKey(tx)
    })
    return this.epoch()
  }

  async epoch(): Promise<LedgerEpochRow> {
    const epoch = await currentEpoch(this.#records.read)
    if (epoch === undefined) throw new Error('BUG: a ledger without an epoch')
    return epoch
  }

  #firstEpoch(): NewEpoch {
    return { id: uuid(this.#clock.now()), reason: 'first start', operator: hubActor }
  }

  async #open(
    tx: RecordsTransaction,
    former: LedgerEpochRow | undefined,
    { id, reason, operator }: NewEpoch,
  ): Promise<void> {
    const previous = former === undefined ? null : await this.#close(tx, former)
    const origin = `callward.ledger/${id}`
    const now = this.#clock.now()
    const first = Math.max(
      await nextNumber(tx),
      former === undefined ? 0 : former.first_number + (previous?.size ?? former.size),
    )
    await tx
      .insertInto('ledger_epochs')
      .values({
        number: (former?.number ?? 0) + 1,
        id,
        origin,
        first_number: first,
        size: 0,
        opened_at: now,
      })
      .execute()
    await this.append(tx, {
      action: 'ledger.opened',
      object: { type: 'ledger', id: origin },
      actor: operator,
      occurredAt: now,
      content: { origin, reason, previous },
    })
  }

  /** Places what is left of a log that ends, and says how it stood. A broken tree is told, and does not hold up the next log. */
  async #close(tx: RecordsTransaction, epoch: LedgerEpochRow) {
    const { origin } = epoch
    try {
      let placed = await this.#place(tx, epoch)
      while (placed.more && placed.gapAt === undefined)
        placed = await this.#place(tx, { ...epoch, size: placed.size })
      const { size, gapAt } = placed
      const root = (await rootAt(tx, epoch.number, size)).toString('base64')
      return { origin, size, root, ...(gapAt === undefined ? {} : { entryMissing: gapAt }) }
    } catch (error) {
      if (!(error instanceof TreeBroken)) throw error
      return { origin, size: epoch.size, root: null, broken: error.message }
    }
  }

  async #noteKey(tx: RecordsTransaction): Promise<void> {
    const public_key = this.#key.publicKey.toString('base64')
    const now = this.#clock.now()
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('ledger_keys')
      .values({ public_key, added_at: now })
      .onConflict((conflict) => conflict.column('public_key').doNothing())
      .executeTakeFirstOrThrow()
    if (numInsertedOrUpdatedRows !== 1n) return
    await this.append(tx, {
      action: 'ledger.key_added',
      object: { type: 'ledger-key', id: public_key },
      actor: hubActor,
      occurredAt: now,
      content: { publicKey: public_key },
    })
  }

  /** Gives the next entries their places. Only one of all hubs does so at a time: writers are serial. */
  async sequence(): Promise<Sequenced> {
    const standing = await this.#standing()
    if (standing !== undefined) return standing
    return this.#records.write(async (tx) => {
      const epoch = await currentEpoch(tx)
      if (epoch === undefined) throw new Error('BUG: a ledger without an epoch')
      return this.#place(tx, epoch)
    })
  }

  /** What there is to say when nothing waits, which needs no write. */
  async #standing(): Promise<Sequenced | undefined> {
    const { read } = this.#records
    const { first_number, size } = await this.epoch()
    if ((await nextNumber(read)) > first_number + size) return undefined
    return { added: 0, more: false, size, oldestWaitingAt: undefined, gapAt: undefined }
  }

  async #place(tx: RecordsTransaction, epoch: LedgerEpochRow): Promise<Sequenced> {
    const next = epoch.first_number + epoch.size
    const { leaves, gapAt } = await leavesFrom(tx, next, batchEntries)
    const size = epoch.size + leaves.length
    if (leaves.length > 0) {
      const tiles = await grow(epoch.size, leaves, tileReader(tx, epoch.number))
      await saveGrowth(tx, epoch.number, tiles, size)
    }
    const more = gapAt !== undefined || leaves.length === batchEntries
    const oldestWaitingAt = more ? await recordedAtFrom(tx, next + leaves.length) : undefined
    return { added: leaves.length, more, size, oldestWaitingAt, gapAt }
  }

  /**
   * Signs the tree as it stands, unless the newest checkpoint says so already. Nothing is signed that an earlier checkpoint (one of the
   * records, and the last one this hub signed) is not an earlier state of.
   */
  async checkpoint(lastSigned: TreeHead | undefined): Promise<Checkpointed> {
    return this.#records.write(async (tx) => {
      const epoch = await currentEpoch(tx)
      if (epoch === undefined) throw new Error('BUG: a ledger without an epoch')
      const stored = await lastCheckpoint(tx, epoch.number)
      try {
        const head = {
          origin: epoch.origin,
          size: epoch.size,
          root: await rootAt(tx, epoch.number, epoch.size),
        }
        const earlier: TreeHead[] = []
        if (stored !== undefined)
          earlier.push({ ...head, size: stored.size, root: Buffer.from(stored.root, 'base64') })
        if (lastSigned?.origin === epoch.origin) earlier.push(lastSigned)
        for (const one of earlier) {
          const reason = await contradiction(tx, epoch.number, one, head)
          if (reason !== undefined) return { kind: 'inconsistent', reason }
        }
        if (stored?.size === head.size)
          return { kind: 'checkpoint', note: stored.note, size: stored.size }
        const note = signCheckpoint(head, this.#key.privateKey)
        await tx
          .insertInto('ledger_checkpoints')
          .values({
            epoch: epoch.number,
            size: head.size,
            root: head.root.toString('base64'),
            note,
            signed_at: this.#clock.now(),
          })
          .execute()
        return { kind: 'checkpoint', note, size: head.size }
      } catch (error) {
        if (!(error instanceof TreeBroken)) throw error
        return { kind: 'inconsistent', reason: error.message }
      }
    })
  }

  /** Hashes that prove that entry `index` of the current log is in its first `size` entries. Throws bad_request. */
  async inclusionProof(index: number, size: number): Promise<Hash[]> {
    const epoch = await this.#atLeast(size)
    if (index >= size)
      throw new CallwardError('bad_request', `Entry ${index} is not among the first ${size}.`)
    return this.#hashes(epoch.number, inclusionRanges(index, size))
  }

  /** Hashes that prove that the first `from` entries are an earlier state of the first `to`. Throws bad_request. */
  async consistencyProof(from: number, to: number): Promise<Hash[]> {
    const epoch = await this.#atLeast(to)
    if (from > to)
      throw new CallwardError('bad_request', `from (${from}) is larger than to (${to}).`)
    return this.#hashes(epoch.number, consistencyRanges(from, to))
  }

  async rootAt(size: number): Promise<Hash> {
    const epoch = await this.#atLeast(size)
    return rootAt(this.#records.read, epoch.number, size)
  }

  async #atLeast(size: number): Promise<LedgerEpochRow> {
    const epoch = await this.epoch()
    if (size > epoch.size)
      throw new CallwardError(
        'bad_request',
        `The ledger has ${epoch.size} entries with a place, not ${size}.`,
      )
    return epoch
  }

  #hashes(epoch: number, ranges: Parameters<ReturnType<typeof rangeHashes>>[0][]): Promise<Hash[]> {
    const hashOf = rangeHashes(tileReader(this.#records.read, epoch))
    return Promise.all(ranges.map(hashOf))
  }
}

async function rootAt(database: Database, epoch: number, size: number): Promise<Hash> {
  return rangeHashes(tileReader(database, epoch))({ begin: 0, end: size })
}

/** Why a checkpoint is no earlier state of the tree; undefined when it is. */
async function contradiction(
  database: Database,
  epoch: number,
  earlier: TreeHead,
  now: TreeHead,
): Promise<string | undefined> {
  if (earlier.size > now.size)
    return `A checkpoint of ${earlier.size} entries was signed, the ledger has ${now.size} now: the records were put back to an older state.`
  if (earlier.size === 0 && earlier.root.equals(emptyRoot)) return undefined
  const hashOf = rangeHashes(tileReader(database, epoch))
  const proof: Hash[] = []
  for (const range of consistencyRanges(earlier.size, now.size)) proof.push(await hashOf(range))
  if (isConsistent(earlier, now, proof)) return undefined
  return `The checkpoint of ${earlier.size} entries is no earlier state of the tree of ${now.size}: entries or tree were changed afterwards.`
}

async function isKnownEpoch(tx: RecordsTransaction, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('ledger_epochs')
    .select('number')
    .where('id', '=', id)
    .executeTakeFirst()
  return row !== undefined
}
