import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import type { Clock } from '../clock.ts'
import type {} from '../records/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../telemetry/plugin.ts'
import { readCheckpoint } from './checkpoint.ts'
import type { LedgerEntry } from './entry.ts'
import { openLedgerKey, readLastSigned, writeDurably } from './ledger-key.ts'
import { LedgerLog, type NewEpoch } from './ledger-log.ts'
import { type Erased, eraseOpenings, isKnown } from './ledger-store.ts'
import { Sequencer } from './sequencer.ts'

export type { LedgerEntry } from './entry.ts'

/** The ledger: what was changed, in an order nobody can alter unseen. */
export interface Ledger {
  /** Writes an entry in the caller's transaction; both are kept or neither. Every action is listed in ledgered.ts. */
  append(tx: RecordsTransaction, entry: LedgerEntry): Promise<void>
  /** How long the oldest entry without a place in the tree has waited, in seconds. */
  waitingSeconds(): number
}

/** Takes away what may have to go: texts and salts behind the hashes of entries, never the entries. */
export interface LedgerEraser {
  /** In the caller's transaction, which appends the entry that says so; gives the leaves of the entries that lost a text. */
  erase(tx: RecordsTransaction, what: Erased): Promise<readonly string[]>
}

/** What the log that goes on knows. */
export interface LedgerReader {
  /** Whether an entry of this log is about that object: after a restore a new log begins. */
  knows(tx: RecordsTransaction, object: LedgerEntry['object']): Promise<boolean>
}

/** Everything of the ledger, for its own routes. */
export interface LedgerInside extends Ledger, LedgerEraser, LedgerReader {
  readonly log: LedgerLog
  readonly sequencer: Sequencer
}

declare module 'fastify' {
  interface FastifyInstance {
    ledger: Ledger & LedgerEraser & LedgerReader
  }
}

export interface LedgerOptions {
  readonly clock: Clock
  /** The hub's folder: `ledger.key`, `ledger.checkpoint` and, after a restore, `ledger.epoch`. */
  readonly folder: string
}

/** Ledger of the hub: opened before anything that is ledgered; its routes stand in routes.ts, behind the gate. */
export const ledgerPlugin = fp(
  async (app, { clock, folder }: LedgerOptions) => {
    const key = await openLedgerKey(join(folder, 'ledger.key'))
    const lastSignedPath = join(folder, 'ledger.checkpoint')
    const log = new LedgerLog(app.records, clock, key)
    const asked = join(folder, 'ledger.epoch')
    const { origin, number } = await log.begin(await askedEpoch(asked))
    await rm(asked, { force: true })
    app.log.info({ origin, epoch: Number(number) }, 'ledger open')
    const sequencer = new Sequencer({
      log,
      clock,
      logger: app.log,
      lastSigned: await readLastSigned(lastSignedPath),
      async keepSigned(note) {
        await writeDurably(lastSignedPath, note)
        const head = readCheckpoint(note)
        if (head === undefined) throw new Error('BUG: a checkpoint of ours that cannot be read')
        return head
      },
    })
    const appended = new Counter({
      name: 'callward_ledger_appends_total',
      help: 'Entries given to the ledger, those of transactions that failed included.',
      registers: [app.telemetry.registry],
    })
    const inside: LedgerInside = {
      log,
      sequencer,
      waitingSeconds: () => sequencer.waitingSeconds,
      erase: eraseOpenings,
      knows: async (tx, object) => isKnown(tx, await log.epoch(), object),
      async append(tx, entry) {
        await log.append(tx, entry)
        appended.inc()
        sequencer.appended()
      },
    }
    app.decorate('ledger', inside)
    const figures = {
      callward_ledger_entries: {
        help: 'Entries of the current log that have their place in the tree.',
        value: () => sequencer.size,
      },
      callward_ledger_waiting_seconds: {
        help: 'How long the oldest entry without a place in the tree has waited.',
        value: () => sequencer.waitingSeconds,
      },
      callward_ledger_inconsistent: {
        help: '1: the ledger contradicts a checkpoint that was signed; no other is signed.',
        value: () => (sequencer.inconsistency === undefined ? 0 : 1),
      },
    }
    for (const [name, { help, value }] of Object.entries(figures))
      new Gauge({
        name,
        help,
        registers: [app.telemetry.registry],
        collect() {
          this.set(value())
        },
      })
    app.addHook('onReady', async () => {
      if (app.hasDecorator('rules'))
        for (const [name, { value }] of Object.entries(figures)) app.rules.watchFigure(name, value)
      sequencer.start()
    })
    // After the last writes of those that were registered later, before the records close.
    app.addHook('onClose', () => sequencer.stop())
  },
  { name: 'callward-ledger', dependencies: ['callward-records', 'callward-telemetry'] },
)

/** A new log that a restore, or an administrator, asks for; a file that makes no sense asks too. */
async function askedEpoch(path: string): Promise<NewEpoch | undefined> {
  if (!existsSync(path)) return undefined
  const text = await readFile(path, 'utf8')
  try {
    const { id, reason, operator } = JSON.parse(text) as Record<string, unknown>
    if (typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id))
      return { id, reason: String(reason), operator: String(operator) }
  } catch {
    // What follows.
  }
  const id = createHash('sha256').update(text).digest('hex').slice(0, 36)
  return { id, reason: 'ledger.epoch could not be read', operator: 'unknown' }
}
