import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { liveAnswers } from './live-answers.ts'
import { type Runbook, readRunbook } from './runbook.ts'
import { runbookPage, runbookPagePolicy } from './runbook-page.ts'
import type { RunbookStore } from './runbook-store.ts'
import { useReport } from './runbook-use.ts'
import {
  AnswersQuery,
  HashParams,
  LiveAnswers,
  NameParams,
  RunbookAnswer,
  RunbookList,
  UseAnswer,
  VersionAnswer,
  VersionList,
  VersionQuery,
} from './schema.ts'

const access = { owner: 'knowledge', roles: ['admin', 'operator', 'auditor'] } as const
const versionsShown = 200

interface Inside {
  readonly clock: Clock
  readonly store: RunbookStore
}

/** Lists, one runbook as data, its versions. */
export const runbookRoutes: FastifyPluginAsyncTypebox<Inside> = async (app, { store }) => {
  app.get(
    '/api/v1/runbooks',
    { config: { access }, schema: { response: { 200: RunbookList } } },
    async () => ({ runbooks: app.runbooks.list().map(headOf) }),
  )

  app.get(
    '/api/v1/runbooks/:name',
    { config: { access }, schema: { params: NameParams, response: { 200: RunbookAnswer } } },
    async (request) => {
      const runbook = found(app, request.params.name)
      const { roles, steps, checks, contacts, customerText, text } = runbook
      return {
        runbook: {
          ...headOf(runbook),
          roles: [...roles],
          steps: [...steps],
          checks: [...checks],
          contacts: [...contacts],
          customerText,
          text,
        },
      }
    },
  )

  app.get(
    '/api/v1/runbooks/:name/versions',
    { config: { access }, schema: { params: NameParams, response: { 200: VersionList } } },
    async (request) => {
      const { name } = request.params
      const rows = await store.versions(name, versionsShown)
      const current = app.runbooks.find(name)?.hash
      return {
        versions: rows.map(({ hash, recorded_at: at }) => ({
          hash,
          recordedAt: rfc3339(at),
          isCurrent: hash === current,
        })),
      }
    },
  )

  app.get(
    '/api/v1/runbook-versions/:hash',
    { config: { access }, schema: { params: HashParams, response: { 200: VersionAnswer } } },
    async (request) => {
      const { name, hash, recorded_at: at, body } = await version(store, request.params.hash)
      return { name, hash, recordedAt: rfc3339(at), text: body }
    },
  )
}

function headOf({ name, title, alert, severity, estimatedMinutes, hash }: Runbook) {
  return { name, title, alert, severity, estimatedMinutes, hash }
}

/** The page people read at night, now or as it was. */
export const pageRoutes: FastifyPluginAsyncTypebox<Inside> = async (app, { store }) => {
  app.get(
    '/runbooks/:name',
    { config: { access }, schema: { params: NameParams, querystring: VersionQuery } },
    async (request, reply) => {
      const { name } = request.params
      const hash = request.query.version
      const runbook = hash === undefined ? found(app, name) : await asItWas(store, name, hash)
      if (hash === undefined) noteOpening(app, store, request, name)
      reply
        .header('etag', `"${runbook.hash}"`)
        .header('vary', 'accept')
        .header('cache-control', 'private, no-cache')
      if (prefersMarkdown(request.headers.accept))
        return reply.type('text/markdown; charset=utf-8').send(runbook.text)
      return reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', runbookPagePolicy)
        .send(runbookPage(runbook))
    },
  )
}

/** Counts that somebody who may act opened the page while its alert fires; the page never waits for it. */
function noteOpening(
  app: FastifyInstance,
  store: RunbookStore,
  request: FastifyRequest,
  name: string,
): void {
  const role = request.principal?.role
  if (role !== 'admin' && role !== 'operator') return
  // Rules register after the runbooks.
  const fires = app.rules?.activeAlerts().some((alert) => alert.rule === name)
  if (fires !== true) return
  store
    .opened(name)
    .catch((err: unknown) => app.log.warn({ err }, 'the use of a runbook was not counted'))
}

/** What is used and what is missing; what a runbook's queries say now. */
export const useRoutes: FastifyPluginAsyncTypebox<Inside> = async (app, { clock, store }) => {
  app.get(
    '/api/v1/runbook-use',
    { config: { access }, schema: { response: { 200: UseAnswer } } },
    async () => {
      const uses = await store.uses()
      const report = useReport(app.rules?.groups() ?? [], app.runbooks.list(), uses)
      return {
        rulesWithoutRunbook: [...report.rulesWithoutRunbook],
        neverUsed: report.neverUsed.map(({ name, title, severity }) => ({ name, title, severity })),
        used: report.used.map(({ runbook, lastUsedAt, ...use }) => ({
          ...use,
          title: runbook?.title ?? null,
          lastUsedAt: rfc3339(lastUsedAt),
        })),
      }
    },
  )

  app.get(
    '/api/v1/runbooks/:name/answers',
    {
      config: { access },
      schema: { params: NameParams, querystring: AnswersQuery, response: { 200: LiveAnswers } },
    },
    async (request) => {
      const { name } = request.params
      const asked = await askedAbout(app, name, request.query)
      const runbook =
        asked.hash === undefined ? found(app, name) : await asItWas(store, name, asked.hash)
      const answers = await liveAnswers(app.promql, runbook, asked.instance, clock.now())
      return {
        name,
        hash: runbook.hash,
        instance: asked.instance,
        answers: answers.map((one) => ({ ...one, values: [...one.values] })),
      }
    },
  )
}

interface Asked {
  readonly instance: string
  /** The version the incident was worked by. */
  readonly hash: string | undefined
}

async function askedAbout(
  app: FastifyInstance,
  name: string,
  { incident, instance }: { incident?: string; instance?: string },
): Promise<Asked> {
  if (instance !== undefined && incident === undefined) return { instance, hash: undefined }
  if (incident === undefined || instance !== undefined)
    throw new CallwardError('bad_request', 'Say incident, its id or number, or instance, a host.')
  const query = app.records.read
    .selectFrom('incidents')
    .select(['join_key', 'runbook_name', 'runbook_hash'])
  const row = await (/^\d{1,9}$/.test(incident)
    ? query.where('number', '=', Number(incident))
    : query.where('id', '=', incident)
  ).executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', `There is no incident ${incident}.`)
  const hash = row.runbook_name === name ? (row.runbook_hash ?? undefined) : undefined
  // Of no host: the queries find nothing, and say so.
  return { instance: row.join_key.startsWith('alert:') ? '' : row.join_key, hash }
}

function found(app: FastifyInstance, name: string): Runbook {
  const runbook = app.runbooks.find(name)
  if (runbook === undefined)
    throw new CallwardError(
      'not_found',
      'There is no runbook of that name. GET /api/v1/runbooks lists them.',
    )
  return runbook
}

async function version(store: RunbookStore, hash: string) {
  const row = await store.byHash(hash)
  if (row === undefined)
    throw new CallwardError(
      'not_found',
      'No version of a runbook with that hash was ever seen here.',
    )
  return row
}

/** A version that was kept, read as a runbook again. */
async function asItWas(store: RunbookStore, name: string, hash: string): Promise<Runbook> {
  const row = await version(store, hash)
  if (row.name !== name)
    throw new CallwardError('not_found', `That version is of the runbook ${row.name}.`)
  return readRunbook(name, row.body)
}

/** True when Markdown is asked for and HTML is not. */
function prefersMarkdown(accept: string | undefined): boolean {
  const types = accept ?? ''
  return types.includes('text/markdown') && !types.includes('text/html')
}
