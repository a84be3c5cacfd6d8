import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { readPeople } from './directory.ts'
import type { HandoverStore } from './handover-store.ts'
import type { Prover } from './proof.ts'
import { type OncallRoutesOptions, readers, workers } from './routes.ts'
import {
  HandoverAnswer,
  HandoverList,
  HandoverQuery,
  HistoryList,
  HistoryQuery,
  IdParams,
  NoteAnswer,
  NoteBody,
  ReadinessAnswer,
  ReadinessQuery,
  SlugParams,
} from './schema.ts'
import { handoverView, historyView, readinessView } from './views.ts'

export interface DutyRoutesOptions extends OncallRoutesOptions {
  readonly prover: Prover
  readonly handovers: HandoverStore
}

/** Readiness, history, notes and hand-overs. */
export const dutyRoutes: FastifyPluginAsyncTypebox<DutyRoutesOptions> = async (
  app,
  { store, prover, handovers },
) => {
  const db = app.records.read

  app.get(
    '/api/v1/oncall/readiness',
    {
      config: { access: readers },
      schema: { querystring: ReadinessQuery, response: { 200: ReadinessAnswer } },
    },
    async (request) => {
      const proof = await prover.prove(request.query.days)
      return readinessView(proof, await readPeople(db), await prover.lastProof())
    },
  )

  app.get(
    '/api/v1/oncall/history',
    {
      config: { access: readers },
      schema: { querystring: HistoryQuery, response: { 200: HistoryList } },
    },
    async (request) => {
      const { limit } = request.query
      const rows = await store.history(db, request.query)
      const history = rows.map(historyView)
      return { history, next: rows.length < limit ? null : history.at(-1)!.sequence }
    },
  )

  app.post(
    '/api/v1/oncall/schedules/:id/notes',
    {
      config: { access: workers },
      schema: { params: SlugParams, body: NoteBody, response: { 201: NoteAnswer } },
    },
    async (request, reply) => {
      const { id: schedule } = request.params
      const by = request.principal as Principal
      const id = await app.records.write(async (tx) => {
        await store.document(tx, 'schedule', schedule)
        return handovers.addNote(tx, schedule, request.body.text, by)
      })
      return reply.code(201).send({ note: { id } })
    },
  )

  app.get(
    '/api/v1/oncall/handovers',
    {
      config: { access: readers },
      schema: { querystring: HandoverQuery, response: { 200: HandoverList } },
    },
    async (request) => {
      const people = await readPeople(db)
      const rows = await handovers.list(db, request.query)
      return { handovers: rows.map((row) => handoverView(row, people)) }
    },
  )

  app.post(
    '/api/v1/oncall/handovers/:id/acknowledge',
    {
      config: { access: workers },
      schema: { params: IdParams, response: { 200: HandoverAnswer } },
    },
    async (request) => {
      const by = request.principal
      if (by === undefined) throw new CallwardError('unauthorized')
      const row = await app.records.write((tx) => handovers.acknowledge(tx, request.params.id, by))
      app.live.hint('oncall')
      return { handover: handoverView(row, await readPeople(db)) }
    },
  )
}
