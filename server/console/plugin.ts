import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { packageRoot } from '../assets.ts'
import { programPaths } from './program-paths.ts'

export interface ConsoleOptions {
  /** Folder of the built console; default `dist/console` of the package. */
  readonly root?: string
}

const access = { owner: 'console', roles: 'open' } as const
const assetAgeMs = 365 * 24 * 3600 * 1000

const notBuilt = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Callward</title></head>
<body><h1>The console is not built</h1>
<p>Run <code>npm run build</code> in the hub's folder, then load this page again.
The hub itself works: its data is under <code>/api/v1</code>, and <code>callward watch</code> shows it in a terminal.</p>
</body></html>
`

/**
 * Serves the built console at `/`: its hashed files for a year, its service worker and the page itself asked for anew each
 * time, the page for every other path a browser opens. Which page it is, the console reads from the address.
 */
export const consolePlugin = fp<ConsoleOptions>(
  async (app, options) => {
    const root = options.root ?? join(packageRoot, 'dist', 'console')
    // A context of its own: `reply.sendFile` stays inside and meets no other user of @fastify/static.
    await app.register(async (scope) => bindRoutes(scope, root))
  },
  { name: 'callward-console', fastify: '5.x' },
)

async function bindRoutes(scope: FastifyInstance, root: string): Promise<void> {
  // The folder may appear after the start (`npm run build` beside a running hub); routes below name it themselves.
  await scope.register(fastifyStatic, { serve: false })

  scope.get('/assets/*', { config: { access } }, async (request, reply) => {
    const path = `assets/${(request.params as { '*': string })['*']}`
    return reply.sendFile(path, root, { immutable: true, maxAge: assetAgeMs })
  })

  // At the root, because its place is the most that it may answer for.
  scope.get('/service-worker.js', { config: { access } }, async (_request, reply) =>
    sendFresh(reply, root, 'service-worker.js'),
  )

  scope.get('/*', { config: { access } }, async (request, reply) => {
    if (isForPrograms(request.url) || !wantsPage(request)) return reply.callNotFound()
    return sendPage(reply, root)
  })
}

function isForPrograms(url: string): boolean {
  const first = url.split(/[/?#]/)[1] ?? ''
  return programPaths.includes(first)
}

function wantsPage(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '').includes('text/html')
}

function sendPage(reply: FastifyReply, root: string): FastifyReply {
  if (!existsSync(join(root, 'index.html')))
    return reply.code(503).type('text/html; charset=utf-8').send(notBuilt)
  return sendFresh(reply, root, 'index.html')
}

/** A browser may keep it, but asks each time whether it changed. */
function sendFresh(reply: FastifyReply, root: string, file: string): FastifyReply {
  return reply.header('cache-control', 'no-cache').sendFile(file, root, { cacheControl: false })
}
