import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { adminToken, compiled, Program, TestHub, until } from '../helpers/hub.ts'

/** A message as the receiver of webhooks got it. */
interface Received {
  readonly path: string
  readonly key: string
  readonly kind: string
  readonly title: string
}

/** Takes every webhook at once; remembers what came. */
export class Receiver {
  readonly received: Received[] = []
  readonly #server = createServer((request, response) => void this.#take(request, response))

  async start(t: Test): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    t.teardown(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
    return (this.#server.address() as AddressInfo).port
  }

  /** What came of one page by one path. */
  of(title: string, path: string, kinds: readonly string[]): Received[] {
    return this.received.filter(
      (one) => one.title === title && one.path === path && kinds.includes(one.kind),
    )
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    try {
      for await (const part of request) parts.push(part as Buffer)
      const { kind, title } = JSON.parse(Buffer.concat(parts).toString()) as Received
      const key = String(request.headers['idempotency-key'])
      this.received.push({ path: request.url ?? '', key, kind, title })
      response.end('taken')
    } catch {
      response.destroy() // the hub died in the middle of it
    }
  }
}

/** Where a hub's records are, and what a test does there while no hub runs. */
export interface Place {
  readonly environment: Readonly<Record<string, string>>
  /** Runs one statement in the records of the hub whose data lie in `data`. */
  run(data: string, sql: string): Promise<void>
  /** Whether a killed hub's leases end by time; where the file was its own they end at its next start. */
  readonly leases: boolean
}

/** What became of one point. */
export interface Row {
  readonly number: number
  readonly what: string
  /** Messages that came more than once. */
  readonly repeated: number
}

interface Page {
  readonly id: string
  readonly title: string
  readonly state: string
}
interface Telling {
  readonly kind: string
  readonly state: string
  readonly recipient: { readonly kind: string }
  readonly attempts: readonly { readonly channel: string; readonly outcome: string }[]
}

const rules = `
groups:
  - name: trunks
    interval: 200ms
    rules:
      - alert: TrunkDown
        expr: trunk_up == 0
        labels: {severity: critical}
        annotations: {summary: 'Trunk of {{ $labels.server }} is down'}
`

/** The least a policy may wait is 10 s; the records say less, so that a point costs a second. */
const policy = {
  name: 'trunks',
  steps: [
    { delaySeconds: 10, targets: [{ kind: 'person', id: 'admin' }] },
    { delaySeconds: 86_400, targets: [{ kind: 'contact', id: '' }] },
  ],
  repeat: 0,
  catchAll: [{ kind: 'contact', id: '' }],
  catchAllEverySeconds: 86_400,
  acknowledgementSeconds: 604_800,
}
const shorterSteps = `update oncall_policies set content = replace(content, '"delaySeconds":10,', '"delaySeconds":0.4,')`
/** For a minute after a start nothing that fired is believed to be over: hosts may not have reported yet. */
const believedAfterMillis = 61_000
/** As though the 15 s of a lease had passed by the database's clock. */
const leasesEnd =
  'update obligations set lease_until = lease_until - 15000 where lease_by is not null'

/** One hub that is killed again and again, each time in the story of another alert. */
export class Lane {
  readonly #receiver = new Receiver()
  readonly #place: Place
  #hub!: TestHub
  #ended = false
  /** The page of the story when it was last looked at. */
  #seen = ''

  constructor(place: Place) {
    this.#place = place
  }

  async start(t: Test): Promise<void> {
    const port = await this.#receiver.start(t)
    const folder = mkdtempSync(join(tmpdir(), 'callward-crash-'))
    const rulesFolder = join(folder, 'rules')
    mkdirSync(rulesFolder)
    writeFileSync(join(rulesFolder, 'trunks.yaml'), rules)
    const config = join(folder, 'callward.yaml')
    const hub = { notifyAllow: ['127.0.0.1'], rulesFolder, escalationPolicy: 'trunks' }
    writeFileSync(config, JSON.stringify({ hub }))
    const hook = pathToFileURL(join(compiled, 'test/helpers/killed-at.js')).href
    this.#hub = await TestHub.start(join(folder, 'data'), {
      ...this.#place.environment,
      CALLWARD_CONFIG: config,
      CALLWARD_TEST_RECEIVER: String(port),
      NODE_OPTIONS: `--import=${hook}`,
    })
    t.teardown(() => this.#hub.program.kill('SIGKILL'))
    await this.#provide(`http://127.0.0.1:${port}`)
    await this.#hub.program.kill('SIGTERM')
    await this.#place.run(this.#hub.data, shorterSteps)
    await this.#restart()
  }

  async #provide(url: string): Promise<void> {
    const hub = this.#hub
    const secret = '0123456789abcdef0123456789abcdef'
    const settings = (path: string) => ({ url: `${url}${path}`, secret })
    const { people } = await hub.api<{ people: { id: string; name: string }[] }>(
      '/api/v1/oncall/people',
    )
    const admin = people.find(({ name }) => name === 'admin')!.id
    const point = (path: string, owner: object) =>
      hub.api<{ contactPoint: { id: string } }>('/api/v1/contact-points', {
        method: 'POST',
        body: { channel: 'webhook', label: path, owner, settings: settings(path) },
      })
    await point('/admin', { kind: 'person', id: admin })
    const { id } = (await point('/desk', { kind: 'shared' })).contactPoint
    const named = JSON.parse(JSON.stringify(policy).replaceAll('"id":""', `"id":"${id}"`)) as object
    await hub.api('/api/v1/oncall/policies/trunks', { method: 'PUT', body: { policy: named } })
  }

  async #restart(): Promise<void> {
    if (this.#place.leases) await this.#place.run(this.#hub.data, leasesEnd)
    try {
      await this.#hub.restart()
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#hub.program.output.slice(-4000)}`)
    }
    await this.#say(`pass ${believedAfterMillis}`, /killed-at: passed/)
    this.#ended = false
    void this.#hub.program.exited.then(() => {
      this.#ended = true
    })
  }

  /** Polls; a hub that was killed meanwhile is started again, and whatever it did not answer is asked again. */
  async #until<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + 60_000
    let last: unknown
    while (performance.now() < deadline) {
      if (this.#ended) await this.#restart()
      try {
        const value = await check()
        if (value !== undefined && value !== false) return value
      } catch (error) {
        last = error
      }
      await delay(20)
    }
    throw new Error(
      `not within 60 s: ${what} (${String(last)}) ${this.#seen}\n${this.#hub.program.output.slice(-4000)}`,
    )
  }

  async #say(command: string, answer: RegExp): Promise<string[]> {
    const { program } = this.#hub
    const from = program.output.length
    program.child.stdin?.write(`${command}\n`)
    return until(`the answer to ${command}`, () => answer.exec(program.output.slice(from)) ?? false)
  }

  async #sample(server: string, value: number): Promise<void> {
    await this.#until('a sample is taken', async () => {
      const { status } = await fetch(`${this.#hub.url}/influx/write`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminToken}` },
        body: `trunk,server=${server} up=${value}`,
      })
      return status === 204
    })
  }

  /**
   * An alert fires, two are told, one takes it, it is over; the hub is killed at a point of that, by number or by name, and
   * started again. Undefined: the story came to its end, there was no such point.
   */
  async story(t: Test, at: number | RegExp, server: string): Promise<Row | undefined> {
    const title = `Trunk of ${server} is down`
    const receiver = this.#receiver
    await this.#say(`arm ${at instanceof RegExp ? at.source : at}`, /killed-at: armed/)
    const { program } = this.#hub
    await this.#sample(server, 0)
    await this.#until('the first is told', async () =>
      receiver.of(title, '/admin', ['firing']).some(() => true),
    )
    await this.#until('the second is told', async () =>
      receiver.of(title, '/desk', ['escalated']).some(() => true),
    )
    const page = await this.#until('it is taken', () => this.#take(title))
    await this.#sample(server, 1)
    await this.#until('it is over', () => this.#isOver(page.id))
    const survived = program === this.#hub.program && !this.#ended
    if (survived) await this.#say('count', /killed-at: counted (\d+)/)
    const repeated = await this.#check(t, title, page.id, String(at))
    if (survived) return undefined
    const [, number, what] = /killed-at: killed (\d+) (.*)/.exec(program.output) ?? []
    if (what === undefined) throw new Error(`the hub ended by itself:\n${program.output}`)
    return { number: Number(number), what, repeated }
  }

  async #take(title: string): Promise<Page | undefined> {
    const { pages } = await this.#hub.api<{ pages: Page[] }>('/api/v1/pages?state=all')
    const page = pages.find((one) => one.title === title)
    if (page?.state === 'open')
      await this.#hub.api(`/api/v1/pages/${page.id}/acknowledge`, { method: 'POST' })
    return page?.state === 'acknowledged' ? page : undefined
  }

  async #tellings(pageId: string): Promise<{ state: string; tellings: readonly Telling[] }> {
    return (
      await this.#hub.api<{ page: { state: string; tellings: Telling[] } }>(
        `/api/v1/pages/${pageId}`,
      )
    ).page
  }

  async #isOver(pageId: string): Promise<boolean> {
    const { state, tellings } = await this.#tellings(pageId)
    this.#seen = `${state} ${JSON.stringify(tellings)}`
    if (state !== 'closed' || tellings.some((one) => one.state === 'waiting')) return false
    const { obligations } = await this.#hub.api<{ obligations: unknown[] }>(
      `/api/v1/obligations?kind=escalation&subject=${pageId}`,
    )
    if (obligations.length > 0) return false
    const ledger = await this.#hub.api<{ waitingSeconds: number }>('/api/v1/ledger/status')
    return ledger.waitingSeconds === 0
  }

  /** What must be true however the hub died; gives how many messages came again. */
  async #check(t: Test, title: string, pageId: string, point: string): Promise<number> {
    const at = `point ${point}`
    const { lost } = await this.#hub.api<{ lost: unknown[] }>('/api/v1/obligations/lost')
    if (lost.length > 0) t.same(lost, [], `${at}: the watchdog found something lost`)
    const { tellings } = await this.#tellings(pageId)
    let repeated = 0
    for (const [path, kind, recipient] of [
      ['/admin', 'firing', 'person'],
      ['/desk', 'escalated', 'contact'],
    ] as const) {
      const told = this.#receiver.of(title, path, [kind])
      const over = this.#receiver.of(title, path, ['resolved'])
      const keys = (messages: readonly Received[]) => new Set(messages.map(({ key }) => key)).size
      if (keys(told) !== 1) t.equal(keys(told), 1, `${at}: ${path} got one message, by its key`)
      const known = tellings.some(
        (one) =>
          one.kind === 'page' &&
          one.recipient.kind === recipient &&
          one.attempts.some(({ outcome }) => outcome === 'accepted' || outcome === 'delivered'),
      )
      if (known ? keys(over) !== 1 : keys(over) > 1)
        t.equal(keys(over), 1, `${at}: ${path} was told once, by its key, that it is over`)
      repeated += told.length - 1 + Math.max(0, over.length - 1)
    }
    const ledger = await this.#hub.api<{ inconsistency: string | null }>('/api/v1/ledger/status')
    if (ledger.inconsistency !== null) t.equal(ledger.inconsistency, null, at)
    return repeated
  }

  /** The ledger, checked entry by entry as an auditor does; gives what the command said when it failed. */
  async ledgerFault(): Promise<string | undefined> {
    if (this.#ended) await this.#restart()
    const verify = new Program(
      'server/cli/main.js',
      { CALLWARD_HUB: this.#hub.url, CALLWARD_TOKEN: adminToken },
      ['ledger', 'verify'],
    )
    const { code } = await verify.exited
    return code === 0 ? undefined : verify.output
  }

  async stop(): Promise<void> {
    await this.#hub.stop()
  }
}
