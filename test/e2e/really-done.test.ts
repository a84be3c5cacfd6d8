import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Chronyd, chronydMissing } from '../helpers/chronyd.ts'
import { Program, TestHub, until } from '../helpers/hub.ts'
import { writeScaledRules } from '../helpers/scaled-rules.ts'

const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
/** Minutes become seconds; half an hour 30 s. */
const divisor = 60
const withinMs = 90_000

const alerts = [
  'FilesystemInodesFull',
  'FilesystemInodesLow',
  'FilesystemFillsSoon',
  'FilesystemAlmostFull',
  'ClockNotSynchronised',
  'ServiceDown',
  'ServiceRestarted',
] as const
type Alert = (typeof alerts)[number]

interface AlertShown {
  readonly rule: string
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A folder with mounts on it; taken down at the end whatever happened. */
function mountFolder(t: Test): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'callward-done-'))
  t.teardown(() => {
    for (const name of ['inodes', 'disk']) {
      try {
        execFileSync('umount', ['-l', join(folder, name)], { stdio: 'ignore' })
      } catch {
        // It was not mounted.
      }
    }
    rmSync(folder, { recursive: true, force: true })
  })
  try {
    if (process.getuid?.() !== 0) throw new Error('mounting needs root')
    for (const name of ['inodes', 'disk']) mkdirSync(join(folder, name))
    execFileSync(
      'mount',
      ['-t', 'tmpfs', '-o', 'nr_inodes=40,size=4m', 'callward-inodes', join(folder, 'inodes')],
      { stdio: 'pipe' },
    )
    const image = join(folder, 'disk.img')
    execFileSync('truncate', ['-s', '200M', image])
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { stdio: 'pipe' })
    execFileSync('mount', ['-o', 'loop', image, join(folder, 'disk')], { stdio: 'pipe' })
    return folder
  } catch (error) {
    const reason = `no mounts here: ${String(error).split('\n')[0]}`
    t.notOk(required, reason)
    t.pass('not run', { skip: reason })
    return undefined
  }
}

/** A hub with the shipped rules, and the same rules in fast motion; a real collector that reports every second. */
async function start(t: Test, folder: string, chrony: number): Promise<TestHub> {
  const rules = join(folder, 'rules')
  writeScaledRules(rules, alerts, divisor)
  const config = join(folder, 'callward.yaml')
  const services = '[{name: callsvc}]'
  writeFileSync(
    config,
    `hub: {rulesFolder: ${rules}}\ncollector: {services: ${services}, chrony: '127.0.0.1:${chrony}', sections: {inventory: false}}\n`,
  )
  const data = join(folder, 'data')
  const hub = await TestHub.start(data, { CALLWARD_CONFIG: config })
  t.teardown(() => hub.stop())
  const collector = new Program('collector/main.js', {
    CALLWARD_DATA: data,
    CALLWARD_HUB: hub.url.replace('http', 'ws'),
    CALLWARD_INTERVAL: '1',
    CALLWARD_CONFIG: config,
  })
  t.teardown(() => collector.kill('SIGTERM'))
  return hub
}

const skip = chronydMissing()

t.test(
  'a full inode table, a disk that fills, a stopped time service, a killed service: seen, alerted with a runbook, resolved',
  { skip, timeout: 150_000 },
  async (t) => {
    const folder = mountFolder(t)
    if (folder === undefined) return
    const source = await Chronyd.start(join(folder, 'time-server'), { serve: true })
    t.teardown(() => source.stop())
    const chronyd = await Chronyd.start(join(folder, 'chrony'), { from: source.servedPort })
    t.teardown(() => chronyd.stop())
    const program = join(folder, 'callsvc')
    copyFileSync('/bin/sleep', program)
    let service: ChildProcess = spawn(program, ['600'])
    t.teardown(() => service.kill('SIGKILL'))
    const hub = await start(t, folder, chronyd.commandPort)

    const firing = async (rule: Alert, labels: Record<string, string>) => {
      const { alerts: shown } = await hub.api<{ alerts: AlertShown[] }>(
        '/api/v1/alerts?state=firing',
      )
      return shown.find(
        (one) =>
          one.rule === rule &&
          one.labels['scaled'] === 'yes' &&
          Object.entries(labels).every(([name, value]) => one.labels[name] === value),
      )
    }
    const value = async (query: string) =>
      Number((await hub.query(query))[0]?.value[1] ?? Number.NaN)
    /** The alert fires, names the host, and its runbook is a page. */
    const alerted = async (rule: Alert, labels: Record<string, string>) => {
      const alert = await until(`${rule} fires`, () => firing(rule, labels), withinMs)
      t.equal(alert.labels['instance'], hostname(), rule)
      t.equal(alert.annotations['runbook_url'], `/runbooks/${rule}`)
      t.ok(
        (alert.annotations['callward_impact'] ?? '').length > 10,
        `${rule} says what it means for calls`,
      )
      const page = await hub.fetch(alert.annotations['runbook_url'] ?? '')
      t.equal(page.status, 200, `the runbook of ${rule}`)
      t.match(await page.text(), /First look/)
    }
    const resolved = (rule: Alert, labels: Record<string, string>) =>
      until(`${rule} is resolved`, async () => (await firing(rule, labels)) === undefined, withinMs)

    const inodes = async () => {
      const mountpoint = join(folder, 'inodes')
      await until(
        'the collector sees it',
        async () => (await value(`node_filesystem_files{mountpoint="${mountpoint}"}`)) === 40,
      )
      const names: string[] = []
      try {
        for (;;) {
          const name = join(mountpoint, `spool-${names.length}`)
          writeFileSync(name, '')
          names.push(name)
        }
      } catch (error) {
        t.equal((error as NodeJS.ErrnoException).code, 'ENOSPC', 'the table is full')
      }
      await until(
        'the figure',
        async () => (await value(`node_filesystem_files_free{mountpoint="${mountpoint}"}`)) === 0,
      )
      await alerted('FilesystemInodesFull', { mountpoint })
      await alerted('FilesystemInodesLow', { mountpoint })
      for (const name of names) rmSync(name)
      await resolved('FilesystemInodesFull', { mountpoint })
      await resolved('FilesystemInodesLow', { mountpoint })
    }

    const disk = async () => {
      const mountpoint = join(folder, 'disk')
      const name = join(mountpoint, 'recording.wav')
      let filling = true
      const written = (async () => {
        while (filling) {
          writeFileSync(name, Buffer.alloc(120_000), { flag: 'a' })
          await new Promise((resolve) => setTimeout(resolve, 150))
        }
      })()
      await alerted('FilesystemFillsSoon', { mountpoint })
      t.equal(
        await firing('FilesystemAlmostFull', { mountpoint }),
        undefined,
        'told before it is full',
      )
      filling = false
      await written
      try {
        writeFileSync(name, Buffer.alloc(220_000_000), { flag: 'a' })
      } catch (error) {
        t.equal((error as NodeJS.ErrnoException).code, 'ENOSPC', 'the disk is full')
      }
      await alerted('FilesystemAlmostFull', { mountpoint })
      rmSync(name)
      await resolved('FilesystemAlmostFull', { mountpoint })
      await resolved('FilesystemFillsSoon', { mountpoint })
    }

    const clock = async () => {
      const synchronised = () => value('callward_ntp_synchronised')
      await until('the clock is followed', async () => (await synchronised()) === 1, withinMs)
      await resolved('ClockNotSynchronised', {})
      await chronyd.stop()
      await until('the figure', async () => (await synchronised()) === 0)
      t.equal(await value('callward_ntp_up'), 0)
      await alerted('ClockNotSynchronised', { daemon: 'chronyd' })
      chronyd.run()
      await resolved('ClockNotSynchronised', {})
      t.equal(await synchronised(), 1)
    }

    const killed = async () => {
      const labels = { service: 'callsvc' }
      const up = () => value('callward_service_up{service="callsvc"}')
      await until('it is up', async () => (await up()) === 1)
      await resolved('ServiceDown', labels)
      service.kill('SIGKILL')
      await until('the figure', async () => (await up()) === 0)
      await alerted('ServiceDown', labels)
      await until('an incident is open', async () => {
        const { incidents } = await hub.api<{ incidents: { state: string }[] }>(
          '/api/v1/incidents?state=open',
        )
        return incidents.length > 0
      })
      service = spawn(program, ['600'])
      await alerted('ServiceRestarted', labels)
      await resolved('ServiceDown', labels)
      t.equal(await value('callward_service_restarts_total{service="callsvc"}'), 1)
      await resolved('ServiceRestarted', labels)
    }

    await Promise.all([inodes(), disk(), clock(), killed()])
  },
)
