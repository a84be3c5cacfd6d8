import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Clock } from '../../server/clock.ts'
import { type Report, readVerifierKey, verifyBundle } from '../../verifier/verify.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'
import { listeningHub } from '../helpers/listening-hub.ts'

/** A clock that stands ahead of the machine's as far as a test says, and goes on with it. */
export class AheadClock implements Clock {
  ahead = 0

  now(): number {
    return Date.now() + this.ahead
  }

  monotonic(): number {
    return performance.now()
  }
}

export interface Answered {
  readonly status: number
  readonly body: ReturnType<typeof JSON.parse>
}

export interface Fact {
  readonly id: string
  readonly kind: string
  readonly text: string
}

const password = 'four lamps over the sea'

/** A hub with an incident, and people who signed in with their own passwords. */
export class PrivacyDesk {
  readonly data: string
  readonly clock = new AheadClock()
  app!: FastifyInstance
  url = ''
  readonly #config: string
  readonly #who: Record<string, Record<string, string>> = {}

  private constructor(folder: string) {
    this.data = join(folder, 'data')
    this.#config = join(folder, 'callward.yaml')
    mkdirSync(join(folder, 'rules'))
    writeFileSync(join(folder, 'rules', 'none.yaml'), 'groups:\n  - name: none\n    rules: []\n')
    writeFileSync(this.#config, `hub: { rulesFolder: ${join(folder, 'rules')} }\n`)
  }

  static async start(t: Test): Promise<PrivacyDesk> {
    const desk = new PrivacyDesk(folderOf(t))
    await desk.open()
    t.teardown(() => desk.app.close())
    await desk.#people()
    return desk
  }

  async open(): Promise<void> {
    const { app, url } = await listeningHub(this.#config, this.data, this.clock)
    this.app = app
    this.url = url
  }

  async #people(): Promise<void> {
    this.#who['bootstrap'] = { authorization: `Bearer ${adminToken}` }
    for (const [name, role] of [
      ['anna', 'operator'],
      ['boris', 'admin'],
      ['vera', 'auditor'],
    ] as const) {
      const { token } = await this.app.access.people.createToken(name, role, '')
      this.#who[`token of ${name}`] = { authorization: `Bearer ${token}` }
      const link = await this.call('bootstrap', 'POST', `/people/${name}/link`)
      const code = String(link.body.url).split('#')[1]
      await this.#post('/password-links/use', { code, password })
      await this.signIn(name)
    }
  }

  #post(path: string, payload: object) {
    return this.app.inject({ method: 'POST', url: `/api/v1${path}`, payload })
  }

  async signIn(name: string): Promise<void> {
    const session = await this.#post('/sessions', { name, password })
    const cookie = `callward_session=${session.cookies[0]?.value}`
    this.#who[name] = { host: 'localhost', origin: 'http://localhost', cookie }
  }

  tokenOf(who: string): string {
    return (this.#who[`token of ${who}`]?.['authorization'] ?? '').slice('Bearer '.length)
  }

  async call(
    who: string,
    method: 'GET' | 'POST',
    path: string,
    payload?: object,
  ): Promise<Answered> {
    const sent = payload === undefined ? {} : { payload }
    const headers = this.#who[who] ?? {}
    const answer = await this.app.inject({ method, url: `/api/v1${path}`, headers, ...sent })
    return { status: answer.statusCode, body: answer.json() }
  }

  /** An alert that opens incident `number`. */
  async incident(number: number): Promise<void> {
    const instance = `pbx-${number}`
    const labels = { alertname: 'ServiceDown', severity: 'critical', instance, server: instance }
    const annotations = { summary: `Service down on ${instance}` }
    await this.app.inject({
      method: 'POST',
      url: '/am/api/v2/alerts',
      headers: this.#who['bootstrap']!,
      payload: [{ labels, annotations }],
    })
    for (;;) {
      const { status } = await this.call('bootstrap', 'GET', `/incidents/${number}`)
      if (status === 200) return
    }
  }

  async facts(number: number): Promise<Fact[]> {
    const { body } = await this.call('token of vera', 'GET', `/incidents/${number}`)
    return body.incident.facts as Fact[]
  }

  attach(
    who: string,
    incident: number,
    name: string,
    content: Uint8Array,
    more: { readonly headers?: Record<string, string>; readonly query?: string } = {},
  ): Promise<Answered> {
    const url = `/api/v1/incidents/${incident}/attachments?name=${encodeURIComponent(name)}${more.query ?? ''}`
    const headers = { 'content-type': 'text/plain', ...this.#who[who], ...more.headers }
    return this.app
      .inject({ method: 'POST', url, headers, payload: Buffer.from(content) })
      .then((answer) => ({ status: answer.statusCode, body: answer.json() }))
  }

  fetchFile(who: string, incident: number, id: string, query = '') {
    const url = `/api/v1/incidents/${incident}/attachments/${id}${query}`
    return this.app.inject({ method: 'GET', url, headers: this.#who[who] ?? {} })
  }

  /** Asked for by one, agreed to by another; gives the answer of the second. */
  async agreed(asked: Answered, second: string): Promise<Answered> {
    if (asked.status !== 202) return asked
    return this.call(second, 'POST', `/approvals/${asked.body.approval.id}/approve`)
  }

  async bundle(query: string): Promise<Uint8Array> {
    const url = `/api/v1/ledger/bundle?${query}`
    const answer = await this.app.inject({
      method: 'GET',
      url,
      headers: this.#who['token of vera']!,
    })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return new Uint8Array(answer.rawPayload)
  }

  async verify(file: Uint8Array): Promise<Report> {
    const { body } = await this.call('token of vera', 'GET', '/ledger/status')
    return verifyBundle(file, { key: readVerifierKey(body.verifierKeys[0])! })
  }
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** All that a report says is wrong, with the check's name. */
export function faultsIn({ checks }: Report): string[] {
  return checks.flatMap(({ id, faults }) => faults.map((fault) => `${id}: ${fault}`))
}

export function flagsIn({ checks }: Report): string[] {
  return checks.flatMap(({ flags }) => flags)
}
