import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readConfig } from '../../../collector/config.ts'
import { type Metric, readSource } from '../../../collector/source.ts'
import { hostSources } from '../../../collector/sources/all.ts'
import { settingsOf, whySkipped } from '../../../collector/sources/boot-units.ts'
import { parseProcess } from '../../../collector/sources/process-table.ts'
import { openFilesLimit, serviceFilesSource } from '../../../collector/sources/service-files.ts'
import { type ServiceSetting, serviceSpecs } from '../../../collector/sources/service-spec.ts'
import { unitPath } from '../../../collector/sources/service-units.ts'
import { ServiceWatch } from '../../../collector/sources/service-watch.ts'
import { servicesSource } from '../../../collector/sources/services.ts'
import { seriesKey } from '../../helpers/fake-hub.ts'
import { folderOf } from '../../helpers/folder.ts'
import { ProcessTree } from '../../helpers/process-tree.ts'

const byKey = (metrics: readonly Metric[]) =>
  new Map(
    metrics.map((one) => [
      seriesKey(one.name.replace('callward_service_', ''), one.labels),
      one.value,
    ]),
  )

/** Services of a made-up host; each `tick` is ten seconds later. */
function watching(t: Test, settings: readonly ServiceSetting[] = []) {
  const tree = new ProcessTree(folderOf(t))
  const watch = new ServiceWatch(tree.roots, serviceSpecs(settings))
  const source = servicesSource(watch, 4096)
  let now = 1_767_700_000_000
  const tick = async () => {
    now += 10_000
    const reading = await readSource(source, now, 1000)
    const found = byKey(reading.metrics)
    const of = (name: string, service: string) => found.get(`${name}{service="${service}"}`)
    return { ...reading, found, of }
  }
  return { tree, watch, tick, now: () => now }
}

t.test(
  'one line of stat: blanks and brackets in the name, the columns of man 5 proc',
  async (t) => {
    // Shape and figures of prometheus/procfs, fixtures/proc/26231/stat (Apache-2.0), with a name that is harder.
    const line =
      '26231 (a b) (c) ) R 5392 7446 5392 34835 7446 4218880 32533 309516 26 82 1677 44 158 99 20 0 3 0 82375 56274944 1981 18446744073709551615 4194304 6294284 0\n'
    t.strictSame(parseProcess(line), {
      pid: 26231,
      name: 'a b) (c) ',
      state: 'R',
      cpuSeconds: (1677 + 44 + 158 + 99) / 100,
      threads: 3,
      startTicks: 82375,
      residentPages: 1981,
    })
    for (const bad of ['', '1 x', '7 (a) S 1 2', line.replace('82375', 'soon')])
      t.throws(() => parseProcess(bad), /is not a/, bad)
    const limits =
      'Limit                     Soft Limit           Hard Limit           Units\nMax open files            2048                 4096                 files\n'
    t.equal(openFilesLimit(limits), 2048)
    t.equal(openFilesLimit(limits.replace('2048', 'unlimited')), undefined)
    t.throws(() => openFilesLimit('Max processes 1 1'), /Max open files/)
  },
)

t.test('a configured service: down is 0, killed is seen, started anew is a restart', async (t) => {
  const { tree, tick } = watching(t, [{ name: 'dialler', command: 'dialler\\.js$' }])
  const nothing = await tick()
  t.equal(nothing.state, 'ok')
  t.strictSame(
    [...nothing.found],
    [
      ['up{service="dialler"}', 0],
      ['restarts_total{service="dialler"}', 0],
      ['cpu_seconds_total{service="dialler"}', 0],
      ['processes{service="dialler"}', 0],
    ],
    'never absent',
  )
  tree.run(50, {
    name: 'node',
    start: 500,
    cpu: 300,
    threads: 11,
    pages: 1000,
    commandLine: 'node /opt/dialler.js',
  })
  tree.run(51, {
    name: 'node',
    start: 510,
    cpu: 100,
    pages: 10,
    commandLine: 'node /opt/dialler.js',
  })
  tree.run(52, { name: 'node', start: 400, cpu: 9999, commandLine: 'node /opt/other.js' })
  const up = await tick()
  t.strictSame(
    [
      'up',
      'processes',
      'threads',
      'resident_memory_bytes',
      'start_timestamp_seconds',
      'restarts_total',
      'cpu_seconds_total',
    ].map((name) => up.of(name, 'dialler')),
    [1, 2, 12, 1010 * 4096, 1_767_600_005, 0, 4],
  )
  tree.run(51, {
    name: 'node',
    start: 510,
    cpu: 100,
    state: 'Z',
    commandLine: 'node /opt/dialler.js',
  })
  t.equal((await tick()).of('processes', 'dialler'), 1, 'what has ended does not count')
  tree.end(51)
  tree.run(50, { name: 'node', start: 500, cpu: 320, commandLine: 'node /opt/dialler.js' })
  t.equal(
    (await tick()).of('cpu_seconds_total', 'dialler'),
    4,
    'a counter does not fall when a process leaves',
  )
  tree.run(50, { name: 'node', start: 500, cpu: 370, commandLine: 'node /opt/dialler.js' })
  t.equal((await tick()).of('cpu_seconds_total', 'dialler'), 4.5)
  tree.end(50)
  const down = await tick()
  t.equal(down.of('up', 'dialler'), 0)
  t.equal(down.of('start_timestamp_seconds', 'dialler'), undefined)
  tree.run(90, { name: 'node', start: 9000, cpu: 10, commandLine: 'node /opt/dialler.js' })
  const again = await tick()
  t.strictSame(
    ['up', 'restarts_total', 'start_timestamp_seconds', 'cpu_seconds_total'].map((name) =>
      again.of(name, 'dialler'),
    ),
    [1, 1, 1_767_600_090, 4.6],
  )
  // Ended and started between two readings, with the same id.
  tree.run(90, { name: 'node', start: 9500, cpu: 0, commandLine: 'node /opt/dialler.js' })
  t.equal((await tick()).of('restarts_total', 'dialler'), 2)
  // A second one takes over when the first ends: it ran beside it, nothing was restarted.
  tree.run(91, { name: 'node', start: 9900, commandLine: 'node /opt/dialler.js' })
  await tick()
  tree.end(90)
  const beside = await tick()
  t.strictSame([beside.of('up', 'dialler'), beside.of('restarts_total', 'dialler')], [1, 2])
})

t.test('a program that is started by a script: the script is not the service', async (t) => {
  const { tree, tick } = watching(t, [{ name: 'asterisk' }])
  tree.run(40, { name: 'safe_asterisk', start: 100 })
  tree.run(41, { name: 'asterisk', start: 200, commandLine: '/usr/sbin/asterisk -f -U asterisk' })
  tree.run(42, { name: 'asterisk', start: 300, commandLine: '/usr/sbin/asterisk -rvvv' })
  tree.unit('asterisk.service', [40, 41])
  const first = await tick()
  t.strictSame(
    [first.of('up', 'asterisk'), first.of('processes', 'asterisk')],
    [1, 2],
    'the unit says who belongs to it',
  )
  tree.end(41)
  tree.unit('asterisk.service', [40])
  t.equal((await tick()).of('up', 'asterisk'), 0, 'the script alone is no Asterisk')
  tree.run(43, { name: 'asterisk', start: 400, commandLine: '/usr/sbin/asterisk -f -U asterisk' })
  tree.unit('asterisk.service', [40, 43])
  t.equal((await tick()).of('restarts_total', 'asterisk'), 1)
  rmSync(join(tree.roots.sys, 'fs/cgroup/system.slice/asterisk.service'), { recursive: true })
  tree.end(43)
  tree.end(40)
  const console = await tick()
  t.equal(console.of('up', 'asterisk'), 0, 'an open console is no server')
  const late = watching(t, [{ name: 'asterisk' }])
  late.tree.run(40, { name: 'safe_asterisk', start: 100 })
  late.tree.unit('asterisk.service', [40])
  t.equal((await late.tick()).of('up', 'asterisk'), 0, 'nor is the script for who comes late')
})

t.test(
  'units: every layout of control groups, instances of templates, folders of their own',
  async (t) => {
    t.equal(unitPath('kamailio.service'), 'system.slice/kamailio.service')
    t.equal(
      unitPath('pg-x@15-main.service'),
      'system.slice/system-pg\\x2dx.slice/pg-x@15-main.service',
    )
    for (const hierarchy of ['fs/cgroup', 'fs/cgroup/systemd', 'fs/cgroup/unified']) {
      const { tree, tick } = watching(t, [
        { name: 'db', unit: 'pg@15-main.service' },
        { name: 'boxes', unit: 'boxes.service' },
        { name: 'gone', unit: 'gone.service' },
      ])
      tree.run(60, { name: 'postgres', cpu: 100 })
      tree.run(61, { name: 'anything' })
      tree.unit('system-pg.slice/pg@15-main.service', [60], hierarchy)
      tree.write(
        'sys',
        `${hierarchy}/system.slice/system-pg.slice/pg@15-main.service/cpu.stat`,
        'usage_usec 2500000\nuser_usec 1\n',
      )
      tree.unit('boxes.service', [], hierarchy)
      tree.unit('boxes.service/inner', [61], hierarchy)
      tree.unit('gone.service', [], hierarchy)
      const { of } = await tick()
      t.strictSame(
        ['db', 'boxes', 'gone'].map((name) => of('up', name)),
        [1, 1, 0],
        hierarchy,
      )
      t.equal(
        of('cpu_seconds_total', 'db'),
        2.5,
        'the unit counts what ended processes used as well',
      )
      rmSync(tree.roots.sys, { recursive: true })
    }
  },
)

t.test(
  'known services: watched once seen, or when systemd starts them at boot; never invented',
  async (t) => {
    const { tree, tick, now } = watching(t, [{ name: 'nginx', watch: false }])
    const none = await tick()
    t.equal(none.state, 'absent')
    t.match(none.detail, /no service is configured and none of the known ones runs here/)
    // In hundredths of a second since boot: it started just now.
    tree.run(69, { name: 'opensips', start: (now() / 1000 - 1_767_600_000) * 100 })
    t.equal((await tick()).of('up', 'opensips'), 1)
    tree.end(69)
    t.notOk(
      (await tick()).found.has('up{service="opensips"}'),
      'what ran for a moment is not missed',
    )
    tree.run(70, { name: 'kamailio' })
    tree.run(71, { name: 'nginx' })
    tree.run(72, { name: 'bash' })
    const seen = await tick()
    t.strictSame(
      [...seen.found.keys()].filter((key) => key.startsWith('up')),
      ['up{service="kamailio"}'],
    )
    await tick()
    tree.end(70)
    t.equal((await tick()).of('up', 'kamailio'), 0)
    tree.bootSystemd()
    tree.enable('postgresql.service')
    const asked = now()
    while (now() < asked + 60_000) await tick()
    t.equal(
      (await tick()).of('up', 'postgres'),
      0,
      'enabled and not there is down, also for a collector that never saw it',
    )
  },
)

t.test('a service that was disabled and stopped on purpose is not missed', async (t) => {
  const { tree, tick, now } = watching(t)
  tree.bootSystemd()
  tree.enable('nginx.service')
  const folder = join(tree.roots.rootfs, 'etc/systemd/system/multi-user.target.wants')
  tree.run(73, { name: 'nginx' })
  t.equal((await tick()).of('up', 'nginx'), 1)
  tree.end(73)
  t.equal((await tick()).of('up', 'nginx'), 0, 'stopped only: it is missed')
  rmSync(join(folder, 'nginx.service'))
  const asked = now()
  while (now() < asked + 60_000) await tick()
  t.notOk((await tick()).found.has('up{service="nginx"}'), 'as the runbook of ServiceDown says')
  tree.run(74, { name: 'nginx' })
  t.equal((await tick()).of('up', 'nginx'), 1)
  tree.end(74)
  t.equal((await tick()).of('up', 'nginx'), 0, 'started by hand and gone: it is missed again')
})

t.test('where systemd does not run, being enabled at boot makes no service missed', async (t) => {
  const { tree, tick } = watching(t)
  // As Debian's package leaves it in a container: enabled, and nobody there to start it.
  tree.enable('postgresql.service', '[Service]\nType=oneshot\nExecStart=/bin/true\n')
  tree.enable('nginx.service')
  const idle = await tick()
  t.strictSame([idle.state, idle.found.size], ['absent', 0], 'nothing is called down')
  t.match(
    idle.detail,
    /not missed: postgres \(systemd does not run here\), nginx \(systemd does not run here\); .*"services"/,
  )
  tree.run(70, { name: 'postgres' })
  const seen = await tick()
  t.match(seen, { state: 'ok', detail: /not missed: nginx \(systemd does not run here\);/ })
  tree.end(70)
  t.equal((await tick()).of('up', 'postgres'), 0, 'one that ran here is missed all the same')
  const named = watching(t, [{ name: 'nginx' }])
  named.tree.enable('nginx.service')
  t.equal((await named.tick()).of('up', 'nginx'), 0, 'and so is one that the file names')
})

t.test(
  'a unit that systemd itself would skip is not missed, and the section says why',
  async (t) => {
    const keepalived = (lines: string, prepare: (tree: ProcessTree) => void = () => {}) => {
      const { tree, tick } = watching(t)
      tree.bootSystemd()
      tree.enable('keepalived.service', `[Unit]\n${lines}\n[Service]\nType=notify\n`)
      tree.write('rootfs', 'etc/keepalived/empty.conf', '')
      tree.write('rootfs', 'etc/keepalived/here.conf', 'vrrp_instance a {}\n')
      prepare(tree)
      return tick()
    }
    const isMissed = async (lines: string, prepare?: (tree: ProcessTree) => void) => {
      const { state, found, of } = await keepalived(lines, prepare)
      t.equal(state === 'absent', found.size === 0)
      return of('up', 'keepalived') === 0
    }
    const path = '/etc/keepalived'
    const gone = await keepalived(`ConditionFileNotEmpty=${path}/keepalived.conf`)
    t.strictSame([gone.state, gone.found.size], ['absent', 0], 'installed and never configured')
    t.match(
      gone.detail,
      /keepalived \(ConditionFileNotEmpty=\/etc\/keepalived\/keepalived.conf is not met\)/,
    )
    const cases: readonly (readonly [string, boolean])[] = [
      ['After=network-online.target', true],
      [`ConditionFileNotEmpty=${path}/here.conf`, true],
      [`ConditionFileNotEmpty=${path}/empty.conf`, false],
      [`ConditionPathExists=${path}/empty.conf`, true],
      [`ConditionPathExists=!${path}/empty.conf`, false],
      [`ConditionPathExists=${path}/here.conf\nConditionPathExists=${path}/gone.conf`, false],
      [`ConditionPathExists=|${path}/here.conf\nConditionPathExists=|${path}/gone.conf`, true],
      [`ConditionPathExists=|${path}/gone.conf`, false],
      [`ConditionPathExists=${path}/gone.conf\nConditionPathExists=`, true],
      [`ConditionPathIsDirectory=${path}`, true],
      [`ConditionDirectoryNotEmpty=${path}`, true],
      [`ConditionFileIsExecutable=${path}/here.conf`, false],
      // What only systemd can tell, and what lies where a look may hang: watched once it was seen to run.
      ['ConditionFileIsReadable=/etc/keepalived/here.conf', false],
      ['ConditionVirtualization=!container', false],
      ['ConditionPathExists=/srv/nfs/keepalived.conf', false],
      ['ConditionPathExists=/etc/../srv/nfs/keepalived.conf', false],
      ['ConditionCapability=CAP_SYS_TIME', false],
    ]
    for (const [lines, missed] of cases) t.equal(await isMissed(lines), missed, lines)
    const status = (mask: string) => (tree: ProcessTree) =>
      tree.write('proc', '1/status', `Name:\tsystemd\nCapBnd:\t${mask}\n`)
    const capability = 'ConditionCapability=CAP_SYS_TIME'
    t.equal(await isMissed(capability, status('000001ffffffffff')), true)
    t.equal(await isMissed(capability, status('000001fffdffffff')), false, 'as in a container')
    const dropIn = (tree: ProcessTree) =>
      tree.write(
        'rootfs',
        'etc/systemd/system/keepalived.service.d/site.conf',
        `[Unit]\nConditionPathExists=\n`,
      )
    t.equal(
      await isMissed(`ConditionPathExists=${path}/gone.conf`, dropIn),
      true,
      'a drop-in counts',
    )
    const masked = (tree: ProcessTree) =>
      symlinkSync('/dev/null', join(tree.roots.rootfs, 'etc/systemd/system/keepalived.service'))
    t.equal(await isMissed('', masked), false, 'masked')
    const removed = (tree: ProcessTree) =>
      rmSync(join(tree.roots.rootfs, 'lib/systemd/system/keepalived.service'))
    t.equal(await isMissed('', removed), false, 'removed, its link left behind')
  },
)

t.test('conditions: the verdict of systemd itself', async (t) => {
  const systemd = (lines: readonly string[]) =>
    spawnSync('systemd-analyze', ['condition', ...lines])
  if (systemd(['ConditionPathExists=/']).status !== 0) {
    t.pass('systemd-analyze', { skip: 'systemd-analyze is not installed' })
    return
  }
  const roots = { proc: '/proc', sys: '/sys', rootfs: '/' }
  const cases: readonly (readonly string[])[] = [
    ['ConditionFileNotEmpty=/etc/passwd'],
    ['ConditionFileNotEmpty=/etc'],
    ['ConditionFileNotEmpty=/etc/no-such-file'],
    ['ConditionFileNotEmpty=!/etc/no-such-file'],
    ['ConditionPathExists=/etc/passwd', 'ConditionPathExists=/etc/no-such-file'],
    ['ConditionPathExists=|/etc/no-such-file', 'ConditionPathExists=|/etc/passwd'],
    ['ConditionPathExists=|/etc/no-such-file', 'ConditionPathExists=|!/etc/passwd'],
    ['ConditionPathExists=|!/etc/no-such-file', 'ConditionPathExists=/etc/no-such-file'],
    ['ConditionPathIsDirectory=/etc'],
    ['ConditionPathIsDirectory=/etc/passwd'],
    ['ConditionDirectoryNotEmpty=/etc'],
    ['ConditionDirectoryNotEmpty=/etc/passwd'],
    ['ConditionFileIsExecutable=/usr/bin/env'],
    ['ConditionFileIsExecutable=/etc/passwd'],
    ['ConditionPathIsSymbolicLink=/proc/self'],
    ['ConditionPathIsSymbolicLink=/etc/passwd'],
  ]
  for (const lines of cases) {
    const own = whySkipped(settingsOf([lines.join('\n')]).conditions, roots)
    t.equal(own === undefined, systemd(lines).status === 0, lines.join(', '))
  }
})

t.test('one that ran here stays missed when its configuration is taken away', async (t) => {
  const { tree, tick, now } = watching(t)
  tree.bootSystemd()
  const file = 'etc/keepalived/keepalived.conf'
  tree.enable('keepalived.service', `[Unit]\nConditionFileNotEmpty=/${file}\n`)
  tree.write('rootfs', file, 'vrrp_instance a {}\n')
  tree.run(70, { name: 'keepalived' })
  t.equal((await tick()).of('up', 'keepalived'), 1)
  rmSync(join(tree.roots.rootfs, file))
  tree.end(70)
  const asked = now()
  while (now() < asked + 70_000) await tick()
  t.equal((await tick()).of('up', 'keepalived'), 0)
})

t.test(
  'Debian’s postgresql.service starts clusters: without any there is none to miss',
  async (t) => {
    const { tree, tick, now } = watching(t)
    tree.bootSystemd()
    tree.enable('postgresql.service', '[Service]\nType=oneshot\nExecStart=/bin/true\n')
    t.match(await tick(), { state: 'absent', detail: /postgresql.service starts nothing here/ })
    tree.write(
      'rootfs',
      'run/systemd/generator/postgresql.service.wants/postgresql@15-main.service',
      '',
    )
    const asked = now()
    while (now() < asked + 60_000) await tick()
    t.equal((await tick()).of('up', 'postgres'), 0, 'a cluster that its generator lists is missed')
  },
)

t.test('a process that becomes another program is seen to do so', async (t) => {
  const { tree, tick } = watching(t, [{ name: 'rtpengine' }])
  tree.run(80, { name: 'sh' })
  t.equal((await tick()).of('up', 'rtpengine'), 0)
  tree.run(80, { name: 'rtpengine' })
  t.equal((await tick()).of('up', 'rtpengine'), 1, 'a young process is looked at twice')
  const late = watching(t, [{ name: 'rtpengine' }])
  late.tree.run(80, { name: 'sh' })
  await late.tick()
  await late.tick()
  late.tree.run(80, { name: 'rtpengine' })
  let ticks = 0
  while ((await late.tick()).of('up', 'rtpengine') === 0) ticks++
  t.ok(ticks < 6, `an old one within a minute (${ticks} ticks)`)
})

t.test(
  'where /proc hides processes nothing is called down, and a unit vouches for its service',
  async (t) => {
    const { tree, tick } = watching(t, [{ name: 'asterisk' }, { name: 'kamailio' }])
    tree.end(1)
    tree.run(4000, { name: 'node' })
    tree.unit('kamailio.service', [300])
    const hidden = await tick()
    t.equal(hidden.state, 'denied')
    t.match(
      hidden.detail,
      /hides the processes of other users \(hidepid\), which leaves asterisk, kamailio unclear; mount \/proc with gid=/,
    )
    t.strictSame([...hidden.found], [['up{service="kamailio"}', 1]])
    tree.end(4000)
    const empty = await tick()
    t.equal(empty.state, 'absent')
    t.match(empty.detail, /does not offer .*proc/)
    t.equal(
      empty.found.size,
      0,
      'without a process list a configured service is not down, but unknown',
    )
  },
)

t.test('hundreds of processes are read in turns; the sums stay', async (t) => {
  const { tree, tick } = watching(t, [{ name: 'postgres' }])
  for (let n = 0; n < 700; n++)
    tree.run(1000 + n, { name: 'postgres', start: 100 + n, cpu: 100, pages: 10 })
  const { of } = await tick()
  t.strictSame(
    ['processes', 'resident_memory_bytes', 'cpu_seconds_total'].map((name) => of(name, 'postgres')),
    [700, 7000 * 4096, 700],
  )
  for (let n = 0; n < 700; n++)
    tree.run(1000 + n, { name: 'postgres', start: 100 + n, cpu: 200, pages: 20 })
  await tick()
  await tick()
  const settled = await tick()
  t.strictSame(
    ['resident_memory_bytes', 'cpu_seconds_total'].map((name) => settled.of(name, 'postgres')),
    [14_000 * 4096, 1400],
  )
})

t.test(
  'open files: of the process nearest to its limit; denied is said, not guessed',
  async (t) => {
    const { tree, watch, now, tick } = watching(t, [{ name: 'kamailio' }, { name: 'nginx' }])
    const denied = Object.assign(new Error('EACCES'), { code: 'EACCES' })
    const open = new Map([
      [1000, 900],
      [1001, 500],
      [1002, 5],
    ])
    const count = (folder: string) => {
      const files = open.get(Number(/(\d+)\/fd$/.exec(folder)?.[1]))
      if (files === undefined) throw denied
      return files
    }
    const source = serviceFilesSource(tree.roots, watch, count)
    const read = async () => {
      await tick()
      return readSource(source, now(), 1000)
    }
    t.match(await read(), { state: 'absent', detail: /no watched service runs here/ })
    for (const [pid, limit] of [
      [1000, 65536],
      [1001, 1024],
      [1002, 1024],
      [2000, 1024],
    ] as const) {
      tree.run(pid, { name: pid < 2000 ? 'kamailio' : 'nginx', start: pid })
      tree.write(
        'proc',
        `${pid}/limits`,
        `Max open files            ${limit}                 524288               files\n`,
      )
    }
    const reading = await read()
    t.equal(reading.state, 'denied')
    t.match(reading.detail, /open files of nginx; Linux 6.2 and newer tell everybody/)
    t.strictSame(
      [...byKey(reading.metrics)],
      [
        ['open_files{service="kamailio"}', 500],
        ['open_files_limit{service="kamailio"}', 1024],
      ],
    )
    open.set(2000, 3)
    t.match(await read(), { state: 'ok', detail: '' })
  },
)

t.test('on this host: a real process is found, dated and counted', async (t) => {
  // A length of sleep nobody else asks for, so that its command line is like no other.
  const length = `6000.${process.pid}`
  const child = spawn('sleep', [length])
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  const roots = { proc: '/proc', sys: '/sys', rootfs: '/' }
  const services = [{ name: 'this', match: 'sleep', command: `sleep ${length}$` }]
  const sources = hostSources(roots, {}, { services })
  const read = async (section: string, now: number) =>
    readSource(sources.find((one) => one.name === section)!, now, 10_000)
  const seen = byKey((await read('services', 1)).metrics)
  t.equal(seen.get('up{service="this"}'), 1)
  t.equal(seen.get('processes{service="this"}'), 1)
  t.ok(seen.get('resident_memory_bytes{service="this"}')! > 100_000)
  const age = Date.now() / 1000 - seen.get('start_timestamp_seconds{service="this"}')!
  t.ok(age > -2 && age < 60, `${age} s old`)
  const files = byKey((await read('service_files', 1)).metrics)
  t.equal(
    files.get('open_files{service="this"}'),
    readdirSync(`/proc/${child.pid}/fd`).length,
    'open files',
  )
  t.ok(files.get('open_files_limit{service="this"}')! >= 3)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const gone = byKey((await read('services', 2)).metrics)
  t.equal(gone.get('up{service="this"}'), 0)
})

t.test('the configuration: every fault at once, with an example', async (t) => {
  const config = (yaml: string) => {
    const folder = folderOf(t, { 'c.yaml': yaml })
    return readConfig({ CALLWARD_CONFIG: join(folder, 'c.yaml') }, 'pbx')
  }
  t.match(
    config(
      `services: [{name: asterisk}, {name: db, unit: 'postgresql@15-main.service'}]\nudpPorts: ['5060', '10000-20000']\nchrony: '127.0.0.1:11323'`,
    ).watched,
    {
      services: [{ name: 'asterisk' }, { name: 'db', unit: 'postgresql@15-main.service' }],
      udpPorts: ['5060', '10000-20000'],
      chrony: { host: '127.0.0.1', port: 11323 },
    },
  )
  t.match(config("chrony: '[::1]:323'").watched, { chrony: { host: '::1', port: 323 } })
  t.throws(
    () =>
      config(
        "services: [{name: 'a b'}, {name: x, mtach: y}]\nudpPorts: [5060]\nchrony: '10.0.0.1:323'",
      ),
    {
      message:
        /services\.0\.name: must be up to 64 .*e\.g\. services\.0\.name: asterisk[\s\S]*udpPorts\.0: must be a port[\s\S]*chrony: must be the loopback/,
    },
  )
  t.throws(() => config('services: [{name: x, mtach: y}]'), {
    message:
      /services\.0\.mtach: there is no such key; known are name, match, command, unit, watch/,
  })
  t.throws(() => config("services: [{name: x, match: '('}, {name: x}]\nudpPorts: ['9-1']"), {
    message:
      /x is given twice[\s\S]*x: match must be a regular expression|match must be a regular expression[\s\S]*given twice/,
  })
})
