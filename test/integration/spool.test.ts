import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { systemClock } from '../../collector/clock.ts'
import type { Series } from '../../collector/pending.ts'
import { openSession, type Session } from '../../collector/session.ts'
import { type OpenedSpool, openSpool } from '../../collector/spool/open.ts'
import { eventually } from '../helpers/fake-hub.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { TestHub, until } from '../helpers/hub.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))
const reporter = join(compiled, 'test/helpers/spool-reporter.js')
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

async function metric(hub: TestHub, name: string): Promise<number> {
  const text = await (await hub.fetch('/metrics')).text()
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

interface Killed {
  readonly collector: string
  readonly folder: string
  readonly instance: string
  child: ChildProcess | undefined
  output: string
  /** Of its starts since it noted a report. */
  readonly epochs: Set<string>
}

/** Starts the collector of `host` again; resolves when its spool is open. */
async function start(host: Killed, environment: Record<string, string>): Promise<void> {
  const { folder: FOLDER, instance: INSTANCE, collector: COLLECTOR } = host
  const env = { PATH: process.env['PATH'], ...environment, FOLDER, INSTANCE, COLLECTOR }
  const child = spawn(process.execPath, ['--enable-source-maps', reporter], { env })
  host.child = child
  let begun = false
  const hear = (chunk: Buffer) => {
    host.output += chunk.toString()
    begun ||= host.output.includes('epoch')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  await eventually('it has begun', () => begun || child.exitCode !== null, 20_000)
  if (existsSync(join(FOLDER, 'truth'))) host.epochs.add(host.output.split('\n')[0] ?? '')
}

const ended = (child: ChildProcess | undefined) =>
  new Promise<number | null>((resolve) => child?.once('exit', (code) => resolve(code)))

t.test(
  'killed at any instant, the hub away or there: every report once',
  { timeout: 90_000 },
  async (t) => {
    const scratch = t.testdir()
    const hub = await TestHub.start(join(scratch, 'hub'))
    t.teardown(() => hub.stop())
    const TOKEN = await hub.token('reporters', 'collector')
    await hub.stop()
    const BASE = Date.now()
    const environment = { TOKEN, HUB: hub.url.replace('http', 'ws'), BASE: String(BASE) }
    const hosts = ['a', 'b', 'c'].map((name): Killed => {
      const folder = join(scratch, name)
      mkdirSync(folder)
      const collector = randomUUID()
      return {
        collector,
        folder,
        instance: `spool-${name}`,
        child: undefined,
        output: '',
        epochs: new Set(),
      }
    })
    t.teardown(() => hosts.forEach(({ child }) => void child?.kill('SIGKILL')))
    for (let round = 0; round < 9; round++) {
      if (round === 4) await hub.restart()
      await Promise.all(
        hosts.map(async (host) => {
          host.output = ''
          await start(host, environment)
          // Any instant: while it connects, sends what waited, waits for acknowledgements, or has them all.
          await wait(Math.random() * (round < 4 ? 250 : 600))
          const gone = ended(host.child)
          host.child?.kill('SIGKILL')
          await gone
        }),
      )
    }
    for (const host of hosts) {
      host.output = ''
      await start(host, environment)
    }
    await wait(100)
    for (const host of hosts) {
      const gone = ended(host.child)
      host.child?.kill('SIGTERM')
      t.equal(await gone, 0, host.output)
      t.match(host.output, /dropped 0/)
      t.equal(host.epochs.size, 1, 'a kill begins no epoch')
    }
    let stored = 0
    for (const { instance, folder } of hosts) {
      const selector = `test_value{instance="${instance}"}`
      const truth = readFileSync(join(folder, 'truth'), 'utf8').trim().split('\n').map(Number)
      const answer = await hub.api<{
        data: { result: { values: [number, string][] }[] }
      }>(`/prom/api/v1/query?query=${encodeURIComponent(`${selector}[1h]`)}`)
      const samples = answer.data.result[0]?.values ?? []
      const times = samples.map(([seconds]) => Math.round(seconds * 1000))
      const there = new Set(times)
      t.equal(there.size, times.length)
      t.strictSame(
        truth.filter((time) => !there.has(time)),
        [],
        `of ${truth.length} none is missing`,
      )
      t.ok(
        truth.length > 200 && times.length - truth.length < 10 * 60,
        'and few more than was noted',
      )
      // On a machine so busy that a hello takes 2 s to be read, the hub corrects times.
      const corrected = await metric(hub, 'callward_ingest_clock_corrected_total')
      const own = samples.filter(([at, value]) => Math.round(at * 1000) - BASE === Number(value))
      t.ok(own.length === samples.length || corrected > 0, 'each with its value')
      const count = (await hub.query(`count_over_time(${selector}[1h])`))[0]?.value[1]
      t.equal(Number(count), there.size)
      stored += there.size
    }
    // A connection that is quicker than the hub's disk brings some again: the store leaves them out.
    t.ok((await metric(hub, 'callward_ingest_reports_total')) >= stored)
    // Nothing that was noted is missing; a report that was being written when its process was killed may count as one.
    const kills = 9 * hosts.length
    t.ok((await metric(hub, 'callward_ingest_gap_reports_total')) <= kills)
    t.equal(await metric(hub, 'callward_ingest_rejected_total'), 0)
  },
)

const fleet = 100
const hourTicks = 360
/** What pages when a report of now says it. */
const filesystem = { device: '/dev/sda1', fstype: 'ext4', mountpoint: '/var' }

interface Member {
  readonly collector: string
  readonly instance: string
  readonly series: readonly Series[]
  readonly limits: { readonly bytes: number; readonly milliseconds: number }
  folder: string
  opened: OpenedSpool
  session: Session
  /** By processes that were killed. */
  dropped: number
}

/** A hundred collectors whose clock is moved by hand. */
class SimulatedFleet {
  #now: number
  #monotonic = 1000
  /** False while the clock is moved by hand. */
  #isReal = false
  readonly #scratch: string
  readonly #url: string
  readonly #token: string
  readonly members: Member[] = []

  constructor(scratch: string, url: string, token: string, from: number) {
    this.#scratch = scratch
    this.#url = url
    this.#token = token
    this.#now = from
  }

  get now(): number {
    return this.#isReal ? Date.now() : this.#now
  }

  /** From now on the clock is that of this machine. */
  followRealTime(): void {
    this.#isReal = true
  }

  async join(index: number, smallSpool: boolean): Promise<void> {
    const instance = `fleet-${index}`
    const labels = { ...hostLabels, instance, server: instance }
    const names = ['avail_bytes', 'size_bytes', 'readonly']
    const series = [
      ...names.map((name) => ({
        name: `node_filesystem_${name}`,
        labels: { ...filesystem, ...labels },
      })),
      ...Array.from({ length: 12 }, (_, i) => ({ name: `test_${i}`, labels })),
    ]
    const folder = join(this.#scratch, `${instance}-0`)
    mkdirSync(folder)
    const limits = { bytes: smallSpool ? 24 * 1024 : 8 * 1024 * 1024, milliseconds: 72 * 3_600_000 }
    const host = { collector: randomUUID(), instance, series, limits, folder, dropped: 0 }
    this.members.push({ ...host, ...(await this.#start(host)) })
  }

  async #start({ collector, instance, folder, limits }: Omit<Member, 'opened' | 'session'>) {
    const clock = { now: () => this.now, monotonic: () => this.#monotonic + this.now - this.#now }
    const options = { folder, collector, hadSpool: false, limits, clock, logger: quiet }
    const opened = await openSpool(options)
    const labels = { ...hostLabels, instance, server: instance }
    const session = openSession({
      url: this.#url,
      token: async () => this.#token,
      hello: {
        collector,
        epoch: opened.epoch,
        version: '0.0.0-test',
        labels,
        intervalSeconds: 10,
      },
      clock,
      logger: quiet,
      spool: opened.spool,
      random: () => 0,
    })
    return { opened, session }
  }

  /** One report of every collector; `full` says that the disk is. */
  async tick(milliseconds: number, full: boolean): Promise<void> {
    if (!this.#isReal) {
      this.#now += milliseconds
      this.#monotonic += milliseconds
    }
    const { now: wall } = this
    const monotonic = this.#monotonic + wall - this.#now
    for (const { session, series } of this.members) {
      const values = Float64Array.from(series, (_, i) => wall / 1000 + i)
      values.set([full ? 1 : 80e9, 100e9, 0])
      session.send({ lane: 'live', wall, monotonic, series, values, stale: [] })
    }
    await this.written()
  }

  async written(): Promise<void> {
    while (this.members.some(({ session }) => session.figures().inMemory > 0)) await wait(1)
  }

  /** What kill -9 leaves is what its files hold; another process goes on with them. */
  async kill(member: Member, time: number): Promise<void> {
    const folder = join(this.#scratch, `${member.instance}-${time}`)
    cpSync(member.folder, folder, { recursive: true })
    rmSync(join(folder, 'spool', 'lock'), { force: true })
    member.dropped += member.session.figures().dropped
    await member.session.close('killed')
    await member.opened.close()
    member.folder = folder
    Object.assign(member, await this.#start(member))
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map(({ session }) => session.close('the test has ended')))
    await Promise.all(this.members.map(({ opened }) => opened.close()))
  }
}

async function startFleet(
  t: Test,
  scratch: string,
  hub: TestHub,
  token: string,
): Promise<SimulatedFleet> {
  const url = hub.url.replace('http', 'ws')
  const simulated = new SimulatedFleet(scratch, url, token, Date.now() - hourTicks * 10_000)
  t.teardown(() => simulated.close())
  // Every twentieth has a spool that the hour does not fit in.
  for (let i = 0; i < fleet; i++) await simulated.join(i, i % 20 === 0)
  return simulated
}

t.test(
  'an hour without the hub, 100 collectors, some killed: each sample once, late, unpaged',
  { timeout: 90_000 },
  async (t) => {
    const scratch = t.testdir()
    const hub = await TestHub.start(join(scratch, 'hub'))
    t.teardown(() => hub.stop())
    const token = await hub.token('reporters', 'collector')
    await hub.stop()
    const simulated = await startFleet(t, scratch, hub, token)
    const { members } = simulated
    for (let tick = 1; tick <= hourTicks; tick++) {
      await simulated.tick(10_000, tick > 60 && tick < 300)
      if (tick % 90 === 45) {
        const from = (tick % 4) * 5
        for (const member of members.slice(from, from + 10)) await simulated.kill(member, tick)
      }
    }
    // The clock catches up with the hub's: the newest report is of now, all others are late.
    simulated.followRealTime()
    await hub.restart()
    await simulated.tick(0, false)
    const reports = hourTicks + 1
    await eventually(
      'all is acknowledged',
      () => members.every(({ session }) => session.figures().pending === 0),
      60_000,
    )
    let dropped = 0
    for (const member of members) {
      const given = member.dropped + member.session.figures().dropped
      const { instance } = member
      if (member.limits.bytes < 1e6) t.ok(given > 0, `${instance} dropped ${given}`)
      else if (given > 0) t.fail(`${instance} dropped ${given}`)
      dropped += given
    }
    const counted = await hub.query('count_over_time(test_0[2h])')
    t.equal(counted.length, fleet)
    for (const member of members) {
      const given = member.dropped + member.session.figures().dropped
      const found = counted.find(({ metric }) => metric['instance'] === member.instance)?.value[1]
      if (Number(found) !== reports - given)
        t.fail(`${member.instance}: ${found} of ${reports} less ${given}`)
    }
    const perReport = members[0]!.series.length
    const stored = fleet * reports - dropped
    t.equal(await metric(hub, 'callward_ingest_reports_total'), stored, 'each was taken in once')
    t.equal(await metric(hub, 'callward_ingest_samples_total'), stored * perReport)
    t.equal(
      await metric(hub, 'callward_ingest_gap_reports_total'),
      dropped,
      'gaps are counted exactly',
    )
    const late = await metric(hub, 'callward_ingest_late_samples_total')
    // Those of the last three intervals may still be in time.
    t.ok(
      late <= (stored - fleet) * perReport && late >= (stored - 4 * fleet) * perReport,
      `${late}`,
    )
    t.equal(await metric(hub, 'callward_ingest_clock_corrected_total'), 0)
    const { alerts } = await hub.api<{ alerts: unknown[] }>('/api/v1/alerts?state=firing')
    t.strictSame(alerts, [], 'a disk that was full an hour ago pages nobody')
    const all = await hub.api<{ incidents: unknown[] }>('/api/v1/incidents?state=all')
    t.strictSame(all.incidents, [])

    // The same figures in a report of now do page.
    await simulated.tick(0, true)
    await until('a page', async () => {
      const { incidents } = await hub.api<{ incidents: unknown[] }>('/api/v1/incidents?state=open')
      return incidents.length > 0
    })
  },
)

/** A spool of `hours` in a folder, with its session. */
async function opened(folder: string, url: string, log: string[] = []) {
  const write = (_fields: object, message: string) => void log.push(message)
  const logger = { info: write, warn: write, error: write }
  const limits = { bytes: 8 * 1024 * 1024, milliseconds: 3_600_000 }
  const options = { folder, collector: 'c-1', hadSpool: false, limits, clock: systemClock, logger }
  const spool = await openSpool(options)
  const hello = {
    collector: 'c-1',
    epoch: spool.epoch,
    version: '0.0.0-test',
    labels: hostLabels,
    intervalSeconds: 1,
  }
  const session = openSession({
    url,
    token: async () => 'x',
    hello,
    clock: systemClock,
    logger,
    spool: spool.spool,
  })
  const send = (n: number, width = 1) => {
    const series = Array.from({ length: width }, (_, i) => ({
      name: `m${i}`,
      labels: { ...hostLabels },
    }))
    const values = new Float64Array(width).fill(n + Math.random())
    session.send({ lane: 'live', wall: Date.now(), monotonic: n, series, values, stale: [] })
  }
  return { ...spool, state: () => spool.section, spool, session, send, log }
}

const nowhere = 'ws://127.0.0.1:1'

t.test('two processes on one folder: the second reports from memory and says why', async (t) => {
  const folder = t.testdir()
  const first = await opened(folder, nowhere)
  const second = await opened(folder, nowhere)
  t.match(first.state(), { state: 'ok' })
  t.match(second.state(), { state: 'error', detail: /is in use by process \d+: stop it/ })
  t.not(first.spool.epoch, second.spool.epoch, 'it counts on its own')
  second.send(1)
  t.equal(second.session.figures().inMemory, 1)
  for (const one of [first, second]) await one.session.close('end')
  await second.spool.close()
  await first.spool.close()
  const third = await opened(folder, nowhere)
  t.match(third.state(), { state: 'ok' }, 'let go at the end')
  t.equal(third.spool.epoch, first.spool.epoch)
  await third.session.close('end')
  await third.spool.close()
})

t.test('a folder that cannot be written: denied or error, never a crash', async (t) => {
  const folder = t.testdir({ spool: 'a file, not a folder' })
  const one = await opened(folder, nowhere)
  t.match(one.state(), { state: 'error', detail: /reports wait in memory only/ })
  one.send(1)
  t.equal(await one.session.close('end'), 1)
  await one.spool.close()
})

const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'

t.test('a disk that is really full: memory, then the disk again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'callward-small-'))
  try {
    if (process.getuid?.() !== 0) throw new Error('mounting needs root')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    const reason = `no small file system here: ${String(error).split('\n')[0]}`
    t.notOk(required, reason)
    t.pass('not run', { skip: reason })
    return
  }
  t.teardown(() => {
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true })
  })
  const one = await opened(folder, nowhere)
  for (let n = 1; n <= 60; n++) {
    one.send(n, 1000)
    await wait(2)
  }
  await eventually('it is full', () => one.state().state === 'error')
  t.match(one.state().detail, /ENOSPC.*wait in memory only.*Free space/)
  const { pending, dropped, inMemory } = one.session.figures()
  t.equal(pending + dropped, 60)
  t.equal(dropped, 0)
  t.ok(inMemory > 0 && inMemory < 60)
  t.notOk(readdirSync(join(folder, 'spool')).includes('whole'))
  execFileSync('mount', ['-o', 'remount,size=64m', folder])
  let n = 100
  await until(
    'the disk takes them again',
    async () => {
      one.send(n++)
      await wait(200)
      return one.state().state === 'ok' && one.session.figures().inMemory === 0
    },
    15_000,
  )
  t.ok(readdirSync(join(folder, 'spool')).includes('whole'))
  await one.session.close('end')
  await one.spool.close()
})
