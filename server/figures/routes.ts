import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  type MonthFigures,
  monthlyFigures,
  type ServiceFigures,
  serviceFigures,
  wholeFigures,
} from '../../incidents/figures.ts'
import type { CausedIncident } from '../../incidents/recurrence.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecurrenceMonthRow } from '../records/schema.ts'
import { toCounted } from './counted.ts'
import { countedBetween } from './counted-store.ts'
import { figuresCsv, monthsCsv } from './csv.ts'
import type { RecurrenceDesk } from './recurrence-desk.ts'
import {
  FiguresAnswer,
  FiguresQuery,
  RecurrenceAnswer,
  RecurrenceQuery,
  SignOffBody,
} from './schema.ts'

const readers = { owner: 'figures', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'figures', roles: ['admin', 'operator'] } as const
const defaultDays = 30
const longestDays = 3660
/** Incidents without a cause that are listed; the rest are counted. */
const uncodedShown = 200

/** Failure rate and times per service, and what recurred. */
export const figureRoutes: FastifyPluginAsyncTypebox<{
  readonly clock: Clock
  readonly desk: RecurrenceDesk
}> = async (app, { clock, desk }) => {
  app.get(
    '/api/v1/incidents/figures',
    {
      config: { access: readers },
      schema: { querystring: FiguresQuery, response: { 200: FiguresAnswer } },
    },
    async (request, reply) => {
      const { service, by, acknowledgeMinutes, restoreMinutes, format } = request.query
      const period = periodOf(request.query, clock.now())
      const targets = {
        acknowledgeMillis: acknowledgeMinutes * 60_000,
        restoreMillis: restoreMinutes * 60_000,
      }
      const rows = await countedBetween(app.records.read, period.from, period.to, service)
      const counted = rows.map(toCounted)
      const asked = (all: readonly ServiceFigures[]) =>
        all.filter((one) => service === undefined || one.service === service)
      const figures = asked(serviceFigures(counted, period, targets))
      const months = (by === 'month' ? monthlyFigures(counted, period, targets) : []).map(
        (one) => ({ ...one, services: asked(one.services) }),
      )
      if (format === 'csv')
        return reply
          .type('text/csv; charset=utf-8')
          .header('content-disposition', 'attachment; filename="incident-figures.csv"')
          .serializer((text: unknown) => text as string)
          .send((by === 'month' ? monthsCsv(months) : figuresCsv(figures)) as never)
      return {
        ...{ from: rfc3339(period.from), to: rfc3339(period.to), targets },
        whole: figuresView(wholeFigures(counted, period, targets)),
        services: figures.map(servicesView),
        ...(by === 'month' ? { months: months.map(monthOfFigures) } : {}),
      }
    },
  )

  app.get(
    '/api/v1/incidents/recurrences',
    {
      config: { access: readers },
      schema: { querystring: RecurrenceQuery, response: { 200: RecurrenceAnswer } },
    },
    async (request) => answer(desk, clock, instantOf('until', request.query.until, clock.now())),
  )

  app.post(
    '/api/v1/incidents/recurrences/signoff',
    {
      config: { access: writers },
      schema: { body: SignOffBody, response: { 200: RecurrenceAnswer } },
    },
    async (request) => {
      await desk.signOff(request.principal as Principal, request.body)
      return answer(desk, clock, clock.now())
    },
  )
}

const servicesView = ({ period: _, ...rest }: ServiceFigures) => rest

function figuresView(figures: ServiceFigures) {
  const { service: _, ...rest } = servicesView(figures)
  return rest
}

function monthOfFigures({ month, whole, services }: MonthFigures) {
  const { from, to } = whole.period
  return {
    ...{ month, from: rfc3339(from), to: rfc3339(to) },
    ...{ whole: figuresView(whole), services: services.map(servicesView) },
  }
}

async function answer(desk: RecurrenceDesk, clock: Clock, until: Millis) {
  const [{ groups, uncoded, window }, months] = await Promise.all([desk.look(until), desk.months()])
  return {
    ...{ after: rfc3339(window.after), until: rfc3339(window.until) },
    groups: groups.map((group) => ({ ...group, incidents: group.incidents.map(shown) })),
    uncoded: uncoded.slice(-uncodedShown).map(shown),
    uncodedCount: uncoded.length,
    months: months.map((row) => monthView(row, clock.now())),
  }
}

function shown(incident: CausedIncident) {
  const { services, causes, at } = incident
  return { ...incident, services: [...services], causes: [...causes], at: rfc3339(at) }
}

function monthView(row: RecurrenceMonthRow, now: Millis) {
  const content = row.content === null ? undefined : (JSON.parse(row.content) as { text: string })
  return {
    month: row.month,
    dueAt: rfc3339(Number(row.due_at)),
    overdue: row.decision === null && Number(row.due_at) <= now,
    decision: row.decision,
    text: content?.text ?? null,
    signedBy: row.signed_by,
    signedAt: row.signed_at === null ? null : rfc3339(Number(row.signed_at)),
  }
}

function periodOf(query: { readonly from?: string; readonly to?: string }, now: Millis) {
  const to = instantOf('to', query.to, now)
  const from = instantOf('from', query.from, to - defaultDays * 86_400_000)
  if (from >= to || to - from > longestDays * 86_400_000)
    throw new CallwardError(
      'bad_request',
      `from, to: write an earlier and a later instant, at most ${longestDays} days apart.`,
    )
  return { from, to }
}

function instantOf(name: string, text: string | undefined, otherwise: Millis): Millis {
  if (text === undefined) return otherwise
  const at = Date.parse(text)
  if (Number.isNaN(at) || at < 0 || at > 253_402_300_799_999)
    throw new CallwardError(
      'bad_request',
      `${name}: write an instant with its zone; example: 2026-03-06T09:00:00+01:00.`,
    )
  return at
}
