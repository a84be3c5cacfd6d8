import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AlertView, Severity } from '../../alerts/alert.ts'
import { formatMatchers, type Matcher, MatcherFault, parseMatchers } from '../../alerts/matchers.ts'
import type { Silence } from '../../alerts/silence.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { PostFault, readTime } from './posted-alert.ts'
import {
  EndBody,
  ExtendBody,
  type Hidden,
  OneSilence,
  Preview,
  PreviewBody,
  SilenceBody,
  type SilenceJson,
  SilenceList,
  SilenceParams,
  SilenceQuery,
} from './silence-schema.ts'
import { readMatchers } from './silence-views.ts'
import type { KeptSilence, Silencing } from './silencing.ts'

export interface SilenceRoutesOptions {
  readonly clock: Clock
  readonly silencing: Silencing
  readonly newId: () => string
  /** Firing alerts. */
  readonly firing: () => readonly AlertView[]
}

const readers = { owner: 'alertmanager', roles: ['admin', 'operator', 'auditor'] } as const
const silencers = { owner: 'alertmanager', roles: ['admin', 'operator'] } as const
const hidesShown = 100

/** Silences for people: what they hide, who set them and why, until when. */
export const silenceRoutes: FastifyPluginAsyncTypebox<SilenceRoutesOptions> = async (
  app,
  { clock, silencing, newId, firing },
) => {
  const shown = (kept: KeptSilence) => {
    const byFingerprint = new Map(firing().map((alert) => [alert.fingerprint, alert]))
    return silenceJson(kept, byFingerprint)
  }

  app.get(
    '/api/v1/silences',
    {
      config: { access: readers },
      schema: { querystring: SilenceQuery, response: { 200: SilenceList } },
    },
    async (request) => {
      const all = silencing.kept()
      const wished =
        request.query.state === 'all' ? all : all.filter(({ phase }) => phase !== 'expired')
      const byFingerprint = new Map(firing().map((alert) => [alert.fingerprint, alert]))
      return {
        silences: wished.map((kept) => silenceJson(kept, byFingerprint)).sort(nextToEnd),
        calendars: [...silencing.calendars().keys()],
      }
    },
  )

  app.post(
    '/api/v1/silences',
    {
      config: { access: silencers },
      schema: { body: SilenceBody, response: { 201: OneSilence } },
    },
    async (request, reply) => {
      const by = request.principal as Principal
      const silence = newSilence(request.body, by)
      const kept = await silencing.set(silence, by, forced(request.body, by))
      return reply.code(201).send({ silence: shown(kept) })
    },
  )

  app.post(
    '/api/v1/silences/preview',
    {
      config: { access: readers },
      schema: { body: PreviewBody, response: { 200: Preview } },
    },
    async (request) => {
      const matchers = matchersOf(request.body.matchers)
      const { startsAt, endsAt } = spanOf(request.body, clock.now(), 60)
      const { hides, tooBroad } = silencing.preview(matchers, startsAt, endsAt)
      return {
        text: formatMatchers(matchers),
        hidesCount: hides.length,
        critical: hides.filter(({ severity }) => severity === 'critical').length,
        hides: hiddenJson(hides),
        tooBroad: tooBroad ?? null,
      }
    },
  )

  app.post(
    '/api/v1/silences/:id/extend',
    {
      config: { access: silencers },
      schema: { params: SilenceParams, body: ExtendBody, response: { 200: OneSilence } },
    },
    async (request) => {
      const { silence } = silencing.keptOf(request.params.id)
      const { endsAt } = spanOf(request.body, silence.endsAt)
      const { reason } = request.body
      const by = request.principal as Principal
      return { silence: shown(await silencing.change(silence.id, { endsAt, reason }, by)) }
    },
  )

  app.post(
    '/api/v1/silences/:id/end',
    {
      config: { access: silencers },
      schema: { params: SilenceParams, body: EndBody, response: { 200: OneSilence } },
    },
    async (request) => {
      await silencing.end(request.params.id, request.principal as Principal)
      return { silence: shown(silencing.keptOf(request.params.id)) }
    },
  )

  function newSilence(body: SilenceBody, by: Principal): Silence {
    const now = clock.now()
    const during = body.during === undefined ? undefined : calendarOf(body.during)
    return {
      id: newId(),
      matchers: matchersOf(body.matchers),
      ...spanOf(body, now),
      createdAt: now,
      createdBy: by.name,
      reason: body.reason.trim(),
      ...(during === undefined ? {} : { during }),
      ...(body.untilResolved === true ? { untilResolved: true } : {}),
    }
  }

  function calendarOf(name: string) {
    const found = silencing.calendars().get(name)
    if (found !== undefined) return found
    const known = [...silencing.calendars().keys()].join(', ') || 'none'
    throw new CallwardError(
      'bad_request',
      `during: no time interval "${name}" in the routing file; there are: ${known}`,
    )
  }
}

function forced({ force }: SilenceBody, { role }: Principal): boolean {
  if (force === true && role !== 'admin')
    throw new CallwardError(
      'forbidden',
      'Only an administrator may force a silence that is too broad.',
    )
  return force === true
}

/** Throws bad_request. */
function matchersOf(given: string | readonly unknown[]): readonly Matcher[] {
  if (typeof given !== 'string') return readMatchers(given)
  try {
    const matchers = parseMatchers(given)
    if (matchers.length > 0) return matchers
  } catch (error) {
    if (!(error instanceof MatcherFault)) throw error
    throw new CallwardError('bad_request', `matchers: ${error.message}`)
  }
  throw new CallwardError('bad_request', 'matchers: at least one; example: instance="pbx-1"')
}

interface Span {
  readonly startsAt?: string | undefined
  readonly endsAt?: string | undefined
  readonly minutes?: number | undefined
}

/** `minutes` count from the start, which is `from` where it is not given. Throws bad_request. */
function spanOf(given: Span, from: Millis, minutesOtherwise?: number) {
  const startsAt = timeOf(given.startsAt, 'startsAt') ?? from
  const end = timeOf(given.endsAt, 'endsAt')
  const minutes = given.minutes ?? (end === undefined ? minutesOtherwise : undefined)
  if ((end === undefined) === (minutes === undefined))
    throw new CallwardError('bad_request', 'Say until when: endsAt, or minutes, not both.')
  return { startsAt, endsAt: end ?? startsAt + Math.round(minutes! * 60_000) }
}

function timeOf(given: string | undefined, key: string): Millis | undefined {
  try {
    return readTime(given, key)
  } catch (error) {
    if (!(error instanceof PostFault)) throw error
    throw new CallwardError('bad_request', error.message)
  }
}

function silenceJson(
  { silence, phase, hides }: KeptSilence,
  firing: ReadonlyMap<string, AlertView>,
): SilenceJson {
  const alerts = hides.map((one) => firing.get(one)).filter((alert) => alert !== undefined)
  return {
    id: silence.id,
    state: phase,
    text: formatMatchers(silence.matchers),
    matchers: silence.matchers.map(({ name, value, isRegex, isEqual }) => ({
      name,
      value,
      isRegex,
      isEqual,
    })),
    reason: silence.reason,
    createdBy: silence.createdBy,
    createdAt: rfc3339(silence.createdAt),
    startsAt: rfc3339(silence.startsAt),
    endsAt: rfc3339(silence.endsAt),
    during: silence.during?.name ?? null,
    untilResolved: silence.untilResolved === true,
    hidesCount: hides.length,
    hides: hiddenJson(alerts),
  }
}

const order = { critical: 0, warning: 1, info: 2 } as const satisfies Record<Severity, number>

function hiddenJson(alerts: readonly AlertView[]): Hidden[] {
  return [...alerts]
    .sort((a, b) => order[a.severity] - order[b.severity] || compare(placeOf(a), placeOf(b)))
    .slice(0, hidesShown)
    .map(({ fingerprint, rule, severity, instance, annotations }) => ({
      fingerprint,
      rule,
      severity,
      instance: instance ?? null,
      summary: annotations['summary'] ?? '',
    }))
}

function placeOf({ instance = '', rule }: AlertView): string {
  return `${instance} ${rule}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What ends next first; what has ended last, the newest first. */
function nextToEnd(a: SilenceJson, b: SilenceJson): number {
  const over = Number(a.state === 'expired') - Number(b.state === 'expired')
  if (over !== 0) return over
  const byEnd = compare(a.endsAt, b.endsAt)
  return a.state === 'expired' ? -byEnd : byEnd
}
