import { type Kysely, sql } from 'kysely'
import type { Fact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import { faultsOfAddition, judge, type Missing, type Request } from '../../incidents/judge.ts'
import { blank, type Picture } from '../../incidents/picture.ts'
import { advance } from '../../incidents/replay.ts'
import type { Role, State } from '../../incidents/workflow.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError, type ErrorCode } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Ledger } from '../ledger/plugin.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type { IncidentFactRow, IncidentRow, RecordsSchema } from '../records/schema.ts'
import { indexFact } from '../search/index-fact.ts'
import { factOf, type NewFact, standingColumns } from './incident.ts'
import { judgePast, type PastIncident } from './past.ts'

/** Rows of one statement: 10 columns each, well below what either database takes. */
const factsPerStatement = 200

/** The fact by which a simple state comes about; who wrote it brought the state about. */
const causeOf: Readonly<Record<string, string>> = {
  open: 'relapse',
  acknowledged: 'acknowledged',
  resolved: 'transition',
}

/** What an incident begins with. */
export interface NewIncident {
  readonly title: string
  /** What related alerts are matched by; an incident of no alert has one of its own. */
  readonly joinKey?: string
  readonly server: string
  readonly runbook?: { readonly name: string; readonly hash: string } | undefined
  readonly by: string
  readonly role: Role
  readonly facts: readonly NewFact[]
}

/** What follows from new facts of an incident, in their transaction. `before` is missing for a new one. */
export type Settled = (
  tx: RecordsTransaction,
  change: {
    readonly before: IncidentRow | undefined
    readonly after: IncidentRow
    readonly picture: Picture
    readonly facts: readonly Fact[]
  },
) => Promise<void>

/** Incidents and their facts; every method works inside the caller's transaction. */
export class IncidentStore {
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #settled: Settled

  constructor(clock: Clock, ledger: Ledger, settled: Settled = async () => undefined) {
    this.#clock = clock
    this.#ledger = ledger
    this.#settled = settled
  }

  /** Writes a new incident with its first facts and the step to `recorded`. Throws conflict with what is missing. */
  async record(tx: RecordsTransaction, opening: NewIncident): Promise<IncidentRow> {
    const now = this.#clock.now()
    const id = uuid(now)
    const request = { to: 'recorded', by: opening.by, role: opening.role, at: now } as const
    const verdict = judge(blank, { ...request, with: opening.facts })
    if (!verdict.allowed) throw refusal('The incident cannot be recorded', verdict.missing)
    const rows = verdict.facts.map((fact, index) => this.#factRow(id, index + 1, fact))
    const picture = pictureOf(blank, rows)
    const standing = standingColumns(picture)
    const row = {
      ...{ id, title: opening.title, join_key: opening.joinKey ?? `incident:${id}` },
      ...{ server: opening.server, opened_at: now, updated_at: now, ...standing },
      runbook_name: opening.runbook?.name ?? null,
      runbook_hash: opening.runbook?.hash ?? null,
    }
    const number = await this.#insert(tx, row)
    await later(tx, tx.insertInto('incident_facts').values(rows))
    const opened = { ...row, number }
    await this.#ledgerState(tx, opened, opening.by, now)
    for (const fact of rows) await this.#ledgerFact(tx, fact)
    await this.#settled(tx, { before: undefined, after: opened, picture, facts: picture.facts })
    return opened
  }

  /**
   * Writes an incident of the past with its whole history, judged as if it were taken today; what follows is told once, of all of it.
   * Throws conflict with what no lawful history could hold.
   */
  async recordPast(tx: RecordsTransaction, past: PastIncident): Promise<IncidentRow> {
    const now = this.#clock.now()
    const id = uuid(now)
    const verdict = judgePast(past, () => ({ id: uuid(now), recordedAt: now }))
    if (!verdict.lawful)
      throw refusal(
        'The incident cannot be recorded',
        verdict.faults.map((text) => ({ text })),
      )
    const picture = verdict.pictures.at(-1) ?? blank
    const facts = picture.facts.map((fact, index) => rowOf(id, index + 1, fact))
    const standing = standingColumns(picture)
    const row = {
      ...{ id, title: past.title, join_key: `incident:${id}`, server: past.server, ...standing },
      ...{ opened_at: picture.facts[0]?.occurredAt ?? now, updated_at: now },
      ...{ runbook_name: null, runbook_hash: null },
    }
    const number = await this.#insert(tx, row)
    for (let from = 0; from < facts.length; from += factsPerStatement)
      await later(
        tx,
        tx.insertInto('incident_facts').values(facts.slice(from, from + factsPerStatement)),
      )
    const opened = { ...row, number }
    await this.#ledgerPast(tx, opened, verdict.pictures, facts)
    await this.#settled(tx, { before: undefined, after: opened, picture, facts: picture.facts })
    return opened
  }

  /** Entries of a whole history in the order in which they would have been written: before the facts of a chapter the state they lead to. */
  async #ledgerPast(
    tx: RecordsTransaction,
    opened: IncidentRow,
    pictures: readonly Picture[],
    facts: readonly IncidentFactRow[],
  ): Promise<void> {
    let told: string | undefined
    let written = 0
    for (const picture of pictures) {
      const chapter = facts.slice(written, picture.facts.length)
      written = picture.facts.length
      const then = standingColumns(picture)
      const cause =
        chapter.find(({ kind }) => told !== undefined && kind === causeOf[then.state]) ??
        chapter.at(-1)
      if (cause !== undefined && then.state !== told) {
        const at = told === undefined ? opened.opened_at : cause.occurred_at
        await this.#ledgerState(tx, { ...opened, ...then }, cause.recorded_by, at)
        told = then.state
      }
      for (const fact of chapter) await this.#ledgerFact(tx, fact)
    }
  }

  async #insert(tx: RecordsTransaction, row: Omit<IncidentRow, 'number'>): Promise<number> {
    const { number } = await tx
      .insertInto('incidents')
      .values((is) => ({
        ...row,
        number: sql<number>`(${is
          .selectFrom('incidents as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.number')}, 0) + 1`.as('next'))})`,
      }))
      .returning('number')
      .executeTakeFirstOrThrow()
    return Number(number)
  }

  async #ledgerState(
    tx: RecordsTransaction,
    row: IncidentRow,
    actor: string,
    at: Millis,
  ): Promise<void> {
    const { state, number, severity, join_key: joinKey, runbook_hash: runbookHash } = row
    await this.#ledger.append(tx, {
      action: 'incident.state',
      object: { type: 'incident', id: row.id },
      actor,
      occurredAt: at,
      content: { state, number, severity, joinKey, runbookHash },
    })
  }

  async #ledgerFact(tx: RecordsTransaction, row: IncidentFactRow): Promise<void> {
    indexFact(tx, row.incident_id, row)
    const { id: fact, kind, certainty, supersedes, value } = row
    await this.#ledger.append(tx, {
      action: 'incident.fact',
      object: { type: 'incident', id: row.incident_id },
      actor: row.recorded_by,
      occurredAt: row.occurred_at,
      content: { fact, kind, certainty, supersedes },
      sensitive: { value },
    })
  }

  /** Writes a fact of an alert, which nothing refuses, without bringing the row's state to it: an alert alone moves none. */
  async addUnjudged(tx: RecordsTransaction, incidentId: string, fact: NewFact): Promise<void> {
    await this.#ledgerFact(tx, await this.#append(tx, incidentId, fact))
    const updated_at = this.#clock.now()
    await later(tx, tx.updateTable('incidents').set({ updated_at }).where('id', '=', incidentId))
  }

  /** What the facts of an incident amount to. Throws conflict when the file was changed behind the hub's back. */
  async picture(read: Kysely<RecordsSchema>, row: IncidentRow): Promise<Picture> {
    const facts = await read
      .selectFrom('incident_facts')
      .selectAll()
      .where('incident_id', '=', row.id)
      .orderBy('sequence')
      .execute()
    return pictureOf(blank, facts, row.number)
  }

  /**
   * Adds facts without a step. Throws unprocessable with all that is wrong with them. What lists show follows them; gives the row as
   * it then is.
   */
  async add(
    tx: RecordsTransaction,
    row: IncidentRow,
    facts: readonly NewFact[],
  ): Promise<IncidentRow> {
    let picture = await this.picture(tx, row)
    const written: IncidentFactRow[] = []
    for (const fact of facts) {
      const faults = faultsOfAddition(picture, fact)
      if (faults.length > 0) throw refusal('The fact is not taken', faults, 'unprocessable')
      const added = await this.#append(tx, row.id, fact)
      written.push(added)
      picture = pictureOf(picture, [added], row.number)
    }
    return this.#settle(tx, row, picture, written)
  }

  /** Takes a step. Throws conflict with what is missing; `more` is what else stands against it. */
  async step(
    tx: RecordsTransaction,
    row: IncidentRow,
    request: Request,
    more: readonly Missing[] = [],
  ): Promise<IncidentRow> {
    const taken = await this.tryStep(tx, row, request, more)
    if ('row' in taken) return taken.row
    const { from, missing } = taken
    throw refusal(`Incident ${row.number} cannot go from ${from} to ${request.to}`, missing)
  }

  /** Like `step`, but gives what is missing instead of throwing. */
  async tryStep(
    tx: RecordsTransaction,
    row: IncidentRow,
    request: Request,
    more: readonly Missing[] = [],
  ): Promise<
    { readonly row: IncidentRow } | { readonly from: State; readonly missing: readonly Missing[] }
  > {
    const picture = await this.picture(tx, row)
    const verdict = judge(picture, request)
    if (!verdict.allowed || more.length > 0)
      return {
        from: picture.state,
        missing: [...more, ...(verdict.allowed ? [] : verdict.missing)],
      }
    const written: IncidentFactRow[] = []
    for (const fact of verdict.facts) written.push(await this.#append(tx, row.id, fact))
    return { row: await this.#settle(tx, row, pictureOf(picture, written, row.number), written) }
  }

  /** Brings the row to what the facts say. */
  async #settle(
    tx: RecordsTransaction,
    row: IncidentRow,
    picture: Picture,
    written: readonly IncidentFactRow[],
  ): Promise<IncidentRow> {
    const standing = standingColumns(picture)
    const now = { ...row, ...standing, updated_at: this.#clock.now() }
    await tx
      .updateTable('incidents')
      .set({ ...standing, updated_at: now.updated_at })
      .where('id', '=', row.id)
      .execute()
    const last = written.at(-1)
    if (standing.state !== row.state && last !== undefined)
      await this.#ledgerState(tx, now, last.recorded_by, last.occurred_at)
    for (const fact of written) await this.#ledgerFact(tx, fact)
    await this.#settled(tx, { before: row, after: now, picture, facts: written.map(factOf) })
    return now
  }

  /** Writes a fact at the end; facts are never changed. The hub's alerts are never refused; all else is judged before. */
  async #append(
    tx: RecordsTransaction,
    incidentId: string,
    fact: NewFact,
  ): Promise<IncidentFactRow> {
    const row = this.#factRow(incidentId, 0, fact)
    await later(
      tx,
      tx.insertInto('incident_facts').values((is) => ({
        ...row,
        sequence: sql<number>`(${is
          .selectFrom('incident_facts as other')
          .select((s) => sql<number>`coalesce(${s.fn.max('other.sequence')}, 0) + 1`.as('next'))
          .where('other.incident_id', '=', incidentId)})`,
      })),
    )
    return row
  }

  #factRow(incidentId: string, sequence: number, fact: NewFact): IncidentFactRow {
    const now = this.#clock.now()
    return {
      id: uuid(now),
      incident_id: incidentId,
      sequence,
      kind: fact.kind,
      value: JSON.stringify(fact.value),
      certainty: fact.certainty,
      occurred_at: fact.occurredAt,
      recorded_at: now,
      recorded_by: fact.recordedBy,
      supersedes: fact.supersedes,
    }
  }

  async byId(tx: RecordsTransaction, id: string): Promise<IncidentRow> {
    const row = await tx.selectFrom('incidents').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) throw new CallwardError('not_found', 'There is no such incident.')
    return row
  }

  /** False when somebody acknowledged before. Throws conflict when it was resolved. */
  async acknowledge(
    tx: RecordsTransaction,
    row: IncidentRow,
    by: string,
    at: Millis,
    note: string | undefined,
  ): Promise<boolean> {
    if (row.state === 'resolved')
      throw new CallwardError('conflict', `Incident ${row.number} is already resolved.`)
    if (row.acknowledged_at !== null) return false
    const text =
      note === undefined
        ? hubSays('acknowledged', { name: by })
        : hubSays('acknowledgedWith', { name: by, note })
    const stamp = { certainty: 'actual', occurredAt: at, recordedBy: by, supersedes: null } as const
    await this.add(tx, row, [{ ...stamp, kind: 'acknowledged', value: { text } }])
    return true
  }
}

/** A fact as the records hold it. */
function rowOf(incident_id: string, sequence: number, fact: Fact): IncidentFactRow {
  return {
    ...{ id: fact.id, incident_id, sequence, kind: fact.kind },
    ...{ value: JSON.stringify(fact.value), certainty: fact.certainty },
    ...{ occurred_at: fact.occurredAt, recorded_at: fact.recordedAt },
    ...{ recorded_by: fact.recordedBy, supersedes: fact.supersedes },
  }
}

/** A picture with further facts. Throws conflict when they cannot follow. */
function pictureOf(from: Picture, rows: readonly IncidentFactRow[], number?: number): Picture {
  const result = advance(from, rows.map(factOf))
  if (result.legal) return result.picture
  const { position, kind, reasons } = result.illegal
  throw new CallwardError(
    'conflict',
    `The file of incident ${number ?? ''} does not follow the workflow at fact ${position} (${kind}): ${reasons.join('; ')}. It was changed outside of the hub: verify the ledger.`,
  )
}

function refusal(
  what: string,
  missing: NonNullable<CallwardError['missing']>,
  code: ErrorCode = 'conflict',
): CallwardError {
  const texts = missing.map(({ text }) => text).join('; ')
  return new CallwardError(code, `${what}: ${texts}.`, { missing })
}
