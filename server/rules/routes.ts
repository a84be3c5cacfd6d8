import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AlertView } from '../../alerts/alert.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { incidentsOf, loadResolved } from './alert-store.ts'
import type { RuleFileFault } from './rule-files.ts'
import {
  AcknowledgeBody,
  AlertList,
  AlertQuery,
  alertJson,
  FingerprintParams,
  OneAlert,
  RuleList,
  time,
} from './schema.ts'
import type { RuleStatus } from './status.ts'

interface RouteOptions {
  readonly records: Records
  readonly clock: Clock
  readonly faults: () => readonly RuleFileFault[]
}

/** Alerts and rules over REST. */
export const ruleRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { records, clock, faults },
) => {
  const readers = { owner: 'rules', roles: ['admin', 'operator', 'auditor'] } as const
  const writers = { owner: 'rules', roles: ['admin', 'operator'] } as const

  async function shown(alerts: readonly AlertView[]) {
    // With the records away people must still see what fires.
    const incidents = await incidentsOf(
      records.read,
      alerts.map(({ id }) => id),
    ).catch((err: unknown) => {
      app.log.warn({ err }, 'alerts shown without their incidents')
      return new Map<string, never>()
    })
    return alerts.map((alert) => alertJson(alert, incidents.get(alert.id)))
  }

  app.get(
    '/api/v1/alerts',
    {
      config: { access: readers },
      schema: { querystring: AlertQuery, response: { 200: AlertList } },
    },
    async (request) => {
      const { state, limit } = request.query
      const active = app.rules.activeAlerts()
      if (state !== 'all')
        return { alerts: await shown(worstFirst(active.filter((alert) => alert.state === state))) }
      const known = new Set(active.map(({ id }) => id))
      const resolved = (await loadResolved(records, limit)).filter(({ id }) => !known.has(id))
      return { alerts: await shown([...worstFirst(active), ...resolved]) }
    },
  )

  app.post(
    '/api/v1/alerts/:fingerprint/acknowledge',
    {
      config: { access: writers },
      schema: { params: FingerprintParams, body: AcknowledgeBody, response: { 200: OneAlert } },
    },
    async (request) => {
      const by = request.principal
      if (by === undefined) throw new CallwardError('unauthorized')
      const alert = await app.rules.acknowledge(request.params.fingerprint, by, clock.now())
      const [json] = await shown([alert])
      if (json === undefined) throw new Error('BUG: an alert without its shape')
      return { alert: json }
    },
  )

  app.get(
    '/api/v1/rules',
    { config: { access: readers }, schema: { response: { 200: RuleList } } },
    async () => ({
      groups: app.rules.groups().map(({ limit: _limit, ...group }) => ({
        ...group,
        lastEvaluation: time(group.lastEvaluation),
        rules: group.rules.map(ruleJson),
      })),
      faults: faults().map((fault) => ({ ...fault })),
    }),
  )
}

function ruleJson({ alerts, lastError, lastEvaluation, ...rule }: RuleStatus) {
  return {
    ...rule,
    lastError: lastError ?? null,
    lastEvaluation: time(lastEvaluation),
    active: alerts.length,
  }
}

const order = { critical: 0, warning: 1, info: 2 } as const

/** Firing before pending, then by severity, newest first. */
function worstFirst(alerts: readonly AlertView[]): AlertView[] {
  const rank = (alert: AlertView) => (alert.state === 'firing' ? 0 : 10) + order[alert.severity]
  return [...alerts].sort(
    (a, b) => rank(a) - rank(b) || (b.firedAt ?? b.activeAt) - (a.firedAt ?? a.activeAt),
  )
}
