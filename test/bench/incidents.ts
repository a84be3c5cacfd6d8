import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { adminToken, type TestHub } from '../helpers/hub.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { type Ask, asksOf } from './incident-asks.ts'
import { measureBundles, measureNew } from './incident-bundles.ts'
import {
  type Benchmark,
  callward,
  http,
  inScratch,
  progress,
  quantile,
  residentMebibytes,
  runSeconds,
  Sheet,
  settings,
  sized,
} from './kit.ts'
import { fillPast, openEvery, type Past, unreviewedEvery } from './past-incidents.ts'
import { profiled } from './profile.ts'
import { BenchHub, hubMetrics, monitorMillis } from './subjects.ts'

const past: Past = { incidents: sized(20_000, 300), facts: 50 }
const rounds = sized(101, 11)
const onSqlite = `${callward}, SQLite`
const onPostgres = `${callward}, PostgreSQL`
const millis = { unit: 'ms', better: 'less' } as const
const headers = { authorization: `Bearer ${adminToken}` }

/** One database: fills it, or goes on with one that was kept, and asks. */
async function measure(sheet: Sheet, subject: string, folder: string, records: string | undefined) {
  const filled = join(folder, 'filled')
  const isKept = existsSync(filled)
  const more = records === undefined ? {} : { CALLWARD_RECORDS: records }
  const server = await BenchHub.start(join(folder, 'data'), more)
  const { hub } = server
  try {
    if (!isKept) {
      const took = await fillPast(hub, adminToken, past)
      writeFileSync(filled, '')
      sheet.add(
        { name: 'filling', unit: 'facts/s', better: 'more' },
        subject,
        (past.incidents * past.facts) / took,
      )
    }
    await checkHeld(hub)
    // What filling put off is done before anything is asked.
    await delay(sized(20_000, 1_000))
    const work = async () => {
      for (const ask of asksOf(past)) await measureAsk(sheet, subject, server, ask)
    }
    await (server.inspector === 0 ? work() : profiled('incidents', server.inspector, work))
    await measureNew(sheet, subject, server)
    await measureBundles(sheet, subject, server, past, folder)
    const { all, peak } = residentMebibytes(hub.program.child.pid ?? 0)
    const mebibytes = { unit: 'MiB', better: 'less' } as const
    sheet.add({ name: 'memory of the hub after all this', ...mebibytes }, subject, all)
    sheet.add({ name: 'most there ever was', ...mebibytes }, subject, peak)
  } finally {
    await hub.stop()
  }
}

/** Nothing of the filling is missing, and the incidents have the facts they should have. */
async function checkHeld(hub: TestHub): Promise<void> {
  const newest = await hub.api<{ incidents: { number: number }[] }>(
    '/api/v1/incidents?state=all&limit=1',
  )
  if ((newest.incidents[0]?.number ?? 0) < past.incidents)
    throw new Error(`the newest incident is ${newest.incidents[0]?.number}`)
  for (const number of [1, 2, Math.min(200, past.incidents)]) {
    const { incident } = await hub.api<{ incident: { facts: unknown[] } }>(
      `/api/v1/incidents/${number}`,
    )
    if (incident.facts.length !== past.facts)
      throw new Error(`incident ${number} has ${incident.facts.length} facts`)
  }
}

/** Asks one thing round after round. */
async function measureAsk(sheet: Sheet, subject: string, server: BenchHub, ask: Ask) {
  const { name, paths, isJudged } = ask
  const times: number[] = []
  const { pid } = server.target
  await hubMetrics(server.target)
  const cpuBefore = runSeconds(pid)
  for (let round = 0; round < rounds; round++) {
    const began = performance.now()
    await Promise.all(paths(round).map((path) => asked(server, path)))
    times.push(performance.now() - began)
  }
  const cpu = ((runSeconds(pid) - cpuBefore) * 1000) / rounds
  const metric = await hubMetrics(server.target)
  const held = metric('nodejs_eventloop_lag_max_seconds') * 1000 - monitorMillis
  const goal = { goal: { reach: { is: 50 }, floor: { is: 100 } } }
  sheet.add({ name, ...millis, ...(isJudged ? goal : {}) }, subject, quantile(times, 0.5))
  sheet.add({ name: `${name}, p95`, ...millis }, subject, quantile(times, 0.95))
  sheet.add({ name: `${name}, CPU of the hub`, ...millis }, subject, cpu)
  sheet.add(
    {
      name: `${name}, longest the loop was held`,
      ...millis,
      goal: { reach: { is: 50 }, floor: { is: 200 } },
    },
    subject,
    held,
  )
  progress(
    `${name}: median ${quantile(times, 0.5).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms, CPU ${cpu.toFixed(1)} ms, loop held ${held.toFixed(0)} ms`,
  )
}

async function asked({ hub }: BenchHub, path: string): Promise<void> {
  const { status, body } = await http(`${hub.url}${path}`, { headers })
  if (status !== 200) throw new Error(`${path}: ${status} ${body.toString().slice(0, 300)}`)
}

/** What people ask of five years of incidents, over HTTP and with the checks of who may see what. */
export const incidents: Benchmark = {
  name: 'incidents',
  async run() {
    const sheet = new Sheet()
    const programs = postgresPrograms()
    const keep = settings.keep === undefined ? undefined : resolve(settings.keep)
    const work = async (folder: string) => {
      progress('incidents on SQLite')
      await measure(sheet, onSqlite, join(folder, 'sqlite'), undefined)
      if (programs === undefined || settings.profile) return
      progress('incidents on PostgreSQL')
      const kept = keep === undefined ? undefined : join(keep, 'postgres-cluster')
      const cluster = await startPostgres(programs, { durable: true, kept })
      try {
        const url = await cluster.database('callward')
        await measure(sheet, onPostgres, join(folder, 'postgres'), url)
      } finally {
        await cluster.stop()
      }
    }
    await (keep === undefined ? inScratch(work) : work(keep))
    return {
      title: `${past.incidents.toLocaleString('en')} incidents of ${past.facts} facts`,
      subjects: [onSqlite, onPostgres],
      rows: sheet.rows,
      notes: [
        `Filled by the import that people use: judged, ledgered, indexed, counted; five years of eight services and forty sites, most closed, one of ${unreviewedEvery} waiting for review, one of ${openEvery} open. Notes in English, Chinese, Vietnamese and Russian, whose words stand in nearly every incident.`,
        `Over HTTP on kept connections, one question after the other, ${rounds} times each; one fill a database. Pages of 100. "Open one" asks for six answers at once, as the console does, until the last is there. CPU is of the hub's process a question, without that of PostgreSQL; it says more than the time on a machine with other work. The loop's delay is the hub's own metric less the 10 ms of its timer, the longest of all rounds; other work of the machine is in it.`,
        'A bundle has what the ledger wrote since then, at most 20,000 entries: the longest has nearly as many, of 350 incidents; verified by `callward verify` from start to end on one core.',
        ...(programs === undefined ? ['PostgreSQL is not installed.'] : []),
      ],
    }
  },
}
