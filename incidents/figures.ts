import type { Millis } from './facts.ts'

/** What counting needs of one incident. Cancelled and merged ones are left out by `serviceFigures`. */
export interface CountedIncident {
  readonly id: string
  readonly state: string
  readonly services: readonly string[]
  /** When it occurred, else was detected. */
  readonly at: Millis
  readonly toAcknowledgeMillis?: number | undefined
  readonly toRestoreMillis?: number | undefined
  readonly callsAttempted?: number | undefined
  readonly callsFailed?: number | undefined
}

export interface Period {
  readonly from: Millis
  /** Not in it any more. */
  readonly to: Millis
}

export interface Targets {
  readonly acknowledgeMillis: number
  readonly restoreMillis: number
}

/** How long something took, over many incidents. Never a mean: one bad night would hide in it, or be all of it. */
export interface Spread {
  /** Incidents of which it is known. */
  readonly count: number
  /** Incidents of which it is not known, as they are not restored, or nobody acknowledged. */
  readonly unknown: number
  readonly medianMillis?: number
  readonly p90Millis?: number
  readonly withinTarget?: number
  /** 0 to 1, of those known. */
  readonly withinTargetShare?: number
  /** Present where the sample is too small for the figures beside it. */
  readonly caution?: string
}

export interface ServiceFigures {
  readonly service: string
  readonly period: Period
  readonly incidents: number
  /** Incidents per 30 days of the period. */
  readonly per30Days: number
  /** 0 to 1 of the calls attempted, over incidents that say both. */
  readonly failedCallShare?: number
  readonly toAcknowledge: Spread
  readonly toRestore: Spread
  readonly caution?: string
}

/** Below this a 90th percentile is just the worst case. */
const smallSample = 10
/** Below this a median is one incident. */
const tinySample = 3
const thirtyDaysMillis = 30 * 86_400_000

/** Nearest rank: the smallest value that at least this share of all does not exceed. `sorted` is not empty. */
export function percentile(sorted: readonly number[], share: number): number {
  // 0.9 is a little more than nine tenths in binary.
  const rank = Math.max(1, Math.ceil(share * sorted.length - 1e-9))
  const value = sorted[rank - 1]
  if (value === undefined) throw new Error(`BUG: no rank ${rank} of ${sorted.length}`)
  return value
}

/** The middle one, or the mean of the two in the middle. `sorted` is not empty. */
export function median(sorted: readonly number[]): number {
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  const upper = sorted[Math.floor(sorted.length / 2)]
  if (lower === undefined || upper === undefined) throw new Error('BUG: median of nothing')
  return (lower + upper) / 2
}

/** What counts in a period: neither cancelled nor merged ones. */
function countedIn(incidents: readonly CountedIncident[], { from, to }: Period): CountedIncident[] {
  return incidents.filter(
    ({ state, at }) => state !== 'cancelled' && state !== 'merged' && at >= from && at < to,
  )
}

/** Figures of all incidents together, each counted once whatever it touched; `service` is empty. */
export function wholeFigures(
  incidents: readonly CountedIncident[],
  period: Period,
  targets: Targets,
): ServiceFigures {
  return ofService('', countedIn(incidents, period), period, targets)
}

/** Figures of one calendar month, as far as the period reaches into it. */
export interface MonthFigures {
  /** As `2026-03`, UTC. */
  readonly month: string
  readonly whole: ServiceFigures
  readonly services: readonly ServiceFigures[]
}

/** Figures of each calendar month (UTC) of a period, oldest first; months without incidents are there too. */
export function monthlyFigures(
  incidents: readonly CountedIncident[],
  { from, to }: Period,
  targets: Targets,
): MonthFigures[] {
  const months: MonthFigures[] = []
  for (let start = from; start < to; ) {
    const day = new Date(start)
    const next = Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1)
    const period = { from: start, to: Math.min(next, to) }
    months.push({
      month: day.toISOString().slice(0, 7),
      whole: wholeFigures(incidents, period, targets),
      services: serviceFigures(incidents, period, targets),
    })
    start = next
  }
  return months
}

/** Figures per service, ordered by name; an incident counts for each service it names. */
export function serviceFigures(
  incidents: readonly CountedIncident[],
  period: Period,
  targets: Targets,
): ServiceFigures[] {
  const counted = countedIn(incidents, period)
  const services = new Map<string, CountedIncident[]>()
  for (const incident of counted) {
    for (const service of new Set(incident.services)) {
      const its = services.get(service)
      if (its === undefined) services.set(service, [incident])
      else its.push(incident)
    }
  }
  return [...services]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([service, its]) => ofService(service, its, period, targets))
}

function ofService(
  service: string,
  incidents: readonly CountedIncident[],
  period: Period,
  targets: Targets,
): ServiceFigures {
  const days = Math.max(1, (period.to - period.from) / 86_400_000)
  const both = incidents.filter(
    ({ callsAttempted = 0, callsFailed }) => callsAttempted > 0 && callsFailed !== undefined,
  )
  const attempted = both.reduce((sum, { callsAttempted = 0 }) => sum + callsAttempted, 0)
  const failed = both.reduce((sum, { callsFailed = 0 }) => sum + callsFailed, 0)
  const spread = (of: (one: CountedIncident) => number | undefined, target: number) =>
    spreadOf(incidents.map(of), target)
  return {
    service,
    period,
    incidents: incidents.length,
    per30Days: incidents.length / ((days * 86_400_000) / thirtyDaysMillis),
    ...(attempted === 0 ? {} : { failedCallShare: failed / attempted }),
    toAcknowledge: spread((one) => one.toAcknowledgeMillis, targets.acknowledgeMillis),
    toRestore: spread((one) => one.toRestoreMillis, targets.restoreMillis),
    ...(days < 30
      ? { caution: `the period is ${Math.floor(days)} days: the rate per 30 days is extrapolated` }
      : {}),
  }
}

/** Median, 90th percentile and share within the target; what is not known is counted, never taken for zero. */
export function spreadOf(values: readonly (number | undefined)[], targetMillis: number): Spread {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  const count = sorted.length
  const unknown = values.length - count
  if (count === 0) return { count, unknown, caution: 'not known of any incident' }
  const withinTarget = sorted.filter((value) => value <= targetMillis).length
  return {
    count,
    unknown,
    medianMillis: median(sorted),
    p90Millis: percentile(sorted, 0.9),
    withinTarget,
    withinTargetShare: withinTarget / count,
    ...cautionOf(count),
  }
}

function cautionOf(count: number): { readonly caution?: string } {
  if (count < tinySample)
    return { caution: `only ${count}: neither the median nor the 90th percentile says much` }
  if (count < smallSample)
    return { caution: `only ${count}: the 90th percentile is the worst case` }
  return {}
}
