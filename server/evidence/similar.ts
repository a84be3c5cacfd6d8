import type { Kysely } from 'kysely'
import type { SimilarIncident } from '../../incidents/evidence.ts'
import type { IncidentRow, RecordsSchema } from '../records/schema.ts'

type Database = Kysely<RecordsSchema>

/** An alert of an incident, as far as likeness goes. */
export interface IncidentAlert {
  readonly rule: string
  readonly fingerprint: string
  readonly instance: string | null
}

const mostAlerts = 50
/** Incidents before this one that are looked through for the same alert, rule or host. */
const lookedThrough = 2000
const mostFound = 300
const mostShown = 10

/** Reasons, the strongest first. */
const reasons = ['same alert', 'same rule', 'same host', 'same service'] as const
type Reason = (typeof reasons)[number]

export function alertsOf(db: Database, incident: string): Promise<IncidentAlert[]> {
  return db
    .selectFrom('incident_alerts')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select(['alerts.rule', 'alerts.fingerprint', 'alerts.instance'])
    .where('incident_alerts.incident_id', '=', incident)
    .orderBy('incident_alerts.joined_at')
    .orderBy('alerts.id')
    .limit(mostAlerts)
    .execute()
}

/** Incidents of the past like this one, the most alike first, then the newest; with the root cause where it is known. */
export async function similarTo(
  db: Database,
  row: IncidentRow,
  alerts: readonly IncidentAlert[],
  services: readonly string[],
): Promise<SimilarIncident[]> {
  const found = new Map<string, Set<Reason>>()
  const note = (id: string, reason: Reason) =>
    found.set(id, (found.get(id) ?? new Set<Reason>()).add(reason))
  for (const { id, fingerprint, rule, instance } of await alike(db, Number(row.number), alerts))
    for (const mine of alerts) {
      if (fingerprint === mine.fingerprint) note(id, 'same alert')
      if (rule === mine.rule) note(id, 'same rule')
      if (instance !== null && instance === mine.instance) note(id, 'same host')
    }
  for (const id of await ofServices(db, Number(row.number), services)) note(id, 'same service')
  const best = [...found]
    .map(([id, why]) => ({ id, why: reasons.filter((reason) => why.has(reason)) }))
    .sort((a, b) => rankOf(a.why) - rankOf(b.why) || (a.id < b.id ? 1 : -1))
    .slice(0, mostShown)
  return described(db, best)
}

/** Fewer is more alike: each reason counts more than all weaker ones. */
function rankOf(why: readonly Reason[]): number {
  return -why.reduce((sum, reason) => sum + 2 ** (reasons.length - reasons.indexOf(reason)), 0)
}

async function alike(db: Database, number: number, alerts: readonly IncidentAlert[]) {
  if (alerts.length === 0) return []
  const rules = [...new Set(alerts.map(({ rule }) => rule))]
  const instances = [...new Set(alerts.flatMap(({ instance }) => instance ?? []))]
  return db
    .selectFrom('incidents')
    .innerJoin('incident_alerts', 'incident_alerts.incident_id', 'incidents.id')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select(['incidents.id', 'alerts.rule', 'alerts.fingerprint', 'alerts.instance'])
    .where('incidents.number', '<', number)
    .where('incidents.number', '>=', number - lookedThrough)
    .where((is) =>
      is.or([
        is('alerts.rule', 'in', rules),
        ...(instances.length === 0 ? [] : [is('alerts.instance', 'in', instances)]),
      ]),
    )
    .orderBy('incidents.number', 'desc')
    .limit(mostFound)
    .execute()
}

async function ofServices(
  db: Database,
  number: number,
  services: readonly string[],
): Promise<string[]> {
  const ids: string[] = []
  for (const service of services.slice(0, 5)) {
    const rows = await db
      .selectFrom('incident_services')
      .select('incident_id')
      .where('service', '=', service)
      .where('number', '<', number)
      .orderBy('number', 'desc')
      .limit(mostShown)
      .execute()
    ids.push(...rows.map(({ incident_id }) => incident_id))
  }
  return ids
}

async function described(
  db: Database,
  best: readonly { readonly id: string; readonly why: readonly Reason[] }[],
): Promise<SimilarIncident[]> {
  if (best.length === 0) return []
  const rows = await db
    .selectFrom('incidents')
    .leftJoin('incident_counted', 'incident_counted.incident_id', 'incidents.id')
    .select(['incidents.id', 'incidents.number', 'incidents.title', 'incidents.opened_at'])
    .select(['incidents.workflow_state', 'incident_counted.causes'])
    .where(
      'incidents.id',
      'in',
      best.map(({ id }) => id),
    )
    .execute()
  const byId = new Map(rows.map((row) => [row.id, row]))
  return best.flatMap(({ id, why }) => {
    const row = byId.get(id)
    if (row === undefined) return []
    return [
      {
        ...{ id, number: Number(row.number), title: row.title, at: Number(row.opened_at) },
        ...{ state: row.workflow_state, reasons: [...why] },
        causes: row.causes === null ? [] : (JSON.parse(row.causes) as string[]),
      },
    ]
  })
}
