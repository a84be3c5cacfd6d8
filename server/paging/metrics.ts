import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'

/** Registers figures of pages at /metrics; gives the counter of attempts to tell somebody. */
export function pagingMetrics({
  records,
  telemetry,
}: FastifyInstance): Counter<'channel' | 'outcome'> {
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
  return new Counter({
    name: 'callward_page_attempts_total',
    help: 'Attempts to tell somebody of a page, by channel and outcome.',
    labelNames: ['channel', 'outcome'],
    registers,
  })
}
