import type { NewFact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import { times } from '../../incidents/workflow.ts'
import type { Clock, Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { ObligationKind, Opening } from '../obligations/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { hubActor } from './incident.ts'
import { greenIncidents, type IncidentAlerts } from './incident-alerts.ts'
import type { IncidentStore } from './incident-store.ts'

export const recoveryKind = 'incident-recovery'
/** When people's facts stand against the machine's step, it is tried again this much later. */
const refusedMillis = 60_000
/** States a machine’s evidence leads out of. */
const before = ['recorded', 'plan_active', 'dispatched', 'investigating']

export interface DutyParts {
  readonly clock: Clock
  readonly records: Records
  readonly store: IncidentStore
  readonly alerts: IncidentAlerts
  /** Tells what changed, in the transaction. */
  readonly published: (tx: RecordsTransaction, row: IncidentRow) => Promise<void>
  /** After the commit. */
  readonly committed: () => void
  readonly open: (tx: RecordsTransaction, opening: Opening) => Promise<boolean>
}

/** What is owed when the last alert of an incident ended: a look whether it stayed so. */
export function recoveryOpening(incident: string, greenSince: Millis, now: Millis): Opening {
  const dueAt = greenSince + times.greenMillis
  return { kind: recoveryKind, subject: incident, key: `${incident} ${uuid(now)}`, dueAt }
}

/** The hub restores what a machine has seen green for five minutes. */
export function recoveryDuty(parts: DutyParts): ObligationKind {
  const { clock, records, store, alerts } = parts
  return {
    kind: recoveryKind,
    promise:
      'an incident whose alerts have all ended, related ones aside, is restored once they stayed so for 5 minutes',
    concurrency: 4,
    attemptMillis: 10_000,
    async perform({ subject }) {
      const again = await records.write((tx) => restore(tx, subject))
      parts.committed()
      return again === undefined ? {} : { again: { dueAt: again } }
    },
    owed: (read) =>
      greenIncidents(read as Records['read'])
        .select('incidents.id as subject')
        .where('workflow_state', 'in', before),
    async mend(tx, subject) {
      const since = await alerts.greenSince(tx, subject)
      if (since === undefined) return false
      return parts.open(tx, recoveryOpening(subject, since, clock.now()))
    },
  }

  /** Gives when to look again, if that is to be. */
  async function restore(tx: RecordsTransaction, id: string): Promise<Millis | undefined> {
    const now = clock.now()
    const row = await store.byId(tx, id)
    const since = await alerts.greenSince(tx, id)
    if (!before.includes(row.workflow_state) || since === undefined) return undefined
    if (now - since < times.greenMillis) return since + times.greenMillis
    const result = await store.tryStep(tx, row, {
      ...{ to: 'restored', by: hubActor, role: 'hub', at: now },
      with: [
        recovered(since, now, await alerts.sources(tx, id), await alerts.relatedFiring(tx, id)),
      ],
    })
    if ('missing' in result) return now + refusedMillis
    await parts.published(tx, result.row)
    return undefined
  }
}

function recovered(
  since: Millis,
  now: Millis,
  sources: readonly string[],
  related: readonly string[],
): NewFact {
  const still = related.length === 0 ? '' : hubSays('relatedFiring', { rules: related.join(', ') })
  return {
    kind: 'recovered',
    value: {
      text: hubSays('greenAgain') + still,
      ...{ evidence: 'machine', greenMillis: now - since, sources },
    },
    ...{ certainty: 'actual', occurredAt: since, recordedBy: hubActor, supersedes: null },
  }
}
