import { createHash, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type AlertView, fingerprint } from '../../alerts/alert.ts'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { rowOf, saveAlerts } from '../../server/rules/alert-store.ts'
import { type Report, readVerifierKey, verifyBundle } from '../../verifier/verify.ts'
import { folderOf } from '../helpers/folder.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'

export const minute = 60_000

export interface Answer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  readonly body: any
}

/** The whole hub in this process, with two operators and an auditor. */
export class IncidentDesk {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly #tokens: Record<string, string>
  readonly #collectors = new Map<string, string>()
  #lives = 0

  private constructor(app: FastifyInstance, clock: MovedClock, tokens: Record<string, string>) {
    this.app = app
    this.clock = clock
    this.#tokens = tokens
  }

  static async start(t: Test, hub: object = {}, folder = folderOf(t)): Promise<IncidentDesk> {
    const file = join(folder, 'callward.yaml')
    // Alerts are those that a test fires: the clock that it moves would raise others.
    writeFileSync(file, JSON.stringify({ hub: { ruleIntervalSeconds: 3600, ...hub } }))
    const config = readHubConfig({
      CALLWARD_CONFIG: file,
      CALLWARD_DATA: join(folder, 'data'),
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: process.env['CALLWARD_TEST_LOG'] ?? 'silent',
    })
    prepareDataFolder(config)
    const clock = new MovedClock()
    const app = await buildApp(config, clock)
    t.teardown(() => app.close())
    await app.ready()
    const tokens: Record<string, string> = { admin: adminToken }
    for (const [name, role] of [
      ['ines', 'operator'],
      ['jonas', 'operator'],
      ['vera', 'auditor'],
    ] as const)
      tokens[name] = (await app.access.people.createToken(name, role, '')).token
    return new IncidentDesk(app, clock, tokens)
  }

  tokenOf(who: string): string {
    return this.#tokens[who] ?? ''
  }

  async as(
    who: string,
    method: 'GET' | 'POST',
    url: string,
    payload?: object | string,
    type = 'application/json',
  ): Promise<Answer> {
    const response = await this.app.inject({
      method,
      url: `/api/v1${url}`,
      headers: {
        authorization: `Bearer ${this.#tokens[who]}`,
        ...(payload === undefined ? {} : { 'content-type': type }),
      },
      ...(payload === undefined ? {} : { payload }),
    })
    const text = response.body
    const isJson = String(response.headers['content-type']).includes('json')
    return { status: response.statusCode, text, body: isJson ? JSON.parse(text) : undefined }
  }

  /** A host's collector says hello and tells documents. */
  async host(instance: string, documents: Readonly<Record<string, object>> = {}): Promise<void> {
    const collector = randomUUID()
    this.app.inventory.disconnected(this.#collectors.get(instance) ?? '')
    this.#collectors.set(instance, collector)
    await this.app.inventory.connected({
      ...({ type: 'hello', protocols: [1], collector, epoch: 'e', version: '0' } as const),
      labels: { ...hostLabels, instance, server: instance },
      ...{ intervalSeconds: 10, wall: this.clock.now() },
    })
    // Its row comes soon after its hello, and documents name it.
    await until('the collector is known', () =>
      this.app.records.read
        .selectFrom('collectors')
        .select('id')
        .where('id', '=', collector)
        .executeTakeFirst(),
    )
    for (const [name, document] of Object.entries(documents))
      await this.tell(collector, name, document)
  }

  /** The host is taken out of service, so that its silence is no news when the clock moves. */
  async retire(instance: string): Promise<void> {
    this.app.inventory.disconnected(this.#collectors.get(instance) ?? '')
    await this.app.inventory.forget(instance)
  }

  async tell(collector: string, name: string, document: object): Promise<void> {
    const text = JSON.stringify(document)
    const hash = createHash('sha256').update(text).digest('hex')
    await this.app.inventory.facts(collector, name, hash, text)
  }

  /** Values of a series of a host, one a minute, the last one now. */
  async series(instance: string, name: string, labels: object, values: readonly number[]) {
    const id = this.app.store.intern({ ...hostLabels, instance, __name__: name, ...labels })
    const now = this.clock.now()
    for (const [index, value] of values.entries())
      await this.app.store.append({
        rows: [
          {
            t: now - (values.length - 1 - index) * minute,
            ids: Uint32Array.of(id),
            values: Float64Array.of(value),
          },
        ],
      })
  }

  /** A critical alert of a host fires, as the rules tell it; gives its incident's number. */
  async fires(rule: string, instance: string, activeAgo = 0) {
    const now = this.clock.now()
    const labels = { alertname: rule, severity: 'critical', instance }
    const alert: AlertView = {
      ...{ id: `life-${++this.#lives}`, fingerprint: fingerprint(labels), rule, group: 'g' },
      ...({ severity: 'critical', instance, labels, annotations: {}, state: 'firing' } as const),
      ...{ value: '1', activeAt: now - activeAgo, firedAt: now },
    }
    return { alert, number: await this.changed(alert, 'firing') }
  }

  async recovers(alert: AlertView): Promise<void> {
    await this.changed({ ...alert, state: 'resolved', resolvedAt: this.clock.now() }, 'resolved')
  }

  private async changed(alert: AlertView, kind: 'firing' | 'resolved'): Promise<number> {
    const at = this.clock.now()
    const incident = await this.app.records.write(async (tx) => {
      await saveAlerts(tx, [{ kind: 'save', row: rowOf(alert, undefined, at) }])
      return this.app.incidents.alertChanged(tx, { kind, alert, at })
    })
    this.app.incidents.committed()
    return incident?.number ?? 0
  }

  /** What is owed now is done, until this is so. */
  async untilSo<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
    return until(what, async () => {
      this.app.obligations.wake()
      await this.app.obligations.settled()
      return check()
    })
  }

  /** What `callward verify` says of an incident's bundle, given the key that the hub shows. */
  async verified(number: number): Promise<Report> {
    const { verifierKeys } = (await this.as('vera', 'GET', '/ledger/status')).body
    const { rawPayload } = await this.app.inject({
      ...{ method: 'GET', url: `/api/v1/ledger/bundle?incident=${number}` },
      headers: { authorization: `Bearer ${this.#tokens['vera']}` },
    })
    return verifyBundle(new Uint8Array(rawPayload), { key: readVerifierKey(verifierKeys[0])! })
  }

  async evidenceOf(number: number) {
    return (await this.as('vera', 'GET', `/incidents/${number}/evidence`)).body as {
      evidence: { hash: string; stage: string; about: string; bytes: number }[]
      owed: { stage: string }[]
    }
  }

  async facts(number: number, kind: string) {
    const { body } = await this.as('vera', 'GET', `/incidents/${number}`)
    return (
      body.incident.facts as {
        id: string
        kind: string
        certainty: string
        recordedBy: string
        occurredAt: string
        supersedes: string | null
        value: Record<string, unknown>
      }[]
    ).filter((fact) => fact.kind === kind)
  }
}
