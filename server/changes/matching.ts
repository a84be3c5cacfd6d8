import { compareDebianVersions } from '../../collector/wire/debian-version.ts'
import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'
import type { ExpectedChange } from './change.ts'
import type { VersionItem } from './difference.ts'
import type { Standing } from './standing.ts'

/** Of a change record what decides whether it covers what was seen. */
export interface Permit {
  readonly id: string
  readonly hosts: readonly string[]
  readonly startsAt: Millis
  readonly endsAt: Millis
  readonly approvedAt: Millis
  /** Empty: whatever changes. */
  readonly expected: readonly ExpectedChange[]
  /** `permitsNow` says what it is worth at one moment. */
  readonly standing?: Standing | undefined
}

export interface Coverage {
  /** Ids of the records that cover something, and how many items each. */
  readonly records: ReadonlyMap<string, number>
  /** What no record covers, in the order given. */
  readonly uncovered: readonly VersionItem[]
}

/** Items beyond are compared with no list: they are covered by a record that covers everything, or by none. */
const itemsCompared = 5_000

/** Labels a host may be named by, as in `role=pbx`. */
export const hostSelectors = ['role', 'server', 'site', 'customer', 'env'] as const

/** Whether one of a record's `hosts` is this one: its instance, or `label=value` of its labels. */
export function namesHost(hosts: readonly string[], labels: HostLabels): boolean {
  return hosts.some((text) => {
    const label = hostSelectors.find((name) => text.startsWith(`${name}=`))
    return label === undefined
      ? text === labels.instance
      : labels[label] === text.slice(label.length + 1)
  })
}

/**
 * Which approved records cover what a host showed at `at`: approved by then, the host named, inside the window or within `graceMillis`
 * after it (a collector looks at versions once an hour, and its report may wait). A record that lists what it expects covers that
 * alone, and goes before one that covers everything.
 */
export function coverage(
  items: readonly VersionItem[],
  labels: HostLabels,
  at: Millis,
  permits: readonly Permit[],
  graceMillis: Millis,
): Coverage {
  const open = permits.filter(
    (permit) =>
      permit.approvedAt <= at &&
      permit.startsAt <= at &&
      at <= permit.endsAt + graceMillis &&
      namesHost(permit.hosts, labels),
  )
  const listed = open.flatMap(({ id, expected, standing }) => {
    if (expected.length === 0) return []
    const isAnnounced = standing?.origin !== undefined
    return [{ id, tests: expected.map(isAnnounced ? updateTestOf : testOf) }]
  })
  const any = open.find(({ expected }) => expected.length === 0)
  const records = new Map<string, number>()
  const uncovered = items.filter((item, index) => {
    const seen = { item, bare: bareName(item) }
    const looked = index < itemsCompared ? listed : []
    const by = looked.find(({ tests }) => tests.some((test) => test(seen))) ?? any
    if (by === undefined) return true
    records.set(by.id, (records.get(by.id) ?? 0) + 1)
    return false
  })
  return { records, uncovered }
}

/** An item and its name without what a package's ":arch" or a service's version adds. */
interface Seen {
  readonly item: VersionItem
  readonly bare: string
}

/**
 * Whether an expected change is this one. `*` in a subject stands for any characters, a name without ":arch" for every architecture; a
 * package that is expected covers what follows from it, too.
 */
export function expects(expected: ExpectedChange, item: VersionItem): boolean {
  return testOf(expected)({ item, bare: bareName(item) })
}

/** What a record expects, made ready for many items. */
function testOf({ kind, subject, to }: ExpectedChange): (seen: Seen) => boolean {
  const fitting = patternOf(subject)
  const isKernel = kind === 'package' && /^(?:linux-image|kernel)/.test(subject)
  const version = to === undefined || kind !== 'file' ? to : `sha256:${to.replace(/^sha256:/, '')}`
  return ({ item, bare }) => {
    // What follows from a package says its version in words of its own.
    if (kind === 'package' && item.kind === 'kernel') return isKernel
    if (kind === 'package' && item.kind === 'service')
      return bare !== '' && (subject.startsWith(bare) || fitting(bare))
    if (kind !== item.kind || (version !== undefined && item.to !== version)) return false
    return fitting(item.subject) || (kind === 'package' && fitting(bare))
  }
}

/** An announced update goes forward, and a service that follows from it has the announced version. */
function updateTestOf(expected: ExpectedChange): (seen: Seen) => boolean {
  const test = testOf(expected)
  return (seen) => {
    const { kind, from, to } = seen.item
    if (to === null || (from !== null && compareDebianVersions(from, to) >= 0)) return false
    if (kind === 'service' && expected.to?.includes(to) !== true) return false
    return test(seen)
  }
}

/** `libc6` of `libc6:amd64`; `postgres` of the service `postgres-15`, which follows from `postgresql-15`. */
function bareName({ kind, subject }: VersionItem): string {
  if (kind === 'package') return subject.replace(/:[a-z0-9-]+$/, '')
  return kind === 'service' ? subject.replace(/-[^-]*\d[^-]*$/, '') : subject
}

/** Whether a text fits a pattern in which `*` stands for any characters; steps grow with the product of the lengths at most. */
export function fits(pattern: string, text: string): boolean {
  return patternOf(pattern)(text)
}

function patternOf(pattern: string): (text: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => text === pattern
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let from = first.length
    for (const part of rest) {
      const found = text.indexOf(part, from)
      if (found < 0) return false
      from = found + part.length
    }
    return text.length - last.length >= from
  }
}
