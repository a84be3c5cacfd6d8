/** A page of the console, read from the address. */
export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'sign-in' }
  | { readonly page: 'alerts'; readonly state: 'firing' | 'pending' | 'all' }
  | { readonly page: 'incidents'; readonly state: 'open' | 'resolved' | 'all' }
  | { readonly page: 'incident'; readonly id: string }
  | { readonly page: 'oncall' }
  | { readonly page: 'host'; readonly instance: string }
  | { readonly page: 'contact-points' }
  | { readonly page: 'pages'; readonly view: 'open' | 'all' | 'told' }
  | { readonly page: 'page'; readonly number: string }
  | { readonly page: 'silences'; readonly matchers: string }
  | { readonly page: 'welcome' }
  | { readonly page: 'account' }
  | { readonly page: 'people' }
  | { readonly page: 'teams' }
  | { readonly page: 'approvals' }

function oneOf<T extends string>(value: string | null, allowed: readonly T[], otherwise: T): T {
  return allowed.find((candidate) => candidate === value) ?? otherwise
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

/** The page for a path and query (`/incidents?state=open`); null when the console has no such page. */
export function parseRoute(address: string): Route | null {
  const [path = '', query = ''] = address.split('#')[0]!.split('?')
  const parts = path.split('/').filter((part) => part !== '')
  const state = new URLSearchParams(query).get('state')
  const [first, second] = parts
  if (parts.length === 0) return { page: 'overview' }
  if (parts.length === 1) {
    if (first === 'oncall') return { page: 'oncall' }
    if (first === 'sign-in') return { page: 'sign-in' }
    if (first === 'silences')
      return { page: 'silences', matchers: new URLSearchParams(query).get('matchers') ?? '' }
    if (first === 'contact-points') return { page: 'contact-points' }
    if (first === 'pages')
      return { page: 'pages', view: oneOf(state, ['open', 'all', 'told'], 'open') }
    const plain = (['welcome', 'account', 'people', 'teams', 'approvals'] as const).find(
      (page) => page === first,
    )
    if (plain !== undefined) return { page: plain }
    if (first === 'alerts')
      return { page: 'alerts', state: oneOf(state, ['firing', 'pending', 'all'], 'firing') }
    if (first === 'incidents')
      return { page: 'incidents', state: oneOf(state, ['open', 'resolved', 'all'], 'open') }
  }
  const name = parts.length === 2 && second !== undefined ? decode(second) : null
  if (name !== null && first === 'incidents') return { page: 'incident', id: name }
  if (name !== null && first === 'pages' && /^\d+$/.test(name))
    return { page: 'page', number: name }
  if (name !== null && first === 'hosts') return { page: 'host', instance: name }
  return null
}

export const hostPath = (instance: string) => `/hosts/${encodeURIComponent(instance)}`
export const silencePath = (matchers: string) =>
  `/silences?matchers=${encodeURIComponent(matchers)}`
export const incidentPath = (id: string) => `/incidents/${encodeURIComponent(id)}`

export const pagePath = (number: number) => `/pages/${number}`

/** Where to go after signing in: only a path of this console, never another site. */
export function safeReturnPath(wanted: string | null): string {
  if (wanted === null || !wanted.startsWith('/') || wanted.startsWith('//')) return '/'
  const route = parseRoute(wanted)
  const isOutside = route?.page === 'sign-in' || route?.page === 'welcome'
  return route === null || isOutside ? '/' : wanted
}
