import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inspectStore } from '../../../server/store/inspect.ts'
import { base, handClock, hour, openStore, row, temporaryFolder } from './store-kit.ts'

t.test('figures of a store folder, beside a running store and stopped', async (t) => {
  const folder = temporaryFolder(t)
  const clock = handClock()
  const store = await openStore(folder, clock)
  const ids = ['a', 'b', 'c'].map((instance) => store.intern({ __name__: 'up', instance }))
  const append = (at: number) => store.append({ rows: [row(at, ids, [1, 2, 3])] })
  for (let i = 0; i < 50; i++) await append(base + i * 1000)
  await store.compact()
  await append(base + hour)
  const told: number[] = []
  const beside = await inspectStore(folder, {
    verify: true,
    onProgress: (done, total) => told.push(done / total),
  })
  t.equal(beside.isWhole, true)
  t.equal(beside.parts.length, 1)
  const [part] = beside.parts
  t.match(part, { level: 2, minTime: base, maxTime: base + 49_000, series: 3, samples: 150 })
  t.ok(part!.bytesPerSample > 0 && part!.bytesPerSample < 16, `${part!.bytesPerSample} B`)
  t.same(part!.problems, [])
  t.equal(beside.newestSealed, part!.order)
  t.same(beside.unsealed, [part!.order + 1])
  t.equal(beside.totals.series, 3)
  t.equal(beside.totals.samples, 150)
  t.ok(beside.seriesLogBytes > 0)
  t.ok(beside.segments.every(({ bytes, wholeBytes }) => wholeBytes === bytes))
  t.ok(Math.abs(told.at(-1)! - 1) < 1e-9, 'told to the end')
  await store.close()
  const stopped = await inspectStore(folder)
  t.same(stopped.parts, beside.parts)
  t.equal(stopped.segments[0]?.wholeBytes, undefined, 'not asked for')
  await t.rejects(inspectStore(join(folder, 'nowhere')), { code: 'ENOENT' })
})

t.test('damage is found, in words', async (t) => {
  const folder = temporaryFolder(t)
  const store = await openStore(folder, handClock())
  const id = store.intern({ __name__: 'up' })
  for (const at of [base, base + 1]) await store.append({ rows: [row(at, [id], [Math.PI * at])] })
  await store.compact()
  await store.close()
  const parts = join(folder, 'parts')
  const [name] = readdirSync(parts)
  const path = join(parts, name!)
  const whole = readFileSync(path)
  const changed = Buffer.from(whole)
  changed[12]! ^= 1
  writeFileSync(path, changed)
  writeFileSync(join(parts, '00000009-9.part.tmp'), '')
  const quick = await inspectStore(folder)
  t.equal(quick.isWhole, true, 'only the ends were looked at')
  t.same(quick.unfinishedFiles, ['00000009-9.part.tmp'])
  const thorough = await inspectStore(folder, { verify: true })
  t.equal(thorough.isWhole, false)
  t.match(thorough.parts[0]!.problems, [/^slot \d+: the \d+ bytes at \d+ are damaged$/])
  writeFileSync(path, whole.subarray(0, 50))
  const cut = await inspectStore(folder)
  t.equal(cut.isWhole, false)
  t.match(cut.parts[0], { samples: 0, problems: [/the file has 50 bytes/] })
})
