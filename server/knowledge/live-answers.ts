import { rfc3339 } from '../clock.ts'
import type { Answer, Promql } from '../promql/plugin.ts'
import type { Runbook } from './runbook.ts'

/** What a step's or a check's query says now. */
export interface LiveAnswer {
  readonly id: string
  readonly text: string
  readonly of: 'step' | 'check'
  /** As it was asked, the host put in. */
  readonly query: string
  readonly at: string
  /** `nothing`: the query was answered and found no series, which for a fault may be good or bad news. */
  readonly state: 'answered' | 'nothing' | 'failed'
  /** The series found, at most `seriesMax`. */
  readonly values: readonly { readonly labels: Record<string, string>; readonly value: string }[]
  /** Series beyond those shown. */
  readonly more: number
  /** Why it failed. */
  readonly fault?: string
}

const seriesMax = 20
const timeoutMilliseconds = 5000

/** The query with a host's instance in the place of `$instance`, which stands between double quotes. */
export function queryFor(query: string, instance: string): string {
  const quoted = JSON.stringify(instance).slice(1, -1)
  return query.replaceAll('$instance', () => quoted)
}

/** Asks all queries of a runbook for one host, one after the other; a query that fails is told as such. */
export async function liveAnswers(
  promql: Pick<Promql, 'instant'>,
  { steps, checks }: Pick<Runbook, 'steps' | 'checks'>,
  instance: string,
  now: number,
): Promise<LiveAnswer[]> {
  const asked = [
    ...steps.map((step) => ({ ...step, of: 'step' as const })),
    ...checks.map((check) => ({ ...check, of: 'check' as const })),
  ]
  const answers: LiveAnswer[] = []
  for (const { id, text, of, query } of asked) {
    if (query === undefined) continue
    const base = { id, text, of, query: queryFor(query, instance), at: rfc3339(now) }
    try {
      const answer = await promql.instant(base.query, now, { timeoutMilliseconds })
      answers.push({ ...base, ...shown(answer) })
    } catch (error) {
      // What is wrong with the query is for its author; anything else is not.
      if (!(error instanceof Error) || error.name !== 'QueryFailure') throw error
      const fault = error.message
      answers.push({ ...base, state: 'failed', values: [], more: 0, fault })
    }
  }
  return answers
}

function shown({ value }: Answer): Pick<LiveAnswer, 'state' | 'values' | 'more'> {
  const all = valuesOf(value)
  return {
    state: all.length === 0 ? 'nothing' : 'answered',
    values: all.slice(0, seriesMax),
    more: Math.max(0, all.length - seriesMax),
  }
}

function valuesOf(value: Answer['value']): LiveAnswer['values'] {
  if (value.kind === 'vector')
    return value.samples.map((one) => ({
      labels: plainLabels(one.labels),
      value: String(one.value),
    }))
  if (value.kind === 'matrix')
    return value.series.map(({ labels, values }) => ({
      labels: plainLabels(labels),
      value: String(values.at(-1)),
    }))
  return [{ labels: {}, value: String(value.value) }]
}

function plainLabels(labels: object): Record<string, string> {
  return Object.fromEntries(Object.entries(labels))
}
