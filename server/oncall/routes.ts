import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { type Calendar, lookAheadDays, type ScheduleVersion } from './calendar.ts'
import { type Directory, readPeople } from './directory.ts'
import { gapText, isPlannedGap } from './final.ts'
import type { OncallStore } from './oncall-store.ts'
import { scheduleContent } from './oncall-store.ts'
import { overrideSpan, requireOwnShift, spanOf } from './override.ts'
import {
  AtQuery,
  IdParams,
  NowList,
  OverrideAnswer,
  OverrideBody,
  PeopleList,
  SaveSchedule,
  ScheduleAnswer,
  ScheduleDetail,
  ScheduleList,
  SlugParams,
  SpanQuery,
} from './schema.ts'
import { expansionView, overrideView, scheduleView } from './views.ts'
import { dateWall, dayMillis } from './zone.ts'

export const readers = { owner: 'oncall', roles: ['admin', 'operator', 'auditor'] } as const
export const workers = { owner: 'oncall', roles: ['admin', 'operator'] } as const
export const admins = { owner: 'oncall', roles: ['admin'] } as const

export interface OncallRoutesOptions {
  readonly clock: Clock
  readonly store: OncallStore
  readonly calendar: Calendar
  /** Called after a change is committed. */
  readonly changed: () => void
}

/** Who is on call, schedules and overrides. */
export const scheduleRoutes: FastifyPluginAsyncTypebox<OncallRoutesOptions> = async (
  app,
  { clock, store, calendar, changed },
) => {
  const db = app.records.read

  app.get(
    '/api/v1/oncall',
    { config: { access: readers }, schema: { querystring: AtQuery, response: { 200: NowList } } },
    async (request) => {
      const at = timeOf(request.query.at) ?? clock.now()
      const versions = await store.versions(db, at, at + lookAheadDays * dayMillis)
      const people = await readPeople(db)
      const schedules = versions.map((version) => nowView(calendar, version, people, at))
      return { at: rfc3339(at), schedules }
    },
  )

  app.get(
    '/api/v1/oncall/people',
    { config: { access: readers }, schema: { response: { 200: PeopleList } } },
    async () => ({ people: [...(await readPeople(db)).people] }),
  )

  app.get(
    '/api/v1/oncall/schedules',
    { config: { access: readers }, schema: { response: { 200: ScheduleList } } },
    async () => {
      const people = await readPeople(db)
      const rows = await store.documents(db, 'schedule')
      return { schedules: rows.map((row) => scheduleView(row, people)) }
    },
  )

  app.get(
    '/api/v1/oncall/schedules/:id',
    {
      config: { access: readers },
      schema: { params: SlugParams, querystring: SpanQuery, response: { 200: ScheduleDetail } },
    },
    async (request) => {
      const row = await store.document(db, 'schedule', request.params.id)
      const zone = scheduleContent(row).timeZone
      const span = spanOf(timeOf(request.query.from), timeOf(request.query.to), clock.now(), zone)
      const people = await readPeople(db)
      const overrides = await store.overrides(db, span.from, span.to, row.id)
      const version = await store.version(db, row.id, span.from, span.to)
      const expansion = calendar.expand(version, span.from, span.to)
      return {
        schedule: scheduleView(row, people),
        expansion: expansionView(expansion, span, zone, people),
        overrides: overrides.map((one) => overrideView(one, people)),
      }
    },
  )

  app.put(
    '/api/v1/oncall/schedules/:id',
    {
      config: { access: admins },
      schema: { params: SlugParams, body: SaveSchedule, response: { 200: ScheduleAnswer } },
    },
    async (request) => {
      const { id } = request.params
      const { schedule, revision } = request.body
      const people = await readPeople(db)
      const saving = { id, content: people.schedule(schedule), revision }
      const row = await app.records.write((tx) =>
        store.save(tx, 'schedule', saving, request.principal as Principal),
      )
      changed()
      return { schedule: scheduleView(row, people) }
    },
  )

  app.delete(
    '/api/v1/oncall/schedules/:id',
    { config: { access: admins }, schema: { params: SlugParams } },
    async (request, reply) => {
      const by = request.principal as Principal
      await app.records.write((tx) => store.remove(tx, 'schedule', request.params.id, by))
      changed()
      return reply.code(204).send()
    },
  )

  await overrideRoutes(app as FastifyInstance, { clock, store, calendar, changed })
}

const overrideRoutes: FastifyPluginAsyncTypebox<OncallRoutesOptions> = async (
  app,
  { clock, store, calendar, changed },
) => {
  const db = app.records.read

  app.post(
    '/api/v1/oncall/schedules/:id/overrides',
    {
      config: { access: workers },
      schema: { params: SlugParams, body: OverrideBody, response: { 201: OverrideAnswer } },
    },
    async (request, reply) => {
      const { id } = request.params
      const by = request.principal as Principal
      const { person, from, to, reason } = request.body
      const span = overrideSpan(timeOf(from), timeOf(to), clock.now())
      const people = await readPeople(db)
      const principalId = people.idOf(person)
      if (people.find(principalId)?.enabled !== true)
        throw new CallwardError('unprocessable', `The account of ${person} is disabled.`)
      const row = await app.records.write(async (tx) => {
        const version = await store.version(tx, id, span.from, span.to)
        const { final } = calendar.expand(version, span.from, span.to)
        if (by.role !== 'admin') requireOwnShift(final, by.id)
        const place = { schedule_id: id, principal_id: principalId }
        const times = { starts_at: span.from, ends_at: span.to }
        return store.addOverride(tx, { ...place, ...times, reason }, by)
      })
      changed()
      return reply.code(201).send({ override: overrideView(row, people) })
    },
  )

  app.post(
    '/api/v1/oncall/overrides/:id/cancel',
    { config: { access: workers }, schema: { params: IdParams } },
    async (request, reply) => {
      const by = request.principal as Principal
      await app.records.write(async (tx) => {
        const row = await store.override(tx, request.params.id)
        if (by.role !== 'admin' && row.creator_id !== by.id)
          throw new CallwardError(
            'forbidden',
            `This override was made by ${row.created_by}; ask them or an administrator.`,
          )
        if (row.ends_at <= clock.now())
          throw new CallwardError('conflict', 'This override is over; who was on call stays so.')
        await store.cancelOverride(tx, row, by)
      })
      changed()
      return reply.code(204).send()
    },
  )
}

/** Milliseconds of a time whose shape the schema has checked. Throws bad_request for one no calendar has. */
export function timeOf(text: string): number
export function timeOf(text: string | undefined): number | undefined
export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  // The 31st of February would be read as a day in March.
  if (Number.isFinite(at) && dateWall(text.slice(0, 10)) !== undefined) return at
  throw new CallwardError('bad_request', `"${text}" is no time; write it as 2026-03-02T09:00:00Z.`)
}

function nowView(
  calendar: Calendar,
  version: ScheduleVersion,
  people: Directory,
  at: number,
): Static<typeof NowList>['schedules'][number] {
  const { id, content } = version
  const segment = calendar.at(version, at)
  const until = rfc3339(segment.to)
  const person = segment.kind === 'shift' ? people.view(segment.principalId) : undefined
  const following = calendar.expand(version, at, at + lookAheadDays * dayMillis).final
  const next = following.find((one) => one.kind === 'shift' && one.from >= segment.to)
  const shown = { id, name: content.name, timeZone: content.timeZone }
  return {
    ...shown,
    onCall:
      segment.kind === 'shift' && person?.enabled === true
        ? [{ principalId: person.id, name: person.name, layer: segment.layer, until }]
        : [],
    gap:
      segment.kind === 'gap'
        ? {
            reason: gapText(segment.reasons),
            until,
            planned: isPlannedGap(content.plannedGaps, segment.reasons),
          }
        : person?.enabled === true
          ? null
          : { reason: `the account of ${person?.name} is disabled`, until, planned: false },
    next:
      next?.kind === 'shift'
        ? { name: people.view(next.principalId).name, at: rfc3339(next.from) }
        : null,
  }
}
