import { asked, buildPrefix, isOfBuild, mayBeKept, outworn } from './answers.ts'

/** Written into the built file by vite.config.ts: the paths of the build, and what names it. */
declare const __BUILD__: { readonly name: string; readonly assets: readonly string[] }

const worker = self as unknown as ServiceWorkerGlobalScope
const { name, assets } = __BUILD__
const inUse = `${buildPrefix}${name}`
/** A line that carries nothing within this time counts as none. */
const pageWithinMs = 4_000

worker.addEventListener('install', (event) => event.waitUntil(install()))
worker.addEventListener('activate', (event) => event.waitUntil(activate()))
worker.addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request
  const what = asked({ method, mode, url, origin: worker.location.origin })
  if (what === 'page') event.respondWith(page(event.request))
  if (what === 'asset') event.respondWith(asset(event.request))
})

/** All of the build or nothing of it: without one file the worker before this stays. */
async function install(): Promise<void> {
  try {
    const cache = await caches.open(inUse)
    await Promise.all(['/', ...assets].map((path) => keep(cache, path)))
  } catch (error) {
    await caches.delete(inUse)
    throw error
  }
  await worker.skipWaiting()
}

async function keep(cache: Cache, path: string): Promise<void> {
  const accept = path === '/' ? 'text/html' : '*/*'
  const answer = await fetch(path, { cache: 'no-cache', headers: { accept } })
  const { status, type, redirected } = answer
  const contentType = answer.headers.get('content-type') ?? ''
  if (!mayBeKept({ status, type, redirected, contentType, path }))
    throw new Error(`${path} is not kept: status ${status}, ${contentType}`)
  if (path === '/' && !isOfBuild(await answer.clone().text(), assets))
    throw new Error('The page is of another build.')
  await cache.put(path, answer)
}

async function activate(): Promise<void> {
  for (const name of outworn(await caches.keys(), inUse)) await caches.delete(name)
  await worker.clients.claim()
}

/** The hub's page; the kept one where the hub, or a proxy before it, has none. */
async function page(request: Request): Promise<Response> {
  const kept = await (await caches.open(inUse)).match('/')
  if (kept === undefined) return fetch(request)
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(pageWithinMs) })
    return answer.status >= 500 ? kept : answer
  } catch {
    return kept
  }
}

/** Named by their content, so that a kept file is the right one. */
async function asset(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request)
}
