import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { HostLabels } from '../../collector/wire/frames.ts'
import { buildApp } from '../../server/app.ts'
import type { Clock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { adminToken, until } from '../helpers/hub.ts'

/** A clock that runs, and can be moved on. */
export class MovedClock implements Clock {
  ahead = 0
  now = () => Date.now() + this.ahead
  monotonic = () => performance.now() + this.ahead
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  readonly body: any
}

/** The whole hub in this process, on whichever records, with a folder of baselines and three people. */
export class ChangesDesk {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly baselines: string
  readonly #tokens: Record<string, string> = {}
  readonly #collectors = new Map<string, string>()

  private constructor(app: FastifyInstance, clock: MovedClock, baselines: string) {
    this.app = app
    this.clock = clock
    this.baselines = baselines
  }

  static async start(t: Test, recordsUrl?: string): Promise<ChangesDesk> {
    const folder = folderOf(t, { baselines: {}, data: {} })
    const baselines = join(folder, 'baselines')
    const file = join(folder, 'callward.yaml')
    writeFileSync(file, `hub: { baselinesFolder: ${baselines}, changeGraceMinutes: 60 }\n`)
    const config = readHubConfig({
      CALLWARD_CONFIG: file,
      CALLWARD_DATA: join(folder, 'data'),
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
      ...(recordsUrl === undefined ? {} : { CALLWARD_RECORDS: recordsUrl }),
    })
    mkdirSync(config.data, { recursive: true })
    prepareDataFolder(config)
    const clock = new MovedClock()
    const app = await buildApp(config, clock)
    t.teardown(() => app.close())
    await app.ready()
    const desk = new ChangesDesk(app, clock, baselines)
    for (const [name, role] of [
      ['ines', 'operator'],
      ['jonas', 'operator'],
      ['vera', 'auditor'],
    ] as const)
      desk.#tokens[name] = (await app.access.people.createToken(name, role, '')).token
    return desk
  }

  /** A collector of the host says hello, a new one each time; gives the hashes the hub holds. */
  async hello(instance: string, labels: Partial<HostLabels> = {}): Promise<Record<string, string>> {
    const collector = randomUUID()
    const former = this.#collectors.get(instance)
    if (former !== undefined) this.app.inventory.disconnected(former)
    this.#collectors.set(instance, collector)
    await this.app.inventory.connected({
      type: 'hello',
      protocols: [1],
      collector,
      epoch: 'e',
      version: '0',
      labels: { ...hostLabels, instance, server: instance, ...labels },
      intervalSeconds: 10,
      wall: this.clock.now(),
    })
    return this.app.inventory.factHashes(collector)
  }

  collectorOf(instance: string): string {
    return this.#collectors.get(instance) ?? ''
  }

  /** The host's collector tells a document. */
  async tell(instance: string, name: string, document: unknown): Promise<void> {
    const text = JSON.stringify(document)
    const hash = createHash('sha256').update(text).digest('hex')
    await this.app.inventory.facts(this.#collectors.get(instance) ?? '', name, hash, text)
    await this.app.baselines.settled()
  }

  async as(who: string, method: 'GET' | 'POST', url: string, payload?: object): Promise<Answer> {
    const response = await this.app.inject({
      method,
      url: `/api/v1${url}`,
      headers: { authorization: `Bearer ${this.#tokens[who]}` },
      ...(payload === undefined ? {} : { payload }),
    })
    return { status: response.statusCode, body: response.json() }
  }

  /** A baseline that asks for the package and nothing else. */
  async anyAsterisk(): Promise<void> {
    const by = 'approvedBy: Anh\napprovedAt: 2026-03-02'
    this.baseline('pbx.yaml', `role: pbx\nversion: "1"\n${by}\npackages: { asterisk: "*" }\n`)
    await this.look()
  }

  /** A record made by ines and approved by jonas, its window from an hour ago to in an hour. */
  async approved(plan: object = {}): Promise<number> {
    const made = await this.as('ines', 'POST', '/changes', this.plan(plan))
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    const { number } = made.body.change as { number: number }
    await this.as('jonas', 'POST', `/changes/${number}/approve`, {})
    return number
  }

  plan(more: object = {}): object {
    const at = (hours: number) => new Date(this.clock.now() + hours * 3_600_000).toISOString()
    const window = { start: at(-1), end: at(1) }
    return { title: 'Update', description: 'asterisk', hosts: ['pbx-01'], window, ...more }
  }

  /** `7 open: package a 1 2 -`, newest first; a covered item ends with `+`. */
  async changesOf(instance: string): Promise<string[]> {
    const { body } = await this.as('vera', 'GET', `/hosts/${instance}/changes`)
    return body.versionChanges.map(
      (one: { number: number; state: string; items: readonly Record<string, unknown>[] }) => {
        const items = one.items.map(
          ({ kind, subject, from, to, covered }) =>
            `${kind} ${subject} ${from} ${to} ${covered ? '+' : '-'}`,
        )
        return `${one.number} ${one.state}: ${items.join(', ')}`
      },
    )
  }

  /** `drift: missing package x`, sorted as told. */
  async driftOf(instance: string): Promise<string[]> {
    const { body } = await this.as('vera', 'GET', `/hosts/${instance}/drift`)
    const findings = body.findings.map(
      ({ kind, subject }: { kind: string; subject: string }) => `${kind} ${subject}`,
    )
    return [body.state, ...findings]
  }

  baseline(name: string, text: string): void {
    writeFileSync(join(this.baselines, name), text)
  }

  async look(): Promise<void> {
    await this.app.baselines.look()
    await this.app.baselines.settled()
  }

  /** `ChangeWithoutRecord pbx-01`, of the rules of this topic that fire. */
  firing(): string[] {
    const topic = [
      'ChangeWithoutRecord',
      'ChangeWithoutBaseline',
      'VersionDrift',
      'BaselineFilesFaulty',
    ]
    return this.app.rules
      .activeAlerts()
      .filter(({ rule, state }) => topic.includes(rule) && state === 'firing')
      .map(({ rule, instance }) => `${rule} ${instance}`)
      .sort()
  }

  async fires(...alerts: string[]): Promise<void> {
    await until(`firing: ${alerts}`, () => String(this.firing()) === String([...alerts].sort()))
  }
}
