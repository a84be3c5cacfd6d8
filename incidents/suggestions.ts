import type { Evidence, FrozenHost, FrozenSeries, SeenChange } from './evidence.ts'
import { hubActor, type Millis, type NewFact } from './facts.ts'
import { hubSays, suggests } from './hub-sentences.ts'
import { faultsOfAddition } from './judge.ts'
import { live, type Picture, said } from './picture.ts'

export type Confidence = 'low' | 'medium' | 'high'

/** A cause that the evidence suggests, and by which rule. */
export interface SuggestedCause {
  readonly rule: SuggestionRuleName
  readonly text: string
  readonly confidence: Confidence
  readonly code?: string
}

interface SuggestionRule {
  /** When it says something, in words. */
  readonly when: string
  readonly confidence: Confidence
  /** Root cause code it suggests. */
  readonly code?: string
  /** What it says of a host; nothing when it has nothing to say. */
  readonly of: (host: FrozenHost, evidence: Evidence) => readonly string[]
}

const minuteMillis = 60_000
const nearMillis = 120 * minuteMillis
const afterMillis = 2 * minuteMillis
const thin = 0.03

/** Every rule, strongest first where confidence is equal; docs/incidents.md shows this table. */
export const suggestionRules = {
  certificate_expired: {
    when: 'a certificate of the host was past its end when the fault began',
    confidence: 'high',
    code: 'process_failure/operations',
    of: (host, { faultAt }) =>
      seriesOf(host, 'callward_certificate_not_after_timestamp_seconds').flatMap((series) => {
        const end = lastBefore(host, series, faultAt)
        if (end === undefined || end * 1000 > faultAt) return []
        return [suggests('certificateEnded', { which: named(series), time: iso(end * 1000) })]
      }),
  },
  disk_full: {
    when: 'a file system had less than 3 % left when the fault began, or no files left to make',
    confidence: 'high',
    code: 'system_failure/hardware_capacity',
    of: (host, { faultAt }) => [
      ...shares(host, faultAt, 'node_filesystem_avail_bytes', 'node_filesystem_size_bytes').map(
        ({ name, share }) => suggests('diskFull', { name, share: percent(share) }),
      ),
      ...shares(host, faultAt, 'node_filesystem_files_free', 'node_filesystem_files').map(
        ({ name, share }) => suggests('filesFull', { name, share: percent(share) }),
      ),
    ],
  },
  went_down: {
    when: 'what the host tells as 1 while it works (a service, a trunk, a probe) went to 0 in the 15 minutes before the fault',
    confidence: 'high',
    of: (host, { faultAt }) =>
      seriesWhere(host, (name) => /(?:_up|_success|_registered|_unit_active)$/.test(name)).flatMap(
        (series) => {
          const before = valuesBetween(host, series.max, faultAt - 60 * minuteMillis, faultAt)
          const now = valuesBetween(
            host,
            series.min,
            faultAt - 15 * minuteMillis,
            faultAt + afterMillis,
          )
          return before.includes(1) && now.includes(0)
            ? [
                suggests('wentDown', {
                  series: series.labels['__name__'] ?? '',
                  which: named(series),
                }),
              ]
            : []
        },
      ),
  },
  storage_failing: {
    when: 'an array lost a disk, or a disk failed its own check, before the fault',
    confidence: 'medium',
    code: 'system_failure/hardware_ageing',
    of: (host, { faultAt }) => [
      ...seriesOf(host, 'node_md_disks')
        .filter(({ labels }) => labels['state'] === 'failed')
        .filter((series) => (lastBefore(host, series, faultAt) ?? 0) > 0)
        .map(({ labels }) => suggests('arrayFailed', { name: labels['device'] ?? '' })),
      ...seriesOf(host, 'callward_disk_health_passed')
        .filter((series) => lastBefore(host, series, faultAt) === 0)
        .map(({ labels }) => suggests('diskFailed', { name: labels['device'] ?? '' })),
    ],
  },
  changed_unplanned: {
    when: 'something was seen to change on the host in the 2 hours before the fault, and no change record covers it',
    confidence: 'medium',
    code: 'process_failure/operations',
    of: (host, evidence) => changeTexts(host, evidence, true),
  },
  changed: {
    when: 'something was seen to change on the host in the 2 hours before the fault, as a change record said',
    confidence: 'medium',
    code: 'system_failure/software_configuration',
    of: (host, evidence) => changeTexts(host, evidence, false),
  },
  memory_short: {
    when: 'less than 3 % of the memory was available when the fault began',
    confidence: 'medium',
    code: 'system_failure/hardware_capacity',
    of: (host, { faultAt }) =>
      shares(host, faultAt, 'node_memory_MemAvailable_bytes', 'node_memory_MemTotal_bytes').map(
        ({ share }) => suggests('memoryShort', { share: percent(share) }),
      ),
  },
  work_planned: {
    when: 'the fault began in the window of an approved change record for the host or its site',
    confidence: 'low',
    of: (host, { faultAt }) =>
      host.changes.state !== 'ok'
        ? []
        : host.changes.records
            .filter(
              ({ state, startsAt, endsAt }) =>
                state !== 'draft' &&
                state !== 'rejected' &&
                startsAt <= faultAt &&
                endsAt >= faultAt,
            )
            .map(({ number, title }) => suggests('workPlanned', { number, title })),
  },
  drifted: {
    when: 'the host differs from its approved baseline',
    confidence: 'low',
    code: 'system_failure/software_configuration',
    of: ({ drift }) =>
      drift.state !== 'ok'
        ? []
        : drift.findings
            .filter(({ kind }) => kind !== 'unknown')
            .slice(0, 3)
            .map(({ subject, expected, found }) =>
              suggests('drifted', { subject, expected, found }),
            ),
  },
  backup_overdue: {
    when: 'a backup of the host is not as it should be; it causes no fault, and matters for what may be lost',
    confidence: 'low',
    of: ({ backups }) =>
      backups.state !== 'ok'
        ? []
        : backups.jobs
            .filter(({ posture }) => posture === 'unprotected' || posture === 'attention')
            .slice(0, 3)
            .map(({ name, posture, reasons }) =>
              suggests('backup', { name, posture, reason: reasons[0] ?? '' }),
            ),
  },
} as const satisfies Readonly<Record<string, SuggestionRule>>
export type SuggestionRuleName = keyof typeof suggestionRules | 'seen_before'

const rank = { high: 0, medium: 1, low: 2 } as const

/** Causes that the evidence suggests, the most likely first. */
export function suggestedCauses(evidence: Evidence): SuggestedCause[] {
  const found: SuggestedCause[] = []
  for (const [name, rule] of Object.entries(suggestionRules) as [
    keyof typeof suggestionRules,
    SuggestionRule,
  ][]) {
    for (const host of evidence.hosts)
      for (const text of rule.of(host, evidence).slice(0, 5))
        found.push({
          ...{ rule: name, text: `${host.instance}: ${text}`, confidence: rule.confidence },
          ...(rule.code === undefined ? {} : { code: rule.code }),
        })
  }
  found.push(...seenBefore(evidence))
  return found
    .map((one, index) => ({ one, index }))
    .sort((a, b) => rank[a.one.confidence] - rank[b.one.confidence] || a.index - b.index)
    .map(({ one }) => one)
}

/** The same alert had a coded cause before. */
function seenBefore({ similar }: Evidence): SuggestedCause[] {
  if (similar.state !== 'ok') return []
  return similar.incidents
    .filter(({ causes, reasons }) => causes.length > 0 && reasons.includes('same alert'))
    .slice(0, 2)
    .map(({ number, causes }) => ({
      rule: 'seen_before',
      text: suggests('seenBefore', { number, codes: causes.join(', ') }),
      confidence: 'medium',
      ...(causes[0] === undefined ? {} : { code: causes[0] }),
    }))
}

/** Calls of the incident's hosts from the beginning of the fault on; nothing where no host counts calls. */
export function suggestedCalls(evidence: Evidence): {
  readonly callsAttempted?: number
  readonly callsFailed?: number
  readonly callsAbandoned?: number
} {
  const total = (name: string) => {
    let sum: number | undefined
    for (const host of evidence.hosts) {
      if (host.metrics.state !== 'ok') continue
      const { stepMillis } = host.metrics
      for (const series of seriesOf(host, name)) {
        const rates = valuesBetween(host, series.avg, evidence.faultAt, evidence.at)
        if (rates.length > 0)
          sum = (sum ?? 0) + rates.reduce((all, rate) => all + (rate * stepMillis) / 1000, 0)
      }
    }
    return sum === undefined ? undefined : Math.round(sum)
  }
  const attempted = total('callward_calls_attempted_total')
  const cap = (calls: number | undefined, most = attempted) =>
    calls === undefined || most === undefined ? calls : Math.min(calls, most)
  const failed = cap(total('callward_calls_failed_total'))
  const abandoned = cap(
    total('callward_calls_abandoned_total'),
    attempted === undefined ? undefined : attempted - (failed ?? 0),
  )
  return {
    ...(attempted === undefined ? {} : { callsAttempted: attempted }),
    ...(failed === undefined ? {} : { callsFailed: failed }),
    ...(abandoned === undefined ? {} : { callsAbandoned: abandoned }),
  }
}

/** States in which a suggestion still helps somebody. */
const helpful: ReadonlySet<string> = new Set([
  ...['recorded', 'plan_active', 'dispatched', 'investigating', 'restored', 'root_cause'],
])
const mostTold = 6

/**
 * Facts that suggest cause and impact from frozen evidence: each supersedes the hub's suggestion before it, never what somebody said.
 * Nothing where the evidence says nothing, where the same is suggested already, or where it would help nobody any more.
 */
export function suggestionFacts(picture: Picture, evidence: Evidence, hash: string): NewFact[] {
  if (!helpful.has(picture.state) || picture.simple) return []
  const facts = [causeFact(picture, evidence, hash), impactFact(picture, evidence, hash)]
  return facts.filter(
    (fact): fact is NewFact => fact !== undefined && faultsOfAddition(picture, fact).length === 0,
  )
}

function causeFact(picture: Picture, evidence: Evidence, hash: string): NewFact | undefined {
  const causes = suggestedCauses(evidence)
  const [first] = causes
  if (first === undefined) return undefined
  const before = live(picture, 'preliminary_cause').findLast(ofHub)
  const told = causes.slice(0, mostTold).map(({ text, confidence }) => `${text} (${confidence})`)
  const more =
    causes.length > mostTold ? hubSays('moreCauses', { count: causes.length - mostTold }) : ''
  const text = hubSays('suggested', { causes: told.join('; ') + more }).slice(0, 5000)
  if (before?.value.text === text) return undefined
  return {
    ...stamp(evidence),
    kind: 'preliminary_cause',
    value: {
      ...{ text: clean(text), confidence: first.confidence, evidence: [hash] },
      ...(first.code === undefined ? {} : { code: first.code }),
    },
    supersedes: before?.id ?? null,
  } as NewFact
}

function impactFact(picture: Picture, evidence: Evidence, hash: string): NewFact | undefined {
  // What was attested or said is not written over, and an attestation not made void, by a program.
  if (said(picture, 'impact').length > 0) return undefined
  const calls = suggestedCalls(evidence)
  if (Object.keys(calls).length === 0) return undefined
  const before = live(picture, 'impact').findLast(ofHub)
  const { text: _, evidence: __, ...scope } = before?.value ?? { text: '' }
  const value = { ...scope, ...calls }
  if (before !== undefined && JSON.stringify(value) === JSON.stringify(scope)) return undefined
  const counted = (['callsAttempted', 'callsFailed', 'callsAbandoned'] as const).flatMap((name) => {
    const count = calls[name]
    return count === undefined ? [] : [hubSays(name, { count })]
  })
  return {
    ...stamp(evidence),
    kind: 'impact',
    value: {
      text: hubSays('callsCounted', { calls: counted.join(', ') }),
      ...{ ...value, evidence: [hash] },
    },
    supersedes: before?.id ?? null,
  } as NewFact
}

const ofHub = (fact: { readonly certainty: string; readonly recordedBy: string }) =>
  fact.certainty === 'suggestion' && fact.recordedBy === hubActor

function stamp({ at }: Evidence) {
  return { certainty: 'suggestion', occurredAt: at, recordedBy: hubActor } as const
}

function seriesWhere(host: FrozenHost, test: (name: string) => boolean): FrozenSeries[] {
  if (host.metrics.state !== 'ok') return []
  return host.metrics.series.filter(({ labels }) => test(labels['__name__'] ?? ''))
}

function seriesOf(host: FrozenHost, name: string): FrozenSeries[] {
  return seriesWhere(host, (one) => one === name)
}

function valuesBetween(
  host: FrozenHost,
  values: readonly (number | null)[],
  from: Millis,
  to: Millis,
): number[] {
  if (host.metrics.state !== 'ok') return []
  const { from: start, stepMillis } = host.metrics
  return values.flatMap((value, index) => {
    const begins = start + index * stepMillis
    return value === null || begins + stepMillis <= from || begins > to ? [] : [value]
  })
}

/** The newest average of the quarter of an hour before an instant, and shortly after it. */
function lastBefore(host: FrozenHost, { avg }: FrozenSeries, at: Millis): number | undefined {
  return valuesBetween(host, avg, at - 15 * minuteMillis, at + afterMillis).at(-1)
}

/** Where less than 3 % of one series is left beside that of the same labels under another name. */
function shares(host: FrozenHost, at: Millis, part: string, whole: string) {
  const wholes = new Map(
    seriesOf(host, whole).map((series) => [named(series), lastBefore(host, series, at)]),
  )
  return seriesOf(host, part).flatMap((series) => {
    const all = wholes.get(named(series))
    const rest = lastBefore(host, series, at)
    if (all === undefined || rest === undefined || all <= 0 || rest / all >= thin) return []
    return [{ name: series.labels['mountpoint'] ?? named(series), share: rest / all }]
  })
}

function changeTexts({ versions }: FrozenHost, { faultAt }: Evidence, open: boolean): string[] {
  if (versions.state !== 'ok') return []
  return versions.changes
    .filter(
      ({ at, state }) => (state === 'open') === open && at <= faultAt && at > faultAt - nearMillis,
    )
    .map(({ at, items, omitted }) => {
      const [first] = items
      const more = items.length - 1 + omitted
      const what = first === undefined ? suggests('something') : changeText(first)
      const change = more > 0 ? hubSays('andMore', { some: what, count: more }) : what
      return suggests('changed', { change, minutes: Math.round((faultAt - at) / minuteMillis) })
    })
}

function changeText({ kind, subject, from, to }: SeenChange['items'][number]): string {
  const what = `${kind} ${subject}`
  if (to === null)
    return suggests('vanished', { subject: from === null ? what : `${what} ${from}` })
  if (from === null) return suggests('appeared', { subject: what, to })
  return `${what} ${from} -> ${to}`
}

/** Labels that tell series of one host and name apart. */
function named({ labels }: FrozenSeries): string {
  const common = [
    '__name__',
    'job',
    'instance',
    'customer',
    'site',
    'server',
    'role',
    'env',
    'simulated',
  ]
  return Object.entries(labels)
    .filter(([name]) => !common.includes(name))
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

const iso = (at: Millis) => new Date(at).toISOString()
const percent = (share: number) => `${Math.round(share * 1000) / 10} %`

/** Labels hold anything; a fact takes no NUL and no half of a character. */
function clean(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/\p{Surrogate}/gu, '\ufffd')
}
