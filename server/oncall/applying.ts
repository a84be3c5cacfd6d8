import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { OncallDocumentRow } from '../records/schema.ts'
import { type Directory, readPeople } from './directory.ts'
import {
  type Database,
  type DocumentType,
  type OncallStore,
  policyContent,
  scheduleContent,
} from './oncall-store.ts'
import { differences } from './plan.ts'
import type { ApplyAnswer, ApplyBody, Plan } from './schema.ts'

type PlanShape = Static<typeof Plan>
type PlannedChange = Static<typeof ApplyAnswer>['changes'][number]

/** Every schedule and policy as a file holds them; applied again it changes nothing. */
export async function exported(store: OncallStore, database: Database): Promise<PlanShape> {
  const people = await readPeople(database)
  const [schedules, policies] = [
    await store.documents(database, 'schedule'),
    await store.documents(database, 'policy'),
  ]
  return {
    schedules: Object.fromEntries(
      schedules.map((row) => [row.id, people.scheduleBody(scheduleContent(row))]),
    ),
    policies: Object.fromEntries(
      policies.map((row) => [row.id, people.policyBody(policyContent(row))]),
    ),
  }
}

/** Undoes what a dry run has tried. */
class DryRun extends Error {
  readonly answer: Static<typeof ApplyAnswer>

  constructor(answer: Static<typeof ApplyAnswer>) {
    super('dry run')
    this.answer = answer
  }
}

/**
 * Makes schedules and policies as a plan says, all in one transaction or none. A dry run does the same and takes it back, so it
 * finds what carrying out would find. Throws unprocessable, bad_request, conflict.
 */
export async function apply(
  app: FastifyInstance,
  store: OncallStore,
  { plan, dryRun, prune }: Static<typeof ApplyBody>,
  by: Principal,
): Promise<Static<typeof ApplyAnswer>> {
  try {
    return await app.records.write(async (tx) => {
      const people = await readPeople(tx)
      const answer = await new Applying(store, tx, people, by).all(plan, prune)
      if (dryRun) throw new DryRun(answer)
      return { ...answer, applied: true }
    })
  } catch (error) {
    if (error instanceof DryRun) return error.answer
    throw error
  }
}

class Applying {
  readonly #store: OncallStore
  readonly #tx: RecordsTransaction
  readonly #people: Directory
  readonly #by: Principal
  readonly #changes: PlannedChange[] = []
  #unchanged = 0

  constructor(store: OncallStore, tx: RecordsTransaction, people: Directory, by: Principal) {
    this.#store = store
    this.#tx = tx
    this.#people = people
    this.#by = by
  }

  async all(plan: PlanShape, prune: boolean): Promise<Static<typeof ApplyAnswer>> {
    const people = this.#people
    const schedules = await this.#known('schedule')
    const policies = await this.#known('policy')
    for (const [id, body] of Object.entries(plan.schedules)) {
      const row = schedules.get(id)
      const before = row && people.scheduleBody(scheduleContent(row))
      await this.#save('schedule', id, people.schedule(body), row, before)
    }
    const ids = new Set([...schedules.keys(), ...Object.keys(plan.schedules)])
    for (const [id, body] of Object.entries(plan.policies)) {
      const row = policies.get(id)
      const before = row && people.policyBody(policyContent(row))
      await this.#save('policy', id, people.policy(body, ids), row, before)
    }
    if (prune) {
      // Policies first: a schedule that one of them names stays.
      await this.#prune('policy', [...policies.keys()], plan.policies)
      await this.#prune('schedule', [...schedules.keys()], plan.schedules)
    }
    return { applied: false, changes: this.#changes, unchanged: this.#unchanged }
  }

  async #known(type: DocumentType): Promise<Map<string, OncallDocumentRow>> {
    const rows = await this.#store.documents(this.#tx, type)
    return new Map(rows.map((row) => [row.id, row]))
  }

  async #save(
    type: DocumentType,
    id: string,
    content: ReturnType<Directory['schedule']> | ReturnType<Directory['policy']>,
    row: OncallDocumentRow | undefined,
    before: object | undefined,
  ): Promise<void> {
    const saving = { id, content, revision: row?.revision }
    const saved = await this.#store.save(this.#tx, type, saving, this.#by)
    if (row !== undefined && saved.revision === row.revision) {
      this.#unchanged += 1
      return
    }
    const after =
      type === 'schedule'
        ? this.#people.scheduleBody(scheduleContent(saved))
        : this.#people.policyBody(policyContent(saved))
    const action = row === undefined ? 'created' : 'changed'
    this.#changes.push({ type, id, action, lines: differences(before ?? {}, after) })
  }

  async #prune(type: DocumentType, ids: readonly string[], plan: object): Promise<void> {
    for (const id of ids) {
      if (Object.hasOwn(plan, id)) continue
      await this.#store.remove(this.#tx, type, id, this.#by)
      this.#changes.push({ type, id, action: 'deleted', lines: [] })
    }
  }
}
