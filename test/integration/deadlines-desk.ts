import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { deadlinesOf, nextWord } from '../../deadlines/standing.ts'
import { replay } from '../../incidents/replay.ts'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { keptDeadlines, subjectOf } from '../../server/deadlines/deadline-store.ts'
import { actionKind, clockKind } from '../../server/deadlines/keeper.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import type { Principal } from '../../server/people/plugin.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'

export const minute = 60_000
export const hour = 60 * minute
export const person = (name: string): Principal => ({
  id: `p-${name}`,
  name,
  role: 'operator',
  via: 'token',
})
export const carl = person('carl')
export const rita = person('rita')

/** A whole hub in this process, on a clock moved by hand. */
export class Desk {
  readonly clock = new (class {
    wall = Date.UTC(2026, 3, 7, 6, 0)
    now = () => this.wall
    monotonic = () => performance.now()
  })()
  app!: FastifyInstance
  readonly #config

  constructor(t: Test, recordsUrl?: string, more: object = {}) {
    const folder = folderOf(t)
    const file = join(folder, 'callward.yaml')
    const incidents = { institution: { kinds: ['credit-institution'], zone: 'Europe/Paris' } }
    writeFileSync(file, JSON.stringify({ hub: { incidents, timeZone: 'UTC', ...more } }))
    this.#config = readHubConfig({
      ...{ CALLWARD_DATA: join(folder, 'data'), CALLWARD_CONFIG: file },
      ...{ CALLWARD_ADMIN_TOKEN: adminToken, CALLWARD_LOG: 'silent' },
      CALLWARD_RECORDS: recordsUrl,
    })
    prepareDataFolder(this.#config)
    t.teardown(() => this.app.close())
  }

  async start(): Promise<this> {
    this.app = await buildApp(this.#config, this.clock)
    await this.app.ready()
    return this
  }

  async restart(): Promise<void> {
    await this.app.close()
    await this.start()
  }

  /** Lets time pass and meets what is due. */
  async pass(millis: number): Promise<void> {
    this.clock.wall += millis
    this.app.obligations.wake()
    await this.app.obligations.settled()
  }

  record(severity = 'sev1'): Promise<string> {
    const services = ['outbound']
    return this.app.incidents.record(carl, { phenomenon: 'Calls drop.', services, severity })
  }

  /** Facts of their own request, a minute later. */
  async add(id: string, kind: string, value: object, more: object = {}, by = carl): Promise<void> {
    this.clock.wall += minute
    const fact = { kind, value: { text: 'So it is.', ...value }, ...more }
    await this.app.incidents.add(id, by, { facts: [fact] })
  }

  async ask<T>(url: string, body?: object): Promise<{ status: number; body: T }> {
    const answer = await this.app.inject({
      url,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { method: 'POST' as const, payload: body }),
    })
    const isJson = String(answer.headers['content-type']).includes('json')
    // Each caller says what it asks for.
    return { status: answer.statusCode, body: (isJson ? answer.json() : answer.body) as T }
  }

  /** What is owed of an incident by the table of obligations: `subject due`. */
  async owed(id: string): Promise<string[]> {
    const rows = await this.app.records.read
      .selectFrom('obligations')
      .select(['subject', 'due_at'])
      .where('kind', 'in', [clockKind, actionKind])
      .where('state', '=', 'waiting')
      .where('subject', 'like', `${id}/%`)
      .execute()
    return rows.map(({ subject, due_at }) => `${subject} ${due_at}`).sort()
  }

  /** That what is kept and owed is what the facts say, read anew. */
  async faults(id: string): Promise<string[]> {
    const { picture } = await this.app.incidents.picture(id)
    const replayed = replay(picture.facts, this.clock.now())
    if (!replayed.legal) return [`illegal: ${replayed.illegal.reasons.join('; ')}`]
    const regimes = this.app.deadlines.regimes()
    const wanted = deadlinesOf(replayed.picture, regimes, this.clock.now())
    const later = deadlinesOf(replayed.picture, regimes, this.clock.now() + 9000 * hour)
    const kept = await keptDeadlines(this.app.records.read, id)
    const plain = (list: typeof wanted) =>
      list
        .map(({ regime, code, state, dueAt, atRiskAt, satisfiedAt, told }) =>
          JSON.stringify([regime, code, state, dueAt, atRiskAt, satisfiedAt, told]),
        )
        .sort()
        .join('\n')
    const expected = kept.flatMap((one) => {
      const at = nextWord(one, one.toldSoFar)
      return at === undefined ? [] : [`${subjectOf(id, one)} ${at}`]
    })
    const owed = await this.owed(id)
    return [
      ...(plain(kept) === plain(wanted) ? [] : [`kept\n${plain(kept)}\nwanted\n${plain(wanted)}`]),
      ...(plain(later) === plain(wanted)
        ? []
        : [`time alone changes what is kept\n${plain(wanted)}\nlater\n${plain(later)}`]),
      ...(JSON.stringify(owed) === JSON.stringify(expected.sort())
        ? []
        : [`obligations\n${owed.join('\n')}\nexpected\n${expected.join('\n')}`]),
    ]
  }

  async titles(): Promise<string[]> {
    const rows = await this.app.records.read
      .selectFrom('pages')
      .select(['title', 'state', 'group_key'])
      .orderBy('number')
      .execute()
    return rows.map(({ title, state, group_key }) => {
      const kind = group_key.startsWith('notice:') ? 'notice' : `page ${state}`
      return `${kind}: ${title}`
    })
  }
}
