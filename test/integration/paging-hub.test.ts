import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { storyOnBothDatabases } from '../helpers/both-databases.ts'
import { TestHub, until } from '../helpers/hub.ts'

interface Received {
  readonly key: string
  readonly kind: string
  readonly title: string
}

/** A receiver of webhooks that takes what it is sent, and answers as it is told. */
class Receiver {
  readonly received: Received[] = []
  answers: 'never' | 'yes' = 'yes'
  readonly #server = createServer((request, response) => void this.#take(request, response))

  async start(t: Test): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    t.teardown(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/pages`
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString()) as { kind: string; title: string }
    const key = String(request.headers['idempotency-key'])
    this.received.push({ key, kind: body.kind, title: body.title })
    if (this.answers === 'yes') response.end('taken')
  }
}

const rules = (firing: boolean) => `
groups:
  - name: lines
    interval: 1s
    rules:
      - alert: TrunkDown
        expr: vector(1) ${firing ? '' : '> 1'}
        labels: {severity: critical, server: pbx-1}
        annotations: {summary: 'Trunk 1 is down'}
      - alert: DiskSlow
        expr: vector(1)
        labels: {severity: warning, server: pbx-1}
`

interface Page {
  readonly state: string
  readonly acknowledgedBy: string | null
  readonly tellings: readonly {
    readonly kind: string
    readonly state: string
    readonly recipient: { readonly name: string }
    readonly attempts: readonly { readonly channel: string; readonly outcome: string }[]
  }[]
}

/** A page goes out by webhook; the hub is killed while the receiver holds the request; it comes again with the same key. */
async function story(t: Test, environment: Record<string, string>): Promise<void> {
  const receiver = new Receiver()
  const url = await receiver.start(t)
  const folder = mkdtempSync(join(tmpdir(), 'callward-paging-hub-'))
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  const ruleFile = join(rulesFolder, 'lines.yaml')
  writeFileSync(ruleFile, rules(false))
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { notifyAllow: ['127.0.0.1'], rulesFolder } }))
  const hub = await TestHub.start(join(folder, 'data'), {
    ...environment,
    CALLWARD_CONFIG: config,
  })
  t.teardown(() => hub.program.kill('SIGKILL'))
  const people = await hub.api<{ people: { id: string; name: string }[] }>('/api/v1/oncall/people')
  const admin = people.people.find(({ name }) => name === 'admin')!
  await hub.api('/api/v1/contact-points', {
    method: 'POST',
    body: {
      channel: 'webhook',
      label: 'desk',
      owner: { kind: 'person', id: admin.id },
      settings: { url, secret: '0123456789abcdef0123456789abcdef' },
    },
  })

  receiver.answers = 'never'
  writeFileSync(ruleFile, rules(true))
  await hub.program.kill('SIGTERM')
  await hub.restart()
  await until('the receiver is asked', () => receiver.received.length > 0)
  await hub.program.kill('SIGKILL')
  const before = receiver.received.length
  receiver.answers = 'yes'
  await hub.restart()
  // What the killed hub held is free after 15 s by the database's clock, at once where the file was its own.
  await until('it is asked again', () => receiver.received.length > before, 60_000)
  t.equal(new Set(receiver.received.map(({ key }) => key)).size, 1, 'with the same key')
  t.match(receiver.received[0], { kind: 'firing', title: 'Trunk 1 is down' })
  const page = async (number = 1) => (await hub.api<{ page: Page }>(`/api/v1/pages/${number}`)).page
  await until('it is recorded', async () =>
    (await page()).tellings[0]?.attempts.some(({ outcome }) => outcome === 'accepted'),
  )
  const { alerts } = await hub.api<{ alerts: { rule: string; fingerprint: string }[] }>(
    '/api/v1/alerts',
  )
  const why = async (rule: string) => {
    const { fingerprint } = alerts.find((alert) => alert.rule === rule)!
    return (await hub.api<{ answer: string }>(`/api/v1/why/${fingerprint}`)).answer
  }
  t.equal(await why('TrunkDown'), 'Told: admin.')
  t.match(await why('DiskSlow'), /^Nobody was paged: severity warning/)

  await hub.api('/api/v1/pages/1/acknowledge', { method: 'POST' })
  t.match(await page(), { state: 'acknowledged', acknowledgedBy: 'bootstrap' })
  const { lost } = await hub.api<{ lost: unknown[] }>('/api/v1/obligations/lost')
  t.same(lost, [], 'nothing was lost')
  t.equal(
    (await hub.fetch('/api/v1/pages/99')).status,
    404,
    'a page that does not exist is not found',
  )

  const kinds = await hub.api<{ kinds: { kind: string; waiting: number }[] }>('/api/v1/obligations')
  const ofPaging = /^(?:escalation|telling|page|routing.*)$/
  t.same(
    kinds.kinds
      .filter(({ kind }) => ofPaging.test(kind))
      .map(({ kind, waiting }) => [kind, waiting]),
    [
      ['escalation', 1],
      ['telling', 0],
      ['page', 0],
      ['routing-time', 1],
      ['routing', 0],
    ],
    'all that is owed is to look whether the acknowledgement has become too old, and the repeat in ten years',
  )
  t.equal((await hub.program.kill('SIGTERM')).code, 0)
}

storyOnBothDatabases({ database: 'paging_hub', timeout: 120_000 }, story)
