import { createHash } from 'node:crypto'
import { type Recurrences, recurrences } from '../../incidents/recurrence.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { ObligationKind, Opening } from '../obligations/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { RecurrenceMonthRow } from '../records/schema.ts'
import { toCaused } from './counted.ts'
import { countedBetween } from './counted-store.ts'
import { endOfMonth, monthsToOpen } from './months.ts'

export const recurrenceKind = 'incident-recurrence'
/** How often an unsigned month is looked at again. */
const againMillis = 86_400_000
const hub = 'hub'

export interface RecurrenceParts {
  readonly clock: Clock
  readonly records: Records
  readonly ledger: Pick<Ledger, 'append'>
  readonly open: (tx: RecordsTransaction, opening: Opening) => Promise<boolean>
  readonly close: (tx: RecordsTransaction, subject: string, reason: string) => Promise<number>
  readonly changed: () => void
}

/** What a person said of a month. */
export interface SignOff {
  readonly month: string
  readonly decision: string
  readonly text: string
}

/** Recurrences, month by month: Delegated Regulation (EU) 2024/1772 Art. 8(2) asks for a monthly assessment. */
export class RecurrenceDesk {
  readonly #parts: RecurrenceParts

  constructor(parts: RecurrenceParts) {
    this.#parts = parts
  }

  /** What recurred in the six months before an instant. */
  async look(until: Millis): Promise<Recurrences> {
    const { after } = recurrences([], until).window
    const rows = await countedBetween(this.#parts.records.read, after, until + 1)
    return recurrences(rows.map(toCaused), until)
  }

  /** Newest first. */
  months(): Promise<RecurrenceMonthRow[]> {
    const query = this.#parts.records.read.selectFrom('recurrence_months').selectAll()
    return query.orderBy('month', 'desc').limit(60).execute()
  }

  /** Opens the months that have come since the last look. */
  async openMonths(): Promise<void> {
    await this.#parts.records.write((tx) => this.#openMonths(tx))
  }

  async #openMonths(tx: RecordsTransaction): Promise<void> {
    const newest = await tx
      .selectFrom('recurrence_months')
      .select('month')
      .orderBy('month', 'desc')
      .limit(1)
      .executeTakeFirst()
    for (const month of monthsToOpen(newest?.month, this.#parts.clock.now())) {
      const row = { month, due_at: endOfMonth(month), decision: null, content: null }
      await tx
        .insertInto('recurrence_months')
        .values({ ...row, signed_by: null, signed_at: null })
        .execute()
      await this.#parts.open(tx, opening(month))
    }
  }

  /** A person's word on a month; once. Throws forbidden, not_found, conflict. */
  async signOff(by: Principal, said: SignOff): Promise<void> {
    if (by.name === 'bootstrap')
      throw new CallwardError(
        'forbidden',
        'A month is signed by a person: sign in with an account of your own.',
      )
    const found = await this.look(Math.min(endOfMonth(said.month) - 1, this.#parts.clock.now()))
    await this.#parts.records.write(async (tx) => {
      const row = await monthRow(tx, said.month)
      if (row === undefined)
        throw new CallwardError('not_found', `${said.month} is not a month that is to be signed.`)
      if (row.decision !== null)
        throw new CallwardError('conflict', `${said.month} was signed by ${row.signed_by}.`)
      await this.#sign(tx, said, by.name, found)
      await this.#parts.close(tx, said.month, `signed by ${by.name}`)
    })
    this.#parts.changed()
  }

  async #sign(
    tx: RecordsTransaction,
    { month, decision, text }: SignOff,
    by: string,
    found: Recurrences,
  ): Promise<void> {
    const { clock, ledger } = this.#parts
    const now = clock.now()
    const content = JSON.stringify({ text, ...summaryOf(found) })
    await tx
      .updateTable('recurrence_months')
      .set({ decision, content, signed_by: by, signed_at: now })
      .where('month', '=', month)
      .execute()
    await ledger.append(tx, {
      action: 'incident.recurrence_signed',
      object: { type: 'recurrence-month', id: month },
      actor: by,
      occurredAt: now,
      content: { decision, sha256: createHash('sha256').update(content).digest('hex') },
      sensitive: { text },
    })
  }

  /** A month that is over waits for a person's word; where nothing is to be judged, the hub says so itself. */
  duty(): ObligationKind {
    const { records, clock } = this.#parts
    return {
      kind: recurrenceKind,
      promise: 'what recurred in a month is judged and signed by a person, once the month is over',
      concurrency: 1,
      attemptMillis: 20_000,
      perform: async ({ subject: month }) => {
        await this.openMonths()
        const row = await monthRow(records.read, month)
        if (row === undefined || row.decision !== null) return {}
        const now = clock.now()
        if (now < endOfMonth(month)) return { again: { dueAt: endOfMonth(month) } }
        const found = await this.look(endOfMonth(month) - 1)
        this.#parts.changed()
        if (found.groups.length + found.uncoded.length > 0)
          return { again: { dueAt: now + againMillis } }
        const text = 'No incident of the six months recurred, and none lacks its cause.'
        return {
          settle: async (tx) => {
            if ((await monthRow(tx, month))?.decision !== null) return
            await this.#sign(tx, { month, decision: 'nothing_to_judge', text }, hub, found)
          },
        }
      },
      owed: (read) =>
        (read as Records['read'])
          .selectFrom('recurrence_months')
          .select('month as subject')
          .where('decision', 'is', null),
      mend: (tx, month) => this.#parts.open(tx, opening(month, clock.now())),
    }
  }
}

function opening(month: string, again?: Millis): Opening {
  const key = again === undefined ? month : `${month} ${again}`
  return { kind: recurrenceKind, subject: month, key, dueAt: endOfMonth(month) }
}

function monthRow(read: Records['read'] | RecordsTransaction, month: string) {
  const query = (read as Records['read']).selectFrom('recurrence_months').selectAll()
  return query.where('month', '=', month).executeTakeFirst()
}

/** What was judged, so that it can be read later as it was; the longest lists are cut. */
function summaryOf({ groups, uncoded, window }: Recurrences) {
  return {
    window,
    groups: groups.slice(0, 200).map(({ service, cause, incidents }) => ({
      ...{ service, cause },
      incidents: incidents.slice(0, 200).map(({ number }) => number),
    })),
    groupCount: groups.length,
    uncodedCount: uncoded.length,
  }
}
