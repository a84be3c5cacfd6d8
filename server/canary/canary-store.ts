import type { Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { CanaryRun, StageResult } from './flight.ts'

/** The only plan. */
export const planId = 'daily'
/** Runs kept. */
const kept = 1_000

/** When the next flight is due; undefined: none is planned. */
export async function dueAt(read: Records['read']): Promise<Millis | undefined> {
  const row = await read
    .selectFrom('canary_plans')
    .select('due_at')
    .where('id', '=', planId)
    .executeTakeFirst()
  return row === undefined ? undefined : Number(row.due_at)
}

/** Plans the next flight; undefined: no further one. */
export async function plan(tx: RecordsTransaction, due: Millis | undefined): Promise<void> {
  if (due === undefined) await tx.deleteFrom('canary_plans').execute()
  else
    await tx
      .insertInto('canary_plans')
      .values({ id: planId, due_at: due })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ due_at: due }))
      .execute()
}

/** Keeps a flight, and the newest thousand. */
export async function keepRun(tx: RecordsTransaction, run: CanaryRun): Promise<void> {
  await tx
    .insertInto('canary_runs')
    .values({
      id: run.id,
      planned_for: run.plannedFor ?? null,
      started_by: run.startedBy,
      started_at: run.startedAt,
      finished_at: run.finishedAt,
      ok: run.ok ? 1 : 0,
      content: JSON.stringify(run.stages),
    })
    .execute()
  const oldest = await tx
    .selectFrom('canary_runs')
    .select('started_at')
    .orderBy('started_at', 'desc')
    .limit(1)
    .offset(kept)
    .executeTakeFirst()
  if (oldest !== undefined)
    await tx.deleteFrom('canary_runs').where('started_at', '<=', oldest.started_at).execute()
}

/** The newest flights first. */
export async function lastRuns(read: Records['read'], limit: number): Promise<CanaryRun[]> {
  const rows = await read
    .selectFrom('canary_runs')
    .selectAll()
    .orderBy('started_at', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    plannedFor: row.planned_for === null ? undefined : Number(row.planned_for),
    startedBy: row.started_by,
    startedAt: Number(row.started_at),
    finishedAt: Number(row.finished_at),
    ok: Number(row.ok) === 1,
    // keepRun wrote it.
    stages: JSON.parse(row.content) as StageResult[],
  }))
}
