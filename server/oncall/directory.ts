import type { Kysely } from 'kysely'
import type { Static } from 'typebox'
import { CallwardError } from '../errors.ts'
import type { RecordsSchema } from '../records/schema.ts'
import type { Database } from './oncall-store.ts'
import type { PolicyContent, Target } from './policy.ts'
import { type ScheduleContent, scheduleFault, weekdays } from './schedule.ts'
import type { PolicyBody, ScheduleBody } from './schema.ts'

/** Somebody who may be put on call. */
export interface Person {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
}

/** People read at once. */
const maxPeople = 10_000

/** Every person, by name; accounts of programs are none. */
export async function readPeople(database: Database): Promise<Directory> {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('principals')
    .select(['id', 'name', 'disabled_at'])
    .where('kind', '=', 'person')
    .orderBy('name')
    .limit(maxPeople)
    .execute()
  return new Directory(
    rows.map(({ id, name, disabled_at }) => ({ id, name, enabled: disabled_at === null })),
  )
}

/** People by id and by name. */
export class Directory {
  readonly people: readonly Person[]
  readonly #byId: ReadonlyMap<string, Person>
  readonly #byName: ReadonlyMap<string, Person>

  constructor(people: readonly Person[]) {
    this.people = people
    this.#byId = new Map(people.map((person) => [person.id, person]))
    this.#byName = new Map(people.map((person) => [person.name, person]))
  }

  find(id: string): Person | undefined {
    return this.#byId.get(id)
  }

  /** Somebody who is no account any more is shown by the id. */
  view(id: string): Person {
    return this.#byId.get(id) ?? { id, name: id, enabled: false }
  }

  /** The id of whom an id or a name means. Throws unprocessable. */
  idOf(named: string): string {
    const person = this.#byId.get(named) ?? this.#byName.get(named)
    if (person !== undefined) return person.id
    const message = `There is no person "${named}"; list them with: callward oncall people`
    throw new CallwardError('unprocessable', message)
  }

  /** What a person wrote, with ids for names. Throws unprocessable, bad_request with the fault. */
  schedule(body: Static<typeof ScheduleBody>): ScheduleContent {
    // Always in the same order: what says the same is the same text.
    const layers = body.layers.map((layer) => ({
      name: layer.name,
      timeZone: layer.timeZone ?? body.timeZone,
      rotation: { unit: layer.rotation.unit, count: layer.rotation.count },
      handOff: layer.handOff,
      startsOn: layer.startsOn,
      ...(layer.endsOn === undefined ? {} : { endsOn: layer.endsOn }),
      participants: layer.participants.map((named) => this.idOf(named)),
      windows: layer.windows.map(({ days, from, to }) => ({
        days: weekdays.filter((day) => days.includes(day)),
        from,
        to,
      })),
    }))
    const { name, description, timeZone, plannedGaps } = body
    const content: ScheduleContent = { name, description, timeZone, plannedGaps, layers }
    const fault = scheduleFault(content)
    if (fault !== undefined) throw new CallwardError('bad_request', fault)
    return content
  }

  /** The same for a policy; `schedules` are the ids that exist. */
  policy(body: Static<typeof PolicyBody>, schedules: ReadonlySet<string>): PolicyContent {
    const target = ({ kind, id }: Target): Target => {
      if (kind === 'person') return { kind, id: this.idOf(id) }
      if (kind === 'schedule' && !schedules.has(id)) {
        const message = `There is no schedule "${id}"; list them with: callward oncall now`
        throw new CallwardError('unprocessable', message)
      }
      return { kind, id }
    }
    const { name, description, repeat, catchAllEverySeconds, acknowledgementSeconds } = body
    const steps = body.steps.map(({ delaySeconds, targets }) => ({
      delaySeconds,
      targets: targets.map(target),
    }))
    const catchAll = body.catchAll.map(target)
    return {
      name,
      description,
      steps,
      repeat,
      catchAll,
      catchAllEverySeconds,
      acknowledgementSeconds,
    }
  }

  /** A schedule as a file shows it: names for ids, what is implied left out. */
  scheduleBody(content: ScheduleContent): Static<typeof ScheduleBody> {
    const { name, description, timeZone, plannedGaps } = content
    const layers = content.layers.map(({ participants, timeZone: own, windows, ...layer }) => ({
      ...layer,
      ...(own === timeZone ? {} : { timeZone: own }),
      participants: participants.map((id) => this.view(id).name),
      windows: windows.map((window) => ({ ...window, days: [...window.days] })),
    }))
    // `endsOn` is absent or a text in what the store wrote.
    return { name, description, timeZone, plannedGaps, layers } as Static<typeof ScheduleBody>
  }

  policyBody(content: PolicyContent): Static<typeof PolicyBody> {
    const named = ({ kind, id }: Target) => ({
      kind,
      id: kind === 'person' ? this.view(id).name : id,
    })
    return {
      ...content,
      steps: content.steps.map(({ delaySeconds, targets }) => ({
        delaySeconds,
        targets: targets.map(named),
      })),
      catchAll: content.catchAll.map(named),
    }
  }
}
