import { writeSync } from 'node:fs'
import { openEmbeddedStore } from '../../../server/store/embedded-store.ts'
import { base, hour, row, Sender, sequenced } from './store-kit.ts'

/**
 * Run as a child: writes numbered batches and numbered rows of two streams to the folder of argv[2], eight of each under way at a
 * time, and prints each name and number once it is acknowledged. Minutes of the store's clock pass with every batch, so that samples
 * are sealed and merged meanwhile.
 */
const folder = process.argv[2] ?? ''
const underWay = 8
const columns = 20
let sequence = 0
const clock = { now: () => base + sequence * 60_000 + hour, monotonic: () => performance.now() }
const store = await openEmbeddedStore({
  folder,
  clock,
  retentionDays: 0,
  reserveBytes: 0,
  maintenanceMillis: 0,
  segmentBytes: 60_000,
  lingerMillis: 1,
})
const ids = ['a', 'b', 'c'].map((instance) => store.intern({ __name__: 'written', instance }))
sequence = store.position({ collector: 'batch', epoch: 'e', lane: 'live' })
const senders = ['one', 'two'].map((name) => {
  const sender = new Sender(store, name)
  const layout = Array.from({ length: columns }, (_, c) =>
    store.intern({ __name__: 'sent', instance: name, column: String(c) }),
  )
  sender.stream.extend(layout)
  return { sender, name, next: store.position(sender.key) }
})
const known = [`batch ${sequence}`, ...senders.map(({ name, next }) => `${name} ${next}`)]
writeSync(1, `open ${known.join(' ')}\n`)

async function writeBatches(): Promise<never> {
  for (;;) {
    const mine = ++sequence
    await store.append(
      sequenced(mine, [row(base + mine * 60_000, ids, [mine, -mine, mine / 3])], 'batch'),
    )
    writeSync(1, `batch ${mine}\n`)
    if (mine % 20 === 0) await store.maintain()
  }
}

async function send(stream: (typeof senders)[number]): Promise<never> {
  for (;;) {
    const mine = ++stream.next
    const cells = Array.from({ length: columns }, (_, c) => mine + c / 4)
    stream.sender.send(mine, base + mine * 60_000, cells)
    await stream.sender.durable(mine)
    writeSync(1, `${stream.name} ${mine}\n`)
  }
}

for (let i = 0; i < underWay; i++) {
  void writeBatches()
  for (const stream of senders) void send(stream)
}
