import type { AlertChange, Labels, Millis, Severity } from '../../alerts/alert.ts'
import { type Calendar, contains } from '../../alerts/calendar.ts'
import { type Decision, type PipelineInput, runPipeline } from '../../alerts/pipeline.ts'
import { newPipeline, type PipelineContext } from '../../alerts/pipeline-state.ts'

/** One life of an alert in the replay. */
export interface PastFiring {
  readonly rule: string
  readonly labels: Labels
  readonly severity: Severity
  readonly begin: Millis
  /** Undefined: it still fires at the end. */
  readonly end: Millis | undefined
  /** The value when it fired. */
  readonly value: string
}

/** One time somebody's phone would have rung. */
export interface PastPage {
  readonly at: Millis
  readonly receiver: string
  readonly alerts: readonly string[]
  readonly atNight: boolean
  /** In the calendar asked for; undefined without one. */
  readonly inCalendar: boolean | undefined
}

/** Night for the report: from 22 to 7 on the site's clock. */
export const night = {
  name: 'night',
  except: [],
  interval: (location: string) => ({
    times: [
      { from: 0, to: 7 * 60 },
      { from: 22 * 60, to: 24 * 60 },
    ],
    weekdays: [],
    daysOfMonth: [],
    months: [],
    years: [],
    location,
  }),
}

/** The calendar of the night in a zone. */
export function nightOf(zone: string): Calendar {
  return { name: night.name, intervals: [night.interval(zone)], except: [] }
}

/** Lives of alerts, in the order they began. */
export function firingsOf(changes: readonly AlertChange[]): PastFiring[] {
  const byId = new Map<string, PastFiring>()
  for (const { kind, alert, at, revalued } of changes) {
    const known = byId.get(alert.id)
    if (kind === 'firing' && revalued === undefined && known === undefined) {
      const { rule, labels, severity, value } = alert
      byId.set(alert.id, { rule, labels, severity, value, begin: at, end: undefined })
    } else if (kind === 'resolved' && known !== undefined) byId.set(alert.id, { ...known, end: at })
  }
  return [...byId.values()].sort((a, b) => a.begin - b.begin)
}

const inputsAtOnce = 200

/**
 * Feeds the changes to the pipeline as the hub would have, and gives what pages: notifications with something new of a critical alert,
 * as it counted then by tier and calendar. Nobody acknowledges in a replay, so repeats are left out. `pause` lets others have their turn.
 */
export async function pagesOf(
  changes: readonly AlertChange[],
  context: PipelineContext,
  { from, to }: { readonly from: Millis; readonly to: Millis },
  judge: { readonly night: Calendar; readonly calendar: Calendar | undefined },
  pause: () => Promise<void>,
): Promise<PastPage[]> {
  const inputs = changes
    .map((change): PipelineInput => ({ kind: 'alert', at: change.at, change }))
    .sort((a, b) => a.at - b.at)
  let state = newPipeline(from)
  const pages: PastPage[] = []
  for (let i = 0; i <= inputs.length; i += inputsAtOnce) {
    const some = inputs.slice(i, i + inputsAtOnce)
    const end = i + inputsAtOnce > inputs.length ? to : some.at(-1)!.at
    const result = runPipeline(state, context, some, end)
    state = result.state
    pages.push(...result.decisions.flatMap((decision) => pageOf(decision, judge)))
    await pause()
  }
  return pages
}

function pageOf(
  decision: Decision,
  judge: { readonly night: Calendar; readonly calendar: Calendar | undefined },
): PastPage[] {
  if (decision.kind !== 'notify') return []
  const { reason, firing, at, receiver } = decision
  if (reason !== 'new' && reason !== 'more') return []
  const critical = firing.filter(({ severity }) => severity === 'critical')
  if (critical.length === 0) return []
  return [
    {
      at,
      receiver,
      alerts: [...new Set(critical.map(({ alert }) => alert.rule))],
      atNight: contains(judge.night, at),
      inCalendar: judge.calendar && contains(judge.calendar, at),
    },
  ]
}

export interface PastSummary {
  readonly firings: number
  readonly pages: number
  readonly pagesAtNight: number
  readonly pagesInCalendar: number | undefined
  /** Of the firings; 0 without any. */
  readonly longestSeconds: number
}

/** The figures of a replay; a firing that has not ended counts until `to`. */
export function summaryOf(
  firings: readonly PastFiring[],
  pages: readonly PastPage[],
  to: Millis,
): PastSummary {
  const inCalendar = pages.filter((page) => page.inCalendar === true).length
  const longest = firings.reduce((most, { begin, end = to }) => Math.max(most, end - begin), 0)
  return {
    firings: firings.length,
    pages: pages.length,
    pagesAtNight: pages.filter(({ atNight }) => atNight).length,
    pagesInCalendar: pages.some((page) => page.inCalendar !== undefined) ? inCalendar : undefined,
    longestSeconds: longest / 1000,
  }
}
