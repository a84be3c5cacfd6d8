import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import Type from 'typebox'
import { type Clock, rfc3339, systemClock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type {} from '../people/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../store/plugin.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { Beat, type BeatState } from './beat.ts'
import { tryRecords, VitalWatch } from './vital-watch.ts'
import { type VitalFault, vitalFaults } from './vitals.ts'

export type { BeatState } from './beat.ts'
export type { VitalFault } from './vitals.ts'

/** Whether the hub's own parts live, and the word about it outward. */
export interface Heartbeat {
  /** Parts that are not well now. */
  faults(): readonly VitalFault[]
  /** Undefined: no address is configured. */
  state(): BeatState | undefined
  /** Tries a write of the records and looks at the event loop now; the timer does it every five seconds. */
  look(): Promise<void>
  /** Sends one word now, as the timer would. */
  beat(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    heartbeat: Heartbeat
  }
}

export interface HeartbeatOptions {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly config: Pick<HubConfig, 'heartbeat'>
}

export const heartbeatPlugin = fp(
  async (app, { clock = systemClock, timers = systemTimers, config }: HeartbeatOptions) => {
    const watch = new VitalWatch({
      ...{ clock, timers },
      tryRecords: (value) => tryRecords(app.records, value),
      onRefused: (err) => app.log.error({ err }, 'the records refuse a trial write'),
    })
    const figures = {
      callward_rules_behind_seconds: () => app.rules.behindSeconds(),
      callward_obligations_worker_silent_seconds: () => app.obligations.silentSeconds(),
      callward_records_refusing_seconds: () => watch.refusingSeconds,
      callward_event_loop_stall_seconds: () => watch.stallSeconds,
      callward_heartbeat_refusals: () => beat?.state.refusals ?? 0,
    }
    for (const [name, value] of Object.entries(figures)) app.rules.watchFigure(name, value)
    const beats = new Counter({
      name: 'callward_heartbeats_total',
      help: 'Words outward by outcome: taken, refused, withheld (the hub was not well), told-unwell.',
      labelNames: ['outcome'],
      registers: [app.telemetry.registry],
    })
    const faults = () =>
      vitalFaults({
        rulesBehindSeconds: app.rules.behindSeconds(),
        rulesFailingRatio: app.rules.failingRatio(),
        workerSilentSeconds: app.obligations.silentSeconds(),
        overdueSeconds: app.obligations.overdueSeconds(),
        ledgerWaitingSeconds: app.ledger.waitingSeconds(),
        storeRefusal: app.store.stats().refusal,
        recordsRefusingSeconds: watch.refusingSeconds,
      })
    const beat =
      config.heartbeat === undefined
        ? undefined
        : new Beat({
            config: config.heartbeat,
            ...{ clock, timers, faults },
            request: (request, signal) => app.notify.request(request, signal),
            onBeat: (outcome) => beats.inc({ outcome }),
            warn: (fields, text) => app.log.warn(fields, text),
          })

    app.decorate('heartbeat', {
      faults,
      state: () => beat?.state,
      look: () => watch.look(),
      beat: async () => beat?.beat(),
    })
    app.get(
      '/api/v1/heartbeat',
      {
        config: { access: { owner: 'heartbeat', roles: ['admin', 'operator', 'auditor'] } },
        schema: { response: { 200: HeartbeatView } },
      },
      async () => view(faults(), beat?.state),
    )
    app.addHook('onReady', async () => {
      watch.start()
      beat?.start()
    })
    app.addHook('preClose', async () => {
      await beat?.stop()
      await watch.stop()
    })
  },
  {
    name: 'callward-heartbeat',
    dependencies: [
      'callward-rules',
      'callward-obligations',
      'callward-ledger',
      'callward-notify',
      'callward-store',
    ],
  },
)

const OrNull = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])

const HeartbeatView = Type.Object({
  well: Type.Boolean(),
  faults: Type.Array(Type.Object({ part: Type.String(), because: Type.String() })),
  /** Null: no address is configured. */
  outward: OrNull(
    Type.Object({
      takenAt: OrNull(Type.String()),
      refusals: Type.Integer(),
      reason: OrNull(Type.String()),
    }),
  ),
})

function view(faults: readonly VitalFault[], state: BeatState | undefined) {
  const outward =
    state === undefined
      ? null
      : {
          takenAt: state.takenAt === undefined ? null : rfc3339(state.takenAt),
          refusals: state.refusals,
          reason: state.reason ?? null,
        }
  return { well: faults.length === 0, faults: faults.map((fault) => ({ ...fault })), outward }
}
