import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { HandlingParts } from './handling.ts'
import type { IncidentAlerts } from './incident-alerts.ts'
import type { SentFact } from './requests.ts'

export interface AcknowledgingParts extends HandlingParts {
  readonly alerts: IncidentAlerts
  readonly acknowledgeAlert: (fingerprint: string, by: Principal, at: Millis) => Promise<unknown>
}

/** Parts that handle an incident: who takes one is at it. */
const handling: readonly unknown[] = ['commander', 'deputy', 'technician']

/** Incidents that somebody takes: by saying so, or by being at it. */
export function acknowledging(parts: AcknowledgingParts) {
  const { acknowledgeAlert, alerts, clock, committed, publish, records, store } = parts

  /** Also acknowledges the alerts that fire. Throws not_found, conflict. */
  async function acknowledge(id: string, by: Principal, note?: string): Promise<void> {
    await records.write(async (tx) => {
      const row = await store.byId(tx, id)
      if (await store.acknowledge(tx, row, by.name, clock.now(), note))
        await publish(tx, id, 'acknowledged')
    })
    committed()
    for (const fingerprint of await alerts.unacknowledged(records.read, id))
      await acknowledgeAlert(fingerprint, by, clock.now())
  }

  /** Whoever takes a part that handles it, or accepts to go, has acknowledged what is still open. */
  async function takeUp(id: string, by: Principal, facts: readonly SentFact[]): Promise<void> {
    if (!takesUp(by, facts)) return
    const query = records.read.selectFrom('incidents').select('state').where('id', '=', id)
    if ((await query.executeTakeFirst())?.state !== 'open') return
    await acknowledge(id, by).catch((error: unknown) => {
      // It recovered in this moment, and there is nothing more to take.
      if (!(error instanceof CallwardError && error.code === 'conflict')) throw error
    })
  }

  return { acknowledge, takeUp }
}

function takesUp(by: Principal, facts: readonly SentFact[]): boolean {
  return facts.some(({ kind, value }) => {
    const { role, person, technician, ended } = value as Readonly<Record<string, unknown>>
    if (kind === 'accepted') return technician === by.name
    return kind === 'role' && person === by.name && ended !== true && handling.includes(role)
  })
}
