import { Counter, Gauge, type Registry } from 'prom-client'

export type EnrolmentMetrics = ReturnType<typeof enrolmentMetrics>

/** Registers what enrolment counts. */
export function enrolmentMetrics(
  registry: Registry,
  now: {
    readonly byState: () => Readonly<Record<string, number>>
    readonly halfOpen: () => number
  },
) {
  const registers = [registry]
  new Gauge({
    name: 'callward_enrolments',
    help: 'Enrolments of collectors, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(now.byState())) this.labels(state).set(count)
    },
  })
  new Gauge({
    name: 'callward_enrolment_half_open_sessions',
    help: 'Connections of enrolled collectors that have not proven themselves yet.',
    registers,
    collect() {
      this.set(now.halfOpen())
    },
  })
  return {
    proven: new Counter({
      name: 'callward_enrolment_sessions_total',
      help: 'Sessions in which hub and collector proved themselves by their keys.',
      registers,
    }),
    refused: new Counter({
      name: 'callward_enrolment_refusals_total',
      help: 'Sessions of enrolled collectors refused, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    tokens: new Counter({
      name: 'callward_enrolment_token_refusals_total',
      help: 'One-time tokens refused, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    resynced: new Counter({
      name: 'callward_enrolment_counts_accepted_total',
      help: 'Sessions whose count was taken as it was, after a restore or by an administrator’s word.',
      registers,
    }),
  }
}
