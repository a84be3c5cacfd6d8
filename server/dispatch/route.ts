/** What is known of where an incident is. */
export interface Place {
  readonly services: readonly string[]
  /** `instance` and `server` of its alerts, and the hosts that people named. */
  readonly hosts: readonly string[]
  readonly sites: readonly string[]
}

/** Who answers for what; a condition that is left out holds for everything. */
export interface Route {
  readonly service?: string | undefined
  readonly host?: string | undefined
  readonly site?: string | undefined
  /** `schedule:`, `policy:`, `team:` or `person:` and its id. */
  readonly to: string
}

/** Whom a route leads to. */
export interface RouteTarget {
  readonly kind: 'schedule' | 'policy' | 'team' | 'person'
  readonly id: string
  /** For people: why this one. */
  readonly because: string
}

/** The first route whose conditions all hold, in words why; undefined: none does. */
export function routeOf(routes: readonly Route[], place: Place): RouteTarget | undefined {
  const holds = (wanted: string | undefined, known: readonly string[]) =>
    wanted === undefined || known.includes(wanted)
  const found = routes.find(
    ({ service, host, site }) =>
      holds(service, place.services) && holds(host, place.hosts) && holds(site, place.sites),
  )
  if (found === undefined) return undefined
  const { service, host, site } = found
  const conditions = Object.entries({ service, host, site })
    .filter(([, wanted]) => wanted !== undefined)
    .map(([name, wanted]) => `${name} ${wanted}`)
  const [kind = '', ...id] = found.to.split(':')
  const target = kinds.find((one) => one === kind)
  if (target === undefined) throw new Error(`BUG: a route leads to ${found.to}`)
  return {
    kind: target,
    id: id.join(':'),
    because: conditions.length === 0 ? 'for everything else' : `for ${conditions.join(', ')}`,
  }
}

const kinds = ['schedule', 'policy', 'team', 'person'] as const

/** Somebody who may be sent. */
export interface Candidate {
  readonly id: string
  readonly name: string
  readonly because: string
}

/** The next who was not asked yet, in the order given. */
export function nextOf(
  candidates: readonly Candidate[],
  asked: ReadonlySet<string>,
): Candidate | undefined {
  return candidates.find(({ id }) => !asked.has(id))
}
