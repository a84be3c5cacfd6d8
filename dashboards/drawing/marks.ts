import type { AnnotationDefinition } from './definition.ts'
import { type Tone, toneOf } from './judged.ts'
import type { AnsweredSeries } from './series.ts'
import type { Window } from './time.ts'

/** A stretch of the time axis with something to say: an alert that fired, an incident that was open, planned work, changed versions. */
export interface Mark {
  /** Seconds. */
  readonly from: number
  readonly to: number
  /** True where it still holds at the end of the window. */
  readonly lasting: boolean
  readonly title: string
  readonly text: string
  readonly tone: Tone
  readonly labels: Readonly<Record<string, string>>
  /** Path of the hub's page about it. */
  readonly href: string | undefined
}

/** What is painted behind curves: marks of one tone that overlap are one band. */
export function bandsOf(marks: readonly Mark[]): readonly Pick<Mark, 'from' | 'to' | 'tone'>[] {
  const bands: { from: number; to: number; tone: Tone }[] = []
  for (const { from, to, tone } of [...marks].sort((a, b) => a.from - b.from)) {
    const last = bands.findLast((band) => band.tone === tone)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else bands.push({ from, to, tone })
  }
  return bands
}

/** The overlay's answers as marks, earliest first: points at most one step apart are one. */
export function marksOf(
  annotation: AnnotationDefinition,
  series: readonly AnsweredSeries[],
  window: Window,
): readonly Mark[] {
  return series
    .flatMap(({ metric, values = [] }) => {
      const known = {
        title: fill(annotation.titleFormat ?? annotation.name, metric),
        text: fill(annotation.textFormat ?? '', metric).replace(/ ?\(\)/, ''),
        tone: toneOf(annotation.iconColor),
        labels: metric,
        href: pageOf(metric),
      }
      return stretches(values, window.step).map(({ from, to }) => ({
        ...known,
        from,
        to,
        lasting: to >= window.end - window.step,
      }))
    })
    .sort((a, b) => a.from - b.from)
}

function fill(text: string, labels: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => labels[name] ?? '').trim()
}

/** An incident's own page, else the runbook of the alert, else the host's. */
function pageOf(labels: Readonly<Record<string, string>>): string | undefined {
  const { incident, alertname, instance } = labels
  if (incident !== undefined) return `/incidents/${encodeURIComponent(incident)}`
  if (alertname !== undefined) return `/runbooks/${encodeURIComponent(alertname)}`
  return instance === undefined ? undefined : `/hosts/${encodeURIComponent(instance)}`
}

function stretches(
  values: readonly (readonly [number, string])[],
  step: number,
): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = []
  for (const [at, text] of values) {
    if (!(Number(text) > 0)) continue
    const last = found.at(-1)
    if (last !== undefined && at - last.to <= step) last.to = at
    else found.push({ from: at, to: at })
  }
  return found
}
