import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { sourceNames } from '../../collector/sources/all.ts'
import { packageRoot } from '../../server/assets.ts'
import { eventually, FakeHub, type HeardReport } from '../helpers/fake-hub.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))

/** Why this machine cannot give a process its own view of /sys, or false. */
function unable(): string | false {
  if (process.getuid?.() !== 0) return 'only root can become nobody in a namespace of its own'
  const probe = spawnSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs none /sys'], {
    encoding: 'utf8',
  })
  if (probe.status === 0) return false
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1')
    throw new Error(`no mount namespaces here: ${probe.stderr}`)
  return `no mount namespaces here: ${probe.stderr}`
}

let built: string | undefined

/** The collector in one file, made once for all tests here. */
function bundled(): string {
  if (built !== undefined) return built
  const folder = mkdtempSync(join(tmpdir(), 'callward-bundled-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  built = join(folder, 'collector.mjs')
  execFileSync(process.execPath, [join(packageRoot, 'bin/bundle-collector.mjs'), built, compiled])
  return built
}

interface Seen {
  readonly report: HeardReport
  /** State and detail by section. */
  readonly sections: ReadonlyMap<string, { readonly state: string; readonly detail: string }>
}

/**
 * Runs the bundled collector as nobody where /sys is an empty folder, with these settings, until two reports came.
 * It must live to the end and send nothing the protocol forbids.
 */
async function runAsNobody(t: Test, settings: string, hide: string): Promise<Seen> {
  // In /tmp: a checkout may stand where nobody may not look.
  const folder = mkdtempSync(join(tmpdir(), 'callward-blind-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const bundle = join(folder, 'collector.mjs')
  copyFileSync(bundled(), bundle)
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o777 })
  mkdirSync(join(folder, 'empty'), { mode: 0o755 })
  const config = join(folder, 'collector.yaml')
  writeFileSync(config, settings.replaceAll('EMPTY', join(folder, 'empty')))
  execFileSync('chmod', ['755', folder])
  execFileSync('chmod', ['777', data])
  const hub = await FakeHub.start()
  t.teardown(() => hub.stop())
  // What other tests have mounted behind folders of their own is not looked at here.
  const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups'
  const away = `while read -r _ point _; do ${nobody} test -e "$point" || umount -l "$point"; done < /proc/self/mounts`
  const command = `${away}; ${hide}; exec env -u NODE_OPTIONS setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "$0" "$1"`
  const child = spawn('unshare', ['--mount', 'sh', '-c', command, process.execPath, bundle], {
    cwd: '/',
    env: {
      PATH: process.env['PATH'] ?? '',
      CALLWARD_HUB: hub.url,
      CALLWARD_TOKEN: 'right-token',
      CALLWARD_INTERVAL: '1',
      CALLWARD_DATA: data,
      CALLWARD_CONFIG: config,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output += text))
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const withInventory = !settings.includes('inventory: false')
  await eventually(
    'two reports and the sections',
    () =>
      hub.committed.size >= 2 &&
      hub.sections.length > 0 &&
      (!withInventory || hub.facts.length >= 3),
    30_000,
  )
  child.kill('SIGTERM')
  t.equal(await ended, 0, output)
  t.strictSame(hub.faults, [])
  t.notMatch(output, /"level":(50|60)|\n\s+at /, 'no error, no stack')
  const sections = new Map((hub.sections.at(-1)?.sections ?? []).map((one) => [one.name, one]))
  for (const [name, { state, detail }] of sections) {
    // Whether this machine's package lists are fresh is not what is tested here.
    if (state === 'ok' || name === 'updates') continue
    t.match(state, /^(absent|denied)$/, `${name}: ${detail}`)
    t.ok(detail.length > 10 && !detail.includes('\n'), `${name} says why: ${detail}`)
  }
  t.strictSame(
    sourceNames.filter((name) => !sections.has(name)),
    [],
    'every section is told',
  )
  return { report: hub.lane('live').at(-1)!, sections }
}

/** The section a series belongs to is not ok, and yet it has series. */
function healthyLooking({ report }: Seen, pattern: RegExp): string[] {
  return [...report.values.keys()].filter((key) => pattern.test(key))
}

const skip = unable()

t.test(
  'as nobody without /sys: what needs it says so, the rest goes on',
  { skip, timeout: 120_000 },
  async (t) => {
    const settings = 'services: [{name: asterisk-blind}]\n'
    const seen = await runAsNobody(t, settings, 'mount -t tmpfs -o mode=755 none /sys')
    const state = (name: string) => seen.sections.get(name)?.state
    for (const name of ['cpu', 'memory', 'filesystem', 'netstat', 'services', 'udp_sockets'])
      t.equal(state(name), 'ok', name)
    t.equal(state('network'), 'absent')
    t.match(seen.sections.get('network')?.detail, /link state and speed are not seen/)
    t.strictSame(healthyLooking(seen, /^node_network_(up|carrier|speed)/), [], 'no link looks up')
    t.equal(
      [...seen.report.values].find(([key]) =>
        /^callward_service_up\{.*service="asterisk-blind"/.test(key),
      )?.[1],
      0,
    )
  },
)

t.test(
  'as nobody with nothing in /proc and /sys: every section is absent, no figure looks healthy',
  { skip, timeout: 120_000 },
  async (t) => {
    // The kernel's clock is asked by a call, not in a file.
    const settings =
      "procRoot: EMPTY\nsysRoot: EMPTY\nrootfs: EMPTY\nchrony: '127.0.0.1:1'\nservices: [{name: asterisk}]\nsections: {inventory: false, kernel_clock: false}\n"
    const seen = await runAsNobody(t, settings, 'mount -t tmpfs -o mode=755 none /sys')
    // The spool is the collector's own folder, not the host's.
    const ofHost = [...seen.sections].filter(([name]) => name !== 'spool')
    for (const [name, { state, detail }] of ofHost)
      t.match(state, /^(absent|denied)$/, `${name}: ${detail}`)
    t.strictSame(healthyLooking(seen, /^node_/), [], 'no figure of the host')
    t.strictSame(
      healthyLooking(seen, /^callward_(service|udp|ntp|uptime)_/),
      [],
      'a service nobody could look for is neither up nor down',
    )
    const ok = [...seen.report.values].filter(
      ([key, value]) =>
        /^callward_section_state\{.*state="ok"/.test(key) &&
        !key.includes('"spool"') &&
        value === 1,
    )
    t.strictSame(ok, [], 'no section is ok')
  },
)

t.test(
  'as nobody where /proc hides the processes of others: denied, and nothing is called down',
  { skip, timeout: 120_000 },
  async (t) => {
    const hide = 'mount -t proc -o hidepid=2 proc /proc'
    if (spawnSync('unshare', ['--mount', 'sh', '-c', hide]).status !== 0) {
      t.pass('hidepid', { skip: 'no mount of /proc here' })
      return
    }
    const settings = 'services: [{name: asterisk}]\nsections: {inventory: false}\n'
    const seen = await runAsNobody(t, settings, hide)
    t.match(seen.sections.get('services'), { state: 'denied', detail: /hidepid.*asterisk/ })
    t.strictSame(healthyLooking(seen, /^callward_service_up/), [])
    t.equal(seen.sections.get('cpu')?.state, 'ok')
  },
)
