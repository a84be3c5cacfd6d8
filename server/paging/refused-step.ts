import type { RecordsTransaction } from '../records/records.ts'
import type { PageTellingRow } from '../records/schema.ts'
import { type Duties, escalationKind, oweStep } from './escalation-duty.ts'
import {
  addStep,
  findPage,
  pageOf,
  type Reading,
  readable,
  writeEscalation,
} from './paging-store.ts'

/**
 * Every way to everybody whom the newest step named has refused twice: the next step comes now, not after the delay that was meant for
 * somebody to answer. A way that fails for a while, or a screen that may yet show it, keeps the delay.
 */
export async function passRefusedStep(
  duties: Duties,
  tx: RecordsTransaction,
  { page_id, place }: Pick<PageTellingRow, 'page_id' | 'place'>,
): Promise<void> {
  const { clock, ports, obligations } = duties
  const now = clock.now()
  const { row, escalation } = pageOf(await findPage(tx, page_id))
  if (row.state !== 'open' || escalation.phase !== 'escalating') return
  if (escalation.dueAt === null || escalation.dueAt <= now) return
  if ((await newestPlace(tx, page_id)) !== place) return
  if (!(await allRefused(tx, page_id, place))) return
  await addStep(ports, tx, page_id, now, 'refused by all', { key: place })
  await writeEscalation(tx, page_id, { ...escalation, dueAt: now })
  await obligations.close(tx, escalationKind, page_id, 'whom the step named refused')
  await oweStep(duties, tx, row, `refused/${place}`, now)
}

/** Where in the policy the page told somebody last. */
async function newestPlace(tx: Reading, pageId: string): Promise<string | undefined> {
  const step = await readable(tx)
    .selectFrom('page_steps')
    .select('content')
    .where('page_id', '=', pageId)
    .where('kind', '=', 'notify')
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  // escalation-duty.ts wrote it.
  return step && (JSON.parse(step.content) as { key?: string }).key
}

async function allRefused(tx: Reading, pageId: string, place: string): Promise<boolean> {
  const rows = await readable(tx)
    .selectFrom('page_tellings')
    .leftJoin('page_attempts', 'page_attempts.telling_id', 'page_tellings.id')
    .select(['page_tellings.id', 'page_tellings.state', 'page_attempts.round'])
    .select(['page_attempts.outcome', 'page_attempts.displayed_at'])
    .where('page_tellings.page_id', '=', pageId)
    .where('page_tellings.kind', '=', 'page')
    .where('page_tellings.place', '=', place)
    .execute()
  const twice = new Set(rows.flatMap(({ id, round }) => (Number(round) > 0 ? [id] : [])))
  return rows.every(
    ({ id, state, outcome, displayed_at }) =>
      (state === 'over' || (state === 'waiting' && twice.has(id))) &&
      (outcome === null || outcome === 'refused' || outcome === 'queued') &&
      displayed_at === null,
  )
}
