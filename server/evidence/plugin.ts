import fp from 'fastify-plugin'
import type {} from '../baselines/plugin.ts'
import type {} from '../changes/plugin.ts'
import type { Clock } from '../clock.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../inventory/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../oncall/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../promql/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../store/plugin.ts'
import { freezeDuty, noteFreezes } from './freeze-duty.ts'
import { evidenceRoutes } from './routes.ts'

/** Evidence frozen at detection, and what it suggests. */
export const evidencePlugin = fp(
  async (app, { clock }: { clock: Clock }) => {
    app.incidents.onFacts(noteFreezes(app, clock))
    app.obligations.register(freezeDuty(app, clock))
    await app.register(evidenceRoutes)
  },
  {
    name: 'callward-evidence',
    dependencies: [
      'callward-records',
      'callward-store',
      'callward-obligations',
      'callward-oncall',
      'callward-incidents',
      'callward-promql',
      'callward-rules',
      'callward-inventory',
      'callward-changes',
      'callward-baselines',
    ],
  },
)
