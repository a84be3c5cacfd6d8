import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Incidents } from '../incidents/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentAssignmentRow } from '../records/schema.ts'
import { assignedFact } from './assignment-duty.ts'
import type { CandidateParts } from './candidates.ts'
import { candidatesFor } from './candidates.ts'
import {
  assignmentById,
  assignmentByKey,
  assignmentsOf,
  technicianNamed,
} from './dispatch-store.ts'
import { nextOf } from './route.ts'

export interface DispatchParts {
  readonly records: Records
  readonly clock: Clock
  readonly incidents: Pick<Incidents, 'add' | 'picture' | 'write' | 'committed'>
  readonly candidates: CandidateParts
}

export interface AssignRequest {
  readonly technician?: string | undefined
  readonly service?: string | undefined
  readonly text: string
  readonly key?: string | undefined
}

/** What a technician sends from where they are; `key` makes it once however often it is sent. */
export interface Sent {
  readonly key?: string | undefined
  /** RFC 3339, when it happened, for what was written offline. */
  readonly occurredAt?: string | undefined
}

/** Who is sent to incidents, and what they answer. */
export class Dispatch {
  readonly #parts: DispatchParts

  constructor(parts: DispatchParts) {
    this.#parts = parts
  }

  /** Gives the assignment, whose text says why this person. Throws not_found, conflict, unprocessable. */
  async assign(id: string, by: Principal, request: AssignRequest): Promise<IncidentAssignmentRow> {
    const { records, incidents, clock } = this.#parts
    const { key, text } = request
    const done = key === undefined ? undefined : await assignmentByKey(records.read, key)
    if (done !== undefined) return done
    const { technician, because } = await this.#whom(id, request)
    const row = await records.write(async (tx) => {
      const twice = key === undefined ? undefined : await assignmentByKey(tx, key)
      if (twice !== undefined) return twice
      await refuseTwice(tx, id, technician)
      const said = `${text} (${because})`
      await incidents.write(tx, id, [assignedFact(technician, said, by.name, clock.now())])
      return named(tx, id, technician, key)
    })
    incidents.committed()
    return row
  }

  /** The technician in person takes it. Throws not_found, forbidden, unprocessable. */
  async accept(
    id: string,
    fact: string,
    by: Principal,
    { text, ...sent }: Sent & { text?: string | undefined },
  ) {
    const row = await this.#own(id, fact, by)
    // Sent twice without a key it is still said once.
    if (row.state === 'accepted') return
    await this.#add(id, by, sent, 'accepted', {
      text: text ?? `Accepted by ${by.name}.`,
      technician: by.name,
    })
  }

  /** The technician in person says no, and why; the next is asked at once. */
  async decline(
    id: string,
    fact: string,
    by: Principal,
    { reason, ...sent }: Sent & { reason: string },
  ) {
    const row = await this.#own(id, fact, by)
    if (row.state === 'declined') return
    if (row.state === 'accepted' && (await this.#arrived(id, by.name)))
      throw new CallwardError(
        'conflict',
        'You have arrived already; write a note, and let another be assigned.',
      )
    await this.#add(id, by, sent, 'declined', { text: reason, technician: by.name })
  }

  /** The technician is there, or connected. Throws conflict before the acceptance. */
  async arrived(
    id: string,
    fact: string,
    by: Principal,
    { mode, text, ...sent }: Sent & { mode: 'on_site' | 'remote'; text?: string | undefined },
  ) {
    await this.#accepted(id, fact, by)
    const where = mode === 'on_site' ? 'on site' : 'connected from afar'
    const value = { text: text ?? `${by.name} is ${where}.`, technician: by.name, mode }
    await this.#add(id, by, sent, 'arrived', value)
  }

  async finding(
    id: string,
    fact: string,
    by: Principal,
    { text, ...sent }: Sent & { text: string },
  ) {
    await this.#accepted(id, fact, by)
    await this.#add(id, by, sent, 'finding', { text })
  }

  async part(
    id: string,
    fact: string,
    by: Principal,
    {
      part,
      quantity,
      text,
      ...sent
    }: Sent & { part: string; quantity: number; text?: string | undefined },
  ) {
    await this.#accepted(id, fact, by)
    const value = { text: text ?? `${quantity} x ${part}`, part, quantity }
    await this.#add(id, by, sent, 'part', value)
  }

  async #add(id: string, by: Principal, sent: Sent, kind: string, value: object): Promise<void> {
    const { key, occurredAt } = sent
    const fact = { kind, value, ...(occurredAt === undefined ? {} : { occurredAt }) }
    await this.#parts.incidents.add(id, by, { facts: [fact], key })
  }

  async #whom(id: string, request: AssignRequest) {
    const { records, incidents, candidates, clock } = this.#parts
    const { technician, service } = request
    if (technician !== undefined) {
      const known = await technicianNamed(records.read, technician)
      if (known !== undefined) return { technician: known.name, because: 'named by hand' }
      throw new CallwardError(
        'unprocessable',
        `technician: there is no account "${technician}" that may act; GET /api/v1/people lists them.`,
      )
    }
    const { picture } = await incidents.picture(id)
    const incident = { id, picture }
    const found = await candidatesFor(candidates, records.read, incident, service, clock.now())
    const asked = (await assignmentsOf(records.read, id)).filter(({ state }) => state !== 'over')
    const next = nextOf(found.candidates, new Set(asked.map((one) => one.principal_id)))
    if (next !== undefined) return { technician: next.name, because: next.because }
    throw new CallwardError(
      'unprocessable',
      found.candidates.length === 0
        ? `Nobody can be found: ${found.why}. Name a technician, or add a route.`
        : `Everybody was asked: ${found.why}. Name a technician.`,
    )
  }

  /** Throws not_found, and forbidden for an assignment of somebody else. */
  async #own(id: string, fact: string, by: Principal): Promise<IncidentAssignmentRow> {
    const row = await assignmentById(this.#parts.records.read, fact)
    if (row?.incident_id !== id)
      throw new CallwardError('not_found', 'There is no such assignment of this incident.')
    if (row.principal_id !== by.id)
      throw new CallwardError(
        'forbidden',
        `This is assigned to ${row.technician}, who answers in person.`,
      )
    return row
  }

  async #accepted(id: string, fact: string, by: Principal): Promise<void> {
    const { state } = await this.#own(id, fact, by)
    if (state !== 'accepted' && !(await this.#hasAccepted(id, by.name)))
      throw new CallwardError('conflict', 'Accept the assignment first.')
  }

  async #hasAccepted(id: string, name: string): Promise<boolean> {
    return (await assignmentsOf(this.#parts.records.read, id)).some(
      ({ state, technician }) => state === 'accepted' && technician === name,
    )
  }

  async #arrived(id: string, name: string): Promise<boolean> {
    const { picture } = await this.#parts.incidents.picture(id)
    return picture.facts.some((fact) => fact.kind === 'arrived' && fact.value.technician === name)
  }
}

async function refuseTwice(tx: RecordsTransaction, id: string, technician: string): Promise<void> {
  const rows = await assignmentsOf(tx, id)
  const now = rows.find(
    (row) => row.technician === technician && (row.state === 'waiting' || row.state === 'accepted'),
  )
  if (now === undefined) return
  throw new CallwardError(
    'conflict',
    now.state === 'waiting'
      ? `${technician} is asked already and has not answered yet.`
      : `${technician} has accepted already.`,
  )
}

/** The assignment that was just written; it bears the name of its request. */
async function named(
  tx: RecordsTransaction,
  id: string,
  technician: string,
  key: string | undefined,
): Promise<IncidentAssignmentRow> {
  const row = (await assignmentsOf(tx, id)).findLast(
    (one) => one.technician === technician && one.state === 'waiting',
  )
  if (row === undefined)
    throw new CallwardError(
      'conflict',
      'Nobody is sent any more: the incident is restored or over. Take it up again, or record a new one.',
    )
  if (key === undefined) return row
  await tx
    .updateTable('incident_assignments')
    .set({ request_key: key })
    .where('fact_id', '=', row.fact_id)
    .execute()
  return { ...row, request_key: key }
}
