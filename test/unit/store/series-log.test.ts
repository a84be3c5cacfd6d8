import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type AppendFile, type Disk, realDisk } from '../../../server/store/disk.ts'
import type { Labels } from '../../../server/store/reader.ts'
import { SeriesIndex } from '../../../server/store/series/series-index.ts'
import { openSeriesLog } from '../../../server/store/series/series-log.ts'

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'callward-series-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function listeningLogger() {
  const lines: string[] = []
  const say = (level: string) => (_: object, message: string) =>
    void lines.push(`${level} ${message}`)
  return { lines, info: say('info'), warn: say('warn'), error: say('error') }
}

async function open(folder: string, disk: Disk = realDisk, logger = listeningLogger()) {
  const index = new SeriesIndex(1_000_000)
  const log = await openSeriesLog({ folder, disk, logger, index })
  return { index, log, logger }
}

function labelsOf(n: number): Labels {
  return { __name__: `metric_${n % 7}`, instance: `host-${Math.floor(n / 7)}`, wäg: '…' }
}

function known(index: SeriesIndex): Map<number, Labels> {
  const found = new Map<number, Labels>()
  for (let id = 0; id < index.size; id++) if (index.has(id)) found.set(id, index.labels(id))
  return found
}

/** A disk whose writes or syncs fail while `broken` says so; a failing write leaves half of its bytes. */
function fragileDisk(): Disk & { broken: 'write' | 'sync' | undefined; syncs: number } {
  const wrap = (file: AppendFile): AppendFile => ({
    async write(bytes) {
      if (disk.broken !== 'write') return file.write(bytes)
      await file.write(bytes.subarray(0, bytes.length >> 1))
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
    async sync() {
      disk.syncs++
      if (disk.broken === 'sync') throw Object.assign(new Error('input/output'), { code: 'EIO' })
      return file.sync()
    },
    close: () => file.close(),
  })
  const disk = {
    ...realDisk,
    broken: undefined as 'write' | 'sync' | undefined,
    syncs: 0,
    create: async (path: string) => wrap(await realDisk.create(path)),
    append: async (path: string) => wrap(await realDisk.append(path)),
  }
  return disk
}

t.test('ids and labels outlive the process', async (t) => {
  const folder = temporaryFolder(t)
  const first = await open(folder)
  for (let n = 0; n < 2500; n++) first.index.intern(labelsOf(n))
  t.equal(first.log.pending, 2500)
  await first.log.commit()
  t.equal(first.log.pending, 0)
  first.index.intern({ a: 'one more' })
  await first.log.commit()
  first.index.intern({ a: 'never committed' })
  await first.log.close()

  const second = await open(folder)
  t.equal(second.log.entries, 2501)
  t.equal(second.log.pending, 0)
  t.equal(second.index.live, 2501)
  for (let n = 0; n < 2500; n++) t.equal(second.index.intern(labelsOf(n)), n)
  t.equal(second.index.intern({ a: 'another' }), 2501, 'what was not durable gave no id')
  await second.log.commit()
  await second.log.close()
  const third = await open(folder)
  t.same(known(third.index), known(second.index))
  t.same(third.logger.lines, [])
  await third.log.close()
})

t.test('calls that come together share one sync', async (t) => {
  const disk = fragileDisk()
  const { index, log } = await open(temporaryFolder(t), disk)
  index.intern({ a: '1' })
  const together = [log.commit(), log.commit()]
  index.intern({ a: '2' })
  together.push(log.commit())
  await Promise.all(together)
  t.equal(log.entries, 2)
  t.ok(disk.syncs <= 2, `${disk.syncs} syncs`)
  const syncs = disk.syncs
  await log.commit()
  t.equal(disk.syncs, syncs, 'nothing to do, nothing done')
  await log.close()
})

t.test('a tail torn at any byte is cut, and no id is given a second time', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'series.log')
  const { index, log } = await open(folder)
  const durable: number[] = []
  for (let n = 0; n < 4; n++) {
    index.intern(labelsOf(n * 5))
    await log.commit()
    durable.push(log.bytes)
  }
  await log.close()
  const whole = readFileSync(path)
  t.equal(whole.length, durable.at(-1))
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length))
    const torn = await open(folder)
    const kept = durable.filter((end) => end <= length).length
    if (torn.index.live !== kept) t.equal(torn.index.live, kept, `cut at ${length}`)
    const id = torn.index.intern({ fresh: 'series' })
    const lostAny = length > (durable[kept - 1] ?? 0) && length < whole.length
    // The record that was being written may have been durable and damaged later: its id stays taken.
    if (lostAny && length > 8 && id <= kept) t.fail(`cut at ${length}: id ${id} is given again`)
    await torn.log.commit()
    await torn.log.close()
    const again = await open(folder)
    t.equal(again.logger.lines.length, 0, `cut at ${length}: whole after the first opening`)
    if (again.index.live !== kept + 1) t.equal(again.index.live, kept + 1, `cut at ${length}`)
    t.same(again.index.labels(id), { fresh: 'series' })
    await again.log.close()
  }
})

t.test('the floor of ids holds when nothing was added after the cut', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'series.log')
  const { index, log } = await open(folder)
  index.intern({ a: '1' })
  await log.commit()
  const before = log.bytes
  index.intern({ a: '2' })
  await log.commit()
  await log.close()
  const whole = readFileSync(path)
  writeFileSync(path, whole.subarray(0, whole.length - 1))
  await (await open(folder)).log.close()
  t.ok(readFileSync(path).length > before, 'the cut log says which ids are taken')
  const { index: later, log: laterLog } = await open(folder)
  t.ok(later.intern({ a: '3' }) > 1)
  await laterLog.close()
})

t.test('damage in the middle costs what lies there, loudly, and no id twice', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'series.log')
  const { index, log } = await open(folder)
  const ends: number[] = []
  for (let n = 0; n < 5; n++) {
    index.intern({ __name__: 'up', instance: `host-${n}` })
    await log.commit()
    ends.push(log.bytes)
  }
  await log.close()
  const whole = readFileSync(path)
  for (let at = 0; at < ends[3]!; at++) {
    const bytes = Buffer.from(whole)
    bytes[at] = bytes[at]! ^ 0x55
    // A format number of its own is another version's file, not damage.
    if (at >= 4 && at < 8) continue
    writeFileSync(path, bytes)
    const hurt = await open(folder)
    t.equal(hurt.log.damaged > 0, true, `byte ${at}`)
    t.match(hurt.logger.lines.at(-1), /^error series log is damaged/)
    for (const [id, labels] of known(hurt.index))
      if (labels.instance !== `host-${id}`) t.fail(`byte ${at}: id ${id} has labels of another`)
    t.equal(hurt.index.has(4), at >= ends[0]! || at < 4, `byte ${at}: what follows is kept`)
    const fresh = hurt.index.intern({ fresh: 'series' })
    if (fresh < 5) t.fail(`byte ${at}: id ${fresh} is given again`)
    await hurt.log.commit()
    await hurt.log.close()
    const again = await open(folder)
    t.same(again.logger.lines, [])
    t.same(known(again.index), known(hurt.index), `byte ${at}`)
    await again.log.close()
  }
  const aside = readdirSync(folder).filter((name) => name.startsWith('series.log.damaged-'))
  t.ok(aside.length > 0, 'the damaged file is kept')
})

t.test('a log of a later version is refused', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'series.log'), Buffer.from('CWSL\x02\0\0\0rest', 'latin1'))
  await t.rejects(open(folder), { message: /later version/ })
})

t.test('a failed commit counts for nothing and is tried again', async (t) => {
  for (const way of ['write', 'sync'] as const) {
    const folder = temporaryFolder(t)
    const disk = fragileDisk()
    const { index, log } = await open(folder, disk)
    disk.broken = way
    index.intern({ a: 'first', common: 'x' })
    await t.rejects(log.commit(), `${way} of the first bytes`)
    t.equal(log.bytes, 0)
    disk.broken = undefined
    index.intern({ a: 'second', common: 'x' })
    await log.commit()
    const durable = log.bytes
    disk.broken = way
    for (let n = 0; n < 2; n++) {
      index.intern({ a: `later ${n}`, common: 'y' })
      await t.rejects(log.commit(), { code: way === 'write' ? 'ENOSPC' : 'EIO' })
      t.equal(log.bytes, durable)
      t.equal(log.pending, n + 1)
    }
    disk.broken = undefined
    index.intern({ a: 'last', common: 'y' })
    await log.commit()
    t.equal(log.pending, 0)
    await log.close()
    const again = await open(folder)
    t.same(known(again.index), known(index))
    t.equal(again.index.live, 5)
    t.same(again.logger.lines, [])
    await again.log.close()
  }
})

t.test('a rewrite leaves out retired series; they come back under their id', async (t) => {
  const folder = temporaryFolder(t)
  const disk = fragileDisk()
  const { index, log } = await open(folder, disk)
  for (let n = 0; n < 3000; n++) index.intern(labelsOf(n))
  await log.commit()
  t.notOk(log.worthRewriting)
  await index.retireWithout((id) => id % 3 === 0)
  t.ok(log.worthRewriting)
  const waiting = index.intern({ a: 'waiting' })

  disk.broken = 'sync'
  await t.rejects(log.rewrite())
  t.equal(log.entries, 3000)
  disk.broken = undefined
  const release = await log.hold()
  const held = readFileSync(join(folder, 'series.log'))
  await log.rewrite()
  t.same(readFileSync(join(folder, 'series.log')), held, 'a held file is left alone')
  release()
  release()

  const rewriting = log.rewrite()
  t.equal(index.intern(labelsOf(1)), 1, 'retired, and back while the file is written')
  const meanwhile = index.intern({ a: 'meanwhile' })
  await rewriting
  await log.commit()
  t.equal(index.intern(labelsOf(2)), 2)
  await log.commit()
  t.equal(log.entries, 1000 + 4)
  t.notOk(log.worthRewriting)
  await log.close()

  const again = await open(folder)
  t.same(again.logger.lines, [])
  t.equal(again.index.live, 1004)
  t.same(again.index.labels(1), labelsOf(1))
  t.same(again.index.labels(waiting), { a: 'waiting' })
  t.same(again.index.labels(meanwhile), { a: 'meanwhile' })
  t.notOk(again.index.has(4), 'a retired series is forgotten with the process')
  t.equal(again.index.intern(labelsOf(4)), meanwhile + 1, 'and has a new id when it comes back')
  await again.log.close()
})
