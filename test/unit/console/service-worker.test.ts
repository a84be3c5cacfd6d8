import t from 'tap'
import { asked, isOfBuild, mayBeKept, outworn } from '../../../server/console/web/worker/answers.ts'

t.test('only pages of the console and built files are ever answered from what is kept', (t) => {
  const origin = 'https://hub.example'
  const what = (path: string, { method = 'GET', mode = 'navigate', site = origin } = {}) =>
    asked({ method, mode, url: `${site}${path}`, origin })
  for (const path of ['/', '/work', '/incidents/1?x=1', '/apis', '/api-types'])
    t.equal(what(path), 'page', path)
  for (const path of ['/api/v1/incidents', '/prom/api/v1/query', '/metrics', '/healthz', '/live'])
    t.equal(what(path), 'other', path)
  t.equal(what('/assets/index-1.js', { mode: 'cors' }), 'asset')
  t.equal(what('/api/v1/incidents/1', { mode: 'cors' }), 'other')
  t.equal(what('/work', { mode: 'cors' }), 'other', 'a script reads it')
  t.equal(what('/work', { method: 'POST' }), 'other')
  t.equal(what('/assets/index-1.js', { site: 'https://other.example' }), 'other')
  t.end()
})

t.test('an error, a page in place of a file and a file in place of the page are not kept', (t) => {
  const file = {
    ...{ status: 200, type: 'basic', redirected: false },
    ...{ contentType: 'text/javascript', path: '/assets/index-1.js' },
  }
  t.ok(mayBeKept(file))
  t.ok(mayBeKept({ ...file, contentType: 'text/html; charset=utf-8', path: '/' }))
  for (const bad of [
    { status: 404 },
    { status: 503 },
    { status: 206 },
    { type: 'opaque' },
    { redirected: true },
    { contentType: 'text/html' },
    { path: '/' },
  ])
    t.notOk(mayBeKept({ ...file, ...bad }), JSON.stringify(bad))
  t.end()
})

t.test('a page is kept only with the files it names', (t) => {
  const page = '<script src="/assets/index-1.js"></script><link href="/assets/index-2.css">'
  t.ok(isOfBuild(page, ['/assets/index-1.js', '/assets/index-2.css', '/assets/host-3.js']))
  t.notOk(isOfBuild(page, ['/assets/index-1.js', '/assets/index-9.css']))
  t.notOk(isOfBuild('<h1>A proxy says hello</h1>', ['/assets/index-1.js']))
  t.end()
})

t.test('the build in use and the one before it stay; caches of others are not touched', (t) => {
  const caches = ['callward-build-a', 'callward-opened', 'callward-build-b', 'callward-build-c']
  t.same(outworn(caches, 'callward-build-c'), ['callward-build-a'])
  t.same(outworn(caches, 'callward-build-a'), ['callward-build-b'], 'back to an older one')
  t.same(outworn(['callward-build-c'], 'callward-build-c'), [])
  t.end()
})
