import { missingDuties } from '../../deadlines/duties.ts'
import {
  actionRegime,
  type Deadline,
  deadlinesOf,
  inForce,
  type Regimes,
  standingsOf,
  type Told,
} from '../../deadlines/standing.ts'
import { isImported, type Picture } from '../../incidents/picture.ts'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Incidents } from '../incidents/plugin.ts'
import type { Obligations } from '../obligations/plugin.ts'
import type { Paging } from '../paging/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import {
  dropDeadline,
  isSame,
  type KeptDeadline,
  keepDeadline,
  keptDeadline,
  keptDeadlines,
  subjectOf,
} from './deadline-store.ts'

export const clockKind = 'incident-clock'
export const actionKind = 'incident-action'
export const kindOf = ({ regime }: Pick<Deadline, 'regime'>) =>
  regime === actionRegime ? actionKind : clockKind

/** What a page asks for when a clock is breached; two capabilities and a migration know its form. */
export const askOfClock = (subject: string) => `clock:${subject}`

export interface KeeperParts {
  readonly clock: Clock
  readonly obligations: Pick<Obligations, 'open' | 'close'>
  readonly paging: Pick<Paging, 'askedFor'>
  readonly incidents: Pick<Incidents, 'write'>
  readonly regimes: () => Regimes
}

/** Keeps deadlines and obligations equal to what the facts of an incident say; works inside the caller's transaction. */
export class DeadlineKeeper {
  readonly #parts: KeeperParts

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /** Brings everything of an incident to what its facts say. */
  async follow(tx: RecordsTransaction, row: IncidentRow, picture: Picture): Promise<void> {
    if (isImported(picture)) return
    const { clock, regimes, incidents } = this.#parts
    const [, ...regulators] = inForce(picture, regimes())
    if (regulators.length > 0) {
      const now = clock.now()
      const standings = standingsOf(picture, regulators, regimes(), now)
      const duties = missingDuties(picture, standings, regimes(), now)
      // Their own facts come here again, with a picture that has them.
      if (duties.length > 0) return void (await incidents.write(tx, row.id, duties))
    }
    await this.#keep(tx, row.id, deadlinesOf(picture, regimes(), clock.now()))
  }

  async #keep(tx: RecordsTransaction, id: string, wanted: readonly Deadline[]): Promise<void> {
    const kept = new Map((await keptDeadlines(tx, id)).map((one) => [subjectOf(id, one), one]))
    for (const deadline of wanted) {
      const subject = subjectOf(id, deadline)
      const before = kept.get(subject)
      kept.delete(subject)
      if (before === undefined || !isSame(before, deadline))
        await this.#change(tx, id, before, deadline)
    }
    for (const [subject, gone] of kept) {
      await dropDeadline(tx, id, gone)
      await this.#end(tx, subject, gone, 'it is not owed any more')
    }
  }

  async #change(
    tx: RecordsTransaction,
    id: string,
    before: KeptDeadline | undefined,
    deadline: Deadline,
  ): Promise<void> {
    const subject = subjectOf(id, deadline)
    const goesOn = before?.dueAt === deadline.dueAt && deadline.state === 'owed'
    const told: Told = goesOn ? (before?.toldSoFar ?? 0) : 0
    const why = deadline.state === 'owed' ? 'its time was moved' : `it is ${deadline.state}`
    if (before !== undefined) await this.#end(tx, subject, before, why, goesOn)
    const nextAt = await keepDeadline(tx, id, deadline, told)
    if (nextAt !== undefined) await this.#open(tx, id, deadline, nextAt)
  }

  async #end(
    tx: RecordsTransaction,
    subject: string,
    before: KeptDeadline,
    why: string,
    goesOn = false,
  ): Promise<void> {
    const { obligations, paging } = this.#parts
    if (before.nextAt !== undefined) await obligations.close(tx, kindOf(before), subject, why)
    if (before.toldSoFar === 2 && !goesOn) await paging.askedFor(tx, askOfClock(subject), why)
  }

  async #open(tx: RecordsTransaction, id: string, deadline: Deadline, dueAt: number) {
    const { obligations, clock } = this.#parts
    const subject = subjectOf(id, deadline)
    await obligations.open(tx, {
      ...{ kind: kindOf(deadline), subject, lane: id, dueAt },
      key: `${subject} ${uuid(clock.now())}`,
    })
  }

  /** Writes how far telling went; gives when the next word is due. */
  async told(tx: RecordsTransaction, kept: KeptDeadline, told: Told): Promise<number | undefined> {
    return keepDeadline(tx, kept.incidentId, kept, told)
  }

  /** Opens anew what was found lost, a breach that no page asks for as one that is not told; false: nothing is owed. */
  async mend(tx: RecordsTransaction, subject: string): Promise<boolean> {
    const kept = await keptDeadline(tx, subject)
    if (kept === undefined) return false
    const nextAt = kept.nextAt ?? (await keepDeadline(tx, kept.incidentId, kept, 1))
    if (nextAt === undefined) return false
    await this.#open(tx, kept.incidentId, kept, nextAt)
    return true
  }
}
