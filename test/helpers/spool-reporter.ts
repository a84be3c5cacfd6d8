import { appendFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../collector/clock.ts'
import type { Series } from '../../collector/pending.ts'
import { openSession } from '../../collector/session.ts'
import { openSpool } from '../../collector/spool/open.ts'
import { hostLabels } from './host-labels.ts'

/**
 * A collector that reads one value every few milliseconds and is made to be killed: FOLDER, HUB, TOKEN, COLLECTOR, INSTANCE. The time of a report, which is
 * also its value less BASE, is put into FOLDER/truth once the spool has it. SIGTERM: reads no more, and ends when nothing waits.
 */
const { FOLDER = '', HUB = '', TOKEN = '', COLLECTOR = '', INSTANCE = '', BASE = '0' } = process.env
const labels = { ...hostLabels, instance: INSTANCE, server: INSTANCE }
const load: Series = { name: 'test_value', labels }
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

const { epoch, spool } = await openSpool({
  folder: FOLDER,
  collector: COLLECTOR,
  hadSpool: false,
  limits: { bytes: 8 * 1024 * 1024, milliseconds: 3_600_000 },
  clock: systemClock,
  logger: quiet,
})
if (spool === undefined) throw new Error('no spool')
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
let last = 0
let read: number[] = []
while (!stopping) {
  last = Math.max(last + 1, Date.now())
  const values = Float64Array.of(last - Number(BASE))
  const monotonic = systemClock.monotonic()
  session.send({ lane: 'live', wall: last, monotonic, series: [load], values, stale: [] })
  read.push(last)
  await wait(3)
  if (session.figures().inMemory > 0) continue
  appendFileSync(`${FOLDER}/truth`, `${read.join('\n')}\n`)
  read = []
}
while (session.figures().pending > 0) await wait(5)
process.stdout.write(`dropped ${session.figures().dropped}\n`)
process.exit(0)
