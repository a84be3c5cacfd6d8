import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import { consolePlugin } from '../../../server/console/plugin.ts'
import { folderOf } from '../../helpers/folder.ts'

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

/** The console beside a hub's own routes, as app.ts registers it: last. */
async function build(
  t: Test,
  root: string,
): Promise<{ app: FastifyInstance; routes: RouteOptions[] }> {
  const app = Fastify()
  t.teardown(() => app.close())
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: { code: 'not_found' } }),
  )
  app.get('/api/v1/hosts', async () => ({ hosts: [] }))
  await app.register(consolePlugin, { root })
  await app.ready()
  return { app, routes }
}

function builtConsole(t: Test): string {
  return folderOf(t, {
    'index.html': '<!doctype html><title>Callward</title>',
    assets: { 'index-abc123.js': 'console.log(1)' },
    'secret.txt': 'not an asset',
  })
}

t.test('every page a browser opens is the console, and no program path is', async (t) => {
  const { app } = await build(t, builtConsole(t))
  const page = async (url: string) => {
    const answer = await app.inject({ url, headers: html })
    t.equal(answer.statusCode, 200, url)
    t.match(answer.body, /<title>Callward/, url)
    t.equal(answer.headers['cache-control'], 'no-cache', url)
    t.match(answer.headers['content-type'], 'text/html', url)
  }
  for (const url of [
    '/',
    '/sign-in',
    '/incidents/42',
    '/hosts/10.0.0.1%3A9100',
    '/alerts?state=all',
    '/apiary',
  ]) {
    await page(url)
  }
  const program = async (url: string, headers: Record<string, string> = html) => {
    const answer = await app.inject({ url, headers })
    t.equal(answer.statusCode, 404, url)
    t.same(answer.json(), { error: { code: 'not_found' } }, url)
  }
  for (const path of [
    'api',
    'prom',
    'am',
    'influx',
    'otlp',
    'live',
    'session',
    'metrics',
    'runbooks',
  ]) {
    await program(`/${path}`)
    await program(`/${path}/unknown?x=1`)
  }
  await program('/incidents/42', { accept: 'application/json' })
  await program('/wp-login.php', { accept: '*/*' })
  t.same(
    (await app.inject({ url: '/api/v1/hosts', headers: html })).json(),
    { hosts: [] },
    'real routes come first',
  )
  const post = await app.inject({ method: 'POST', url: '/incidents/42', headers: html })
  t.equal(post.statusCode, 404, 'only GET gets the page')
})

t.test('hashed files are kept a year; nothing outside the assets is served', async (t) => {
  const { app } = await build(t, builtConsole(t))
  const file = await app.inject('/assets/index-abc123.js')
  t.equal(file.statusCode, 200)
  t.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable')
  t.match(file.headers['content-type'], 'javascript')
  const again = await app.inject({
    url: '/assets/index-abc123.js',
    headers: { 'if-none-match': String(file.headers.etag) },
  })
  t.equal(again.statusCode, 304)
  for (const url of [
    '/assets/gone.js',
    '/assets/../secret.txt',
    '/assets/%2e%2e/secret.txt',
    '/assets/..%2fsecret.txt',
    '/secret.txt',
  ]) {
    const answer = await app.inject(url)
    t.ok(answer.statusCode >= 400, `${url}: ${answer.statusCode}`)
    t.notMatch(answer.body, 'not an asset', url)
  }
})

t.test('every route says that it is open and whose it is', async (t) => {
  const { routes } = await build(t, builtConsole(t))
  const own = routes.filter((route) => route.url !== '/api/v1/hosts')
  t.ok(own.length >= 2)
  for (const route of own) {
    t.match(
      route.config,
      { access: { owner: 'console', roles: 'open' } },
      `${route.method} ${route.url}`,
    )
  }
})

t.test(
  'a hub whose console was never built says what to run, and serves it once it is there',
  async (t) => {
    const root = join(folderOf(t, {}), 'console')
    const { app } = await build(t, root)
    const answer = await app.inject({ url: '/', headers: html })
    t.equal(answer.statusCode, 503)
    t.match(answer.body, 'npm run build')
    t.match(answer.headers['content-type'], 'text/html')
    t.equal((await app.inject({ url: '/assets/x.js' })).statusCode, 404)
    mkdirSync(root)
    writeFileSync(join(root, 'index.html'), '<title>Callward</title>')
    t.equal((await app.inject({ url: '/', headers: html })).statusCode, 200, 'no restart is needed')
  },
)
