import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  inScratch,
  progress,
  quantile,
  residentMebibytes,
  Sheet,
  sized,
} from './kit.ts'
import { type LoadSession, openSessions } from './load-session.ts'
import { profiled } from './profile.ts'
import { BenchHub, hubMetrics, monitorMillis } from './subjects.ts'

const collectors = sized(5000, 500)
const intervalMillis = 10_000
/** Sessions that are opened at a time. */
const together = 100
const warmUpMillis = sized(30_000, 10_000)
const windowMillis = sized(40_000, 10_000)
const windows = sized(3, 1)

/** Reports of every session each 10 s, evenly spread, and how long their acknowledgements took. */
class Pace {
  readonly #sessions: readonly LoadSession[]
  readonly #fleets: readonly Fleet[]
  readonly #timer: NodeJS.Timeout
  #sent = 0
  /** Sessions that still wait for the acknowledgement of a report. */
  readonly #unanswered = new Set<number>()
  #acknowledged: number[] = []
  #fault: Error | undefined

  constructor(sessions: readonly LoadSession[], fleets: readonly Fleet[]) {
    this.#sessions = sessions
    this.#fleets = fleets
    const began = performance.now()
    this.#timer = setInterval(() => {
      const due = ((performance.now() - began) / intervalMillis) * sessions.length
      while (this.#sent < due) this.#report(this.#sent++ % sessions.length)
    }, 10)
  }

  #report(index: number): void {
    const fleet = this.#fleets[Math.floor(index / together)]!
    const host = index % together
    if (host === 0) fleet.advance()
    const session = this.#sessions[index]!
    const began = performance.now()
    this.#unanswered.add(index)
    session.sendNow('live', Date.now(), fleet.values(host))
    session.acknowledged().then(
      () => {
        this.#unanswered.delete(index)
        this.#acknowledged.push(performance.now() - began)
      },
      (fault: Error) => {
        this.#fault = fault
      },
    )
  }

  /** Milliseconds until acknowledgement of what was acknowledged since the last call. Throws what ended a session. */
  take(): number[] {
    if (this.#fault !== undefined) throw this.#fault
    return this.#acknowledged.splice(0)
  }

  get unanswered(): number {
    return this.#unanswered.size
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

async function openAll(server: BenchHub, fleets: readonly Fleet[]): Promise<LoadSession[]> {
  const token = await server.hub.token('bench', 'collector')
  const sessions = []
  for (const fleet of fleets)
    sessions.push(...(await openSessions(server.hub.url, token, fleet, intervalMillis / 1000)))
  return sessions
}

async function measure(server: BenchHub, pace: Pace, sheet: Sheet): Promise<void> {
  const { target } = server
  const goals = (reach: number, floor: number) => ({
    goal: { reach: { is: reach }, floor: { is: floor } },
  })
  const millis = { unit: 'ms', better: 'less' } as const
  const mebibytes = { unit: 'MiB', better: 'less' } as const
  for (let window = 1; window <= windows; window++) {
    await hubMetrics(target)
    pace.take()
    const before = cpuSeconds(target.pid).own
    const began = performance.now()
    const wait = () => delay(windowMillis)
    if (server.inspector === 0) await wait()
    else await profiled('fleet', server.inspector, wait)
    const cpu = ((cpuSeconds(target.pid).own - before) * 1e5) / (performance.now() - began)
    const acks = pace.take()
    const metric = await hubMetrics(target)
    const loop = (name: string) =>
      metric(`nodejs_eventloop_lag_${name}_seconds`) * 1000 - monitorMillis
    const memory = residentMebibytes(target.pid)
    const found = [
      [{ name: 'CPU', unit: '% of a core', better: 'less', ...goals(20, 40) }, cpu],
      [{ name: 'acknowledgement: median', ...millis }, quantile(acks, 0.5)],
      [{ name: 'acknowledgement: p99', ...millis, ...goals(100, 200) }, quantile(acks, 0.99)],
      [{ name: 'event-loop delay: p99', ...millis, ...goals(20, 50) }, loop('p99')],
      [{ name: 'event-loop delay: longest', ...millis }, loop('max')],
      [{ name: 'resident memory', ...mebibytes }, memory.all],
      [{ name: 'of it not backed by a file', ...mebibytes }, memory.anonymous],
    ] as const
    for (const [row, figure] of found) sheet.add(row, callward, figure)
    progress(
      `fleet ${window}/${windows}: ${acks.length} reports acknowledged, ${pace.unanswered} sessions wait, ${found.map(([{ name, unit }, figure]) => `${name} ${figure.toFixed(1)} ${unit}`).join(', ')}`,
    )
  }
}

export const fleet: Benchmark = {
  name: 'fleet',
  run: () =>
    inScratch(async (folder) => {
      const sheet = new Sheet()
      const fleets = Array.from(
        { length: collectors / together },
        (_, index) => new Fleet(together, undefined, `fleet-${String(index).padStart(2, '0')}`),
      )
      const server = await BenchHub.start(join(folder, 'data'))
      let sessions: LoadSession[] = []
      let pace: Pace | undefined
      try {
        sessions = await openAll(server, fleets)
        progress(`fleet: ${sessions.length} sessions are open`)
        pace = new Pace(sessions, fleets)
        await delay(warmUpMillis)
        await measure(server, pace, sheet)
      } finally {
        pace?.stop()
        for (const session of sessions) session.close()
        await server.hub.stop()
      }
      return {
        title: `Fleet: ${collectors.toLocaleString('en')} collectors x 200 series report each ${intervalMillis / 1000} s`,
        subjects: [callward],
        rows: sheet.rows,
        notes: [
          `Real WebSocket connections from one process on the other core, reports evenly spread, the shipped rules on. ${windows} windows of ${windowMillis / 1000} s one after the other, ${warmUpMillis / 1000} s after the last session was opened.`,
          'Acknowledgement: from the send until the client has the acknowledgement; the client’s own delay is in it. Event-loop delay: the hub’s own nodejs_eventloop_lag metrics less the 10 ms of their timer.',
        ],
      }
    }),
}
