import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Clock } from '../../server/clock.ts'
import type { EmbeddedStore } from '../../server/store/embedded-store.ts'
import { blockHeaderBytes } from '../../server/store/journal/record.ts'
import { blockAt, scanBlocks } from '../../server/store/journal/segments.ts'
import { PowerDisk } from '../unit/store/power-disk.ts'
import {
  base,
  dump,
  handClock,
  hour,
  openStore,
  row,
  Sender,
  sequenced,
  temporaryFolder,
} from '../unit/store/store-kit.ts'

/** What was sent in a row or batch: entries as `dump` shows them, by series. */
interface Sent {
  readonly stream: string
  readonly sequence: number
  readonly entries: readonly (readonly [series: string, entry: string])[]
}

/** Two streams and a batch writer, whose every row is known and whose acknowledgements are kept. */
class Load {
  readonly sent: Sent[] = []
  /** Highest acknowledged sequence by stream. */
  readonly acknowledged = new Map<string, number>()
  readonly keys = new Map<string, { collector: string; epoch: string; lane: string }>()
  private readonly store: EmbeddedStore
  private readonly clock: { at: number }
  private readonly senders: Sender[]
  private readonly columns: number
  private round = 0

  constructor(store: EmbeddedStore, clock: { at: number }, columns = 3) {
    this.store = store
    this.clock = clock
    this.columns = columns
    this.senders = ['one', 'two'].map((name) => new Sender(store, name))
    for (const name of ['one', 'two', 'batch'])
      this.keys.set(name, { collector: name, epoch: 'e', lane: 'live' })
  }

  private id(name: string): number {
    return this.store.intern({ __name__: name })
  }

  /** One row of each stream and a batch; layouts grow now and then. Resolves when all of it is acknowledged. */
  async go(): Promise<void> {
    const n = ++this.round
    this.clock.at += 10_000
    const at = this.clock.at
    const waits: Promise<void>[] = []
    for (const sender of this.senders) {
      const name = sender.key.collector
      const { stream } = sender
      if (stream.columns < this.columns || n % 40 === 0)
        stream.extend([this.id(`${name}_${stream.columns}`)])
      const cells = Array.from({ length: stream.columns }, (_, c) => n + c / 8)
      const entries = cells.map((value, c) => [`${name}_${c}`, `${at}=${value}`] as const)
      this.sent.push({ stream: name, sequence: n, entries })
      sender.send(n, at, cells)
      waits.push(this.acknowledge(name, n, sender.durable(n)))
    }
    const ids = [this.id('batch_0'), this.id(`batch_${1 + (n >> 5)}`)]
    const entries = [
      ['batch_0', `${at}=${n}`],
      [`batch_${1 + (n >> 5)}`, `${at}=${-n}`],
    ] as const
    this.sent.push({ stream: 'batch', sequence: n, entries })
    const done = this.store.append(sequenced(n, [row(at, ids, [n, -n])], 'batch'))
    waits.push(this.acknowledge('batch', n, done))
    await Promise.all(waits)
  }

  private async acknowledge(name: string, sequence: number, done: Promise<void>): Promise<void> {
    await done
    this.acknowledged.set(name, sequence)
  }

  /** A store that came back holds what was acknowledged, whole rows, once, and nothing else. Undefined when so. */
  async fault(
    survivor: EmbeddedStore,
    acknowledged: ReadonlyMap<string, number>,
  ): Promise<string | undefined> {
    const expected = new Map<string, string[]>()
    for (const [name, key] of this.keys) {
      const position = survivor.position(key)
      if (position < (acknowledged.get(name) ?? 0))
        return `${name}: position ${position}, acknowledged ${acknowledged.get(name)}`
      for (const { stream, sequence, entries } of this.sent) {
        if (stream !== name || sequence > position) continue
        for (const [series, entry] of entries) {
          const known = expected.get(series)
          if (known) known.push(entry)
          else expected.set(series, [entry])
        }
      }
    }
    const found = await dump(survivor)
    for (const [series, entries] of expected) {
      const key = `8:__name__${series.length}:${series}`
      if (JSON.stringify(found[key]) !== JSON.stringify(entries))
        return `${series}: ${found[key]?.length} entries, not ${entries.length}`
      delete found[key]
    }
    const rest = Object.keys(found)
    return rest.length > 0 ? `nobody sent ${rest.join(', ')}` : undefined
  }
}

t.test(
  'the power is cut before and after every fdatasync: what was acknowledged is there, once',
  async (t) => {
    const folder = temporaryFolder(t)
    const disk = new PowerDisk(folder, temporaryFolder(t))
    const clock = handClock()
    const store = await openStore(folder, clock, { disk })
    const load = new Load(store, clock)
    let cuts = 0
    disk.onBoundary = async () => {
      const after = temporaryFolder(t)
      const acknowledged = new Map(load.acknowledged)
      disk.cut(after, [0, 0.5, 1][cuts % 3]!)
      const survivor = await openStore(after, handClock(clock.at))
      const fault = await load.fault(survivor, acknowledged)
      if (fault !== undefined) t.fail(`cut ${cuts}: ${fault}`)
      if (survivor.stats().damaged > 0) t.fail(`cut ${cuts}: a torn tail is no damage`)
      await survivor.close()
      rmSync(after, { recursive: true })
      cuts++
    }
    for (let n = 1; n <= 130; n++) {
      await load.go()
      if (n % 20 === 0) {
        clock.at += hour
        await store.maintain()
      }
    }
    t.ok(cuts > 260, `${cuts} cuts`)
    t.ok(store.stats().partFiles > 0)
    disk.onBoundary = async () => undefined
    t.equal(await load.fault(store, load.acknowledged), undefined)
    await store.close()
  },
)

/** A store whose newest segment is longer than 64 KiB, closed; and where its blocks end. */
async function longJournal(t: Test, clock: Clock & { at: number }) {
  const folder = temporaryFolder(t)
  const store = await openStore(folder, clock)
  const load = new Load(store, clock, 30)
  const journal = join(folder, 'journal')
  const ends: { readonly bytes: number; readonly acknowledged: ReadonlyMap<string, number> }[] = []
  while (store.stats().journalBytes < 68 * 1024) {
    if (ends.length === 20) {
      clock.at += hour
      await store.maintain()
    }
    await load.go()
    ends.push({ bytes: store.stats().journalBytes, acknowledged: new Map(load.acknowledged) })
  }
  await store.close()
  const [name = ''] = readdirSync(journal)
  return { folder, load, name, ends: ends.slice(20) }
}

t.test('the journal is cut at every offset of its last 64 KiB', async (t) => {
  const clock = handClock()
  const { folder, load, name, ends } = await longJournal(t, clock)
  const whole = readFileSync(join(folder, 'journal', name))
  t.equal(whole.length, ends.at(-1)!.bytes)
  const blocks = [0]
  scanBlocks(whole, Number.parseInt(name, 10), (payload) => {
    blocks.push(blocks.at(-1)! + blockHeaderBytes + payload.length)
  })
  t.ok(blocks.length > 50 && blocks.at(-1) === whole.length, `${blocks.length} blocks`)
  const first = whole.length - 64 * 1024
  // At every offset the blocks before the cut are found and no other.
  let next = blocks.findLastIndex((end) => end <= first)
  const edges = new Set<number>()
  for (let cut = first; cut <= whole.length; cut++) {
    if (blocks[next + 1]! <= cut) next++
    const left = whole.subarray(0, cut)
    let end = blocks[Math.max(0, next - 2)]!
    for (let block = blockAt(left, end); block; block = blockAt(left, end))
      end += blockHeaderBytes + block.payload.length
    if (end !== blocks[next]) t.fail(`cut at ${cut}: ${end}, not ${blocks[next]}`)
    const atEnd = cut === blocks[next] || cut + 1 === blocks[next + 1]
    if ((atEnd && next % 4 === 0) || cut % 997 === 0) edges.add(cut)
  }
  // The whole store comes back from cuts around the ends of blocks and from others all over.
  const after = temporaryFolder(t)
  cpSync(folder, after, { recursive: true })
  const path = join(after, 'journal', name)
  for (const cut of edges) {
    for (const other of readdirSync(join(after, 'journal'))) rmSync(join(after, 'journal', other))
    writeFileSync(path, whole.subarray(0, cut))
    // As a file system may leave it: the length came before the bytes.
    if (cut % 3 === 0) truncateSync(path, cut + 100)
    let acknowledged: ReadonlyMap<string, number> = new Map()
    for (const end of ends) if (end.bytes <= cut) acknowledged = end.acknowledged
    const store = await openStore(after, handClock(clock.at))
    const fault = await load.fault(store, acknowledged)
    if (fault !== undefined) t.fail(`cut at ${cut}: ${fault}`)
    if (store.stats().damaged > 0) t.fail(`cut at ${cut}: a torn tail is no damage`)
    await store.close()
  }
  t.ok(edges.size > 150, `${edges.size} recoveries`)
})

t.test('the clock jumps back an hour: nothing is lost, doubled, held up or removed', async (t) => {
  const folder = temporaryFolder(t)
  const clock = {
    at: base,
    passed: 0,
    now() {
      return this.at
    },
    monotonic() {
      return this.passed
    },
  }
  const pass = (millis: number) => {
    clock.at += millis
    clock.passed += millis
  }
  let store = await openStore(folder, clock, { retentionDays: 1 })
  const id = store.intern({ __name__: 'up' })
  let sender = new Sender(store)
  sender.stream.extend([store.intern({ __name__: 'sent' })])
  const expected = new Map<number, number>()
  let sequence = 0
  const write = async () => {
    pass(60_000)
    sequence++
    expected.set(clock.at, sequence)
    sender.send(sequence, clock.at, [sequence])
    await Promise.all([
      store.append({ rows: [row(clock.at, [id], [sequence])] }),
      sender.durable(sequence),
    ])
    if (sequence % 7 === 0) await store.maintain()
  }
  const check = async (where: string) => {
    const inOrder = [...expected].sort((a, b) => a[0] - b[0]).map(([at, v]) => `${at}=${v}`)
    t.same(await dump(store), { '8:__name__2:up': inOrder, '8:__name__4:sent': inOrder }, where)
  }
  for (let i = 0; i < 50; i++) await write()
  await check('before')
  clock.at -= hour
  for (let i = 0; i < 30; i++) await write()
  await check('after: the later value of a time counts')
  t.ok(store.stats().partFiles > 0, 'sealing goes by the clock that never jumps')
  await store.close()
  store = await openStore(folder, clock, { retentionDays: 1 })
  await check('reopened')
  t.equal(store.position(sender.key), sequence)
  sender = new Sender(store)
  sender.stream.extend([store.intern({ __name__: 'sent' })])
  for (let i = 0; i < 50; i++) await write()
  await check('caught up')
  await store.close()
})
