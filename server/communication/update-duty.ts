import { isImported } from '../../incidents/picture.ts'
import type { Clock, Millis } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Settled } from '../incidents/plugin.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { ObligationKind, Obligations, Outcome } from '../obligations/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentUpdateRhythmRow } from '../records/schema.ts'
import { countOverdue, incidentNamed, keepRhythm, rhythmRow } from './communication-store.ts'
import { rhythmOf, type UpdateRhythms } from './rhythm.ts'
import type { Word } from './telling.ts'

export const updateKind = 'update'
/** While an update is overdue, its people are told again this often. */
export const remindMillis: Millis = 15 * 60_000
/** Where nobody leads an incident, everybody on staff is told of all that is overdue, at most this often. */
const staffMillis: Millis = 3_600_000

/** Kinds of facts that move the promise. */
const moves: ReadonlySet<string> = new Set(['opened', 'severity', 'transition', 'notice'])

export interface UpdateParts {
  readonly records: Records
  readonly clock: Clock
  readonly ledger: Ledger
  readonly obligations: Pick<Obligations, 'open' | 'close'>
  readonly rhythms: UpdateRhythms
  readonly url: (number: number) => string
  /** Who leads an incident; nobody: everybody on staff, and `led` is false. */
  leads(incidentId: string): Promise<{ readonly people: Word['people']; readonly led: boolean }>
  tell(tx: RecordsTransaction, word: Word): Promise<void>
  readonly committed: () => void
}

/** Keeps the promise of the next update in step with the facts, in their transaction. */
export function rhythmListener(parts: UpdateParts): Settled {
  return async (tx, { after, picture, facts }) => {
    if (isImported(picture) || !facts.some(({ kind }) => moves.has(kind))) return
    const rhythm = rhythmOf(picture, after.severity, parts.rhythms)
    if (!(await keepRhythm(tx, after.id, rhythm))) return
    if (facts.every(({ kind }) => kind !== 'opened'))
      await parts.obligations.close(tx, updateKind, after.id, 'the promise has moved')
    if (rhythm.dueAt !== undefined) await owe(parts, tx, after.id, rhythm.dueAt)
  }
}

async function owe(
  { obligations, clock }: Pick<UpdateParts, 'obligations' | 'clock'>,
  tx: RecordsTransaction,
  subject: string,
  dueAt: Millis,
): Promise<boolean> {
  return obligations.open(tx, {
    kind: updateKind,
    subject,
    key: `${subject} ${uuid(clock.now())}`,
    dueAt,
  })
}

/** The next word of an incident, by the time it was promised; overdue, its people are told until it is sent. */
export function updateDuty(parts: UpdateParts): ObligationKind {
  const { records, clock } = parts
  return {
    kind: updateKind,
    promise: 'who waits for word of an incident gets an update by the time that was promised',
    concurrency: 4,
    attemptMillis: 10_000,
    async perform({ subject }): Promise<Outcome> {
      const row = await rhythmRow(records.read, subject)
      if (row === undefined || row.due_at === null) return {}
      const now = clock.now()
      const dueAt = Number(row.due_at)
      if (dueAt > now) return { again: { dueAt } }
      const incident = await incidentNamed(records.read, subject)
      if (incident === undefined) return {}
      const { people, led } = await parts.leads(subject)
      const overdue = await countOverdue(records.read, now)
      return {
        again: { dueAt: now + remindMillis },
        committed: parts.committed,
        settle: async (tx, live) => {
          if (!live) return
          const number = Number(incident.number)
          await say(parts, tx, row, { people, led, overdue }, { ...incident, number })
        },
      }
    },
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incident_update_rhythms')
        .select('incident_id as subject')
        .where('due_at', 'is not', null),
    async mend(tx, subject) {
      const row = await rhythmRow(tx, subject)
      if (row === undefined || row.due_at === null) return false
      return owe(parts, tx, subject, Math.max(clock.now(), Number(row.due_at)))
    },
  }
}

interface Told {
  readonly people: Word['people']
  readonly led: boolean
  readonly overdue: number
}

async function say(
  parts: UpdateParts,
  tx: RecordsTransaction,
  row: IncidentUpdateRhythmRow,
  { people, led, overdue }: Told,
  incident: Word['incident'],
): Promise<void> {
  const now = parts.clock.now()
  const dueAt = Number(row.due_at)
  const present = await rhythmRow(tx, incident.id)
  // A notice went out in this very moment: its own obligation is open.
  if (present === undefined || present.due_at === null || Number(present.due_at) !== dueAt) return
  const round = Math.floor((now - dueAt) / remindMillis)
  await parts.tell(tx, {
    key: led
      ? `overdue/${incident.id}/${dueAt}/${round}`
      : `overdue/staff/${Math.floor(now / staffMillis)}`,
    ...{ incident, form: 'overdue', people, url: parts.url(incident.number) },
    about: led || overdue <= 1 ? '' : `+${overdue - 1}`,
    by: rfc3339(dueAt),
  })
  await tx
    .updateTable('incident_update_rhythms')
    .set({ told_at: now })
    .where('incident_id', '=', incident.id)
    .execute()
  if (present.told_at !== null) return
  await parts.ledger.append(tx, {
    action: 'incident.update_overdue',
    object: { type: 'incident', id: incident.id },
    actor: 'hub',
    occurredAt: now,
    content: { dueAt: rfc3339(dueAt), severity: row.severity, told: people.map(({ id }) => id) },
  })
}
