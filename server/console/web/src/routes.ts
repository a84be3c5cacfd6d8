/** Which incidents a list shows; an empty text shows all. */
export interface IncidentFilter {
  readonly state: 'open' | 'resolved' | 'all'
  readonly severity: string
  readonly workflow: string
  readonly service: string
}

/** Which figures of incidents are shown: the last months, of one service or all, against which targets. */
export interface FiguresFilter {
  readonly months: number
  readonly service: string
  readonly acknowledgeMinutes: number
  readonly restoreMinutes: number
}

/** A page of the console, read from the address. */
export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'sign-in' }
  | { readonly page: 'alerts'; readonly state: 'firing' | 'pending' | 'all' }
  | ({ readonly page: 'incidents' } & IncidentFilter)
  | { readonly page: 'new-incident' }
  | ({ readonly page: 'figures' } & FiguresFilter)
  | { readonly page: 'incident'; readonly id: string }
  | { readonly page: 'post-mortem'; readonly id: string }
  | { readonly page: 'work' }
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
  | { readonly page: 'search'; readonly query: string }
  | { readonly page: 'runbook-use' }
  | { readonly page: 'ledger' }
  | { readonly page: 'boards' }
  | { readonly page: 'board'; readonly board: string; readonly query: string }

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
    if (first === 'search') return { page: 'search', query }
    if (first === 'runbook-use') return { page: 'runbook-use' }
    if (first === 'sign-in') return { page: 'sign-in' }
    if (first === 'silences')
      return { page: 'silences', matchers: new URLSearchParams(query).get('matchers') ?? '' }
    if (first === 'contact-points') return { page: 'contact-points' }
    if (first === 'pages')
      return { page: 'pages', view: oneOf(state, ['open', 'all', 'told'], 'open') }
    const plain = (
      ['welcome', 'account', 'people', 'teams', 'approvals', 'work', 'ledger', 'boards'] as const
    ).find((page) => page === first)
    if (plain !== undefined) return { page: plain }
    if (first === 'alerts')
      return { page: 'alerts', state: oneOf(state, ['firing', 'pending', 'all'], 'firing') }
    if (first === 'incidents')
      return { page: 'incidents', ...incidentFilter(new URLSearchParams(query)) }
  }
  if (first === 'incidents' && second === 'new' && parts.length === 2)
    return { page: 'new-incident' }
  if (first === 'incidents' && second === 'figures' && parts.length === 2)
    return { page: 'figures', ...figuresFilter(new URLSearchParams(query)) }
  if (first === 'incidents' && parts[2] === 'post-mortem' && parts.length === 3) {
    const id = decode(second ?? '')
    return id === null ? null : { page: 'post-mortem', id }
  }
  const name = parts.length === 2 && second !== undefined ? decode(second) : null
  if (name !== null && first === 'incidents') return { page: 'incident', id: name }
  if (name !== null && first === 'pages' && /^\d+$/.test(name))
    return { page: 'page', number: name }
  if (name !== null && first === 'boards') return { page: 'board', board: name, query }
  if (name !== null && first === 'hosts') return { page: 'host', instance: name }
  return null
}

function incidentFilter(query: URLSearchParams): IncidentFilter {
  return {
    state: oneOf(query.get('state'), ['open', 'resolved', 'all'], 'open'),
    severity: oneOf(query.get('severity'), ['sev1', 'sev2', 'sev3', 'sev4'], ''),
    workflow: query.get('workflow') ?? '',
    service: query.get('service') ?? '',
  }
}

/** How many months figures may be shown of. */
export const figureMonths = [3, 6, 12, 24] as const

function figuresFilter(query: URLSearchParams): FiguresFilter {
  const minutes = (name: string, otherwise: number) => {
    const given = Number(query.get(name))
    return given >= 1 && given <= 525_600 ? Math.round(given) : otherwise
  }
  return {
    months: Number(oneOf(query.get('months'), figureMonths.map(String), '12')),
    service: query.get('service') ?? '',
    acknowledgeMinutes: minutes('acknowledgeMinutes', 15),
    restoreMinutes: minutes('restoreMinutes', 240),
  }
}

export function figuresPath({ service, ...numbers }: FiguresFilter): string {
  const query = new URLSearchParams(service === '' ? {} : { service })
  for (const [name, value] of Object.entries(numbers)) query.set(name, String(value))
  return `/incidents/figures?${query}`
}

/** The list's address; what is not narrowed is left out. */
export function incidentsPath(filter: IncidentFilter): string {
  const given = Object.entries(filter).filter(([, value]) => value !== '')
  return `/incidents?${new URLSearchParams(given)}`
}

export const hostPath = (instance: string) => `/hosts/${encodeURIComponent(instance)}`
export const silencePath = (matchers: string) =>
  `/silences?matchers=${encodeURIComponent(matchers)}`
export const boardPath = (board: string, query: URLSearchParams) =>
  `/boards/${encodeURIComponent(board)}?${query}`
/** The board of one server. */
export const serverBoardPath = (server: string) =>
  boardPath('server', new URLSearchParams({ 'var-server': server }))

const beforeMillis = 3_600_000
const afterMillis = 1_800_000

/** The board of an incident's server, from an hour before it opened; the fleet's where it names no server of `known`. */
export function boardAround(
  incident: {
    readonly server: string | null
    readonly openedAt: string
    readonly resolvedAt: string | null
  },
  known: readonly string[],
): string {
  const { server, openedAt, resolvedAt } = incident
  const time = {
    from: String(Date.parse(openedAt) - beforeMillis),
    to: resolvedAt === null ? 'now' : String(Date.parse(resolvedAt) + afterMillis),
  }
  return server !== null && known.includes(server)
    ? boardPath('server', new URLSearchParams({ ...time, 'var-server': server }))
    : boardPath('fleet', new URLSearchParams(time))
}

export const searchPath = (query: URLSearchParams) => `/search?${query}`
export const incidentPath = (id: string) => `/incidents/${encodeURIComponent(id)}`
export const postMortemPath = (id: string) => `${incidentPath(id)}/post-mortem`

export const pagePath = (number: number) => `/pages/${number}`

/** Where to go after signing in: only a path of this console, never another site. */
export function safeReturnPath(wanted: string | null): string {
  if (wanted === null || !wanted.startsWith('/') || wanted.startsWith('//')) return '/'
  const route = parseRoute(wanted)
  const isOutside = route?.page === 'sign-in' || route?.page === 'welcome'
  return route === null || isOutside ? '/' : wanted
}
