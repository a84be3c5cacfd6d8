import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Message } from '../notify/plugin.ts'
import type { FlightPorts, Listener } from './flight.ts'

const rule = 'CanaryTest'
const lookEveryMillis = 100
const dayMillis = 86_400_000
const schedulesMax = 200

/** A flight's way through this hub. */
export function hubPorts(
  app: FastifyInstance,
  clock: Clock,
  {
    run,
    contactPoint,
    fly,
  }: {
    readonly run: string
    readonly contactPoint: string | undefined
    readonly fly: (flying: boolean) => void
  },
): FlightPorts {
  const firing = () =>
    app.rules.activeAlerts().find((one) => one.rule === rule && one.state === 'firing')
  const alertState = async (id: string) => {
    const row = await app.records.read
      .selectFrom('alerts')
      .select('state')
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.state
  }
  return {
    monotonic: () => clock.monotonic(),
    fly,
    fired: (signal) => until(signal, async () => firing()?.id),
    recorded: async (id, signal) => {
      await until(signal, () => alertState(id))
    },
    async resolved(id, signal) {
      await until(signal, async () => (await alertState(id)) === 'resolved' || undefined)
    },
    coming: () => comingPeople(app, clock.now()),
    received: (people, signal) => receiptsOf(app, people, signal),
    send(signal) {
      if (contactPoint === undefined) return undefined
      const message: Message = { kind: 'canary', title: 'Callward', startedAt: clock.now() }
      return app.notify
        .send({ contactPoint, message, idempotencyKey: `canary-${run}`, signal })
        .then(({ outcome, reason }) => ({
          ok: outcome === 'accepted' || outcome === 'delivered',
          reason: `${outcome}, ${reason}`,
        }))
    },
  }
}

/** Asks until there is an answer. Rejects at the signal's end. */
async function until<T>(signal: AbortSignal, ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined) return answer
    await wait(lookEveryMillis, undefined, { signal })
  }
}

/** Who is on call in any schedule now, or in a day. */
async function comingPeople(app: FastifyInstance, now: number): Promise<Listener[]> {
  const schedules = await app.records.read
    .selectFrom('oncall_schedules')
    .select('id')
    .where('deleted_at', 'is', null)
    .limit(schedulesMax)
    .execute()
  const people = new Map<string, Listener>()
  for (const { id } of schedules)
    for (const at of [now, now + dayMillis])
      for (const { principalId, name } of await app.oncall.onCallAt(app.records.read, id, at))
        people.set(principalId, { principalId, name })
  return [...people.values()]
}

/**
 * The message of the alert stands in everybody's queue by now; a screen is done when it has received as far as that. False:
 * it has gone meanwhile, which proves nothing.
 */
function receiptsOf(app: FastifyInstance, people: readonly Listener[], signal: AbortSignal) {
  const names = new Map(people.map(({ principalId, name }) => [principalId, name]))
  const screens = app.live.listeners().filter(({ principalId }) => names.has(principalId))
  return screens.map(({ principalId, openedAt }) => ({
    name: names.get(principalId)!,
    done: receivedAll(app, principalId, openedAt, signal),
  }))
}

async function receivedAll(
  app: FastifyInstance,
  principalId: string,
  openedAt: number,
  signal: AbortSignal,
): Promise<boolean> {
  const newest = await app.records.read
    .selectFrom('live_messages')
    .select((is) => is.fn.max('sequence').as('sequence'))
    .where('principal_id', '=', principalId)
    .executeTakeFirst()
  const sequence = Number(newest?.sequence ?? 0)
  return until(signal, async () => {
    const now = app.live
      .listeners()
      .find((one) => one.principalId === principalId && one.openedAt === openedAt)
    if (now === undefined) return false
    return now.received >= sequence ? true : undefined
  })
}
