import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../server/assets.ts'
import type { EmbeddedStore } from '../../server/store/embedded-store.ts'
import {
  base,
  handClock,
  hour,
  openStore,
  plain,
  temporaryFolder,
} from '../unit/store/store-kit.ts'

const samples = 30 * 120 + 20
const at = (i: number) => base + i * 30_000

/** What store-3.source says is in the folder. */
function expected(): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (let n = 0; n < 4; n++) {
    const isMark = (i: number) => n === 3 && i % 500 === 499
    found[`${n}`] = Array.from({ length: samples }, (_, i) =>
      isMark(i) ? `${at(i)}=stale` : `${at(i)}=${i * (n + 1)}`,
    )
  }
  return found
}

async function held(store: EmbeddedStore): Promise<Record<string, string[]>> {
  const found = plain(await store.select([], -Infinity, Infinity))
  return Object.fromEntries(
    Object.entries(found)
      .map(([key, entries]) => [/trunk1:(\d)/.exec(key)![1]!, entries] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

t.test(
  'a folder of the former format is taken over, and its files are made anew day by day',
  async (t) => {
    const folder = temporaryFolder(t)
    cpSync(join(packageRoot, 'test/fixtures/store-3'), folder, { recursive: true })
    const clock = handClock(at(samples) + 4 * 24 * hour)
    const store = await openStore(folder, clock)
    t.same(await held(store), expected(), 'all is there')
    t.equal(
      readFileSync(join(folder, 'format'), 'utf8'),
      '4\n',
      'an earlier version does not open it any more',
    )
    t.equal(store.stats().damaged, 0)
    await store.maintain()
    t.same(await held(store), expected(), 'and after the files were made anew')
    const [rolled] = await store.select(
      [{ name: 'trunk', op: '=', value: '1' }],
      base,
      base + 16 * hour,
      {
        rollup: { resolution: hour, column: 'last' },
      },
    )
    t.ok(rolled?.isRolledUp, 'its days are rolled up')
    t.same(
      [...rolled!.times],
      [
        ...Array.from({ length: 16 }, (_, i) => base + i * hour),
        ...[base + 16 * hour - 30_000, base + 16 * hour],
      ],
      'an hour at a time; midnight belongs to the next day',
    )
    await store.close()
    const again = await openStore(folder, clock)
    t.same(await held(again), expected(), 'and after a start')
    await again.close()
  },
)
