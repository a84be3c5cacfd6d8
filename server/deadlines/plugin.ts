import fp from 'fastify-plugin'
import { changesDeadlines } from '../../deadlines/case.ts'
import {
  actionRegime,
  type Regimes,
  type UpdateRhythm,
  updateRhythmOf,
} from '../../deadlines/standing.ts'
import type { Clock, Millis } from '../clock.ts'
import type {} from '../clocks/plugin.ts'
import { ConfigError, type HubConfig, systemZone } from '../config.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../paging/plugin.ts'
import type { Records } from '../records/records.ts'
import { DeadlineKeeper } from './keeper.ts'
import { deadlineMetrics } from './metrics.ts'
import { deadlineRoutes } from './routes.ts'
import { chooseRegimes, readInstitution } from './settings.ts'
import { tellingDuties } from './telling-duty.ts'
import { putInForce } from './time-limits-store.ts'

/** Deadlines of incidents: service levels, regulators, actions. */
export interface Deadlines {
  /** Whose time limits hold. */
  regimes(): Regimes
  /** Brings all incidents that are open, or owed something, to the regimes in force; gives how many. */
  followAll(): Promise<number>
  /** How often the service levels want word of an incident of a severity. */
  updateRhythm(severity: string): UpdateRhythm | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    deadlines: Deadlines
  }
}

const lookEveryMillis: Millis = 60_000
/** Incidents of one transaction when all are gone through. */
const atOnce = 50

export const deadlinesPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const { records, incidents, obligations, paging, ledger } = app
    const settings = config.incidents ?? {}
    const institution = readInstitution(settings, config.timeZone ?? systemZone())
    if (Array.isArray(institution)) throw unusable(institution as readonly string[])
    const binds = institution as Exclude<typeof institution, readonly string[]>
    const read = async () => {
      const { byName } = await app.clocks.regimes()
      const chosen = chooseRegimes(settings, binds, byName)
      return { chosen, textOf: (name: string) => byName.get(name)?.text ?? '' }
    }
    const first = await read()
    if (!('serviceLevels' in first.chosen)) throw unusable(first.chosen)
    let regimes: Regimes = first.chosen
    await records.write((tx) => putInForce({ clock, ledger }, tx, regimes, first.textOf))

    const keeper = new DeadlineKeeper({
      ...{ clock, obligations, paging, incidents },
      regimes: () => regimes,
    })
    const metrics = deadlineMetrics(app, clock)
    incidents.onFacts(async (tx, { after, picture, facts }) => {
      if (facts.some(({ kind }) => changesDeadlines(kind))) await keeper.follow(tx, after, picture)
    })
    for (const kind of tellingDuties({
      ...{ clock, records, keeper, incidents, paging },
      regimes: () => regimes,
      told: ({ regime, code }, word) =>
        metrics.told(regime, code, word === 2 || regime === actionRegime),
    }))
      obligations.register(kind)

    async function followAll(): Promise<number> {
      const rows = await unfinished(records)
      for (let from = 0; from < rows.length; from += atOnce) {
        const some = rows.slice(from, from + atOnce)
        await records.write(async (tx) => {
          for (const { id } of some) {
            const found = await incidents.picture(id, tx).catch((err: unknown) => {
              app.log.error({ err, incident: id }, 'the deadlines of an incident cannot be told')
            })
            if (found !== undefined) await keeper.follow(tx, found.row, found.picture)
          }
        })
      }
      if (rows.length > 0) obligations.wake()
      return rows.length
    }

    /** The files of regimes may have changed; faulty ones leave in force what was. */
    async function look(): Promise<void> {
      const { chosen: now, textOf } = await read()
      if (!('serviceLevels' in now)) {
        app.log.error({ faults: now }, 'regimes of incidents cannot be used; those before hold')
        return
      }
      const names = [regimes.serviceLevels, ...regimes.regulators]
      const same = [now.serviceLevels, ...now.regulators].every((one, i) => one === names[i])
      if (same) return
      const before = regimes
      try {
        await records.write(async (tx) => {
          await putInForce({ clock, ledger }, tx, now, textOf)
          // Whoever writes after this entry counts by them.
          regimes = now
        })
      } catch (error) {
        regimes = before
        throw error
      }
      await followAll()
    }

    app.decorate('deadlines', {
      ...{ regimes: () => regimes, followAll },
      updateRhythm: (severity) => updateRhythmOf(regimes, severity),
    })
    await app.register(deadlineRoutes, { clock })
    let work: Promise<unknown> = Promise.resolve()
    const queue = (task: () => Promise<unknown>) => {
      work = work
        .then(task)
        .catch((err: unknown) => app.log.error({ err }, 'deadlines could not be gone through'))
    }
    const timer = setInterval(() => queue(look), lookEveryMillis)
    timer.unref()
    app.addHook('onReady', async () => queue(followAll))
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await work
    })
  },
  {
    name: 'callward-deadlines',
    dependencies: [
      'callward-clocks',
      'callward-ledger',
      'callward-incidents',
      'callward-obligations',
      'callward-paging',
    ],
  },
)

/** Incidents that are open, or owed something. */
async function unfinished(records: Records): Promise<{ readonly id: string }[]> {
  return records.read
    .selectFrom('incidents')
    .select('id')
    .where((is) =>
      is.or([
        is('closed_at', 'is', null),
        is(
          'id',
          'in',
          is
            .selectFrom('incident_deadlines')
            .select('incident_id')
            .where('incident_deadlines.state', 'in', ['owed', 'paused']),
        ),
      ]),
    )
    .orderBy('id')
    .execute()
}

function unusable(faults: readonly string[]): ConfigError {
  const lines = faults.map((fault) => `  - ${fault}`).join('\n')
  return new ConfigError(`The configuration of incidents cannot be used:\n${lines}`)
}
