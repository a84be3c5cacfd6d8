import type { Millis, Severity } from './alert.ts'
import { type Calendars, firstInside } from './calendar.ts'
import type { RuleExtras, Threshold, Tier } from './rule-extras.ts'

/** Where an alert stands between its rule's tiers. */
export interface TierState {
  /** The tier reached, as an index; -1 is none. */
  readonly reached: number
  /** Since when each tier's threshold has been passed; null where it is not. */
  readonly since: readonly (Millis | null)[]
}

/** No tier reached. */
export const noTier: TierState = { reached: -1, since: [] }

/** True when the value passes; NaN never does. */
export function passes(threshold: Threshold, value: number): boolean {
  if (threshold.operator === '>') return value > threshold.value
  if (threshold.operator === '>=') return value >= threshold.value
  if (threshold.operator === '<') return value < threshold.value
  return value <= threshold.value
}

/**
 * The state after a value was seen: a tier is reached when its threshold was passed for its time, and left when the
 * value no longer passes its recovery; the severest one holds.
 */
export function stepTiers(
  tiers: readonly Tier[],
  state: TierState,
  value: number,
  now: Millis,
): TierState {
  const since = tiers.map((tier, i) => {
    const held = i <= state.reached && tier.recovery !== undefined
    const bound = held ? { ...tier.threshold, value: tier.recovery! } : tier.threshold
    return passes(bound, value) ? (state.since[i] ?? now) : null
  })
  return settleTiers(tiers, { reached: state.reached, since }, now)
}

/** Which thresholds a value passes: while the answer is the same, no tier changes because of the value. */
export function standingOnTiers(tiers: readonly Tier[], value: number): string {
  return tiers
    .flatMap(({ threshold, recovery }) => [
      passes(threshold, value),
      recovery !== undefined && passes({ ...threshold, value: recovery }, value),
    ])
    .map(Number)
    .join('')
}

/** The state when time has passed and the value is as it was. */
export function settleTiers(tiers: readonly Tier[], state: TierState, now: Millis): TierState {
  let reached = -1
  for (const [i, tier] of tiers.entries()) {
    const start = state.since[i] ?? null
    if (start !== null && (i <= state.reached || now - start >= tier.for)) reached = i
  }
  return { reached, since: state.since }
}

/** When the next tier is reached if the value stays; undefined when none waits. */
export function nextTierAt(tiers: readonly Tier[], state: TierState): Millis | undefined {
  const waiting = tiers.flatMap((tier, i) => {
    const start = state.since[i] ?? null
    return start !== null && i > state.reached ? [start + tier.for] : []
  })
  return waiting.length === 0 ? undefined : Math.min(...waiting)
}

/** How severe an alert counts now, whom its rule names, and when that may change by itself. */
export interface Standing {
  readonly severity: Severity
  /** Empty: the routing tree decides. */
  readonly receivers: readonly string[]
  readonly until: Millis | undefined
  /** Says what changed the severity its labels state. */
  readonly because: string | undefined
}

/** The severity by tier, then by calendar; the tier's receivers before the rule's. */
export function standingOf(
  severity: Severity,
  extras: RuleExtras,
  state: TierState,
  calendars: Calendars,
  now: Millis,
): Standing {
  const tier = extras.tiers[state.reached]
  const base = tier?.severity ?? severity
  const receivers =
    tier !== undefined && tier.receivers.length > 0 ? tier.receivers : extras.receivers
  const next = nextTierAt(extras.tiers, state)
  const names = extras.severities.flatMap(({ calendar }) => calendar ?? [])
  const { name, until } = firstInside(calendars, names, now)
  const unknown = names.find((one) => !calendars.has(one))
  const line =
    unknown === undefined
      ? extras.severities.find(({ calendar }) => calendar === undefined || calendar === name)
      : undefined
  const final = line === undefined || line.severity === 'same' ? base : line.severity
  const reasons = [
    ...(tier === undefined || tier.severity === severity
      ? []
      : [`its value reached the tier ${base}`]),
    ...(unknown === undefined
      ? []
      : [`calendar "${unknown}" is not defined, severity left as it is`]),
    ...(final === base ? [] : [`${line?.calendar ?? 'outside its calendars'}: ${final}`]),
  ]
  return {
    severity: final,
    receivers,
    until: earliest(next, names.length === 0 ? undefined : until),
    because: reasons.length === 0 ? undefined : reasons.join('; '),
  }
}

/** The earlier of two instants that may be missing. */
export function earliest(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined) return b
  return b === undefined ? a : Math.min(a, b)
}
