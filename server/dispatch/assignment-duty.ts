import type { NewFact } from '../../incidents/facts.ts'
import { hubActor } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import { type Picture, said } from '../../incidents/picture.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import type { Communication } from '../communication/plugin.ts'
import { uuid } from '../ids.ts'
import type { Incidents, Settled } from '../incidents/plugin.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { ObligationKind, Obligations, Outcome } from '../obligations/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentAssignmentRow, IncidentRow } from '../records/schema.ts'
import {
  assignmentById,
  assignmentsOf,
  endAssignment,
  incidentNamed,
  insertAssignment,
  technicianNamed,
} from './dispatch-store.ts'
import { type Candidate, nextOf } from './route.ts'

export const assignmentKind = 'assignment'
/** When nobody is left to ask, those who lead are told again this often. */
export const remindMillis: Millis = 15 * 60_000

const oldMillis: Millis = 24 * 3_600_000

/** States in which somebody is still to be sent. */
const awaited: ReadonlySet<string> = new Set([
  'recorded',
  'plan_active',
  'dispatched',
  'investigating',
])

export interface AssignmentParts {
  readonly records: Records
  readonly clock: Clock
  readonly incidents: Pick<Incidents, 'picture' | 'write' | 'committed'>
  readonly communication: Communication
  readonly ledger: Ledger
  readonly obligations: Pick<Obligations, 'open' | 'close'>
  /** How long an answer is waited for. */
  readonly acceptMillis: (severity: string) => Millis
  readonly url: (number: number, factId?: string) => string
  /** Who may be sent, the best first. */
  candidates(incident: {
    readonly id: string
    readonly picture: Picture
  }): Promise<{ readonly candidates: readonly Candidate[]; readonly why: string }>
}

/** Keeps who was asked in step with the facts, in their transaction, and owes them the word and an answer. */
export function assignmentListener(parts: AssignmentParts): Settled {
  return async (tx, { after, picture, facts }) => {
    for (const fact of facts) {
      if (fact.kind === 'assigned') await asked(parts, tx, after, picture, fact)
      if (fact.kind === 'accepted')
        await answered(parts, tx, after.id, fact.value.technician, 'accepted', fact.value.text)
      if (fact.kind === 'declined')
        await answered(parts, tx, after.id, fact.value.technician, 'declined', fact.value.text)
    }
    if (facts.some(({ kind }) => kind === 'transition') && !awaited.has(after.workflow_state))
      await over(parts, tx, after.id, `the incident is ${after.workflow_state}`)
  }
}

type AssignedFact = ReturnType<typeof said<'assigned'>>[number]

async function asked(
  parts: AssignmentParts,
  tx: RecordsTransaction,
  incident: IncidentRow,
  picture: Picture,
  fact: AssignedFact,
): Promise<void> {
  const { clock, acceptMillis } = parts
  const technician = await technicianNamed(tx, fact.value.technician)
  // What is written down of a day ago, or brought from elsewhere, asks nobody to go now.
  if (fact.recordedAt - fact.occurredAt > oldMillis) return
  // Somebody without an account cannot answer here; an answer that is on file is not waited for.
  if (technician === undefined || !awaited.has(incident.workflow_state)) return
  if (said(picture, 'accepted').some(({ value }) => value.technician === technician.name)) return
  const now = clock.now()
  // Whoever is asked now follows those after whom nobody was left.
  for (const old of await assignmentsOf(tx, incident.id))
    if (isOpen(old) && (old.state === 'declined' || old.exhausted_at !== null))
      await end(
        parts,
        tx,
        old,
        old.state === 'declined' ? 'declined' : 'passed',
        `${technician.name} was asked`,
        now,
      )
  const row: IncidentAssignmentRow = {
    ...{ fact_id: fact.id, incident_id: incident.id, principal_id: technician.id },
    ...{ technician: technician.name, assigned_by: fact.recordedBy, text: fact.value.text },
    ...{ state: 'waiting', assigned_at: now, due_at: now + acceptMillis(incident.severity) },
    ...{ ended_at: null, reason: null, exhausted_at: null, request_key: null },
  }
  await insertAssignment(tx, row)
  await parts.ledger.append(tx, {
    action: 'dispatch.asked',
    object: { type: 'incident', id: incident.id },
    ...{ actor: fact.recordedBy, occurredAt: now },
    content: { fact: fact.id, account: technician.id, dueAt: rfc3339(row.due_at) },
  })
  await owe(parts, tx, row.fact_id, row.due_at)
  const number = Number(incident.number)
  await parts.communication.tell(tx, {
    key: wordKey(row.fact_id),
    incident: { id: incident.id, number, title: incident.title },
    form: 'assignment',
    people: [technician],
    about: row.text,
    by: rfc3339(row.due_at),
    url: parts.url(number, row.fact_id),
  })
}

const wordKey = (factId: string) => `assignment/${factId}`

async function owe(
  { obligations, clock }: Pick<AssignmentParts, 'obligations' | 'clock'>,
  tx: RecordsTransaction,
  subject: string,
  dueAt: Millis,
): Promise<boolean> {
  const key = `${subject} ${uuid(clock.now())}`
  return obligations.open(tx, { kind: assignmentKind, subject, key, dueAt })
}

/** One who answered; whoever accepts answers for all who wait. */
async function answered(
  parts: AssignmentParts,
  tx: RecordsTransaction,
  incidentId: string,
  technician: string,
  answer: 'accepted' | 'declined',
  text: string,
): Promise<void> {
  const now = parts.clock.now()
  const rows = await assignmentsOf(tx, incidentId)
  for (const row of rows) {
    const own = row.technician === technician
    if (own && row.state !== 'over' && row.state !== answer) {
      const others = rows.some((one) => one.technician !== technician && isOpen(one))
      const followed = answer === 'accepted' || others
      await end(parts, tx, row, answer, text, followed ? now : null)
      // The next is asked at once.
      if (!followed) await owe(parts, tx, row.fact_id, now)
    }
    if (!own && answer === 'accepted' && isOpen(row))
      await end(
        parts,
        tx,
        row,
        row.state === 'declined' ? 'declined' : 'over',
        'somebody else accepted',
        now,
      )
  }
}

/** Whether an answer, or whoever comes next, is still owed. */
function isOpen({ state, ended_at }: IncidentAssignmentRow): boolean {
  return state === 'waiting' || (state === 'declined' && ended_at === null)
}

async function end(
  { obligations, communication, ledger, clock }: AssignmentParts,
  tx: RecordsTransaction,
  row: IncidentAssignmentRow,
  state: 'accepted' | 'declined' | 'passed' | 'over',
  reason: string,
  at: Millis | null,
): Promise<void> {
  const kept = row.state === state ? (row.reason ?? reason) : reason
  await endAssignment(tx, row.fact_id, state, kept, at)
  await ledger.append(tx, {
    action: 'dispatch.answered',
    object: { type: 'incident', id: row.incident_id },
    ...{ actor: 'hub', occurredAt: clock.now() },
    content: { fact: row.fact_id, state, endedAt: at === null ? null : rfc3339(at) },
  })
  await obligations.close(tx, assignmentKind, row.fact_id, state)
  await communication.withdraw(tx, wordKey(row.fact_id), `${state}: ${reason}`.slice(0, 300))
}

async function over(
  parts: AssignmentParts,
  tx: RecordsTransaction,
  incidentId: string,
  reason: string,
): Promise<void> {
  for (const row of await assignmentsOf(tx, incidentId))
    if (isOpen(row))
      await end(
        parts,
        tx,
        row,
        row.state === 'declined' ? 'declined' : 'over',
        reason,
        parts.clock.now(),
      )
}

/** Whoever is asked to go answers in time, or the next of the schedule is asked; when nobody is left, those who lead are told. */
export function assignmentDuty(parts: AssignmentParts): ObligationKind {
  const { records, clock, incidents } = parts
  return {
    kind: assignmentKind,
    promise:
      'a technician who does not take an incident in time is followed by the next one on call',
    concurrency: 4,
    attemptMillis: 15_000,
    async perform({ subject }): Promise<Outcome> {
      const row = await assignmentById(records.read, subject)
      if (row === undefined || !(await isAwaited(records.read, row))) return {}
      const now = clock.now()
      if (row.state === 'waiting' && Number(row.due_at) > now && row.exhausted_at === null)
        return { again: { dueAt: Number(row.due_at) } }
      const { row: incident, picture } = await incidents.picture(row.incident_id)
      const { candidates, why } = await parts.candidates({ id: incident.id, picture })
      const before = await assignmentsOf(records.read, row.incident_id)
      const next = nextOf(candidates, new Set(before.map(({ principal_id }) => principal_id)))
      const leads = await parts.communication.leads(row.incident_id)
      return {
        ...(next === undefined ? { again: { dueAt: now + remindMillis } } : {}),
        committed: incidents.committed,
        settle: async (tx, live) => {
          if (!live) return
          const present = await assignmentById(tx, subject)
          if (present?.state !== row.state || !(await isAwaited(tx, present))) return
          if (next === undefined) await nobodyLeft(parts, tx, incident, present, why, leads)
          else await passOn(parts, tx, present, next)
        },
      }
    },
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incident_assignments')
        .select('fact_id as subject')
        .where((is) =>
          is.or([
            is('state', '=', 'waiting'),
            is.and([is('state', '=', 'declined'), is('ended_at', 'is', null)]),
          ]),
        ),
    async mend(tx, subject) {
      const row = await assignmentById(tx, subject)
      if (row === undefined || !isOpen(row)) return false
      return owe(parts, tx, subject, Math.max(clock.now(), Number(row.due_at)))
    },
  }
}

/** Whether an answer is still waited for, and the incident goes on. */
async function isAwaited(
  database: Records['read'] | RecordsTransaction,
  row: IncidentAssignmentRow,
): Promise<boolean> {
  if (!isOpen(row)) return false
  const incident = await incidentNamed(database, row.incident_id)
  return incident !== undefined && awaited.has(incident.workflow_state)
}

async function passOn(
  parts: AssignmentParts,
  tx: RecordsTransaction,
  row: IncidentAssignmentRow,
  next: Candidate,
): Promise<void> {
  const why =
    row.state === 'declined' ? hubSays('declined') : hubSays('noAnswer', { time: at(row.due_at) })
  const { incidents, clock } = parts
  if (row.state === 'waiting') await end(parts, tx, row, 'passed', why, clock.now())
  const text = hubSays('passedOn', {
    ...{ name: next.name, technician: row.technician, why, because: next.because },
  })
  await incidents.write(tx, row.incident_id, [assignedFact(next.name, text, hubActor, clock.now())])
}

async function nobodyLeft(
  { incidents, communication, ledger, clock, url }: AssignmentParts,
  tx: RecordsTransaction,
  incident: IncidentRow,
  row: IncidentAssignmentRow,
  why: string,
  leads: Awaited<ReturnType<Communication['leads']>>,
): Promise<void> {
  const now = clock.now()
  const about = hubSays('nobodyLeft', { technician: row.technician, why })
  if (row.exhausted_at === null) {
    await tx
      .updateTable('incident_assignments')
      .set({ exhausted_at: now })
      .where('fact_id', '=', row.fact_id)
      .execute()
    await ledger.append(tx, {
      action: 'dispatch.exhausted',
      object: { type: 'incident', id: incident.id },
      ...{ actor: hubActor, occurredAt: now, content: { fact: row.fact_id } },
    })
    const note = {
      ...({ kind: 'note', value: { text: about }, certainty: 'actual' } as const),
      ...{ occurredAt: now, recordedBy: hubActor, supersedes: null },
    }
    await incidents.write(tx, row.incident_id, [note])
  }
  const number = Number(incident.number)
  const round = Math.floor((now - Number(row.due_at)) / remindMillis)
  await communication.tell(tx, {
    key: `unanswered/${row.fact_id}/${round}`,
    incident: { id: incident.id, number, title: incident.title },
    ...{ form: 'unanswered', people: leads.people, about, by: at(row.assigned_at) },
    url: url(number),
  })
}

const at = (millis: Millis) => rfc3339(Number(millis))

/** That somebody was asked to go. */
export function assignedFact(
  technician: string,
  text: string,
  recordedBy: string,
  occurredAt: Millis,
): NewFact {
  return {
    ...{ kind: 'assigned', value: { text, technician }, certainty: 'actual' },
    ...{ occurredAt, recordedBy, supersedes: null },
  }
}
