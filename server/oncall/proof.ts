import type { Clock, Millis } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { Records } from '../records/records.ts'
import type { Calendar } from './calendar.ts'
import { readPeople } from './directory.ts'
import type { OncallStore } from './oncall-store.ts'
import {
  type ContactPointFacts,
  type Overload,
  overloads,
  type PersonFacts,
  readiness,
  type ShiftReadiness,
} from './readiness.ts'
import { dayMillis } from './zone.ts'

/** Tells of each person the contact points known; a person it leaves out has none. */
export type ContactPointReader = (
  principalIds: readonly string[],
) => Promise<ReadonlyMap<string, readonly ContactPointFacts[]>>

/** How far the nightly proof and the metrics look. */
export const proofDays = 14

/** What was found of the coming shifts. */
export interface Proof {
  readonly at: Millis
  readonly days: number
  readonly state: 'ready' | 'unready' | 'unknown'
  readonly counts: Readonly<Record<ShiftReadiness['state'], number>>
  readonly shifts: readonly ShiftReadiness[]
  readonly overloads: readonly Overload[]
}

/** Works out whether the coming shifts will reach people, and keeps one proof a night. */
export class Prover {
  readonly #records: Records
  readonly #clock: Clock
  readonly #store: OncallStore
  readonly #calendar: Calendar
  /** Undefined, or giving undefined: nobody can tell. */
  contactPoints:
    | ((ids: readonly string[]) => Promise<Awaited<ReturnType<ContactPointReader>> | undefined>)
    | undefined

  constructor(records: Records, clock: Clock, store: OncallStore, calendar: Calendar) {
    this.#records = records
    this.#clock = clock
    this.#store = store
    this.#calendar = calendar
  }

  async prove(days: number): Promise<Proof> {
    const at = this.#clock.now()
    const to = at + days * dayMillis
    const versions = await this.#store.versions(this.#records.read, at, to)
    const expanded = versions.map((version) => ({
      id: version.id,
      plannedGaps: version.content.plannedGaps,
      final: this.#calendar.expand(version, at, to).final,
    }))
    const people = await this.#peopleFacts(expanded.flatMap(({ final }) => final))
    const shifts = expanded.flatMap((one) => readiness(one, one.final, people, at))
    return { at, days, shifts, ...judged(shifts), overloads: overloads(expanded) }
  }

  async #peopleFacts(
    segments: readonly { readonly kind: string; readonly principalId?: string }[],
  ): Promise<ReadonlyMap<string, PersonFacts>> {
    const ids = [...new Set(segments.flatMap(({ principalId }) => principalId ?? []))]
    const directory = await readPeople(this.#records.read)
    const points = await this.contactPoints?.(ids)
    return new Map(
      ids.flatMap((id) => {
        const person = directory.find(id)
        if (person === undefined) return []
        const contactPoints = points === undefined ? undefined : (points.get(id) ?? [])
        return [[id, { ...person, contactPoints }]]
      }),
    )
  }

  /** Keeps today's proof unless there is one; gives it where it is new. */
  async nightly(): Promise<Proof | undefined> {
    const day = rfc3339(this.#clock.now()).slice(0, 10)
    const there = await this.#records.read
      .selectFrom('oncall_proofs')
      .select('day')
      .where('day', '=', day)
      .executeTakeFirst()
    if (there !== undefined) return undefined
    const proof = await this.prove(proofDays)
    const { state, counts, days } = proof
    const bad = proof.shifts.filter((shift) => shift.state !== 'ready').slice(0, badKept)
    const content = JSON.stringify({ state, days, counts, bad, overloads: proof.overloads.length })
    await this.#records.write(async (tx) => {
      await tx
        .insertInto('oncall_proofs')
        .values({ day, proven_at: proof.at, content })
        .onConflict((conflict) => conflict.column('day').doNothing())
        .execute()
    })
    return proof
  }

  async lastProof(): Promise<{ day: string; provenAt: string; state: string } | null> {
    const row = await this.#records.read
      .selectFrom('oncall_proofs')
      .selectAll()
      .orderBy('day', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (row === undefined) return null
    const { state } = JSON.parse(row.content) as { state: string } // nightly wrote it
    return { day: row.day, provenAt: rfc3339(row.proven_at), state }
  }
}

/** Shifts that are not ready and kept with a night's proof. */
const badKept = 200

function judged(shifts: readonly ShiftReadiness[]): Pick<Proof, 'state' | 'counts'> {
  const counts = { ready: 0, unready: 0, unknown: 0 }
  for (const { state } of shifts) counts[state] += 1
  if (counts.unready > 0) return { state: 'unready', counts }
  // Nothing to look at proves nothing.
  if (counts.unknown > 0 || counts.ready === 0) return { state: 'unknown', counts }
  return { state: 'ready', counts }
}
