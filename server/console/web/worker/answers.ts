import { programPaths } from '../../program-paths.ts'

/** What a request is to the service worker: a page of the console, a file of its build, or none of its business. */
export type Asked = 'page' | 'asset' | 'other'

/** Only pages and built files are ever answered from what is kept; data of the hub never is. */
export function asked(request: {
  readonly method: string
  readonly mode: string
  readonly url: string
  /** Of the worker itself: another origin is none of its business. */
  readonly origin: string
}): Asked {
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== request.origin) return 'other'
  if (pathname.startsWith('/assets/')) return 'asset'
  const first = pathname.split('/')[1] ?? ''
  return request.mode === 'navigate' && !programPaths.includes(first) ? 'page' : 'other'
}

/** Whether an answer may be kept: the hub's own file, whole, and no page in place of one. */
export function mayBeKept(answer: {
  readonly status: number
  readonly type: string
  readonly redirected: boolean
  readonly contentType: string
  readonly path: string
}): boolean {
  const isPage = answer.contentType.startsWith('text/html')
  const asWanted = isPage === (answer.path === '/')
  return answer.status === 200 && answer.type === 'basic' && !answer.redirected && asWanted
}

/** Whether every built file that the page names is one of `assets`: a page of another build must not be kept with them. */
export function isOfBuild(page: string, assets: readonly string[]): boolean {
  const named = page.match(/\/assets\/[\w.-]+/g) ?? []
  return named.length > 0 && named.every((path) => assets.includes(path))
}

/** Caches of builds to be deleted: all but the one in use and the newest before it, whose tabs may still be open. */
export function outworn(caches: readonly string[], inUse: string): readonly string[] {
  return caches.filter((name) => name.startsWith(buildPrefix) && name !== inUse).slice(0, -1)
}

/** Begins the names of the caches of builds. */
export const buildPrefix = 'callward-build-'
