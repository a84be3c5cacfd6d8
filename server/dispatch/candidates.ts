import type { FastifyInstance } from 'fastify'
import type { Kysely } from 'kysely'
import type { Picture } from '../../incidents/picture.ts'
import { current } from '../../incidents/picture.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Target } from '../oncall/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { type Candidate, type Place, type Route, type RouteTarget, routeOf } from './route.ts'

export type Reading = Records['read'] | RecordsTransaction

/** Labels of alerts that are looked at for where an incident is; the newest alerts. */
const alertsRead = 200

export interface CandidateParts {
  readonly app: FastifyInstance
  readonly routes: readonly Route[]
  readonly escalationPolicy: string | undefined
}

/** Who may be sent to an incident, the best first, each with the reason; and what was asked for it. */
export async function candidatesFor(
  parts: CandidateParts,
  database: Reading,
  incident: { readonly id: string; readonly picture: Picture },
  service: string | undefined,
  at: Millis,
): Promise<{ readonly candidates: readonly Candidate[]; readonly why: string }> {
  const place = await placeOf(database, incident, service)
  const { escalationPolicy } = parts
  const target =
    routeOf(parts.routes, place) ??
    (escalationPolicy === undefined
      ? undefined
      : ({
          kind: 'policy',
          id: escalationPolicy,
          because: 'the policy of the hub',
        } satisfies RouteTarget))
  if (target === undefined)
    return {
      candidates: [],
      why: 'no route of dispatch.routes in the configuration fits, and there is no escalationPolicy',
    }
  const found = await behind(parts.app, database, target, at)
  const able = await whoMayAct(database, found)
  const why = `${target.kind} ${target.id}, ${target.because}`
  return {
    candidates: able.map((one) => ({ ...one, because: `${one.because}; ${target.because}` })),
    why: able.length === 0 ? `${why}: nobody with an account that may act stands behind it` : why,
  }
}

async function placeOf(
  database: Reading,
  { id, picture }: { readonly id: string; readonly picture: Picture },
  service: string | undefined,
): Promise<Place> {
  const impact = current(picture, 'impact')?.value
  const alerts = await (database as Kysely<RecordsSchema>)
    .selectFrom('incident_alerts')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select('alerts.labels')
    .where('incident_alerts.incident_id', '=', id)
    .orderBy('incident_alerts.joined_at', 'desc')
    .limit(alertsRead)
    .execute()
  const labels = alerts.map((row) => JSON.parse(row.labels) as Record<string, string>)
  const values = (name: string) => labels.flatMap((one) => one[name] ?? [])
  return {
    services: service === undefined ? (impact?.services ?? []) : [service],
    hosts: [...(impact?.hosts ?? []), ...values('instance'), ...values('server')],
    sites: [...(impact?.regions ?? []), ...values('site')],
  }
}

async function behind(
  app: FastifyInstance,
  database: Reading,
  { kind, id }: RouteTarget,
  at: Millis,
): Promise<Candidate[]> {
  if (kind === 'schedule') return turns(app, database, id, at)
  if (kind !== 'policy') return resolved(app, database, [{ kind, id }], at)
  try {
    const { steps, catchAll } = await app.oncall.snapshot(database, id)
    return await resolved(
      app,
      database,
      [...steps.flatMap((step) => step.targets), ...catchAll],
      at,
    )
  } catch (error) {
    return nobodyThere(error)
  }
}

async function turns(
  app: FastifyInstance,
  database: Reading,
  id: string,
  at: Millis,
): Promise<Candidate[]> {
  try {
    const people = await app.oncall.turnsFrom(database, id, at)
    const now = await app.oncall.onCallAt(database, id, at)
    return people.map(({ principalId, name, layer, until }) => ({
      ...{ id: principalId, name },
      because: now.some((one) => one.principalId === principalId)
        ? `on call in ${id} (${layer}) until ${rfc3339(until)}`
        : `next in ${id} (${layer})`,
    }))
  } catch (error) {
    return nobodyThere(error)
  }
}

/** A schedule or policy that was removed names nobody; anything else is a fault. */
function nobodyThere(error: unknown): Candidate[] {
  if (error instanceof CallwardError && error.code === 'not_found') return []
  throw error
}

async function resolved(
  app: FastifyInstance,
  database: Reading,
  targets: readonly Target[],
  at: Millis,
): Promise<Candidate[]> {
  const resolve = await app.oncall.resolverAt(database, at)
  const found = new Map<string, Candidate>()
  for (const target of targets) {
    const named = target.kind === 'person' ? await personId(database, target.id) : target.id
    for (const { kind, id } of resolve({ ...target, id: named }).recipients)
      if (kind === 'person' && !found.has(id))
        found.set(id, { id, name: id, because: `${target.kind} ${target.id}` })
  }
  return [...found.values()]
}

async function personId(database: Reading, named: string): Promise<string> {
  const row = await (database as Kysely<RecordsSchema>)
    .selectFrom('principals')
    .select('id')
    .where('kind', '=', 'person')
    .where((is) => is.or([is('id', '=', named), is('name', '=', named)]))
    .limit(1)
    .executeTakeFirst()
  return row?.id ?? named
}

/** In the same order, with their names: only who has an account that may act can accept. */
async function whoMayAct(
  database: Reading,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  if (candidates.length === 0) return []
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('principals')
    .select(['id', 'name'])
    .where('kind', '=', 'person')
    .where('role', 'in', ['admin', 'operator'])
    .where('disabled_at', 'is', null)
    .where(
      'id',
      'in',
      candidates.map(({ id }) => id),
    )
    .execute()
  const names = new Map(rows.map(({ id, name }) => [id, name]))
  return candidates.flatMap((one) => {
    const name = names.get(one.id)
    return name === undefined ? [] : [{ ...one, name }]
  })
}
