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
import { folderOf } from '../helpers/folder.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { TestHub, until } from '../helpers/hub.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))
const reporter = join(compiled, 'test/helpers/spool-reporter.js')
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
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
  /** Of its spool while the hub is away: those with little drop the oldest. */
  readonly bytes: number
  child: ChildProcess | undefined
  output: string
  /** Of its starts since it noted a report: killed before the first, it took nothing. */
  readonly epochs: Set<string>
}

/** Starts the collector of `host` again; resolves when its spool is open. */
async function start(host: Killed, environment: Record<string, string>): Promise<void> {
  const { folder: FOLDER, instance: INSTANCE, collector: COLLECTOR } = host
  const env = {
    PATH: process.env['PATH'],
    ...environment,
    FOLDER,
    INSTANCE,
    COLLECTOR,
    BYTES: environment['BYTES'] ?? String(host.bytes),
  }
  host.output = ''
  const child = spawn(process.execPath, ['--enable-source-maps', reporter], { env })
  host.child = child
  let begun = false
  const hear = (chunk: Buffer) => {
    host.output += chunk.toString()
    begun ||= host.output.includes('\n')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  await eventually('it has begun', () => begun || child.exitCode !== null, 60_000)
  if (existsSync(join(FOLDER, 'truth'))) host.epochs.add(host.output.split('\n')[0] ?? '')
}

const ended = (child: ChildProcess | undefined) =>
  new Promise<number | null>((resolve) => child?.once('exit', (code) => resolve(code)))

/** Starts each of them and kills it at any instant within `milliseconds` of its beginning; at most `together` at a time. */
async function startAndKill(
  hosts: readonly Killed[],
  environment: Record<string, string>,
  milliseconds: number,
  together = 5,
): Promise<void> {
  const left = [...hosts]
  const one = async () => {
    for (let host = left.pop(); host !== undefined; host = left.pop()) {
      await start(host, environment)
      await wait(Math.random() * milliseconds)
      const gone = ended(host.child)
      host.child?.kill('SIGKILL')
      await gone
    }
  }
  await Promise.all(Array.from({ length: together }, one))
}

/** What the hub holds of a host: milliseconds and value of each sample. */
async function samplesOf(hub: TestHub, instance: string): Promise<(readonly [number, number])[]> {
  const query = encodeURIComponent(`test_value{instance="${instance}"}[1h]`)
  const answer = await hub.api<{
    data: { result: { values: [number, string][] }[] }
  }>(`/prom/api/v1/query?query=${query}`)
  const samples = answer.data.result[0]?.values ?? []
  return samples.map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)] as const)
}

t.test(
  'five collectors killed at any instant, the hub away and back: each sample once, gaps exact',
  { timeout: 180_000 },
  async (t) => {
    const scratch = folderOf(t)
    const hub = await TestHub.start(join(scratch, 'hub'))
    t.teardown(() => hub.stop())
    const TOKEN = await hub.token('reporters', 'collector')
    await hub.stop()
    const environment = { TOKEN, HUB: hub.url.replace('http', 'ws') }
    const hosts = Array.from({ length: 5 }, (_, i): Killed => {
      const instance = `spool-${i}`
      const folder = join(scratch, instance)
      mkdirSync(folder)
      const bytes = i < 2 ? 4 * 1024 : 8 * 1024 * 1024
      const [output, epochs] = ['', new Set<string>()]
      return { collector: randomUUID(), folder, instance, bytes, child: undefined, output, epochs }
    })
    t.teardown(() => hosts.forEach(({ child }) => void child?.kill('SIGKILL')))
    // The hub is away, the disk of each host full; then both are well.
    for (let round = 0; round < 2; round++)
      await startAndKill(hosts, { ...environment, FULL: '1' }, 900)
    // Three intervals: what was read until now is late by then.
    const lateBefore = Date.now()
    await wait(3100)
    await hub.restart()
    const back = { ...environment, BYTES: String(8 * 1024 * 1024) }
    for (let round = 0; round < 2; round++) await startAndKill(hosts, back, 600)
    for (const host of hosts) await start(host, back)
    let [stored, taken, late] = [0, 0, 0]
    for (const host of hosts) {
      const gone = ended(host.child)
      host.child?.kill('SIGTERM')
      t.equal(await gone, 0, host.output)
      t.equal(host.epochs.size, 1, 'a kill begins no epoch')
      const read = Number(/read (\d+)/.exec(host.output)?.[1])
      const samples = await samplesOf(hub, host.instance)
      const there = new Map(samples)
      const truth = readFileSync(join(host.folder, 'truth'), 'utf8').trim().split('\n')
      const noted = truth.map((line) => line.split(' ').map(Number) as [number, number])
      const missing = noted.filter(([at]) => !there.has(at))
      const wrong = noted.filter(([at, value]) => there.has(at) && there.get(at) !== value)
      t.strictSame(wrong, [], 'each with its value')
      t.equal(new Set(there.values()).size, samples.length, 'each once')
      t.ok(samples.every(([, value]) => value >= 1 && value <= read))
      if (host.bytes > 1e6) {
        t.strictSame(missing, [], `of ${noted.length} none is missing`)
        t.equal(samples.length, read, 'nor of those that were not noted')
      }
      stored += samples.length
      taken += read
      late += samples.filter(([at]) => at <= lateBefore).length
    }
    t.ok(taken > stored, `${taken - stored} of two small spools had no room`)
    t.ok(late > 100, `${late} are late`)
    t.equal(await metric(hub, 'callward_ingest_gap_reports_total'), taken - stored, 'gaps exact')
    t.equal(await metric(hub, 'callward_ingest_reports_total'), stored, 'each taken in once')
    t.equal(await metric(hub, 'callward_ingest_samples_total'), stored * 4)
    t.equal(await metric(hub, 'callward_ingest_rejected_total'), 0)
    t.equal(await metric(hub, 'callward_ingest_clock_corrected_total'), 0)
    t.ok((await metric(hub, 'callward_ingest_late_samples_total')) >= late * 4, 'marked late')
    const { alerts } = await hub.api<{ alerts: { rule: string; severity: string }[] }>(
      '/api/v1/alerts?state=firing',
    )
    // On a busy machine a host that is killed may be silent for so long that it is told.
    t.strictSame(
      alerts.filter(({ rule, severity }) => severity === 'critical' && rule !== 'HostSilent'),
      [],
      'a disk that was full while the hub was away pages nobody',
    )
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
    cpSync(member.folder, folder, { recursive: true, filter: (path) => !path.endsWith('lock') })
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
    const scratch = folderOf(t)
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
  const folder = folderOf(t)
  const first = await opened(folder, nowhere)
  const second = await opened(folder, nowhere)
  t.match(first.state(), { state: 'ok' })
  t.match(second.state(), { state: 'error', detail: /is in use by another process.*: stop it/ })
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

/** A process that holds the folder, run by `launcher`; what it printed within its beginning. */
async function holder(t: Test, folder: string, launcher: readonly string[] = []) {
  const lock = join(compiled, 'collector/spool/folder-lock.js')
  const text = `import { lockFolder } from ${JSON.stringify(lock)}
    await lockFolder(${JSON.stringify(folder)}).then(
      () => console.log('holds it as', process.pid), (error) => console.log(error.message))
    setInterval(() => {}, 1e6)`
  const [command = '', ...args] = [...launcher, process.execPath, '--input-type=module', '-e', text]
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(command, args, { env })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  await eventually('it says', () => output.includes('\n') || child.exitCode !== null, 20_000)
  return { child, output }
}

t.test('two containers on one volume, pid 1 both: the second is refused', async (t) => {
  const folder = folderOf(t)
  const launcher = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']
  try {
    execFileSync(launcher[0]!, [...launcher.slice(1), 'true'], { stdio: 'pipe' })
  } catch (error) {
    const reason = `no pid namespaces here: ${String(error).split('\n')[0]}`
    t.notOk(required, reason)
    t.pass('not run', { skip: reason })
    return
  }
  const first = await holder(t, folder, launcher)
  t.match(first.output, /holds it as 1$/m)
  const second = await holder(t, folder, launcher)
  t.match(second.output, /is in use by another process/)
  const outside = await holder(t, folder)
  t.match(outside.output, /is in use by another process/)
  const gone = ended(first.child)
  first.child.kill('SIGKILL')
  await gone
  await until('its lock ends with it', async () => {
    const third = await holder(t, folder, launcher)
    return /holds it as 1$/m.test(third.output)
  })
  t.strictSame(readdirSync(folder), ['lock'], 'nothing else is left')
})

t.test('a folder that cannot be written: denied or error, never a crash', async (t) => {
  const folder = folderOf(t, { spool: 'a file, not a folder' })
  const one = await opened(folder, nowhere)
  t.match(one.state(), { state: 'error', detail: /reports wait in memory only/ })
  one.send(1)
  t.equal(await one.session.close('end'), 1)
  await one.spool.close()
})

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
