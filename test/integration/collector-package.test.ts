import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Check } from '../../collector/check-report.ts'
import { surveyNames } from '../../collector/config.ts'
import { packageRoot } from '../../server/assets.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))
const isRoot = process.getuid?.() === 0
const has = (command: string) => spawnSync(command, ['--version']).status === 0
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
/** A counted skip where a tool is missing, unless every peer is required. */
const without = (missing: boolean, what: string) => (missing && !required ? what : false)
const noDpkg = without(!has('dpkg-deb'), 'dpkg is not installed')
const noRoot = isRoot ? false : 'not root'

// Not the test's own folder: another user must be able to enter it.
const work = mkdtempSync(join(tmpdir(), 'callward-package-'))
chmodSync(work, 0o755)
t.teardown(() => rmSync(work, { recursive: true, force: true }))
const bundle = join(work, 'one file', 'callward-collector.mjs')
execFileSync(process.execPath, [join(packageRoot, 'bin/bundle-collector.mjs'), bundle, compiled])

const plainEnvironment = { PATH: process.env['PATH'] ?? '' }
const nobody = isRoot ? { uid: 65534, gid: 65534 } : {}
const epoch = { SOURCE_DATE_EPOCH: '1767225600' }

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The test runner would load itself into Node, and could not write its notes as nobody. */
function run(command: string, argv: readonly string[], options: object = {}): Ran {
  return spawnSync('env', ['-u', 'NODE_OPTIONS', command, ...argv], {
    encoding: 'utf8',
    cwd: '/',
    env: plainEnvironment,
    ...options,
  })
}

/** Runs it and wants exit code 0. */
function sure(command: string, argv: readonly string[], options: object = {}): string {
  const { status, stdout, stderr } = run(command, argv, options)
  if (status !== 0) throw new Error(`${command} ${argv.join(' ')}: ${status}\n${stdout}${stderr}`)
  return stdout
}

function buildDeb(folder: string, own: readonly string[] = [], options: object = {}): string {
  const script = join(packageRoot, 'packaging/build-deb.mjs')
  const argv = [script, '--bundle', bundle, '--out', folder, ...own]
  return sure(process.execPath, argv, { env: { ...plainEnvironment, ...epoch }, ...options }).split(
    ': ',
    1,
  )[0]!
}

let built: string | undefined
/** The package, built once for all tests that do not build it themselves. */
const thePackage = () => {
  built ??= buildDeb(join(work, 'a'))
  return built
}

t.test(
  'the one file alone, as nobody: sections, and the surveys in their child processes',
  async (t) => {
    const folder = join(work, 'one file')
    // Whether this machine's package lists are fresh is not what is tested here.
    const env = { ...plainEnvironment, CALLWARD_CONFIG: withoutSoftware() }
    const argv = [bundle, '--check', '--json']
    const checked = run(process.execPath, argv, { ...nobody, cwd: folder, env })
    t.equal(checked.stderr, '')
    t.equal(checked.status, 0)
    const check = JSON.parse(checked.stdout) as Check & { verdict: string; exitCode: number }
    const section = (name: string) => check.sections.find((one) => one.name === name)
    t.match(section('cpu'), { state: 'ok' })
    t.ok(section('cpu')!.figures! > 5)
    t.match(section('inventory')?.documents, ['hardware', 'os'])
    t.equal(section('inventory')?.state, isRoot ? 'denied' : section('inventory')?.state)
    t.same(
      check.sections.filter(({ state }) => state === 'error'),
      [],
    )
    t.match(check.verdict, /^Verdict: good/)
    for (const name of surveyNames) {
      const survey = run(bundle, ['--survey', name], { ...nobody, cwd: folder })
      t.equal(survey.status, 0, `${name}: ${survey.stderr}`)
      const last = survey.stdout.trim().split('\n').at(-1) ?? '{}'
      t.type(JSON.parse(last).findings?.documents, 'object')
    }
    t.same(readdirSync(folder), ['callward-collector.mjs'], 'nothing was written')
  },
)

t.test(
  'a host with denied, missing and broken files: each in its group, never healthy',
  async (t) => {
    const host = join(work, 'host')
    cpSync(join(packageRoot, 'test/fixtures/proc/modern'), host, { recursive: true })
    chmodSync(join(host, 'proc/stat'), 0)
    chmodSync(join(host, 'proc/pressure'), 0)
    rmSync(join(host, 'proc/net/softnet_stat'))
    writeFileSync(join(host, 'proc/loadavg'), 'much more than one\n')
    const off = ['entropy', ...surveyNames]
    const settings = {
      procRoot: join(host, 'proc'),
      sysRoot: join(host, 'sys'),
      sections: Object.fromEntries(off.map((name) => [name, false])),
    }
    writeFileSync(join(host, 'c.yaml'), JSON.stringify(settings))
    const env = { ...plainEnvironment, CALLWARD_CONFIG: join(host, 'c.yaml') }
    const json = run(bundle, ['--check', '--json'], { ...nobody, env })
    const check = JSON.parse(json.stdout) as Check
    const states = Object.fromEntries(check.sections.map(({ name, state }) => [name, state]))
    t.match(states, {
      cpu: 'denied',
      pressure: 'denied',
      softnet: 'absent',
      load: 'error',
      memory: 'ok',
    })
    t.same([...check.switchedOff].sort(), off.sort())
    t.match(check.sections.find(({ name }) => name === 'cpu')?.grant?.commands, [/systemctl cat/])
    const text = run(bundle, ['--check'], { ...nobody, env })
    t.equal(text.status, 1, 'a section is in error')
    t.notMatch(text.stdout, /u:nobody|root nogroup/, 'nobody is granted nothing')
    if (isRoot) t.match(text.stdout, /nobody stands in .* to callward-collector/)
    t.equal(json.status, 1)
    const order = [
      '\nSeen',
      '\nAbsent here',
      '\nDenied',
      '\nError',
      '\nSwitched off',
      '\nVerdict: not all well',
    ]
    const places = order.map((title) => text.stdout.indexOf(title))
    t.same(
      places,
      [...places].sort((a, b) => a - b),
      'in this order',
    )
    t.ok(places.every((place) => place > 0))
    t.notOk(text.stdout.includes('\u001b'), 'no colours in a pipe')
    const all = run(bundle, ['--check'], {
      ...nobody,
      env: {
        ...env,
        CALLWARD_CONFIG: writeSettings({
          procRoot: '/none',
          sysRoot: '/none',
          sections: settings.sections,
        }),
      },
    })
    t.equal(all.status, 1)
    t.match(all.stdout, /Absent here/)
  },
)

function withoutSoftware(): string {
  return writeSettings({ sections: { software: false } })
}

function writeSettings(settings: unknown): string {
  const path = join(work, 'settings.yaml')
  writeFileSync(path, JSON.stringify(settings))
  return path
}

t.test('`callward collector check` says the same', async (t) => {
  const cli = join(compiled, 'server/cli/main.js')
  const env = {
    ...plainEnvironment,
    CALLWARD_CONFIG: writeSettings({
      sections: Object.fromEntries(surveyNames.map((name) => [name, false])),
    }),
  }
  const { status, stdout } = run(process.execPath, [cli, 'collector', 'check', '--json'], { env })
  t.equal(status, 0)
  t.equal((JSON.parse(stdout) as { exitCode: number }).exitCode, 0)
  t.match(run(process.execPath, [cli, 'collector'], { env }), {
    status: 2,
    stderr: /argument is missing/,
  })
  t.match(run(process.execPath, [cli, 'collector', 'chek'], { env }), {
    status: 2,
    stderr: /Say what to do: check/,
  })
})

t.test(
  'the package: the same bytes twice, whatever umask, zone and time',
  { skip: noDpkg },
  async (t) => {
    const first = thePackage()
    const copy = join(work, 'copy.mjs')
    cpSync(bundle, copy)
    const script = join(packageRoot, 'packaging/build-deb.mjs')
    const line = `umask 077; exec "$0" "$1" --bundle "$2" --out "$3"`
    sure('sh', ['-c', line, process.execPath, script, copy, join(work, 'b')], {
      env: { ...plainEnvironment, ...epoch, TZ: 'Asia/Ho_Chi_Minh', LC_ALL: 'C' },
    })
    const second = join(work, 'b', readdirSync(join(work, 'b'))[0]!)
    t.ok(readFileSync(first).equals(readFileSync(second)), 'byte for byte')
    const info = sure('dpkg-deb', ['--info', first])
    t.match(info, /Package: callward-collector\n[\s\S]*Architecture: all\n/)
    t.match(info, /Depends: nodejs \(>= 20\.19\) \| callward-node, passwd\n/)
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
    t.match(info, `Version: ${version.replace('-', '~')}\n`)
    const rows = sure('dpkg-deb', ['--contents', first])
      .trim()
      .split('\n')
      .map((row) => row.split(/\s+/))
    t.ok(rows.every(([, owner]) => owner === 'root/root'))
    t.ok(rows.every(([, , , day]) => day === '2026-01-01' || day === '2025-12-31'))
    const modes = Object.fromEntries(rows.map((row) => [row[5]!, row[0]!]))
    t.match(modes, {
      './etc/callward/collector.yaml': '-rw-r-----',
      './usr/bin/callward-collector': '-rwxr-xr-x',
      './usr/lib/callward/callward-collector.mjs': '-rwxr-xr-x',
      './usr/lib/callward/callward-smart': '-rwxr-xr-x',
      './usr/lib/systemd/system/callward-collector.service': '-rw-r--r--',
      './usr/lib/systemd/system/callward-smart.service': '-rw-r--r--',
      './usr/lib/systemd/system/callward-smart.timer': '-rw-r--r--',
      './usr/share/doc/callward-collector/copyright': '-rw-r--r--',
      './var/lib/callward/': 'drwxr-xr-x',
    })
    const folders = Object.entries(modes).filter(
      ([path]) => path.endsWith('/') && path !== './var/lib/callward/',
    )
    t.same(
      folders.filter(([, mode]) => mode !== 'drwxr-xr-x'),
      [],
    )
    t.equal(rows.filter(([mode]) => mode!.startsWith('-')).length, 10, 'and nothing else')
  },
)

t.test('a package that carries Node depends on no package of it', { skip: noDpkg }, async (t) => {
  const node = join(work, 'node-fake')
  writeFileSync(node, '#!/bin/sh\necho v22.0.0\n')
  const file = buildDeb(join(work, 'n'), [
    '--node',
    node,
    '--node-license',
    join(packageRoot, 'LICENSE'),
  ])
  const info = sure('dpkg-deb', ['--info', file])
  t.match(info, /Depends: libc6, libstdc\+\+6, passwd\n/)
  t.notMatch(info, /Architecture: all/)
  t.match(
    sure('dpkg-deb', ['--contents', file]),
    /-rwxr-xr-x root\/root .*\.\/usr\/lib\/callward\/node\n/,
  )
  const script = join(packageRoot, 'packaging/build-deb.mjs')
  const refused = run(
    process.execPath,
    [script, '--bundle', bundle, '--out', work, '--node', '/bin/true'],
    {
      env: { ...plainEnvironment, ...epoch },
    },
  )
  t.match(refused, { status: 1, stderr: /name it with --node-license/ })
  const noDate = run(process.execPath, [script, '--bundle', bundle, '--out', work], {
    env: { ...plainEnvironment, SOURCE_DATE_EPOCH: 'today' },
  })
  t.match(noDate, { status: 1, stderr: /seconds since 1970/ })
})

/** A host's tree with the little that dpkg and the maintainer scripts need of one. */
function makeHost(name: string): string {
  const host = join(work, name)
  for (const folder of [
    'etc',
    'var/lib/dpkg/info',
    'var/lib/dpkg/updates',
    'var/lib/dpkg/triggers',
  ])
    mkdirSync(join(host, folder), { recursive: true })
  writeFileSync(join(host, 'var/lib/dpkg/status'), '')
  writeFileSync(join(host, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(host, 'etc/group'), 'root:x:0:\n')
  writeFileSync(join(host, 'etc/shadow'), 'root:*:19000:0:99999:7:::\n')
  writeFileSync(join(host, 'etc/gshadow'), 'root:*::\n')
  return host
}

function dpkg(host: string, ...argv: string[]): string {
  const options = [
    `--root=${host}`,
    '--force-script-chrootless',
    '--force-depends',
    '--force-confdef',
    '--force-confold',
  ]
  const env = {
    ...plainEnvironment,
    DEBIAN_FRONTEND: 'noninteractive',
    PATH: `/usr/sbin:/sbin:${plainEnvironment.PATH}`,
  }
  return sure('dpkg', [...options, ...argv], { env })
}

/** Everything of the host but dpkg's own books and the copies that useradd keeps of the last passwd. */
function treeOf(host: string): string[] {
  return readdirSync(host, { recursive: true })
    .map(String)
    .filter(
      (path) =>
        !/^var\/lib\/dpkg\/|^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|^etc\/\.pwd\.lock$/.test(
          path,
        ),
    )
    .sort()
}

t.test(
  'install, install again, remove, purge: one result each, and nothing left',
  { skip: noDpkg || noRoot },
  async (t) => {
    const file = thePackage()
    const host = makeHost('lifecycle')
    const before = treeOf(host)
    const user = () =>
      /^callward-collector:x:(\d+):(\d+):[^\n]*:\/usr\/sbin\/nologin$/m.exec(
        readFileSync(join(host, 'etc/passwd'), 'utf8'),
      )
    const facts = (path: string) => {
      const { uid, gid, mode } = statSync(join(host, path))
      return [uid, gid, (mode & 0o777).toString(8)]
    }
    dpkg(host, '-i', file)
    const [, uid, gid] = (user() ?? []).map(Number)
    t.ok(uid! > 0 && gid! > 0, 'a user of its own')
    const check = () => {
      t.same(facts('var/lib/callward'), [0, 0, '755'], 'its user can put nothing in its place')
      t.same(facts('var/lib/callward/collector'), [uid, gid, '700'])
      t.same(facts('etc/callward/collector.yaml'), [0, gid, '640'])
      t.same(facts('etc/callward'), [0, gid, '750'])
      t.same((user() ?? []).map(Number).slice(1), [uid, gid])
    }
    check()
    const wants = join(
      host,
      'etc/systemd/system/multi-user.target.wants/callward-collector.service',
    )
    t.ok(readdirSync(join(wants, '..')).includes('callward-collector.service'), 'enabled')
    t.notOk(existsSync(join(host, 'etc/systemd/system/timers.target.wants')), 'root’s timer is not')
    const seen = run(join(host, 'usr/bin/callward-collector'), ['--check', '--json'], {
      uid,
      gid,
      env: {
        CALLWARD_CONFIG: withoutSoftware(),
        ...plainEnvironment,
        CALLWARD_NODE: process.execPath,
      },
    })
    t.equal(seen.status, 0, seen.stderr)
    t.match(JSON.parse(seen.stdout), { user: { id: uid }, exitCode: 0 })
    writeFileSync(join(host, 'etc/callward/collector.yaml'), 'collector: {interval: 20}\n')
    writeFileSync(join(host, 'var/lib/callward/collector/identity.json'), '{}')
    dpkg(host, '-i', file)
    check()
    t.match(readFileSync(join(host, 'etc/callward/collector.yaml'), 'utf8'), /interval: 20/)
    dpkg(host, '-r', 'callward-collector')
    t.ok(existsSync(join(host, 'var/lib/callward/collector/identity.json')), 'removing keeps data')
    t.ok(existsSync(join(host, 'etc/callward/collector.yaml')), 'and settings')
    t.notOk(existsSync(join(host, 'usr')), 'and takes the program')
    dpkg(host, '-P', 'callward-collector')
    const folders = (paths: string[]) =>
      paths.filter((path) => !/^(etc\/systemd(\/.*)?|usr|var\/lib\/systemd(\/.*)?)$/.test(path))
    t.same(folders(treeOf(host)), folders(before))
    t.same(
      treeOf(host).filter((path) => path.includes('callward')),
      [],
    )
    t.equal(user(), null)
    t.notMatch(readFileSync(join(host, 'etc/group'), 'utf8'), /callward/)
  },
)

t.test(
  'on the hub’s own machine the hub’s data stay the hub’s',
  { skip: noDpkg || noRoot },
  async (t) => {
    const file = thePackage()
    const host = makeHost('hub')
    mkdirSync(join(host, 'var/lib/callward/hub'), { recursive: true })
    writeFileSync(join(host, 'var/lib/callward/hub/records'), 'x')
    dpkg(host, '-i', file)
    t.equal(statSync(join(host, 'var/lib/callward')).uid, 0)
    t.equal(statSync(join(host, 'var/lib/callward/hub')).uid, 0)
    t.not(statSync(join(host, 'var/lib/callward/collector')).uid, 0)
    // Who may write there lays a link: root must not give away what it leads to.
    const target = join(host, 'etc/passwd')
    rmSync(join(host, 'var/lib/callward/collector'), { recursive: true })
    symlinkSync(target, join(host, 'var/lib/callward/collector'))
    dpkg(host, '-i', file)
    t.same([statSync(target).uid, statSync(target).mode & 0o777], [0, 0o644])
    dpkg(host, '-P', 'callward-collector')
    t.same(readdirSync(join(host, 'var/lib/callward')), ['hub'])
  },
)

t.test('the command finds a Node that is new enough, or says what to do', async (t) => {
  const command = join(packageRoot, 'packaging/callward-collector')
  const tree = join(work, 'unpacked')
  mkdirSync(join(tree, 'usr/bin'), { recursive: true })
  cpSync(command, join(tree, 'usr/bin/callward-collector'))
  const fake = (version: string) => {
    const path = join(work, `node-${version}`)
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && echo ${version} || echo "ran $*"\n`)
    chmodSync(path, 0o755)
    return run(join(tree, 'usr/bin/callward-collector'), ['--check'], {
      env: { ...plainEnvironment, CALLWARD_NODE: path },
    })
  }
  for (const version of ['v20.19.0', 'v20.20.1', 'v22.0.0', 'v100.1.0']) {
    t.match(
      fake(version),
      { status: 0, stdout: `ran ${tree}/usr/lib/callward/callward-collector.mjs --check` },
      version,
    )
  }
  for (const version of ['v20.18.9', 'v18.20.4', 'v9.19.0', 'nonsense', '']) {
    t.match(
      fake(version),
      { status: 69, stderr: /needs Node 20\.19[\s\S]*Found only: [\s\S]*CALLWARD_NODE=/ },
      version,
    )
  }
})

const units = ['callward-collector.service', 'callward-smart.service', 'callward-smart.timer']
const unitText = (name: string) =>
  readFileSync(join(packageRoot, 'packaging/systemd', name), 'utf8')

t.test('every path and user in the units is of the package', { skip: noDpkg }, async (t) => {
  const file = thePackage()
  const packaged = sure('dpkg-deb', ['--contents', file])
  /** Kernel trees, what systemd makes, and what is only a condition. */
  const known =
    /^\/(?:proc|sys|dev|home|run\/callward\/smart)(?:\/|$)|^\/usr\/sbin\/(?:smartctl|nvme)$/
  for (const name of units) {
    const lines = unitText(name)
      .split('\n')
      .filter((line) => /^[A-Z]\w+=/.test(line))
    const paths = lines.flatMap((line) =>
      [...line.matchAll(/[=|](\/[\w./-]+)/g)].map((match) => match[1]!),
    )
    for (const path of paths.filter((one) => !known.test(one)))
      t.match(packaged, new RegExp(` \\.${path}/?\\n`), `${name}: ${path}`)
    const users = lines
      .filter((line) => /^(User|Group)=/.test(line))
      .map((line) => line.split('=')[1])
    t.ok(
      users.every(
        (user) =>
          user === 'callward-collector' || (user === 'root' && name === 'callward-smart.service'),
      ),
    )
  }
})

t.test(
  'systemd reads the units, and its score is the one in the docs',
  { skip: without(!has('systemd-analyze'), 'systemd is not installed') },
  async (t) => {
    const page = readFileSync(join(packageRoot, 'docs/collector.md'), 'utf8')
    for (const name of units.filter((one) => one.endsWith('.service'))) {
      const path = join(packageRoot, 'packaging/systemd', name)
      const { stdout } = run('systemd-analyze', ['security', '--offline=true', '--no-pager', path])
      const score = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]
      t.ok(Number(score) < 3, `${name}: ${score}`)
      t.match(
        page,
        new RegExp(`\`${name}\`[^\\n]*\\b${score?.replace('.', '\\.')}\\b`),
        `${name}: ${score} stands in the docs`,
      )
    }
    // Unknown keys and values are told on standard error; that the programs are not installed here is no fault of theirs.
    const said = run('systemd-analyze', [
      'verify',
      '--man=no',
      ...units.map((name) => join(packageRoot, 'packaging/systemd', name)),
    ])
    const faults = said.stderr
      .split('\n')
      .filter((line) => line.includes('callward') && !/is not executable|No such file/.test(line))
    t.same(faults, [])
  },
)
