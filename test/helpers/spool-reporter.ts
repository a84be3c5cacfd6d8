import { appendFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../collector/clock.ts'
import type { Series } from '../../collector/pending.ts'
import { openSession } from '../../collector/session.ts'
import { openSpool } from '../../collector/spool/open.ts'
import { hostLabels } from './host-labels.ts'

/**
 * A collector that reads every few milliseconds and is made to be killed: FOLDER, HUB, TOKEN, COLLECTOR, INSTANCE, BYTES of its spool.
 * `test_value` of a report is its number, which goes on in the next process; while FULL is `1` the reports say that a disk is full. Times and
 * numbers are put into FOLDER/truth once the spool has them. SIGTERM: reads no more, and ends when nothing waits.
 */
const { FOLDER = '', HUB = '', TOKEN = '', COLLECTOR = '', INSTANCE = '' } = process.env
const labels = { ...hostLabels, instance: INSTANCE, server: INSTANCE }
const filesystem = { device: '/dev/sda1', fstype: 'ext4', mountpoint: '/var', ...labels }
const series: readonly Series[] = [
  { name: 'test_value', labels },
  ...['avail_bytes', 'size_bytes', 'readonly'].map((name) => ({
    name: `node_filesystem_${name}`,
    labels: filesystem,
  })),
]
const available = process.env['FULL'] === '1' ? 1 : 80e9
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

const { epoch, spool } = await openSpool({
  folder: FOLDER,
  collector: COLLECTOR,
  hadSpool: false,
  limits: { bytes: Number(process.env['BYTES'] ?? 8 * 1024 * 1024), milliseconds: 3_600_000 },
  clock: systemClock,
  logger: quiet,
})
if (spool === undefined) throw new Error('no spool')
let number = spool.found.nextNumber
const session = openSession({
  url: HUB,
  token: async () => TOKEN,
  hello: { collector: COLLECTOR, epoch, version: '0.0.0-test', labels, intervalSeconds: 1 },
  clock: systemClock,
  logger: quiet,
  spool,
  random: () => 0,
})
let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})
process.stdout.write(`epoch ${epoch}\n`)
let last = Math.max(0, ...spool.found.waiting.map(({ wall }) => wall))
let read: string[] = []
while (!stopping) {
  last = Math.max(last + 1, Date.now())
  const values = Float64Array.of(number, available, 100e9, 0)
  const monotonic = systemClock.monotonic()
  session.send({ lane: 'live', wall: last, monotonic, series, values, stale: [] })
  read.push(`${last} ${number++}`)
  await wait(3)
  if (session.figures().inMemory > 0) continue
  appendFileSync(`${FOLDER}/truth`, `${read.join('\n')}\n`)
  read = []
}
while (session.figures().pending > 0) await wait(5)
process.stdout.write(`read ${number - 1}\n`)
process.exit(0)
