import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { compiled, type TestHub, until } from '../helpers/hub.ts'
import { breaching, Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  endWithUs,
  inScratch,
  progress,
  quantile,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { type LoadSession, openSessions, sendRounds } from './load-session.ts'
import { profiled } from './profile.ts'
import type { RoundTold } from './push-clients.ts'
import { BenchHub } from './subjects.ts'

const people = sized(2_000, 200)
const rounds = sized(5, 2)
const waitMillis = 60_000

/** The people, in a process of their own. */
class Clients {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(join(compiled, 'test/bench/push-clients.js'), { execArgv: [] })
    endWithUs(this.#child)
  }

  send(message: object): void {
    this.#child.send(message)
  }

  /** The next message of a kind. */
  next<T>(kind: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`the people did not say "${kind}"`)),
        waitMillis,
      )
      const ended = () => reject(new Error('the people ended'))
      const listener = (message: { kind: string }) => {
        if (message.kind !== kind) return
        clearTimeout(late)
        this.#child.off('message', listener as () => void)
        this.#child.off('exit', ended)
        resolve(message as T)
      }
      this.#child.on('message', listener as () => void)
      this.#child.once('exit', ended)
    })
  }

  stop(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }
}

async function tokens(hub: TestHub): Promise<string[]> {
  const made: string[] = []
  for (let from = 0; from < people; from += 50)
    made.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, people - from) }, (_, index) =>
          hub.token(`person-${from + index}`, 'operator'),
        ),
      )),
    )
  return made
}

/** First receipts that are stored, of both kinds. */
async function receiptsStored(hub: TestHub): Promise<number> {
  const text = await (await hub.fetch('/metrics')).text()
  const found = text.matchAll(/^callward_live_receipts_total\{[^}]*\} (\d+)/gm)
  return [...found].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** One person is on call: without a policy all two thousand would be paged, each by an escalation of their own. */
async function pageOne(hub: TestHub): Promise<void> {
  const { people: known } = await hub.api<{ people: { id: string; name: string }[] }>(
    '/api/v1/oncall/people',
  )
  const targets = [{ kind: 'person', id: known.find(({ name }) => name === 'admin')?.id ?? '' }]
  const policy = { name: 'bench', steps: [{ delaySeconds: 300, targets }], catchAll: targets }
  await hub.api('/api/v1/oncall/policies/bench', { method: 'PUT', body: { policy } })
}

interface Round {
  readonly median: number
  readonly last: number
  readonly stored: number
  readonly acknowledged: number
}

const millisSince = (began: bigint, at: string) => Number(BigInt(at) - began) / 1e6

/** One alert, until everybody's receipts are stored. */
async function oneRound(
  hub: TestHub,
  clients: Clients,
  session: LoadSession,
  values: Float64Array,
): Promise<Round> {
  const waiting = clients.next('waiting')
  clients.send({ kind: 'round', instance: session.labels.instance })
  await waiting
  const before = await receiptsStored(hub)
  const reached = clients.next<RoundTold>('reached')
  const acknowledged = clients.next<RoundTold>('acknowledged')
  const began = process.hrtime.bigint()
  session.sendNow('live', Date.now(), values)
  const times = (await reached).times.map((at) => millisSince(began, at))
  // Each has at least the alert's receipts; the incident's message came with it.
  const enough = async () => (await receiptsStored(hub)) - before >= 2 * people
  await until('every receipt is stored', enough, waitMillis)
  const stored = Number(process.hrtime.bigint() - began) / 1e6
  const last = (await acknowledged).times.at(-1)!
  return {
    median: quantile(times, 0.5),
    last: quantile(times, 1),
    stored,
    acknowledged: millisSince(began, last),
  }
}

async function measure(folder: string): Promise<readonly (Round & { readonly cpu: number })[]> {
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { escalationPolicy: 'bench' } }))
  const server = await BenchHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
  const { hub } = server
  const clients = new Clients()
  try {
    await pageOne(hub)
    const collector = await hub.token('bench', 'collector')
    const fleet = new Fleet(rounds + 1, undefined, 'push')
    const sessions = await openSessions(hub.url, collector, fleet, 60)
    await sendRounds(sessions, 'live', fleet.rounds(1), () => Date.now())
    const connected = clients.next('connected')
    clients.send({
      kind: 'connect',
      url: `${hub.url.replace('http', 'ws')}/live`,
      tokens: await tokens(hub),
    })
    await connected
    const pid = hub.program.child.pid ?? 0
    const work = async () => {
      const measured: (Round & { cpu: number })[] = []
      for (const [host, session] of sessions.entries()) {
        await delay(2000)
        const cpuBefore = cpuSeconds(pid).own
        const round = await oneRound(hub, clients, session, breaching(fleet, host))
        // The first runs cold.
        if (host > 0) measured.push({ ...round, cpu: cpuSeconds(pid).own - cpuBefore })
      }
      return measured
    }
    const measured = await (server.inspector === 0
      ? work()
      : profiled('push', server.inspector, work))
    for (const session of sessions) session.close()
    return measured
  } finally {
    clients.stop()
    await hub.stop()
  }
}

export const push: Benchmark = {
  name: 'push',
  async run() {
    const sheet = new Sheet()
    const millis = { unit: 'ms', better: 'less' as const }
    const goal = { goal: { reach: { is: 300 }, floor: { is: 2_000 } } }
    for (let repeat = 1; repeat <= repeats; repeat++) {
      progress(`push: ${repeat} of ${repeats}`)
      for (const { median, last, stored, acknowledged, cpu } of await inScratch(measure)) {
        progress(
          `push: median ${median.toFixed(0)}, last ${last.toFixed(0)}, stored ${stored.toFixed(0)}, acknowledged ${acknowledged.toFixed(0)} ms, CPU ${cpu.toFixed(2)} s`,
        )
        sheet.add(
          { name: 'alert until the last person has it', ...millis, ...goal },
          callward,
          last,
        )
        sheet.add({ name: 'until half of the people have it', ...millis }, callward, median)
        sheet.add(
          { name: 'until received and displayed of all are stored', ...millis },
          callward,
          stored,
        )
        sheet.add(
          { name: 'until the acknowledgements of all are answered', ...millis },
          callward,
          acknowledged,
        )
        sheet.add(
          { name: 'CPU of the hub for all of it', unit: 'CPU-s', better: 'less' },
          callward,
          cpu,
        )
      }
    }
    return {
      title: `Push: one alert to ${people} people`,
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        `${people} people, each with a connection of /live in one process on the load's core, one of whom is on call; ${rounds} alerts in a run, after one to warm up. From the send of the breaching report until the message is read by the last of them.`,
        'Each says "received" and "displayed" as the message comes, while others still wait for theirs; both are on disk when counted. Then each acknowledges the alert; the first of them is recorded, the others are answered with it.',
      ],
    }
  },
}
