/** Time ranges in Grafana's words (`now-6h`), and the steps of a query. Pure. */

const units: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  M: 2_592_000,
  y: 31_536_000,
}

/** Seconds of a span such as `30s` or `5m`; undefined when it is none. */
export function spanSeconds(text: string): number | undefined {
  const [, count, unit] = /^(\d+)([smhdwMy])$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * units[unit!]!
}

/** Milliseconds of `now`, `now-6h`, a number of milliseconds or an RFC 3339 time; undefined when it is none. */
export function momentOf(text: string, now: number): number | undefined {
  if (text === 'now') return now
  const back = /^now-(.+)$/.exec(text)?.[1]
  if (back !== undefined) {
    const seconds = spanSeconds(back)
    return seconds === undefined ? undefined : now - seconds * 1000
  }
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isFinite(at) ? at : undefined
}

/** What a board's queries ask for: seconds, both ends included and on whole steps. */
export interface Window {
  readonly start: number
  readonly end: number
  readonly step: number
  /** The range chosen, before it was laid on whole steps. */
  readonly seconds: number
  /** Where the range chosen ends, in whole seconds: what is asked for one moment is asked here, as Grafana does, not up to a step before. */
  readonly last: number
}

const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]

/** The window from `from` to `to` with at most `points` steps; undefined for a range that is none or is empty. It ends now at the latest. */
export function windowOf(
  { from, to }: { readonly from: string; readonly to: string },
  now: number,
  points: number,
): Window | undefined {
  const [first, wished] = [momentOf(from, now), momentOf(to, now)]
  if (first === undefined || wished === undefined) return undefined
  const last = Math.min(wished, now)
  if (last <= first) return undefined
  const seconds = (last - first) / 1000
  const fine = steps.find((step) => seconds / step <= points)
  const step = fine ?? Math.ceil(seconds / points / 86_400) * 86_400
  const end = Math.floor(last / 1000 / step) * step
  const start = Math.floor(first / 1000 / step) * step
  return { start, end: Math.max(end, start + step), step, seconds, last: Math.floor(last / 1000) }
}

/** The seconds of each step. */
export function timesOf({ start, end, step }: Window): readonly number[] {
  return Array.from({ length: Math.round((end - start) / step) + 1 }, (_, at) => start + at * step)
}
