import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BytesError } from '../../../server/store/bytes.ts'
import { realDisk } from '../../../server/store/disk.ts'
import { Positions } from '../../../server/store/journal/positions.ts'
import {
  blockHeaderBytes,
  readBlock,
  type SegmentVisitor,
} from '../../../server/store/journal/record.ts'
import { replayJournal } from '../../../server/store/journal/replay.ts'
import { segmentName } from '../../../server/store/journal/segments.ts'
import { silentLogger } from '../../../server/store/log.ts'
import fc from '../../helpers/property.ts'
import { anyEdit, anySteps, type Block, edited, labelsOf, Recorder } from './journal-kit.ts'
import { base, Model, plain, temporaryFolder } from './store-kit.ts'

async function replay(folder: string) {
  const positions = new Positions()
  const { generations, damaged } = await replayJournal({
    folder,
    disk: realDisk,
    logger: silentLogger,
    positions,
    sealedOrder: 0,
    now: base,
    monotonic: 0,
  })
  const entries = generations.flatMap((generation) =>
    [...generation.ids()].map((id) => ({ id, found: generation.entries(id) })),
  )
  return {
    samples: plain(
      entries.flatMap(({ id, found }) => (found ? [{ labels: labelsOf(id), ...found }] : [])),
    ),
    positions: Object.fromEntries(
      positions
        .snapshot(base)
        .map(({ collector, epoch, lane }) => [
          `${collector}/${epoch}/${lane}`,
          positions.durable({ collector, epoch, lane }),
        ]),
    ),
    damaged,
  }
}

/** What a start must bring back of these blocks. */
function expected(blocks: readonly Block[]) {
  const model = new Model()
  for (const { means } of blocks) for (const mean of means) mean(model)
  return {
    samples: model.select(-Infinity, Infinity, () => true),
    positions: Object.fromEntries(model.positions),
  }
}

const bytesOf = (blocks: readonly Block[]) => Buffer.concat(blocks.map(({ bytes }) => bytes))

/** How many of the blocks stand whole at the beginning, and where they end. */
function wholeAtStart(bytes: Buffer, blocks: readonly Block[]): { count: number; end: number } {
  let [count, end] = [0, 0]
  for (const block of blocks) {
    if (!bytes.subarray(end, end + block.bytes.length).equals(block.bytes)) break
    count++
    end += block.bytes.length
  }
  return { count, end }
}

/** True when one of the blocks stands anywhere from `at` on, in its place or out of it. */
function standsBehind(bytes: Buffer, at: number, blocks: readonly Block[]): boolean {
  return blocks.some((block) => bytes.indexOf(block.bytes, at) >= 0)
}

t.test('a damaged segment gives its whole groups up to the damage, and no more', async (t) => {
  const folder = join(temporaryFolder(t), 'journal')
  const edits = fc.array(anyEdit, { maxLength: 3 })
  let [inputs, valid] = [0, 0]
  await fc.assert(
    fc.asyncProperty(anySteps, fc.nat(), edits, async (steps, which, edits) => {
      const { segments } = new Recorder(steps)
      const [blocks, last] = [segments.flat(), segments.length - 1]
      const hurt = which % segments.length
      const other = bytesOf(segments[(hurt + 1) % segments.length]!)
      const bytes = edits.reduce<Buffer>(
        (now, edit) => edited(now, other, edit),
        bytesOf(segments[hurt]!),
      )
      const { count, end } = wholeAtStart(bytes, segments[hurt]!)
      inputs++
      if (count > 0) valid++
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      for (const [i, own] of segments.entries())
        writeFileSync(join(folder, segmentName(i)), i === hurt ? bytes : bytesOf(own))

      const found = await replay(folder)

      const isWhole = end === bytes.length && end > 0
      const isTorn = bytes.length === 0 || (hurt === last && !standsBehind(bytes, end, blocks))
      const damaged = isWhole || isTorn ? 0 : 1
      const kept = segments.flatMap((own, i) => (i === hurt ? own.slice(0, count) : own))
      assert.deepEqual(found, { ...expected(kept), damaged })
      const path = join(folder, segmentName(hurt))
      const stays = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
      assert.ok(stays.equals(bytes.subarray(0, end)), 'what was read stays')
      const aside = readdirSync(folder).filter((name) => name.includes('.damaged-'))
      assert.equal(aside.length, damaged)
      for (const name of aside) assert.ok(readFileSync(join(folder, name)).equals(bytes))
    }),
    { numRuns: 1500 },
  )
  t.comment(`${inputs} inputs, ${valid} with whole groups`)
  t.ok(valid >= inputs * 0.2, 'enough reach the rows')
})

/** Takes everything in, and counts the bytes it is handed. */
class Weigher implements SegmentVisitor {
  handed = 0
  readonly #columns = new Map<number, number>()

  header({ positions }: Parameters<SegmentVisitor['header']>[0]): void {
    this.handed += positions.length * 16
  }

  open(stream: number): void {
    this.#columns.set(stream, 0)
  }

  layout(stream: number, ids: Uint32Array): void {
    this.#columns.set(stream, this.columns(stream) + ids.length)
    this.handed += ids.byteLength
  }

  columns(stream: number): number {
    const columns = this.#columns.get(stream)
    if (columns === undefined) throw new BytesError('rows before their stream')
    return columns
  }

  keyRow(...[, { absent, stale }, snapshot]: Parameters<SegmentVisitor['keyRow']>): void {
    this.handed += (absent?.length ?? 0) + (stale?.length ?? 0) + snapshot.length
  }

  fullRow(...[, { absent, stale }, values]: Parameters<SegmentVisitor['fullRow']>): void {
    this.handed += (absent?.length ?? 0) + (stale?.length ?? 0) + values.byteLength
  }

  frame(...[stream, , , bytes]: Parameters<SegmentVisitor['frame']>): void {
    this.columns(stream)
    this.handed += bytes.length
  }

  batch({ rows }: Parameters<SegmentVisitor['batch']>[0]): void {
    for (const { ids, values, stale } of rows)
      this.handed += 8 + ids.byteLength + values.byteLength + (stale?.byteLength ?? 0)
  }
}

t.test('records under a right checksum are read or refused, in bounded memory', async (t) => {
  const edits = fc.array(anyEdit, { maxLength: 2 })
  let [inputs, valid] = [0, 0]
  fc.assert(
    fc.property(anySteps, fc.nat(), edits, (steps, which, edits) => {
      const payloads = new Recorder(steps).segments
        .flat()
        .map(({ bytes }) => bytes.subarray(blockHeaderBytes))
      const hurt = which % payloads.length
      const other = payloads[(hurt + 1) % payloads.length]!
      const payload = edits.reduce<Buffer>((now, edit) => edited(now, other, edit), payloads[hurt]!)
      const weigher = new Weigher()
      for (const before of payloads.slice(0, hurt)) readBlock(before, weigher)
      weigher.handed = 0
      inputs++
      try {
        readBlock(payload, weigher)
        valid++
      } catch (error) {
        if (!(error instanceof BytesError) || payload === payloads[hurt]) throw error
      }
      // An id takes a byte at least and is handed on in four.
      assert.ok(weigher.handed <= 8 * payload.length, `${weigher.handed} of ${payload.length}`)
    }),
    { numRuns: 1500 },
  )
  t.comment(`${inputs} inputs, ${valid} read to their end`)
  t.ok(valid >= inputs * 0.2, 'enough are read')
})
