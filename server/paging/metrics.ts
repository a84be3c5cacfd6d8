import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'
import { median, percentile } from '../../incidents/figures.ts'
import type { Clock, Millis } from '../clock.ts'
import { type PageFigures, type PolicyCount, pageFigures } from './figures-store.ts'

/** Policies that get series of their own; the rest share the name `others`. */
export const mostPolicies = 100
const others = 'others'
const windowMillis: Millis = 30 * 86_400_000
const lookEveryMillis = 60_000

/** Registers figures of pages at /metrics; gives the counter of attempts to tell somebody. */
export function pagingMetrics(app: FastifyInstance, clock: Clock): Counter<'channel' | 'outcome'> {
  const { records, telemetry } = app
  const registers = [telemetry.registry]
  new Gauge({
    name: 'callward_pages',
    help: 'Pages that are not closed, by state: open (nobody has taken it), acknowledged.',
    labelNames: ['state'],
    registers,
    async collect() {
      const rows = await records.read
        .selectFrom('pages')
        .select((is) => ['state', is.fn.countAll<number>().as('count')])
        .where('state', '<>', 'closed')
        .groupBy('state')
        .execute()
        .catch(() => undefined)
      for (const state of rows === undefined ? [] : ['open', 'acknowledged'])
        this.set({ state }, Number(rows?.find((row) => row.state === state)?.count ?? 0))
    },
  })
  keepFigures(app, clock)
  return new Counter({
    name: 'callward_page_attempts_total',
    help: 'Attempts to tell somebody of a page, by channel and outcome.',
    labelNames: ['channel', 'outcome'],
    registers,
  })
}

/** Figures of the last 30 days, read from the pages themselves: a restart changes none of them. */
function keepFigures(app: FastifyInstance, clock: Clock): void {
  const registers = [app.telemetry.registry]
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers })
  const opened = gauge(
    'callward_pages_opened_30d',
    'Pages of the last 30 days, by escalation policy and severity.',
    ['policy', 'severity'],
  )
  const escalations = gauge(
    'callward_page_escalations_30d',
    'Escalations of the pages of the last 30 days, by policy and kind: step (a later one, or the first again), catch-all, asked again.',
    ['policy', 'kind'],
  )
  const taken = gauge(
    'callward_page_acknowledge_seconds',
    'Time until somebody first took a page, over the last 30 days, by policy: quantile 0.5 and 0.9.',
    ['policy', 'quantile'],
  )
  const show = (figures: PageFigures) => {
    for (const one of [opened, escalations, taken]) one.reset()
    const shown = shownPolicies(figures.opened)
    const name = (policy: string) => (shown.has(policy) ? policy : others)
    for (const { policy, of, count } of figures.opened)
      opened.inc({ policy: name(policy), severity: of }, count)
    for (const { policy, of, count } of figures.escalations)
      escalations.inc({ policy: name(policy), kind: of }, count)
    const seconds = new Map<string, number[]>()
    for (const { policy, millis } of figures.taken) {
      const some = seconds.get(name(policy)) ?? []
      some.push(millis / 1000)
      seconds.set(name(policy), some)
    }
    for (const [policy, some] of seconds) {
      some.sort((a, b) => a - b)
      taken.set({ policy, quantile: '0.5' }, median(some))
      taken.set({ policy, quantile: '0.9' }, percentile(some, 0.9))
    }
  }
  let looking: Promise<void> = Promise.resolve()
  const look = () => {
    looking = pageFigures(app.records.read, clock.now() - windowMillis).then(show, (err: unknown) =>
      app.log.warn({ err }, 'figures of pages not read'),
    )
  }
  let timer: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    look()
    timer = setInterval(look, lookEveryMillis)
    timer.unref()
  })
  app.addHook('preClose', async () => {
    clearInterval(timer)
    await looking
  })
}

/** Those with most pages. */
export function shownPolicies(opened: readonly PolicyCount[]): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { policy, count } of opened) counts.set(policy, (counts.get(policy) ?? 0) + count)
  const most = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return new Set(most.slice(0, mostPolicies).map(([policy]) => policy))
}
