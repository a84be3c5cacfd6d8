import { times } from '../../incidents/workflow.ts'
import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { ObligationKind, Opening } from '../obligations/plugin.ts'
import type { Records } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor } from './incident.ts'
import type { DutyParts } from './recovery-duty.ts'

export const unattendedKind = 'incident-unattended'
const refusedMillis = 3_600_000

/** What is owed of an incident that recovered while nobody acted. */
export function unattendedOpening(row: IncidentRow, now: Millis): Opening {
  const dueAt = Number(row.resolved_at ?? now) + times.unattendedMillis
  return { kind: unattendedKind, subject: row.id, key: `${row.id} ${uuid(now)}`, dueAt }
}

/** The hub closes what recovered by itself and nobody took up within a day. */
export function unattendedDuty(parts: DutyParts): ObligationKind {
  const { clock, records, store } = parts
  return {
    kind: unattendedKind,
    promise: 'an incident that recovered while nobody acted is closed after 24 hours',
    concurrency: 4,
    attemptMillis: 10_000,
    async perform({ subject }) {
      const again = await records.write(async (tx) => {
        const row = await store.byId(tx, subject)
        if (row.workflow_state !== 'restored' || Number(row.attended) === 1) return undefined
        const now = clock.now()
        const request = { to: 'closed', by: hubActor, role: 'hub', at: now } as const
        const result = await store.tryStep(tx, row, request)
        if ('missing' in result) return now + refusedMillis
        await parts.published(tx, result.row)
        return undefined
      })
      parts.committed()
      return again === undefined ? {} : { again: { dueAt: again } }
    },
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incidents')
        .select('id as subject')
        .where('workflow_state', '=', 'restored')
        .where('attended', '=', 0),
    async mend(tx, subject) {
      return parts.open(tx, unattendedOpening(await store.byId(tx, subject), clock.now()))
    },
  }
}
