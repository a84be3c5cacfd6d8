import type { NewFact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import type { Picture } from '../../incidents/picture.ts'
import { refusal } from '../../incidents/refusals.ts'
import { type Role, roleNames, type State, stateNames, workflow } from '../../incidents/workflow.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import type { IncidentChange } from './alert-changes.ts'
import { takeOverKeys } from './incident-alerts.ts'
import type { IncidentStore } from './incident-store.ts'
import { partFaults, type SentFact, stamped } from './requests.ts'

/** What somebody asks for; `key` names the request, so that it is carried out once however often it is sent. */
export interface FactsRequest {
  readonly facts: readonly SentFact[]
  readonly key?: string | undefined
}

export interface StepRequest {
  readonly to: string
  readonly role: string
  readonly with?: readonly SentFact[] | undefined
  readonly key?: string | undefined
}

export interface RecordRequest {
  /** Left out: by hand. */
  readonly how?: 'webhook' | undefined
  readonly title?: string | undefined
  readonly phenomenon: string
  readonly services: readonly string[]
  readonly hosts?: readonly string[] | undefined
  readonly customers?: readonly string[] | undefined
  readonly occurredAt?: string | undefined
  readonly detectedAt?: string | undefined
  readonly severity?: string | undefined
  readonly cause?: string | undefined
  readonly discovery?: string | undefined
  readonly key?: string | undefined
}

export interface HandlingParts {
  readonly clock: Clock
  readonly records: Records
  readonly store: IncidentStore
  readonly publish: (tx: RecordsTransaction, id: string, change: IncidentChange) => Promise<void>
  readonly committed: () => void
}

/** What people do with incidents. */
export class Handling {
  readonly #parts: HandlingParts

  constructor(parts: HandlingParts) {
    this.#parts = parts
  }

  /** Records an incident by hand. Gives its id. Throws conflict, unprocessable. */
  async record(by: Principal, request: RecordRequest): Promise<string> {
    const { store, publish, clock } = this.#parts
    const facts = openingByHand(by, request, clock.now())
    const title = request.title ?? request.phenomenon.split('\n')[0]!.slice(0, 500)
    return this.#write(async (tx) => {
      const done = await this.#carriedOut(tx, request.key)
      if (done !== undefined) return done
      const opening = {
        title,
        server: request.hosts?.[0] ?? '',
        by: by.name,
        role: 'scribe',
        facts,
      }
      const row = await store.record(tx, opening as typeof opening & { role: Role })
      await this.#keep(tx, request.key, row.id)
      await publish(tx, row.id, 'opened')
      return row.id
    })
  }

  /** Adds facts. Throws not_found, conflict, unprocessable. */
  async add(id: string, by: Principal, { facts, key }: FactsRequest): Promise<void> {
    const { store, publish, clock } = this.#parts
    const now = clock.now()
    const written = facts.map((fact) => stamped(fact, by, now))
    await this.#write(async (tx) => {
      if ((await this.#carriedOut(tx, key)) !== undefined) return
      const row = await store.byId(tx, id)
      const after = await store.add(tx, row, written)
      await this.#keep(tx, key, id)
      await publish(tx, id, changeOf(row, after) ?? 'noted')
    })
  }

  /** Takes a step. Throws not_found, and conflict with all that is missing. */
  async step(id: string, by: Principal, request: StepRequest): Promise<void> {
    const { store, publish, clock } = this.#parts
    const now = clock.now()
    const { to, role } = known(request)
    const facts = (request.with ?? []).map((fact) => stamped(fact, by, now))
    await this.#write(async (tx) => {
      if ((await this.#carriedOut(tx, request.key)) !== undefined) return
      const row = await store.byId(tx, id)
      const part = partFaults(withRoles(await store.picture(tx, row), facts), by, role)
      const move = { to, by: by.name, role, at: now, with: facts }
      const after = await store.step(tx, row, move, part)
      if (to === 'merged') await this.#merge(tx, row, facts)
      await this.#keep(tx, request.key, id)
      await publish(tx, id, changeOf(row, after) ?? 'stepped')
    })
  }

  /** Alerts of what was merged go to the other from now on. */
  async #merge(tx: RecordsTransaction, row: IncidentRow, facts: readonly NewFact[]): Promise<void> {
    const fact = facts.find(({ kind }) => kind === 'merged')
    const into = fact?.kind === 'merged' ? fact.value.into : ''
    const target = await this.#parts.store.byId(tx, into).catch(() => undefined)
    if (target === undefined || target.id === row.id || target.closed_at !== null)
      throw new CallwardError(
        'conflict',
        'merged.into: name the id of another incident that is not closed.',
        { missing: [{ guard: 'merge_target', ...refusal('merge_target_ended') }] },
      )
    await takeOverKeys(tx, row, target.id)
  }

  async #write<T>(work: (tx: RecordsTransaction) => Promise<T>): Promise<T> {
    const result = await this.#parts.records.write(work)
    this.#parts.committed()
    return result
  }

  /** The incident a request of this key was about, when it was carried out before. */
  async #carriedOut(tx: RecordsTransaction, key: string | undefined): Promise<string | undefined> {
    if (key === undefined) return undefined
    const query = tx.selectFrom('incident_request_keys').select('incident_id')
    return (await query.where('key', '=', key).executeTakeFirst())?.incident_id
  }

  async #keep(tx: RecordsTransaction, key: string | undefined, id: string): Promise<void> {
    if (key === undefined) return
    const row = { key, incident_id: id, at: this.#parts.clock.now() }
    await tx.insertInto('incident_request_keys').values(row).execute()
  }
}

/** What lists should be told happened; nothing for what they do not show. */
export function changeOf(before: IncidentRow, after: IncidentRow): IncidentChange | undefined {
  if (before.state !== after.state) {
    if (after.state === 'resolved') return 'resolved'
    return after.state === 'acknowledged' ? 'acknowledged' : 'relapsed'
  }
  return before.workflow_state === after.workflow_state ? undefined : 'stepped'
}

function known(request: StepRequest): { readonly to: State; readonly role: Role } {
  const { to, role } = request
  const isState = (name: string): name is State => (stateNames as readonly string[]).includes(name)
  const isRole = (name: string): name is Role => (roleNames as readonly string[]).includes(name)
  if (!isState(to))
    throw new CallwardError('bad_request', `to: write one of ${stateNames.join(', ')}.`)
  if (!isRole(role))
    throw new CallwardError('bad_request', `role: write one of ${roleNames.join(', ')}.`)
  return { to, role }
}

/** Parts that are taken with the step count for it. */
function withRoles(picture: Picture, facts: readonly NewFact[]): Picture {
  const coming = facts.filter(({ kind }) => kind === 'role' || kind === 'accepted')
  const stamped = coming.map((fact, index) => ({ ...fact, id: `new ${index}`, recordedAt: 0 }))
  return { ...picture, facts: [...picture.facts, ...(stamped as Picture['facts'])] }
}

function openingByHand(by: Principal, request: RecordRequest, now: number): NewFact[] {
  const { occurredAt, detectedAt, severity } = request
  const stamp = { recordedBy: by.name, supersedes: null, certainty: 'actual' } as const
  const say = (kind: string, value: object, at?: string) =>
    stamped({ kind, value, ...(at === undefined ? {} : { occurredAt: at }) }, by, now)
  const names = (name: string, list: readonly string[] | undefined) =>
    list === undefined || list.length === 0 ? {} : { [name]: [...list] }
  const opened = {
    ...{ ...stamp, kind: 'opened', occurredAt: now },
    value: {
      text: hubSays('openedByHand', { name: by.name }),
      how: request.how ?? 'hand',
      discovery: request.discovery ?? 'staff',
      workflow: workflow.version,
    },
  }
  return [
    opened as NewFact,
    say('phenomenon', { text: request.phenomenon }),
    ...(occurredAt === undefined
      ? []
      : [say('occurred', { text: hubSays('saidAtRecording') }, occurredAt)]),
    say('detected', { text: hubSays('saidAtRecording') }, detectedAt),
    say('impact', {
      text: hubSays('servicesNamed', { services: request.services.join(', ') }).slice(0, 10_000),
      services: [...request.services],
      ...names('hosts', request.hosts),
      ...names('customers', request.customers),
    }),
    say(
      'preliminary_cause',
      request.cause === undefined
        ? { text: hubSays('notKnown'), confidence: 'unknown' }
        : { text: request.cause, confidence: 'low' },
    ),
    ...(severity === undefined
      ? []
      : [say('severity', { text: hubSays('severityAtRecording', { name: by.name }), severity })]),
  ]
}
