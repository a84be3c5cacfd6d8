import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import Type, { type Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { daysMax, type ReplayDesk, type ReplayReport, type ReplayWish } from './replay-desk.ts'

const Texts = Type.Record(Type.String(), Type.String())
const OrNull = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])
const textMax = 256 * 1024
/** Firings and pages an answer lists; the figures count all. */
const listedMax = 2_000

export const ReplayBody = Type.Object(
  {
    rules: Type.String({ minLength: 1, maxLength: textMax }),
    extras: Type.Optional(Type.String({ maxLength: textMax })),
    rule: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    days: Type.Number({ exclusiveMinimum: 0, maximum: daysMax, default: 30 }),
    to: Type.Optional(Type.String({ format: 'date-time' })),
    zone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    calendar: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  },
  { additionalProperties: false },
)

export const ReplayAnswer = Type.Object({
  from: Type.String(),
  to: Type.String(),
  zone: Type.String(),
  calendar: OrNull(Type.String()),
  summary: Type.Object({
    firings: Type.Integer(),
    pages: Type.Integer(),
    pagesAtNight: Type.Integer(),
    pagesInCalendar: OrNull(Type.Integer()),
    longestSeconds: Type.Number(),
    /** One sentence for people. */
    text: Type.String(),
  }),
  rules: Type.Array(
    Type.Object({
      name: Type.String(),
      group: Type.String(),
      intervalSeconds: Type.Number(),
      evaluations: Type.Integer(),
      failed: Type.Integer(),
      lastError: OrNull(Type.String()),
      firings: Type.Integer(),
      /** From when on all its metrics are stored; null: at no time. */
      dataFrom: OrNull(Type.String()),
      missing: Type.Array(Type.String()),
    }),
  ),
  firings: Type.Array(
    Type.Object({
      rule: Type.String(),
      labels: Texts,
      severity: Type.String(),
      value: Type.String(),
      begin: Type.String(),
      end: OrNull(Type.String()),
    }),
  ),
  pages: Type.Array(
    Type.Object({
      at: Type.String(),
      receiver: Type.String(),
      alerts: Type.Array(Type.String()),
      atNight: Type.Boolean(),
      inCalendar: OrNull(Type.Boolean()),
    }),
  ),
  faults: Type.Array(Type.String()),
})
export type ReplayAnswer = Static<typeof ReplayAnswer>

const progressEveryMillis = 250

/** `POST /api/v1/rules/replay`: JSON at the end, or with `?progress=true` lines of JSON on the way. */
export const replayRoutes: FastifyPluginAsyncTypebox<{
  readonly desk: ReplayDesk
  /** Zone of the site. */
  readonly zone: string
}> = async (app, { desk, zone }) => {
  app.post(
    '/api/v1/rules/replay',
    {
      config: { access: { owner: 'rules', roles: ['admin', 'operator'] } },
      schema: {
        body: ReplayBody,
        querystring: Type.Object({ progress: Type.Boolean({ default: false }) }),
        response: { 200: ReplayAnswer },
      },
    },
    async (request, reply) => {
      const { to, ...rest } = request.body
      const wish = {
        zone,
        ...rest,
        ...(to === undefined ? {} : { to: Date.parse(to) }),
      }
      const gone = goneSignal(reply)
      if (!request.query.progress)
        return answerOf(wish, await desk.replay(wish, gone, () => undefined))
      const lines = Readable.from(progressLines(desk, wish, gone, app.log), { objectMode: false })
      // A stream answers for itself; the schema is that of the last line's `answer`.
      return reply.type('application/x-ndjson').send(lines as never)
    },
  )
}

/** Aborts when the asker goes away before the answer is sent. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

async function* progressLines(
  desk: ReplayDesk,
  wish: ReplayWish,
  signal: AbortSignal,
  log: { error(fields: object, text: string): void },
): AsyncGenerator<string> {
  let share = 0
  let done = false
  const end = desk
    .replay(wish, signal, (now) => {
      share = now
    })
    .then(
      (report) => ({ answer: answerOf(wish, report) }),
      (err: unknown) => ({ error: errorOf(err, log) }),
    )
    .finally(() => {
      done = true
    })
  while (!done) {
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, progressEveryMillis))])
    if (!done) yield `${JSON.stringify({ progress: Number(share.toFixed(4)) })}\n`
  }
  yield `${JSON.stringify(await end)}\n`
}

function errorOf(err: unknown, log: { error(fields: object, text: string): void }) {
  if (err instanceof CallwardError) return { code: err.code, message: err.message }
  log.error({ err }, 'a replay failed')
  return { code: 'internal', message: 'An internal error; its detail is in the hub’s log.' }
}

function answerOf(wish: ReplayWish, report: ReplayReport): ReplayAnswer {
  const { from, to, summary, rules, firings, pages, faults } = report
  const time = (at: Millis | undefined) => (at === undefined ? null : rfc3339(at))
  return {
    from: rfc3339(from),
    to: rfc3339(to),
    zone: wish.zone,
    calendar: wish.calendar ?? null,
    summary: {
      ...summary,
      pagesInCalendar: summary.pagesInCalendar ?? null,
      text: sentence(wish, report),
    },
    rules: rules.map(({ rule: { rule, intervalMillis }, past, missing, dataFrom }) => ({
      name: rule.name,
      group: rule.group,
      intervalSeconds: intervalMillis / 1000,
      evaluations: past.evaluations,
      failed: past.failed,
      lastError: past.lastError ?? null,
      firings: firings.filter((one) => one.rule === rule.name).length,
      dataFrom: time(dataFrom),
      missing: [...missing],
    })),
    firings: firings.slice(0, listedMax).map(({ begin, end, ...one }) => ({
      ...one,
      begin: rfc3339(begin),
      end: time(end),
    })),
    pages: pages.slice(0, listedMax).map(({ at, inCalendar, alerts, ...one }) => ({
      ...one,
      alerts: [...alerts],
      at: rfc3339(at),
      inCalendar: inCalendar ?? null,
    })),
    faults: [...faults],
  }
}

/** `would have paged 14 times in 30 days, 11 at night`. */
function sentence({ days, calendar }: ReplayWish, { summary, from, rules }: ReplayReport): string {
  const { pages, firings, pagesAtNight, pagesInCalendar } = summary
  const late = rules.filter(({ dataFrom }) => dataFrom === undefined || dataFrom > from)
  const parts = [
    `would have paged ${times(pages)} in ${days} ${days === 1 ? 'day' : 'days'}, ${pagesAtNight} at night`,
    ...(pagesInCalendar === undefined ? [] : [`${pagesInCalendar} in ${calendar}`]),
    `${firings} ${firings === 1 ? 'firing' : 'firings'}`,
    ...(late.length === 0 ? [] : ['the history does not reach back that far for all of it']),
  ]
  return parts.join('; ')
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 0 ? 'not at all' : `${count} times`
}
