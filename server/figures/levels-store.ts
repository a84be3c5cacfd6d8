import { type Kysely, sql } from 'kysely'
import type { Period } from '../../incidents/figures.ts'
import type { RecordsSchema } from '../records/schema.ts'

/** Service-level time limits of incidents of one service. */
export interface LevelCount {
  readonly service: string
  readonly outcome: 'met' | 'missed'
  readonly count: number
}

/**
 * Time limits of a regime, of incidents that began in the period: met, or missed (met late, or over at its end). What still runs,
 * and what paused, is neither. A limit counts for each service of its incident; those with most missed come first.
 */
export async function levelCounts(
  db: Kysely<RecordsSchema>,
  regime: string,
  { from, to }: Period,
): Promise<LevelCount[]> {
  const outcome = sql<
    'met' | 'missed'
  >`case incident_deadlines.state when 'met' then 'met' else 'missed' end`
  const rows = await db
    .selectFrom('incident_deadlines')
    .innerJoin('incident_counted', 'incident_counted.incident_id', 'incident_deadlines.incident_id')
    .innerJoin(
      'incident_services',
      'incident_services.incident_id',
      'incident_deadlines.incident_id',
    )
    .select((is) => [
      'incident_services.service',
      outcome.as('outcome'),
      is.fn.countAll<number>().as('count'),
    ])
    .where('incident_counted.at', '>=', from)
    .where('incident_counted.at', '<', to)
    .where('incident_deadlines.regime', '=', regime)
    .where((is) =>
      is.or([
        is('incident_deadlines.state', 'in', ['met', 'met late']),
        is.and([
          is('incident_deadlines.state', '=', 'owed'),
          is('incident_deadlines.due_at', '<', to),
        ]),
      ]),
    )
    .groupBy(['incident_services.service', outcome])
    .execute()
  const missed = (one: LevelCount) => (one.outcome === 'missed' ? one.count : 0)
  return rows
    .map(({ service, outcome, count }) => ({ service, outcome, count: Number(count) }))
    .sort((a, b) => missed(b) - missed(a))
}
