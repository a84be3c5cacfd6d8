import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { systemClock } from '../../server/clock.ts'
import { until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'
import { openStore } from '../unit/store/store-kit.ts'
import { VictoriaPeer, withoutVictoria } from './victoria-peer.ts'

const skip = withoutVictoria()
const day = 86_400_000
const tick = 60_000
const series = 12
const days = 3
const first = Math.floor(Date.now() / day) * day - 4 * day
const all = series * days * 1440

/** Three whole days, one sample a minute, in files of a day each. */
async function dataFolder(t: Test): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), 'callward-data-'))
  t.teardown(() => rmSync(data, { recursive: true, force: true }))
  const folder = join(data, 'hub', 'store')
  mkdirSync(folder, { recursive: true })
  const store = await openStore(folder, systemClock, { freezeMillis: 0 })
  const ids = Uint32Array.from({ length: series }, (_, n) =>
    store.intern({ __name__: n % 2 === 0 ? 'callward_even' : 'callward_odd', n: String(n) }),
  )
  for (let i = 0; i < days * 1440; i++) {
    const values = Float64Array.from(ids, (_, n) => i / 10 + n)
    await store.append({ rows: [{ t: first + i * tick, ids, values }] })
    if (i % 1440 === 1439) await store.maintain()
  }
  await store.close()
  return data
}

async function held(peer: VictoriaPeer): Promise<number> {
  const end = first + days * day
  // The range is open at its beginning, where the first samples stand.
  const seconds = (days * day) / 1000 + 1
  const even = await peer.count('callward_even', seconds, end)
  return even + (await peer.count('callward_odd', seconds, end))
}

function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

t.test(
  'a day of history, then all of it, each sample once, and what differs',
  { skip },
  async (t) => {
    const data = await dataFolder(t)
    const peer = await VictoriaPeer.prepare(t)
    await peer.launch()
    const migrate = terminalOf('http://127.0.0.1:1', 'none')
    const line = ['store', 'migrate', '--data', data, '--to', peer.url, '--settle', '12']
    const range = ['--from-time', dayText(first + day), '--to-time', dayText(first + 2 * day)]

    const one = await migrate(...line, ...range)
    t.equal(one.code, 0, one.out)
    t.equal(await held(peer), all / days, 'only that day')
    t.match(one.out, new RegExp(`${dayText(first + day)} +17,280 +17,280 +([\\d.]+) +\\1 +same`))
    t.notMatch(one.out, dayText(first))
    const again = await migrate(...line, ...range)
    t.match(again.out, /17280 samples are in the folder in this time; 0 were sent now/)

    const whole = await migrate(...line)
    t.equal(whole.code, 0, whole.out)
    t.match(whole.out, `${all} samples are in the folder; ${(all / days) * 2} were sent now`)
    t.equal((whole.out.match(/ same$/gm) ?? []).length, days)
    t.equal(await held(peer), all)

    // Somebody else writes into a series: the count says so, whatever the sum is.
    await fetch(`${peer.url}/api/v1/import/prometheus`, {
      method: 'POST',
      body: `callward_even{n="0"} 0 ${first + 30_000}\n`,
    })
    await until('it can be read', async () => (await held(peer)) === all + 1, 30_000)
    const other = await migrate(...line)
    t.equal(other.code, 1)
    t.match(other.out, new RegExp(`${dayText(first)} +17,280 +17,281 .* 1 series differ`))
    t.match(other.out, /1 day is not the same there\. .*--from-time/)

    for (const [wrong, words] of [
      [['--settle', '1'], /--settle is 10 to 600 seconds/],
      [['--from-time', 'yesterday'], /is a day or a time in UTC/],
      [['--to-time', '2026-13-45'], /is a day or a time in UTC/],
      [['--from-time', '2026-03-02', '--to-time', '2026-03-01'], /must be before --to-time/],
    ] as const) {
      const { code, out } = await migrate(...line, ...wrong)
      t.equal(code, 2)
      t.match(out, words)
    }
  },
)

t.test('killed in the middle, the same command goes on: nothing twice', { skip }, async (t) => {
  const data = await dataFolder(t)
  const peer = await VictoriaPeer.prepare(t)
  await peer.launch()
  const main = join(packageRoot, 'dist', 'server', 'cli', 'main.js')
  const line = ['store', 'migrate', '--data', data, '--to', peer.url, '--settle', '12']
  for (let kills = 0; kills < 2; kills++) {
    const child = spawn(process.execPath, [main, ...line], { stdio: 'ignore' })
    const exit = once(child, 'exit')
    await until('some of it is there', async () => (await held(peer)) > 0, 60_000)
    child.kill('SIGKILL')
    t.same(await exit, [null, 'SIGKILL'], 'it was still at work')
  }
  const { code, out } = await terminalOf('http://127.0.0.1:1', 'none')(...line)
  t.equal(code, 0, out)
  t.equal((out.match(/ same$/gm) ?? []).length, days)
  t.equal(await held(peer), all)
})
