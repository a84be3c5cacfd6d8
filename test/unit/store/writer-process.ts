import { writeSync } from 'node:fs'
import { openEmbeddedStore } from '../../../server/store/embedded-store.ts'
import { base, hour, row, sequenced } from './store-kit.ts'

/**
 * Run as a child: writes numbered batches to the folder of argv[2], eight under way at a time, and prints each number once it is
 * acknowledged. Minutes of the store's clock pass with every batch, so that windows are sealed meanwhile.
 */
const folder = process.argv[2] ?? ''
const under = 8
let sequence = 0
const clock = { now: () => base + sequence * 60_000 + hour, monotonic: () => performance.now() }
const store = await openEmbeddedStore({
  folder,
  clock,
  retentionDays: 0,
  reserveBytes: 0,
  maintenanceMillis: 0,
  sealGraceMillis: 1,
  segmentBytes: 20_000,
  lingerMillis: 1,
})
const ids = ['a', 'b', 'c'].map((instance) => store.intern({ __name__: 'written', instance }))
const stream = { collector: 'c', epoch: 'e', lane: 'live' }
sequence = store.position(stream)
writeSync(1, `open ${sequence}\n`)

async function writeOn(): Promise<never> {
  for (;;) {
    const mine = ++sequence
    await store.append(sequenced(mine, [row(base + mine * 60_000, ids, [mine, -mine, mine / 3])]))
    writeSync(1, `${mine}\n`)
    if (mine % 40 === 0) await store.maintain()
  }
}

for (let i = 0; i < under; i++) void writeOn()
