import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { CallwardError } from '../errors.ts'
import type {} from '../people/plugin.ts'
import type { Runbook } from './runbook.ts'
import { ownRunbooksFolder, RunbookFiles } from './runbook-files.ts'
import { runbookPage, runbookPagePolicy } from './runbook-page.ts'

export type { Runbook, RunbookStep } from './runbook.ts'

/** The runbooks as they are now. */
export interface Runbooks {
  /** The runbook of an alert's name; undefined when there is none. */
  find(name: string): Runbook | undefined
  /** All of them by name. */
  list(): readonly Runbook[]
}

declare module 'fastify' {
  interface FastifyInstance {
    runbooks: Runbooks
  }
}

export interface KnowledgeOptions {
  /** Another folder than the one that ships. */
  readonly runbooksFolder?: string
}

/** Serves the runbooks. */
export const knowledgePlugin = fp(
  async (app, options: KnowledgeOptions) => {
    const files = new RunbookFiles(options.runbooksFolder ?? ownRunbooksFolder, (file, err) =>
      app.log.error({ err, file }, 'a runbook cannot be used'),
    )
    checkSoon(app, files)
    app.decorate('runbooks', { find: (name: string) => files.find(name), list: () => files.list() })
    await app.register(knowledgeRoutes)
  },
  { name: 'callward-knowledge' },
)

/** Between two files that are looked at after the start. */
const checkMillis = 20

/** Faults are told soon after the start, not when somebody needs the runbook; one file at a time, as a start is busy enough. */
function checkSoon(app: FastifyInstance, files: RunbookFiles): void {
  let timer: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    const names = files.names()
    timer = setInterval(() => {
      const name = names.pop()
      if (name === undefined) clearInterval(timer)
      else files.find(name)
    }, checkMillis).unref()
  })
  app.addHook('onClose', async () => clearInterval(timer))
}

const access = { owner: 'knowledge', roles: ['admin', 'operator', 'auditor'] } as const

const NameParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) })
const RunbookList = Type.Object({
  runbooks: Type.Array(
    Type.Object({
      name: Type.String(),
      title: Type.String(),
      alert: Type.String(),
      severity: Type.String(),
      estimatedMinutes: Type.Number(),
      hash: Type.String(),
    }),
  ),
})

const knowledgeRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/v1/runbooks',
    { config: { access }, schema: { response: { 200: RunbookList } } },
    async () => ({
      runbooks: app.runbooks
        .list()
        .map(({ name, title, alert, severity, estimatedMinutes, hash }) => ({
          name,
          title,
          alert,
          severity,
          estimatedMinutes,
          hash,
        })),
    }),
  )

  app.get(
    '/runbooks/:name',
    { config: { access }, schema: { params: NameParams } },
    async (request, reply) => {
      const runbook = app.runbooks.find(request.params.name)
      if (runbook === undefined)
        throw new CallwardError(
          'not_found',
          'There is no runbook of that name. GET /api/v1/runbooks lists them.',
        )
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

/** True when Markdown is asked for and HTML is not. */
function prefersMarkdown(accept: string | undefined): boolean {
  const types = accept ?? ''
  return types.includes('text/markdown') && !types.includes('text/html')
}
