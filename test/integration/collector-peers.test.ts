import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Metric, readSource } from '../../collector/source.ts'
import { hostSources } from '../../collector/sources/all.ts'
import { tcpStatesSource } from '../../collector/sources/tcp-states.ts'
import { packageRoot } from '../../server/assets.ts'
import { eventually, seriesKey } from '../helpers/fake-hub.ts'

const roots = { proc: '/proc', sys: '/sys', rootfs: '/' }
const sources = hostSources(roots)
const main = fileURLToPath(new URL('../../collector/main.js', import.meta.url))

type Figures = Map<string, number>

async function readAll(): Promise<Figures> {
  // The table of TCP connections is else read every five minutes.
  const fresh = [...sources, tcpStatesSource(roots)]
  const readings = await Promise.all(fresh.map((one) => readSource(one, Date.now(), 5000)))
  const metrics: readonly Metric[] = readings.flatMap((reading) => reading.metrics)
  return new Map(metrics.map((one) => [seriesKey(one.name, one.labels), one.value]))
}

type Judge = Pick<typeof t, 'pass' | 'fail'>

/** Whether the program is there; without it the test is skipped, or fails where peers are required. */
function hasPeer(t: Judge, program: string): boolean {
  if (spawnSync(program, ['--version']).error === undefined) return true
  const message = `${program} is not installed`
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(message)
  else t.pass(message, { skip: message })
  return false
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The text format's `name{label="value"} number` lines. */
function parseExposition(text: string): Figures {
  const figures: Figures = new Map()
  for (const line of text.split('\n')) {
    const match = /^(node_\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null) continue
    const labels: Record<string, string> = {}
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name!] = JSON.parse(`"${value}"`) as string
    }
    figures.set(seriesKey(match[1]!, labels), Number(match[3]))
  }
  return figures
}

/** Names newer releases of node_exporter have; Debian's is 1.5. */
const newerNames = new Set([
  'node_pressure_irq_stalled_seconds_total',
  'node_netstat_TcpExt_TCPOFOQueue',
  'node_netstat_TcpExt_TCPRcvQDrop',
  'node_softnet_received_rps_total',
  'node_softnet_flow_limit_count_total',
  // It has this one from netlink only, which is switched off below.
  'node_network_receive_nohandler_total',
  // It leaves out states without a connection.
  'node_tcp_connection_states',
])

const flags = [
  // As upstream's defaults are; Debian changes them.
  '--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)',
  '--collector.netdev.device-exclude=',
  // Ours are the figures of /proc/net/dev; an unknown speed is left out.
  '--no-collector.netdev.netlink',
  '--collector.netclass.ignore-invalid-speed',
  '--collector.tcpstat',
]

/** What waits in TCP queues while the peer answers is its answer. */
const ownAnswer = /^node_tcp_connection_states.*queued_bytes/

const nameOf = (key: string) => key.slice(0, key.indexOf('{'))

/** Ours before and after theirs: theirs lies between, give or take half a per cent. */
function agrees(before: number | undefined, theirs: number, after: number | undefined): boolean {
  if (before === undefined || after === undefined) return false
  const slack = 0.005 * Math.abs(theirs) + 1e-6
  return theirs >= Math.min(before, after) - slack && theirs <= Math.max(before, after) + slack
}

t.test('every series we share with node_exporter has its labels and its value', async (t) => {
  if (!hasPeer(t, 'prometheus-node-exporter')) return
  const port = await freePort()
  const peer = spawn(
    'prometheus-node-exporter',
    [`--web.listen-address=127.0.0.1:${port}`, ...flags],
    { stdio: 'ignore' },
  )
  t.teardown(() => peer.kill())
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    return parseExposition((await response?.text()) ?? '')
  }
  let theirs: Figures = new Map()
  for (let attempt = 0; attempt < 100 && theirs.size === 0; attempt++) {
    theirs = await scrape()
    if (theirs.size === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.ok(theirs.size > 200, `${theirs.size} series of the peer`)
  // A busy machine moves between two readings: every series must agree in one round of twenty.
  const doubtful = new Map<string, string>()
  const settled = new Set<string>()
  let labelFaults: string[] = []
  for (let round = 0; round < 20; round++) {
    const before = await readAll()
    theirs = await scrape()
    const after = await readAll()
    const names = new Set([...after.keys()].map(nameOf))
    labelFaults = [...theirs.keys()].filter(
      (key) => names.has(nameOf(key)) && !after.has(key) && !before.has(key),
    )
    labelFaults.push(
      ...[...after.keys()].filter((key) => {
        return (
          key.startsWith('node_') &&
          !newerNames.has(nameOf(key)) &&
          !theirs.has(key) &&
          before.has(key)
        )
      }),
    )
    for (const [key, value] of theirs) {
      if (!names.has(nameOf(key)) || settled.has(key) || ownAnswer.test(key)) continue
      if (agrees(before.get(key), value, after.get(key))) {
        settled.add(key)
        doubtful.delete(key)
      } else doubtful.set(key, `${before.get(key)} / ${value} / ${after.get(key)}`)
    }
    if (doubtful.size === 0 && labelFaults.length === 0) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.strictSame(labelFaults, [], 'the same label sets on both sides')
  t.strictSame([...doubtful], [], 'the same values')
  t.ok(settled.size > 250, `${settled.size} series agree`)
  t.comment(`${settled.size} series agree with node_exporter`)
})

t.test('figures equal those of free, df and /proc/loadavg', async (t) => {
  await eventuallyEqual(t, 'free -b', (figures) => {
    const [, memory = '', swap = ''] = run('free', ['-b']).split('\n')
    const [total, , , , , available] = memory.split(/\s+/).slice(1).map(Number)
    const of = (name: string) => figures.get(`node_memory_${name}_bytes{}`) ?? Number.NaN
    return (
      of('MemTotal') === total &&
      of('SwapTotal') === Number(swap.split(/\s+/)[1]) &&
      near(of('MemAvailable'), available ?? 0)
    )
  })
  await eventuallyEqual(t, 'df -B1', (figures) => {
    const [, line = ''] = run('df', ['-B1', '--output=source,fstype,size,avail,target', '/']).split(
      '\n',
    )
    const [device = '', fstype = '', size, available] = line.split(/\s+/)
    const of = (name: string) =>
      figures.get(
        seriesKey(`node_filesystem_${name}_bytes`, { device, fstype, mountpoint: '/' }),
      ) ?? Number.NaN
    return of('size') === Number(size) && near(of('avail'), Number(available))
  })
  await eventuallyEqual(t, '/proc/loadavg', (figures) => {
    const loads = readFileSync('/proc/loadavg', 'utf8').split(' ', 3).map(Number)
    return ['1', '5', '15'].every((minutes, i) => figures.get(`node_load${minutes}{}`) === loads[i])
  })
})

function run(program: string, argv: readonly string[]): string {
  return execFileSync(program, argv, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 0.005 * Math.abs(b)
}

async function eventuallyEqual(
  t: Judge,
  what: string,
  equal: (figures: Figures) => boolean,
): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (equal(await readAll())) {
      t.pass(what)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.fail(`${what} differs`)
}

/** Minor page faults of children this process has waited for (man 5 proc, stat, cminflt): any child at all adds some. */
function childFaults(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[8])
}

t.test('a tick starts no child process', async (t) => {
  const before = childFaults()
  for (let n = 0; n < 5; n++) t.ok((await readAll()).size > 250)
  t.equal(childFaults(), before)
  spawnSync('true')
  t.ok(childFaults() > before, 'the measure does see a child')
})

t.test('as user nobody: everything the tick reads is seen, what is denied is said', async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('as nobody', { skip: 'only root can become nobody' })
    return
  }
  if (!hasPeer(t, 'setpriv') || !hasPeer(t, 'unshare')) return
  // In /tmp: a checkout may stand where nobody may not look.
  const tree = join('/tmp', `callward-nobody-${process.pid}`)
  cpSync(join(packageRoot, 'test/fixtures/proc/modern'), tree, { recursive: true })
  t.teardown(() => spawnSync('rm', ['-rf', tree]))
  chmodSync(join(tree, 'proc/meminfo'), 0)
  chmodSync(join(tree, 'proc/net/snmp'), 0)
  const config = join(tree, 'collector.yaml')
  const yaml = `procRoot: ${tree}/proc\nsysRoot: ${tree}/sys\nsections: {inventory: false}\n`
  spawnSync('tee', [config], { input: yaml })
  const bundle = join(tree, 'collector.mjs')
  const compiled = fileURLToPath(new URL('../../', import.meta.url))
  execFileSync(process.execPath, [join(packageRoot, 'bin/bundle-collector.mjs'), bundle, compiled])
  const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups'
  // Processes and mounts of its own: what other tests mount meanwhile where nobody may not look is not in it, and what they had
  // mounted before is taken out.
  const alone = [
    `while read -r _ point _; do point=$(printf %b "$point")`,
    `${nobody} test -e "$point" || umount -l "$point" || exit 1; done < /proc/self/mounts`,
    // The test runner's own hook would write where nobody may not.
    `exec env -u NODE_OPTIONS ${nobody} "$0" "$1" --check --json`,
  ].join('\n')
  const check = (environment: Record<string, string>) => {
    const argv = ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', alone]
    argv.push(process.execPath, bundle)
    const env = { PATH: process.env['PATH'] ?? '', ...environment }
    const { stdout, stderr } = spawnSync('unshare', argv, {
      encoding: 'utf8',
      env,
      cwd: '/',
    })
    t.equal(stderr, '')
    const { sections } = JSON.parse(stdout) as {
      sections: { name: string; state: string; detail: string; documents?: string[] }[]
    }
    const packages = sections.find(({ name, state }) => name === 'packages' && state === 'ok')
    if (packages !== undefined)
      t.same(packages.documents, ['packages'], 'a document stands beside its section')
    return new Map(sections.map(({ name, state, detail }) => [name, `${state} ${detail}`]))
  }
  const real = check({})
  for (const [name, line] of real) {
    // Whether this machine's package lists are fresh is not what is tested here.
    if (name !== 'updates') t.match(line, /^(ok|absent|denied) /)
  }
  for (const name of ['cpu', 'memory', 'filesystem', 'disk', 'network', 'netstat'])
    t.match(real.get(name), /^ok /)
  t.match(real.get('inventory'), /denied .*need root/)
  t.match(real.get('packages'), /^(ok|absent) /)
  const shut = check({ CALLWARD_CONFIG: config })
  t.match(shut.get('memory'), /denied .*no permission to read .*meminfo; grant/)
  t.match(shut.get('netstat'), /denied .*net\/snmp/)
  t.match(shut.get('cpu'), /^ok /)
})

t.test('the inventory: documents from its own process, bounded in time', async (t) => {
  const { runSurvey } = await import('../../collector/surveys/run.ts')
  const { inventorySurvey } = await import('../../collector/surveys/inventory.ts')
  const take = (entry: string, limits = {}) => runSurvey(entry, inventorySurvey, limits)
  const inventory = await take(main)
  t.strictSame(Object.keys(inventory.documents).sort(), ['hardware', 'os'])
  t.not(inventory.sections[0]?.state, 'error', JSON.stringify(inventory.sections))
  t.match(inventory.documents['os'], {
    platform: 'linux',
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
  })
  t.notOk(JSON.stringify(inventory.documents).includes('""'), 'nothing is empty: unknown is said')
  const again = await take(main)
  t.strictSame(
    again.documents,
    inventory.documents,
    'the same hour after hour, so that only a change is sent',
  )
  const failure = (detail: RegExp) => ({ documents: {}, sections: [{ state: 'error', detail }] })
  t.match(await take(main, { limitMilliseconds: 5 }), failure(/no answer within 0.005 s/))
  t.match(await take('/no/such/file.js'), failure(/ended with code 1/))
  await eventually(
    'its process is gone',
    () => spawnSync('pgrep', ['-f', `${main} --survey inventory`]).status === 1,
    5000,
  )
})
