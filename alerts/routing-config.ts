import { fingerprint, type Millis } from './alert.ts'
import type { Calendar } from './calendar.ts'
import { readCalendar } from './calendar-reader.ts'
import { type DocumentFault, DocumentReader, type Mapping, type Path } from './document.ts'
import { formatMatchers, type Matcher, MatcherFault, matcher, parseMatchers } from './matchers.ts'

/** One node of the routing tree, its options already inherited. */
export interface Route {
  /** Stable while the matchers of its line stay: `{}/{team="voice"}`; `#1` marks the second with equal matchers. */
  readonly key: string
  readonly receiver: string
  readonly matchers: readonly Matcher[]
  readonly continue: boolean
  /** Labels that make a group; `all` is `['...']`: each label set is its own group. */
  readonly groupBy: readonly string[] | 'all'
  readonly groupWait: Millis
  readonly groupInterval: Millis
  readonly repeatInterval: Millis
  /** Calendars during which, or outside which, nobody is told by this route. */
  readonly muteDuring: readonly string[]
  readonly activeDuring: readonly string[]
  readonly routes: readonly Route[]
}

export interface Receiver {
  readonly name: string
  /** Whether any of its channels wants to hear that an alert is over. */
  readonly sendResolved: boolean
  /** The channels' settings as written; the hub reads them. */
  readonly settings: Mapping
}

/** While a source fires, its targets with the same values of `equal` are held. */
export interface InhibitRule {
  readonly source: readonly Matcher[]
  readonly target: readonly Matcher[]
  readonly equal: readonly string[]
}

/** Everything about routing that a person writes. */
export interface RoutingConfig {
  /** Changes when the configuration does. */
  readonly key: string
  readonly root: Route
  readonly receivers: ReadonlyMap<string, Receiver>
  readonly inhibitRules: readonly InhibitRule[]
  readonly calendars: ReadonlyMap<string, Calendar>
}

export interface ParsedRouting {
  /** Absent with any fault: half a routing tree is not run. */
  readonly config?: RoutingConfig
  readonly faults: readonly DocumentFault[]
}

/** Routes a tree may have, and how deep. */
export const routesMax = 5_000
const depthMax = 50
const listMax = 1_000

const second = 1_000
const defaults = {
  groupWait: 30 * second,
  groupInterval: 300 * second,
  repeatInterval: 4 * 3_600 * second,
}
const routeKeys = [
  'receiver',
  'group_by',
  'continue',
  'match',
  'match_re',
  'matchers',
  'group_wait',
  'group_interval',
  'repeat_interval',
  'mute_time_intervals',
  'active_time_intervals',
  'routes',
]
const inhibitKeys = [
  'name',
  'source_match',
  'source_match_re',
  'source_matchers',
  'target_match',
  'target_match_re',
  'target_matchers',
  'equal',
]
const fileKeys = [
  'global',
  'templates',
  'route',
  'receivers',
  'inhibit_rules',
  'time_intervals',
  'mute_time_intervals',
]

/**
 * Routing when there is no file: critical alerts are told at once, each system its own group so that a storm in
 * one does not hide another; warnings after half a minute; what is left goes to the ticket receiver once a day.
 */
export const defaultRoutingDocument = {
  route: {
    receiver: 'on-call',
    group_by: ['alertname', 'customer', 'site', 'severity'],
    group_wait: '30s',
    group_interval: '5m',
    repeat_interval: '4h',
    routes: [
      {
        matchers: ['severity="critical"'],
        group_wait: '0s',
        group_interval: '1m',
        repeat_interval: '1h',
      },
      { matchers: ['severity="info"'], receiver: 'tickets', repeat_interval: '24h' },
    ],
  },
  receivers: [{ name: 'on-call' }, { name: 'tickets' }],
  inhibit_rules: [
    {
      source_matchers: ['severity="critical"'],
      target_matchers: ['severity=~"warning|info"'],
      equal: ['alertname', 'instance', 'customer', 'site'],
    },
  ],
}

/** The defaults as a configuration. */
export function defaultRouting(): RoutingConfig {
  const { config, faults } = parseRouting(defaultRoutingDocument)
  if (config === undefined) throw new Error(`BUG: default routing: ${JSON.stringify(faults)}`)
  return config
}

/**
 * Reads an Alertmanager configuration that was already parsed from YAML. Every fault is reported at once with its
 * place; with any, there is no configuration. Channels' settings are kept unread. Never throws.
 */
export function parseRouting(document: unknown): ParsedRouting {
  const reader = new RoutingReader()
  const config = reader.read(document)
  return reader.faults.length > 0 || config === undefined
    ? { faults: reader.faults }
    : { config, faults: [] }
}

interface Inherited {
  readonly receiver: string
  readonly groupBy: readonly string[] | 'all'
  readonly groupWait: Millis
  readonly groupInterval: Millis
  readonly repeatInterval: Millis
}

class RoutingReader extends DocumentReader {
  #routes = 0
  #receivers: ReadonlyMap<string, Receiver> = new Map()
  #calendars: ReadonlyMap<string, Calendar> = new Map()

  read(document: unknown): RoutingConfig | undefined {
    const file = this.mapping(document, [], fileKeys, 'route: {receiver: on-call}')
    if (file === undefined) return undefined
    this.#receivers = this.#named(file, ['receivers'], (item, path) => this.#receiver(item, path))
    this.#calendars = this.#named(file, ['time_intervals', 'mute_time_intervals'], (item, path) =>
      readCalendar(this, item, path),
    )
    const inherited = { ...defaults, receiver: '', groupBy: [] }
    const root = this.#route(file['route'] ?? {}, ['route'], inherited, '', 0)
    const inhibitRules = this.list(
      file['inhibit_rules'],
      ['inhibit_rules'],
      listMax,
      'inhibit_rules: [{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [instance]}]',
    )
      .map((item, i) => this.#inhibitRule(item, ['inhibit_rules', i]))
      .filter((rule) => rule !== undefined)
    if (root === undefined || this.faults.length > 0) return undefined
    const key = this.#keyOf(document)
    if (key === undefined) return undefined
    return { key, root, receivers: this.#receivers, inhibitRules, calendars: this.#calendars }
  }

  #keyOf(document: unknown): string | undefined {
    try {
      return fingerprint({ document: JSON.stringify(document) })
    } catch {
      return this.fault([], 'an alias refers to what it stands in; write it out')
    }
  }

  #named<T extends { readonly name: string }>(
    file: Mapping,
    keys: readonly string[],
    read: (item: unknown, path: Path) => T | undefined,
  ): Map<string, T> {
    const found = new Map<string, T>()
    for (const key of keys) {
      for (const [i, item] of this.list(
        file[key],
        [key],
        listMax,
        `${key}: [{name: x}]`,
      ).entries()) {
        const one = read(item, [key, i])
        if (one === undefined) continue
        if (found.has(one.name))
          this.fault([key, i, 'name'], `"${one.name}" is there twice; rename one`)
        found.set(one.name, one)
      }
    }
    return found
  }

  #receiver(item: unknown, path: Path): Receiver | undefined {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      return this.fault(path, 'must be a mapping; example: "name: on-call"')
    const settings = item as Mapping
    const name = this.text(settings['name'] ?? '', [...path, 'name'], 'name: on-call')
    if (name === undefined) return undefined
    const channels = Object.values(settings).filter(Array.isArray).flat() as unknown[]
    const wants = (channel: unknown) =>
      typeof channel !== 'object' ||
      channel === null ||
      (channel as Mapping)['send_resolved'] !== false
    return { name, sendResolved: channels.length === 0 || channels.some(wants), settings }
  }

  #route(
    item: unknown,
    path: Path,
    parent: Inherited,
    prefix: string,
    depth: number,
  ): Route | undefined {
    const document = this.mapping(item, path, routeKeys, 'receiver: on-call')
    if (document === undefined) return undefined
    if (++this.#routes > routesMax || depth > depthMax)
      return this.fault(path, `more than ${routesMax} routes, or deeper than ${depthMax}`)
    const isRoot = depth === 0
    const matchers = this.#matchers(document, path, ['match', 'match_re', 'matchers'])
    const muteDuring = this.#calendarNames(document, path, 'mute_time_intervals')
    const activeDuring = this.#calendarNames(document, path, 'active_time_intervals')
    if (isRoot && matchers.length > 0)
      this.fault(path, 'the first route takes every alert; move its matchers into routes')
    if (isRoot && muteDuring.length + activeDuring.length > 0)
      this.fault(path, 'the first route has no time intervals; set them in routes')
    const options = this.#options(document, path, parent, isRoot)
    const key = prefix + formatMatchers(matchers)
    return {
      key,
      ...options,
      matchers,
      continue: this.flag(document['continue'], [...path, 'continue']) ?? false,
      muteDuring,
      activeDuring,
      routes: this.#children(document, path, options, key, depth),
    }
  }

  #children(
    document: Mapping,
    path: Path,
    options: Inherited,
    key: string,
    depth: number,
  ): Route[] {
    const seen = new Map<string, number>()
    return this.list(
      document['routes'],
      [...path, 'routes'],
      routesMax,
      'routes: [{receiver: voice}]',
    )
      .map((child, i) => this.#route(child, [...path, 'routes', i], options, `${key}/`, depth + 1))
      .filter((child) => child !== undefined)
      .map((child) => {
        const before = seen.get(child.key) ?? 0
        seen.set(child.key, before + 1)
        return before === 0 ? child : renamed(child, child.key, `${child.key}#${before}`)
      })
  }

  #options(document: Mapping, path: Path, parent: Inherited, isRoot: boolean): Inherited {
    const receiver = this.text(document['receiver'], [...path, 'receiver'], 'receiver: on-call')
    if (receiver === undefined && isRoot && (document['receiver'] ?? undefined) === undefined)
      this.fault(
        [...path, 'receiver'],
        'the first route needs a receiver; example: "receiver: on-call"',
      )
    if (receiver !== undefined && !this.#receivers.has(receiver))
      this.fault(
        [...path, 'receiver'],
        `no receiver "${receiver}"; add "- name: ${receiver}" to receivers`,
      )
    const time = (key: string, shown: string) => this.duration(document[key], [...path, key], shown)
    const groupInterval = time('group_interval', 'group_interval: 5m')
    const repeatInterval = time('repeat_interval', 'repeat_interval: 4h')
    if (groupInterval === 0)
      this.fault([...path, 'group_interval'], 'must be above 0; example: "group_interval: 1m"')
    if (repeatInterval === 0)
      this.fault([...path, 'repeat_interval'], 'must be above 0; example: "repeat_interval: 1h"')
    return {
      receiver: receiver ?? parent.receiver,
      groupBy: this.#groupBy(document, path) ?? parent.groupBy,
      groupWait: time('group_wait', 'group_wait: 30s') ?? parent.groupWait,
      groupInterval: groupInterval ?? parent.groupInterval,
      repeatInterval: repeatInterval ?? parent.repeatInterval,
    }
  }

  #groupBy(document: Mapping, path: Path): readonly string[] | 'all' | undefined {
    if (document['group_by'] === undefined || document['group_by'] === null) return undefined
    const names = this.texts(
      document['group_by'],
      [...path, 'group_by'],
      100,
      "group_by: ['alertname', 'site']",
    )
    if (names.includes('...')) {
      if (names.length > 1) this.fault([...path, 'group_by'], "'...' stands alone")
      return 'all'
    }
    for (const [i, name] of names.entries())
      if (names.indexOf(name) !== i)
        this.fault([...path, 'group_by', i], `"${name}" is there twice`)
    return [...names].sort()
  }

  #calendarNames(document: Mapping, path: Path, key: string): readonly string[] {
    const names = this.texts(document[key], [...path, key], listMax, `${key}: [office]`)
    for (const [i, name] of names.entries())
      if (!this.#calendars.has(name))
        this.fault(
          [...path, key, i],
          `no time interval "${name}"; add "- name: ${name}" to time_intervals`,
        )
    return names
  }

  #inhibitRule(item: unknown, path: Path): InhibitRule | undefined {
    const document = this.mapping(item, path, inhibitKeys, 'source_matchers: [severity="critical"]')
    if (document === undefined) return undefined
    const side = (name: string) =>
      this.#matchers(document, path, [`${name}_match`, `${name}_match_re`, `${name}_matchers`])
    const equal = this.texts(document['equal'], [...path, 'equal'], 100, 'equal: [instance]')
    return { source: side('source'), target: side('target'), equal }
  }

  /** The old equal and regex mappings and the new list together, sorted as Alertmanager does. */
  #matchers(
    document: Mapping,
    path: Path,
    keys: readonly [string, string, string],
  ): readonly Matcher[] {
    const [equal, regex, list] = keys
    const old = [
      ...this.#oldMatchers(document[equal], [...path, equal], '='),
      ...this.#oldMatchers(document[regex], [...path, regex], '=~'),
    ]
    const texts = this.texts(document[list], [...path, list], 100, `${list}: [severity="critical"]`)
    const made = texts.flatMap((text, i) =>
      this.#read([...path, list, i], () => parseMatchers(text)),
    )
    return [...old, ...made].sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
  }

  #oldMatchers(value: unknown, path: Path, operator: '=' | '=~'): readonly Matcher[] {
    if (value === undefined || value === null) return []
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.fault(path, 'must be a mapping; example: "severity: critical"')
      return []
    }
    return Object.entries(value).flatMap(([name, text]) => {
      if (typeof text !== 'object')
        return this.#read([...path, name], () => [matcher(name, operator, String(text))])
      this.fault([...path, name], 'must be a text')
      return []
    })
  }

  #read(path: Path, read: () => readonly Matcher[]): readonly Matcher[] {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof MatcherFault)) throw error
      this.fault(path, error.message)
      return []
    }
  }
}

function renamed(route: Route, from: string, to: string): Route {
  return {
    ...route,
    key: to + route.key.slice(from.length),
    routes: route.routes.map((child) => renamed(child, from, to)),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
