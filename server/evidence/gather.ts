import type { FastifyInstance } from 'fastify'
import type { Evidence, RawSeries } from '../../incidents/evidence.ts'
import { current, type Picture } from '../../incidents/picture.ts'
import type { Millis } from '../clock.ts'
import type { Expr } from '../promql/plugin.ts'
import type { IncidentRow } from '../records/schema.ts'
import { gatherHost, partOf } from './gather-host.ts'
import { alertsOf, type IncidentAlert, similarTo } from './similar.ts'

/** Hosts frozen of one incident. */
export const mostHosts = 5
const mostExpressions = 5
const mostRawSeries = 10
const rawStepMillis = 15_000
const rawBeforeMillis = 3_600_000
const mostSchedules = 50
const comparisons = ['==', '!=', '>', '<', '>=', '<=']

/** Everything that is frozen of an incident now. `isStrict`: what fails is thrown, to be tried again. */
export async function gather(
  app: FastifyInstance,
  { row, picture }: { readonly row: IncidentRow; readonly picture: Picture },
  stage: string,
  now: Millis,
  isStrict: boolean,
): Promise<Evidence> {
  const alerts = await alertsOf(app.records.read, row.id)
  const impact = current(picture, 'impact')?.value
  const named = [
    ...alerts.flatMap(({ instance }) => (instance === null ? [] : [instance])),
    ...(impact?.hosts ?? []),
  ]
  const hosts = [...new Set(named)]
  const start = current(picture, 'occurred') ?? current(picture, 'detected')
  const moment = { at: now, faultAt: Math.min(now, start?.occurredAt ?? Number(row.opened_at)) }
  const frozenHosts = []
  for (const instance of hosts.slice(0, mostHosts))
    frozenHosts.push(await gatherHost(app, instance, moment, isStrict))
  return {
    ...({ format: 'callward-incident-evidence', version: 1 } as const),
    incident: { id: row.id, number: Number(row.number) },
    ...{ stage, ...moment, hosts: frozenHosts },
    hostsOmitted: Math.max(0, hosts.length - mostHosts),
    expressions: await partOf(async () => expressionsOf(app, alerts, moment), isStrict),
    similar: await partOf(
      async () => ({
        state: 'ok' as const,
        incidents: await similarTo(app.records.read, row, alerts, impact?.services ?? []),
      }),
      isStrict,
    ),
    onCall: await partOf(() => onCallOf(app, now), isStrict),
  }
}

async function expressionsOf(
  app: FastifyInstance,
  alerts: readonly IncidentAlert[],
  { at, faultAt }: { readonly at: Millis; readonly faultAt: Millis },
): Promise<Evidence['expressions']> {
  const rules = new Map(
    app.rules.groups().flatMap(({ rules }) => rules.map((rule) => [rule.name, rule] as const)),
  )
  const wanted = alerts.filter(({ rule }) => rules.has(rule)).slice(0, mostExpressions)
  if (wanted.length === 0)
    return { state: 'absent', reason: 'no alert of this incident comes from a rule of the hub' }
  const frozen = []
  for (const alert of wanted) {
    const expression = rules.get(alert.rule)?.expr ?? ''
    const base = { rule: alert.rule, expression }
    try {
      const series = await rawOf(app, expression, alert, faultAt - rawBeforeMillis, at)
      frozen.push({ ...base, series })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      frozen.push({ ...base, series: [], reason })
    }
  }
  return { state: 'ok', alerts: frozen }
}

/** What the expression gave, without its last comparison, so that it shows also while it was well. */
async function rawOf(
  app: FastifyInstance,
  expression: string,
  { instance }: Pick<IncidentAlert, 'instance'>,
  from: Millis,
  to: Millis,
): Promise<RawSeries[]> {
  const { promql } = app
  const whole = withoutComparison(promql.parse(expression))
  const one =
    instance !== null && promql.keepsInstance(whole)
      ? promql.withMatcher(whole, { name: 'instance', op: '=', value: instance })
      : whole
  const limits = {
    signal: AbortSignal.timeout(10_000),
    timeoutMilliseconds: 10_000,
    maxBytes: 1024 * 1024,
  }
  const start = Math.max(from, to - 6 * rawBeforeMillis)
  const found =
    promql.history === undefined
      ? []
      : await promql.history(promql.printExpr(one), start, to, rawStepMillis, limits)
  return found
    .filter(
      ({ labels }) =>
        instance === null || labels['instance'] === undefined || labels['instance'] === instance,
    )
    .slice(0, mostRawSeries)
    .map(({ labels, times, values }) => ({
      labels: Object.fromEntries(Object.entries(labels)),
      points: Array.from(times, (at, index) => [at, values[index] ?? 0] as const).filter(
        ([, value]) => Number.isFinite(value),
      ),
    }))
}

function withoutComparison(expr: Expr): Expr {
  if (expr.kind === 'paren') return withoutComparison(expr.expr)
  if (expr.kind !== 'binary' || !comparisons.includes(expr.op) || expr.right.kind !== 'number')
    return expr
  return expr.left
}

/** Accounts, not names: a person's name may be erased, what is frozen may not. */
async function onCallOf(app: FastifyInstance, at: Millis): Promise<Evidence['onCall']> {
  const schedules = await app.records.read
    .selectFrom('oncall_schedules')
    .select('id')
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(mostSchedules)
    .execute()
  if (schedules.length === 0) return { state: 'absent', reason: 'there is no on-call schedule' }
  const standing = []
  for (const { id } of schedules) {
    const people = await app.oncall.onCallAt(app.records.read, id, at)
    standing.push({ schedule: id, people: people.map(({ principalId }) => principalId) })
  }
  return { state: 'ok', schedules: standing }
}
