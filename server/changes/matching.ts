import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'
import type { ExpectedChange } from './change.ts'
import type { VersionItem } from './difference.ts'

/** Of a change record what decides whether it covers what was seen. */
export interface Permit {
  readonly id: string
  readonly hosts: readonly string[]
  readonly startsAt: Millis
  readonly endsAt: Millis
  readonly approvedAt: Millis
  /** Empty: whatever changes. */
  readonly expected: readonly ExpectedChange[]
}

export interface Coverage {
  /** Ids of the records that cover something, and how many items each. */
  readonly records: ReadonlyMap<string, number>
  /** What no record covers, in the order given. */
  readonly uncovered: readonly VersionItem[]
}

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
  const listed = open.filter(({ expected }) => expected.length > 0)
  const any = open.find(({ expected }) => expected.length === 0)
  const records = new Map<string, number>()
  const uncovered = items.filter((item) => {
    const by = listed.find(({ expected }) => expected.some((one) => expects(one, item))) ?? any
    if (by === undefined) return true
    records.set(by.id, (records.get(by.id) ?? 0) + 1)
    return false
  })
  return { records, uncovered }
}

/**
 * Whether an expected change is this one. `*` in a subject stands for any characters, a name without ":arch" for every architecture; a
 * package that is expected covers what follows from it, too.
 */
export function expects(expected: ExpectedChange, item: VersionItem): boolean {
  if (expected.kind === 'package' && item.kind !== 'package') return follows(expected.subject, item)
  if (expected.kind !== item.kind) return false
  const bare = item.kind === 'package' ? item.subject.replace(/:[a-z0-9-]+$/, '') : item.subject
  if (!fits(expected.subject, item.subject) && !fits(expected.subject, bare)) return false
  if (expected.to === undefined) return true
  if (item.kind === 'file') return item.to === `sha256:${expected.to.replace(/^sha256:/, '')}`
  return item.to === expected.to
}

/**
 * Whether a version follows from a package: that of a service whose name the package's begins with (`openssh` from `openssh-server`,
 * `postgres-15` from `postgresql-15`), that of the kernel from a kernel's package. They say it in words of their own.
 */
function follows(subject: string, { kind, subject: what }: VersionItem): boolean {
  if (kind === 'kernel') return /^(?:linux-image|kernel)/.test(subject)
  if (kind !== 'service') return false
  const name = what.replace(/-[^-]*\d[^-]*$/, '')
  return subject.startsWith(name) || fits(subject, name)
}

/** Whether a text fits a pattern in which `*` stands for any characters; steps grow with the product of the lengths at most. */
export function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  if (rest.length === 0) return pattern === text
  if (!text.startsWith(first)) return false
  const last = rest.pop() ?? ''
  let from = first.length
  for (const part of rest) {
    const found = text.indexOf(part, from)
    if (found < 0) return false
    from = found + part.length
  }
  return text.length - last.length >= from && text.endsWith(last)
}
