import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { inclusionRanges, leafHash } from '../../../server/ledger/merkle.ts'
import { type HubClient, hubClient } from '../../../witness/hub-client.ts'
import { pull } from '../../../witness/pull.ts'
import { type Accusation, type Held, type Shelf, Witness } from '../../../witness/witness.ts'
import { WitnessFault } from '../../../witness/witness-fault.ts'
import { history, naiveRoot, TestLog } from './log.ts'

/** A hub that shows whatever a test wants it to. */
class FakeHub implements HubClient {
  log: TestLog
  leaves: readonly Buffer[]
  /** Text of entry 0. */
  first = '{}'
  status = 200
  readonly posted: { readonly origin: string; readonly size: number }[] = []

  constructor(log: TestLog, leaves: readonly Buffer[]) {
    this.log = log
    this.leaves = leaves
  }

  text = async () => this.log.note(this.leaves)
  async json<T>(path: string): Promise<T> {
    const base64 = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('base64'))
    const { searchParams: query } = new URL(path, 'http://hub')
    if (path.includes('/proof')) {
      const ranges = inclusionRanges(0, Number(query.get('size')))
      const proof = ranges.map(({ begin, end }) => naiveRoot(this.leaves.slice(begin, end)))
      return { entry: this.first, proof: base64(proof) } as T
    }
    const { proof } = this.log.submission(this.leaves, Number(query.get('from')))
    return { origin: this.log.origin, proof: base64(proof) } as T
  }
  async post(_path: string, body: unknown) {
    this.posted.push(body as { origin: string; size: number })
    return { status: this.status, message: 'no such witness' }
  }
}

class Memory implements Shelf {
  readonly #held = new Map<string, Held>()
  readonly accusations: Accusation[] = []
  logs = () => [...this.#held.values()]
  held = (origin: string) => this.#held.get(origin)
  keep = async (held: Held) => void this.#held.set(held.origin, held)
  forkOf = () => undefined
  async accuse(accusation: Accusation) {
    this.accusations.push(accusation)
    return 'evidence/one'
  }
}

function scene(pinned = new TestLog(), size = 8) {
  const { privateKey } = generateKeyPairSync('ed25519')
  const shelf = new Memory()
  const parts = { name: 'anna', privateKey, pinned: [pinned.key], shelf, now: () => 1e12 }
  const hub = new FakeHub(pinned, history(size))
  return { hub, shelf, log: pinned, witness: new Witness(parts) }
}

t.test('each visit goes on from the one before', async (t) => {
  const { hub, witness } = scene()
  for (const size of [8, 8, 9, 30]) {
    hub.leaves = history(size)
    const found = await pull(witness, hub)
    t.match(found, { answer: { kind: 'cosigned', held: { size } }, alarms: [], undelivered: false })
    t.match(hub.posted.at(-1), { size, cosignature: /^— anna / })
  }
  hub.status = 422
  t.match(await pull(witness, hub), { undelivered: true, delivered: /no such witness/, alarms: [] })
})

t.test('what the hub itself shows speaks against it', async (t) => {
  for (const [leaves, against, said] of [
    [history(12, 'x', 3), 'proof', /no later state/],
    [history(5), 'smaller', /put back to an older state/],
    [history(8, 'x', 3), 'fork', /signed it again/],
  ] as const) {
    const { hub, witness, shelf, log } = scene()
    await pull(witness, hub)
    hub.leaves = leaves
    const { answer, alarms } = await pull(witness, hub)
    t.match(answer, { kind: 'refused', against })
    t.match(alarms, [said, /./, /Evidence: evidence\/one/])
    t.match(shelf.accusations, [{ kind: against, submitted: log.note(leaves) }])
    t.equal(shelf.held(log.origin)?.size, 8)
    t.equal(hub.posted.length, 1)
  }
  const { hub, witness } = scene()
  t.equal(
    await pull(witness, Object.assign(hub, { text: async () => 'x' })).catch(String),
    'Error: The hub gave no signed checkpoint.',
  )
})

t.test('a new log must name the one before it', async (t) => {
  const old = new TestLog()
  const root = naiveRoot(history(8)).toString('base64')
  const previous = { origin: old.origin, size: 8, root }
  const opened = (previous: unknown) =>
    JSON.stringify({ action: 'ledger.opened', content: { previous } })
  for (const [first, said] of [
    [opened(previous), [/NEW LOG/, /names callward\.ledger\/a with 8 entries; this witness saw 8/]],
    [opened({ ...previous, size: 11 }), [/NEW LOG/, /with 11 entries/]],
    [opened({ ...previous, size: 5 }), [/NEW LOG/, /with 5/, /^3 entries of the old log are gone/]],
    [opened({ ...previous, root: 'x' }), [/NEW LOG/, /with 8/, /the old log was rewritten/]],
    [opened({ ...previous, origin: 'z' }), [/NEW LOG/, /names z, which this witness never saw/]],
    [opened(null), [/NEW LOG/, /does not name/]],
    ['{"action":"else"}', [/NEW LOG/, /does not name/]],
    ['no JSON', [/NEW LOG/, /does not name/]],
  ] as const) {
    const { hub, witness } = scene(old)
    await pull(witness, hub)
    hub.log = new TestLog('callward.ledger/next', old.privateKey)
    hub.first = first
    hub.leaves = [leafHash(first), ...history(4)]
    const found = await pull(witness, hub)
    t.match(found.answer, { kind: 'cosigned', held: { size: 5 } })
    t.equal(found.alarms.length, said.length, first)
    t.match(found.alarms, said)
    t.same((await pull(witness, hub)).alarms, [], 'told once')
  }
  const { hub, witness } = scene(old)
  await pull(witness, hub)
  hub.log = new TestLog('callward.ledger/next', old.privateKey)
  hub.first = opened(previous)
  hub.leaves = history(4)
  t.match(
    (await pull(witness, hub)).alarms,
    [/NEW LOG/, /does not name/],
    'shown, but not what was signed',
  )
})

t.test('answers of a hub have limits, and no redirect is followed', async (t) => {
  const answers: Record<string, (response: ServerResponse) => void> = {
    '/good': (response) => response.end('{"a":1}'),
    '/long': (response) => response.end('x'.repeat(70_000)),
    '/moved': (response) => response.writeHead(302, { location: '/good' }).end(),
    '/html': (response) => response.end('<html>'),
    '/none': (response) =>
      response.writeHead(404).end('{"error":{"message":"There is \\u001b[31mnothing here."}}'),
    '/cut': (response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('x', () => response.destroy())
    },
  }
  let token = ''
  const server = createServer((request, response) => {
    token = String(request.headers.authorization)
    answers[request.url ?? '']?.(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const hub = hubClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, 'secret')
  t.same(await hub.json('/good'), { a: 1 })
  t.equal(token, 'Bearer secret')
  const why = async (path: string) => {
    const error = await hub.json(path).catch((error: unknown) => error)
    t.ok(error instanceof WitnessFault, path)
    return (error as Error).message
  }
  t.match(await why('/long'), /longer than 65536 bytes/)
  t.match(await why('/moved'), /does not answer/)
  t.match(await why('/html'), /no Callward hub/)
  t.match(await why('/none'), /with 404: There is /)
  t.match(await why('/cut'), /does not answer/)
})
