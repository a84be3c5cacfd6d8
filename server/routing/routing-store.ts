import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Decision, PipelineResult } from '../../alerts/pipeline.ts'
import {
  type AlertRow,
  type GroupRow,
  newPipeline,
  type PipelineState,
  type SilenceRow,
} from '../../alerts/pipeline-state.ts'
import { tableOf } from '../../alerts/table.ts'
import type { Millis } from '../clock.ts'
import { storableText } from '../records/bindings.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema, RoutingAlertRow, RoutingStateRow } from '../records/schema.ts'
import type { NotTold } from './views.ts'

/** Records as they are read, inside a transaction or not. */
export type Reading = Kysely<RecordsSchema> | RecordsTransaction

/** Rows one statement carries. */
const rowsPerStatement = 200
const pipelineId = 'pipeline'

/** How far routing has come by the tables; undefined: it has seen nothing. */
export async function readHead(database: Reading): Promise<RoutingStateRow | undefined> {
  const row = await (database as Kysely<RecordsSchema>)
    .selectFrom('routing_state')
    .selectAll()
    .where('id', '=', pipelineId)
    .executeTakeFirst()
  return (
    row && {
      ...row,
      at: Number(row.at),
      next_at: row.next_at === null ? null : Number(row.next_at),
    }
  )
}

/** Everything the pipeline remembers, from the tables; rows that cannot be read are handed to `onBadRow`. */
export async function loadPipeline(
  database: Reading,
  at: Millis,
  onBadRow: (table: string, id: string, error: unknown) => void,
): Promise<PipelineState> {
  const read = database as Kysely<RecordsSchema>
  const rowsOf = <T>(
    table: string,
    rows: readonly { id: string; body: string }[],
    keyOf: (row: T) => string,
  ) =>
    rows.flatMap(({ id, body }): (readonly [string, T])[] => {
      try {
        const row = JSON.parse(body) as T
        return [[keyOf(row), row]]
      } catch (error) {
        onBadRow(table, id, error)
        return []
      }
    })
  const alerts = await read
    .selectFrom('routing_alerts')
    .select(['fingerprint as id', 'body'])
    .execute()
  const groups = await read.selectFrom('routing_groups').select(['id', 'body']).execute()
  const silences = await read.selectFrom('routing_silences').select(['id', 'body']).execute()
  return {
    ...newPipeline(at),
    alerts: tableOf(rowsOf<AlertRow>('routing_alerts', alerts, (row) => row.fingerprint)),
    groups: tableOf(rowsOf<GroupRow>('routing_groups', groups, (row) => row.key)),
    silences: tableOf(rowsOf<SilenceRow>('routing_silences', silences, (row) => row.silence.id)),
  }
}

/** What the watchdog and the escalations ask of an alert's row. */
export type AlertColumns = Pick<RoutingAlertRow, 'firing' | 'paged' | 'held'>

/** Writes the rows that one run of the pipeline changed. */
export async function saveChanges(
  tx: RecordsTransaction,
  changes: PipelineResult['changes'],
  columnsOf: (row: AlertRow) => AlertColumns,
  authors: ReadonlyMap<string, string>,
): Promise<void> {
  const [alerts, endedAlerts] = split(changes.alerts)
  for (const some of chunks(alerts))
    await tx
      .insertInto('routing_alerts')
      .values(
        some.map(([fingerprint, row]) => ({
          fingerprint,
          alert_id: row.alert.id,
          ...columnsOf(row),
          body: JSON.stringify(row),
        })),
      )
      .onConflict((conflict) =>
        conflict.column('fingerprint').doUpdateSet((row) => ({
          alert_id: row.ref('excluded.alert_id'),
          firing: row.ref('excluded.firing'),
          paged: row.ref('excluded.paged'),
          held: row.ref('excluded.held'),
          body: row.ref('excluded.body'),
        })),
      )
      .execute()
  for (const some of chunks(endedAlerts))
    await tx.deleteFrom('routing_alerts').where('fingerprint', 'in', some).execute()

  const [groups, endedGroups] = split(changes.groups)
  for (const some of chunks(groups))
    await tx
      .insertInto('routing_groups')
      .values(some.map(([key, row]) => ({ id: groupId(key), body: JSON.stringify(row) })))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((row) => ({ body: row.ref('excluded.body') })),
      )
      .execute()
  for (const some of chunks(endedGroups))
    await tx.deleteFrom('routing_groups').where('id', 'in', some.map(groupId)).execute()

  const [silences, endedSilences] = split(changes.silences)
  for (const [id, row] of silences)
    await tx
      .insertInto('routing_silences')
      .values({ id, principal_id: authors.get(id) ?? null, body: JSON.stringify(row) })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ body: JSON.stringify(row) }))
      .execute()
  for (const some of chunks(endedSilences))
    await tx.deleteFrom('routing_silences').where('id', 'in', some).execute()
}

/** Writes how far routing has come. */
export async function saveHead(tx: RecordsTransaction, head: Omit<RoutingStateRow, 'id'>) {
  await tx
    .insertInto('routing_state')
    .values({ id: pipelineId, ...head })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(head))
    .execute()
}

/** Nothing holds this alert back any more, whatever its row says: its page may climb. */
export async function release(tx: RecordsTransaction, alertId: string): Promise<void> {
  await tx.updateTable('routing_alerts').set({ held: 0 }).where('alert_id', '=', alertId).execute()
}

/** Says which obligation looks next, and when. */
export async function replan(tx: RecordsTransaction, plan: string, nextAt: Millis): Promise<void> {
  await tx
    .updateTable('routing_state')
    .set({ plan, next_at: nextAt })
    .where('id', '=', pipelineId)
    .execute()
}

export type Hold = Extract<Decision, { kind: 'hold' }>

/** Writes why alerts were not told; a repeat has no second effect. */
export async function saveHolds(tx: RecordsTransaction, holds: readonly Hold[]): Promise<void> {
  for (const some of chunks(holds))
    await tx
      .insertInto('routing_holds')
      .values(
        some.map(({ key, alert, at, stage, receiver, because, until }) => ({
          key,
          alert_id: alert.id,
          at,
          stage,
          receiver: receiver === undefined ? null : storableText(receiver),
          because: storableText(because),
          until_at: until ?? null,
        })),
      )
      .onConflict((conflict) => conflict.column('key').doNothing())
      .execute()
}

/** Drops what was held before `before`, at most `limit` rows at a time. */
export async function pruneHolds(
  tx: RecordsTransaction,
  before: Millis,
  limit: number,
): Promise<void> {
  await tx
    .deleteFrom('routing_holds')
    .where('key', 'in', (rows) =>
      rows.selectFrom('routing_holds').select('key').where('at', '<', before).limit(limit),
    )
    .execute()
}

const holdsShown = 200

/** What kept people from being told of one life of an alert; the newest, the oldest first. */
export async function holdsOf(database: Reading, alertId: string): Promise<readonly NotTold[]> {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('routing_holds')
    .selectAll()
    .where('alert_id', '=', alertId)
    .orderBy('at', 'desc')
    .orderBy('key', 'desc')
    .limit(holdsShown)
    .execute()
  return rows.reverse().map(({ at, stage, receiver, because, until_at }) => ({
    at: Number(at),
    stage,
    receiver,
    because,
    until: until_at === null ? null : Number(until_at),
  }))
}

/** The account that set a silence, where one is known. */
export async function authorOf(database: Reading, silence: string): Promise<string | undefined> {
  const row = await (database as Kysely<RecordsSchema>)
    .selectFrom('routing_silences')
    .select('principal_id')
    .where('id', '=', silence)
    .executeTakeFirst()
  return row?.principal_id ?? undefined
}

/** Keys may be longer than what an index holds. */
function groupId(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function split<T>(changed: ReadonlyMap<string, T | undefined>): [[string, T][], string[]] {
  const written: [string, T][] = []
  const deleted: string[] = []
  for (const [key, row] of changed) {
    if (row === undefined) deleted.push(key)
    else written.push([key, row])
  }
  return [written, deleted]
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += rowsPerStatement)
    yield items.slice(from, from + rowsPerStatement)
}
