import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'
import { type Heard, receiver } from './notify-desk.ts'

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  readonly body: any
}

const minute = 60_000

/** The whole hub in this process with people who signed in by their own password, and one receiver of webhooks. */
export class CommunicationDesk {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly cookies: Record<string, string> = {}
  /** What receivers took, by the path of the webhook. */
  readonly heard: Heard[]
  readonly url: string
  /** Paths whose webhook is refused for now. */
  readonly refusing: Set<string>
  /** Paths whose receiver is out of order for now. */
  readonly failing: Set<string>

  private constructor(
    app: FastifyInstance,
    clock: MovedClock,
    place: { heard: Heard[]; url: string },
    refusing: Set<string>,
    failing: Set<string>,
  ) {
    this.app = app
    this.clock = clock
    this.heard = place.heard
    this.url = place.url
    this.refusing = refusing
    this.failing = failing
  }

  static async start(
    t: Test,
    hub: Record<string, unknown> = {},
    recordsUrl?: string,
  ): Promise<CommunicationDesk> {
    const refusing = new Set<string>()
    const failing = new Set<string>()
    const place = await receiver(t, ({ request }, response) => {
      const path = request.url ?? ''
      response.statusCode = failing.has(path) ? 503 : refusing.has(path) ? 400 : 200
      response.end('ok')
    })
    const folder = folderOf(t)
    const file = join(folder, 'callward.yaml')
    const zone = { timeZone: 'Asia/Ho_Chi_Minh', idleMinutes: 720 }
    const settings = { notifyAllow: ['127.0.0.1'], ...zone, ...hub }
    writeFileSync(file, JSON.stringify({ hub: settings }))
    const config = readHubConfig({
      CALLWARD_CONFIG: file,
      CALLWARD_DATA: join(folder, 'data'),
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
      CALLWARD_PUBLIC_URL: 'https://hub.bank.example',
      ...(recordsUrl === undefined ? {} : { CALLWARD_RECORDS: recordsUrl }),
    })
    mkdirSync(config.data, { recursive: true })
    prepareDataFolder(config)
    const clock = new MovedClock()
    const app = await buildApp(config, clock)
    t.teardown(() => app.close())
    await app.ready()
    const desk = new CommunicationDesk(app, clock, place, refusing, failing)
    for (const [name, role] of [
      ['anna', 'operator'],
      ['boris', 'admin'],
      ['ines', 'operator'],
      ['vera', 'auditor'],
    ] as const)
      await desk.#person(name, role)
    return desk
  }

  async #person(name: string, role: 'admin' | 'operator' | 'auditor'): Promise<void> {
    const admin = { authorization: `Bearer ${adminToken}` }
    const ask = (url: string, payload: object, headers: Record<string, string> = {}) =>
      this.app.inject({ method: 'POST', url: `/api/v1${url}`, payload, headers })
    await ask('/people', { name, role }, admin)
    const link = await ask(`/people/${name}/link`, {}, admin)
    const password = 'four lamps over the sea'
    await ask('/password-links/use', { code: link.json().url.split('#')[1], password })
    const signedIn = await ask('/sessions', { name, password })
    this.cookies[name] = `callward_session=${signedIn.cookies[0]?.value}`
  }

  /** As somebody who signed in; `bootstrap` by the token. */
  async as(
    who: string,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    payload?: object,
  ): Promise<Answer> {
    const cookie = this.cookies[who]
    const headers: Record<string, string> =
      cookie === undefined
        ? { authorization: `Bearer ${adminToken}` }
        : { host: 'localhost', origin: 'http://localhost', cookie }
    const response = await this.app.inject({
      ...{ method, url: `/api/v1${path}`, headers },
      ...(payload === undefined ? {} : { payload }),
    })
    return { status: response.statusCode, body: response.body === '' ? undefined : response.json() }
  }

  /** What a route sends that is no JSON. */
  async file(who: string, path: string): Promise<Uint8Array> {
    const headers = { host: 'localhost', cookie: this.cookies[who]! }
    const response = await this.app.inject({ method: 'GET', url: `/api/v1${path}`, headers })
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.body}`)
    return new Uint8Array(response.rawPayload)
  }

  /** An edit of the records that nothing of the hub knows of. */
  async past(statement: string): Promise<void> {
    await this.app.records.write((tx) => sql.raw(statement).execute(tx))
  }

  /** A contact point: shared by its label, or somebody's own. */
  async point(label: string, owner?: string, more: object = {}): Promise<string> {
    const made = await this.as(owner ?? 'bootstrap', 'POST', '/contact-points', {
      ...{
        channel: 'webhook',
        label,
        settings: { url: `${this.url}/${label}`, secret: 'x'.repeat(16) },
      },
      ...(owner === undefined ? { owner: { kind: 'shared' } } : {}),
      ...more,
    })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body.contactPoint.id as string
  }

  /** Id of an incident recorded by hand. */
  async incident(more: object = {}): Promise<string> {
    const made = await this.as('anna', 'POST', '/incidents', {
      ...{ phenomenon: 'Calls to the call centre fail.', services: ['telephony'] },
      ...more,
    })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body.incident.id as string
  }

  /** Time passes, and what is due is done. */
  async pass(minutes: number): Promise<void> {
    this.clock.ahead += minutes * minute
    await this.settle()
  }

  /** What is due now is done, and what follows from it. */
  async settle(): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      this.app.obligations.wake()
      await new Promise((resolve) => setImmediate(resolve))
      await this.app.obligations.settled()
    }
  }

  /** What came to a receiver of the first incident; a clock that jumps makes the hub open others of its own. */
  // biome-ignore lint/suspicious/noExplicitAny: messages are compared with what a test expects of them
  noticesAt(label: string): any[] {
    return this.heard
      .filter(({ request }) => request.url === `/hook/${label}`)
      .map(({ body }) => JSON.parse(body))
      .filter(({ kind, title }) => kind === 'notice' && !/incident (?!1,)\d+,/.test(title))
  }

  titlesAt(label: string): string[] {
    return this.noticesAt(label).map(({ title }) => title as string)
  }

  async kinds(id: string): Promise<string[]> {
    const { body } = await this.as('vera', 'GET', `/incidents/${id}`)
    return body.incident.facts.map(({ kind }: { kind: string }) => kind)
  }
}
