import { randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../collector/clock.ts'
import { readConfig } from '../../collector/config.ts'
import { enrol } from '../../collector/enrolment/enrol.ts'
import { keyOf } from '../../collector/enrolment/enrolled.ts'
import { readEnrolment } from '../../collector/enrolment/files.ts'
import { machineFacts } from '../../collector/enrolment/machine.ts'
import { openSession, type Session, type SessionState } from '../../collector/session.ts'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { adminToken, until } from '../helpers/hub.ts'

const minute = 60_000

/** The hub's clock: the machine's, and as much as a test moved it. */
export class MovedClock {
  moved = 0
  now = () => Date.now() + this.moved
  monotonic = () => performance.now() + this.moved
}

export interface EnrolmentAnswer {
  readonly instance: string
  readonly state: string
  readonly connected: boolean
  readonly sessions: number
  readonly refusals: number
  readonly lastRefusal: string | null
}

export interface NewToken {
  readonly token: string
  readonly hubKey: string
  readonly tlsPin: string | null
}

/** A whole hub in this process that listens, by TLS unless told otherwise. */
export class ListeningHub {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly data: string
  readonly port: number
  readonly #tls: boolean

  private constructor(app: FastifyInstance, clock: MovedClock, data: string, tls: boolean) {
    this.app = app
    this.clock = clock
    this.data = data
    this.#tls = tls
    this.port = (app.server.address() as AddressInfo).port
  }

  static async start(
    data: string,
    environment: Record<string, string> = {},
    { host = '127.0.0.1', port = 0, before = (_app: FastifyInstance): void => undefined } = {},
  ): Promise<ListeningHub> {
    mkdirSync(data, { recursive: true })
    const config = readHubConfig({
      CALLWARD_DATA: data,
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
      ...environment,
    })
    prepareDataFolder(config)
    const clock = new MovedClock()
    const app = await buildApp(config, clock, before)
    await app.listen({ host, port })
    return new ListeningHub(app, clock, data, config.tls !== undefined)
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.port}`
  }

  get ws(): string {
    return this.url.replace('http', 'ws')
  }

  stop(): Promise<void> {
    return this.app.close()
  }

  async api<T>(method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object): Promise<T> {
    const answer = await this.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(payload === undefined ? {} : { payload }),
    })
    if (answer.statusCode >= 300) throw new Error(`${url}: ${answer.statusCode} ${answer.body}`)
    return (answer.body === '' ? undefined : answer.json()) as T
  }

  token(request: object = {}): Promise<NewToken> {
    return this.api<NewToken>('POST', '/api/v1/enrolment-tokens', request)
  }

  async enrolment(instance: string): Promise<EnrolmentAnswer | undefined> {
    const { enrolments } = await this.api<{ enrolments: EnrolmentAnswer[] }>(
      'GET',
      '/api/v1/enrolments',
    )
    return enrolments.filter((one) => one.instance === instance).at(-1)
  }

  /** A counter of /metrics; 0 when it has never counted. */
  async metric(name: string, labels = ''): Promise<number> {
    const { body } = await this.app.inject({
      url: '/metrics',
      headers: { authorization: `Bearer ${adminToken}` },
    })
    const line = body.split('\n').find((one) => one.startsWith(`${name}${labels} `))
    return Number(line?.split(' ')[1] ?? 0)
  }
}

/** A machine's root, below `folder`, with just what tells it from others. */
export function machineRoot(folder: string, id: string): string {
  const root = join(folder, `root-of-${id}`)
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(join(root, 'etc/machine-id'), `${id}\n`)
  return root
}

/** The id that a collector keeps in its folder. */
function idOf(folder: string): string {
  const path = join(folder, 'identity.json')
  if (!existsSync(path)) writeFileSync(path, JSON.stringify({ collector: randomUUID() }))
  return (JSON.parse(readFileSync(path, 'utf8')) as { collector: string }).collector
}

/** A collector's folder and machine, which enrols, runs and is copied. */
export class EnrolledHost {
  readonly data: string
  readonly root: string
  session: Session | undefined
  readonly states: { readonly state: SessionState; readonly detail: string }[] = []
  readonly problems: string[] = []

  constructor(data: string, root: string) {
    this.data = data
    this.root = root
  }

  get #folder(): string {
    return join(this.data, 'collector')
  }

  get #config() {
    const defaults = readEnrolment(this.#folder)
    const config = readConfig({ CALLWARD_DATA: this.data }, 'nameless', defaults)
    return { ...config, roots: { ...config.roots, rootfs: this.root, sys: join(this.root, 'sys') } }
  }

  async enrol(hub: ListeningHub, instance: string, made?: NewToken, url = hub.url): Promise<void> {
    const { token, hubKey } = made ?? (await hub.token({ instance }))
    await enrol({
      hub: url,
      token,
      hubKey,
      instance,
      version: '0.0.0-test',
      folder: this.#folder,
      machine: machineFacts({ rootfs: this.root, sys: join(this.root, 'sys') }),
    })
  }

  /** Runs as the collector does, against the address given or the one enrolled with. */
  start(options: { readonly url?: string; readonly clockOff?: number } = {}): this {
    const { clockOff = 0 } = options
    const clock: Clock = {
      now: () => Date.now() + clockOff,
      monotonic: () => performance.now(),
    }
    const config = this.#config
    const keep = (_fields: object, message: string) => void this.problems.push(message)
    const logger = { info: () => undefined, warn: keep, error: keep }
    this.session = openSession({
      url: options.url ?? config.hub,
      token: () => Promise.reject(new Error('BUG: an enrolled collector asks for no token')),
      key: keyOf(readEnrolment(this.#folder), config, logger),
      hello: {
        collector: idOf(this.#folder),
        epoch: randomUUID(),
        version: '0.0.0-test',
        labels: config.labels,
        intervalSeconds: 1,
      },
      clock,
      logger,
      onState: (state, detail) => void this.states.push({ state, detail }),
      random: () => 0,
    })
    return this
  }

  get state(): SessionState | undefined {
    return this.session?.figures().state
  }

  async opened(): Promise<void> {
    await until(`an open session (${this.problems.join('; ')})`, () => this.state === 'open')
  }

  /** Waits until a session ended for a reason, which is given. */
  async refused(): Promise<string> {
    const { detail } = await until('a refusal', () =>
      this.states.find(({ state }) => state === 'waiting'),
    )
    return detail
  }

  async stop(): Promise<void> {
    await this.session?.close('test')
    this.states.length = 0
  }

  report(value: number): void {
    const labels = { ...this.#config.labels }
    this.session?.send({
      lane: 'live',
      wall: Date.now(),
      monotonic: performance.now(),
      series: [{ name: 'test_value', labels }],
      values: Float64Array.of(value),
      stale: [],
    })
  }

  /** A copy of the folder, on this machine or another. */
  copy(to: string, root = this.root): EnrolledHost {
    cpSync(this.data, to, { recursive: true })
    return new EnrolledHost(to, root)
  }
}

export { minute }
