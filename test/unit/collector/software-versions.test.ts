import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { ConfigError, readConfig } from '../../../collector/config.ts'
import { aptUpdates } from '../../../collector/surveys/software/apt-updates.ts'
import { field, stanzas } from '../../../collector/surveys/software/control-file.ts'
import { securityRows } from '../../../collector/surveys/software/dnf-updates.ts'
import { packagesOf } from '../../../collector/surveys/software/dpkg.ts'
import { endOfLife } from '../../../collector/surveys/software/end-of-life.ts'
import { dateOf, firstGroup } from '../../../collector/surveys/software/licences.ts'
import { decompressLz4, Lz4Error } from '../../../collector/surveys/software/lz4.ts'
import { packages, reported } from '../../../collector/surveys/software/packages.ts'
import { runningMetrics, runningServices } from '../../../collector/surveys/software/processes.ts'
import { newestLike, rebootNeeded } from '../../../collector/surveys/software/reboot.ts'
import { rpmRows } from '../../../collector/surveys/software/rpm.ts'
import { serviceKinds, versionIn } from '../../../collector/surveys/software/services.ts'
import { softwareSurvey } from '../../../collector/surveys/software/software.ts'
import { compareDebianVersions } from '../../../collector/wire/debian-version.ts'
import { packageRoot } from '../../../server/assets.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'

const fixture = (name: string) =>
  readFileSync(join(packageRoot, 'test/fixtures/software', name), 'utf8')
const sign = (value: number) => Math.sign(value)
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const missing = (program: string) =>
  spawnSync(program, ['--version']).status === 0 || required ? false : `${program} is not installed`

t.test('Debian versions: the manual’s own examples, and an order that is one', async (t) => {
  const tilde = ['~~', '~~a', '~', '', 'a']
  const names = ['1.0~rc1-1', '1.0-1~bpo12+1', '1.0-1', '1.0-1+b1', '1.0-1.1', '1.0+dfsg-1']
  for (const rising of [tilde, [...names, '1.0.1-1', '2.0', '10', '1:0.1', '2:0.0']])
    for (const [i, a] of rising.entries())
      for (const [j, b] of rising.entries())
        t.equal(sign(compareDebianVersions(a, b)), sign(i - j), `${a} against ${b}`)
  t.equal(compareDebianVersions('0:1.0-0', '1.0'), 0, 'no epoch is 0, no revision is 0')
  t.equal(compareDebianVersions('1.007', '1.7'), 0)
  t.ok(compareDebianVersions('1.99999999999999999999', '1.100000000000000000000') < 0)
  const any = fc.string({ maxLength: 30 })
  fc.assert(
    fc.property(any, any, any, (a, b, c) => {
      const order = [a, b, c].sort(compareDebianVersions)
      return (
        sign(compareDebianVersions(a, b)) === -sign(compareDebianVersions(b, a)) &&
        compareDebianVersions(order[0]!, order[2]!) <= 0
      )
    }),
  )
})

t.test('Debian versions: dpkg judges the same', { skip: missing('dpkg') }, async (t) => {
  const piece = fc.string({
    unit: fc.constantFrom(...'0123459abzAZ.+~'.split('')),
    minLength: 0,
    maxLength: 6,
  })
  const version = fc
    .tuple(fc.constantFrom('', '0:', '1:', '12:'), fc.nat(20), piece, fc.option(piece))
    .map(([epoch, first, rest, revision]) => {
      return `${epoch}${first}${rest}${revision === null || revision === '' ? '' : `-${revision}`}`
    })
  const sample = fc.sample(fc.tuple(version, version), { numRuns: 380, seed: 20261122 })
  const equal = sample.slice(0, 20).map(([one]) => [one, `0${one}`] as const)
  const pairs = [
    ...sample,
    ...equal.filter(([one]) => !one.includes(':')),
    ['1.0', '0:1.0-0'] as const,
  ]
  // One shell for all pairs: it says lt, eq or gt for each.
  const script =
    'while read a b; do for w in lt eq gt; do dpkg --compare-versions "$a" $w "$b" && echo $w && break; done; done'
  const { stdout } = spawnSync('sh', ['-c', script], {
    input: pairs.map((pair) => `${pair.join(' ')}\n`).join(''),
    encoding: 'utf8',
  })
  const words = { '-1': 'lt', '0': 'eq', '1': 'gt' } as const
  const ours = pairs.map(([a, b]) => words[`${sign(compareDebianVersions(a, b)) as -1 | 0 | 1}`])
  const theirs = stdout.trim().split('\n')
  t.equal(theirs.length, pairs.length)
  const differing = pairs.flatMap(([a, b], i) =>
    ours[i] === theirs[i] ? [] : [`${a} ${b} ${theirs[i]}`],
  )
  t.strictSame(differing, [])
  t.ok(new Set(theirs).size === 3, 'all three answers came')
})

t.test('control files: stanzas across any cut, fields by their first line', async (t) => {
  const text = fixture('dpkg-status')
  const whole = [...stanzas([text])]
  for (const size of [1, 7, 64]) {
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
    t.strictSame([...stanzas(pieces)], whole, `in pieces of ${size}`)
  }
  t.equal(field(whole[0]!, 'Version'), '1.6.3ubuntu0.1')
  t.equal(field(whole[0]!, 'Pack'), undefined)
  t.strictSame(
    [...stanzas(['\n\n\nA: 1\n\n\n\nB: 2'])].map((one) => one.trim()),
    ['A: 1', 'B: 2'],
  )
})

const stanza = (name: string, version: string, architecture = 'amd64', status = 'ok installed') =>
  `Package: ${name}\nStatus: install ${status}\nArchitecture: ${architecture}\nVersion: ${version}\nDescription: x\n Version: 9\n\n`

t.test(
  'dpkg’s status file: what is on the disk, two architectures told apart, damage said',
  async (t) => {
    t.strictSame(packagesOf([fixture('dpkg-status')]), [
      { name: 'apt', architecture: 'amd64', version: '1.6.3ubuntu0.1' },
    ])
    const text = [
      stanza('libc6', '2.36-9'),
      stanza('libc6', '2.36-9', 'i386'),
      stanza('gone', '1', 'amd64', 'ok config-files'),
      stanza('half', '1', 'amd64', 'ok half-configured'),
      stanza('asterisk', '1:20.6.0'),
    ].join('')
    const { document } = reported('dpkg', packagesOf([text]), undefined)
    t.strictSame(document, {
      manager: 'dpkg',
      packages: {
        asterisk: '1:20.6.0',
        half: '1',
        'libc6:amd64': '2.36-9',
        'libc6:i386': '2.36-9',
      },
    })
    const chosen = reported('dpkg', packagesOf([text]), ['aster*', 'hal?']).document
    t.strictSame(Object.keys(chosen?.packages ?? {}), ['asterisk', 'half'])
    const thousands = Array.from({ length: 5000 }, (_none, i) => stanza(`p${i}`, `${i}`)).join('')
    t.equal(packagesOf([thousands]).length, 5000)
    t.throws(() => packagesOf(['Package: x\n\n']), /damaged/)
    t.throws(() => packagesOf(['Package: x\nStatus: install ok installed\n\n']), /x has no version/)
    t.throws(() => packagesOf(['nonsense']), /damaged/)
    t.throws(() => packagesOf(['x'.repeat(5_000_000)]), /over 4 MiB/)

    const many = Array.from({ length: 5000 }, (_none, i) => ({
      name: `lib${'x'.repeat(20)}${i}`,
      architecture: 'amd64',
      version: `1:${i}.0-1+deb12u1`,
    }))
    t.equal(reported('dpkg', many, undefined).section.state, 'ok', 'five thousand fit')
    const over = Array.from({ length: 30_000 }, (_none, i) => ({
      ...many[0]!,
      name: `package-${i}-${'x'.repeat(20)}`,
    }))
    t.match(reported('dpkg', over, undefined), {
      section: {
        state: 'error',
        detail: /over the limit of 1048576: say in software.packageNames/,
      },
      document: undefined,
      manager: 'dpkg',
    })
    const root = folderOf(t, { empty: {}, bad: { var: { lib: { dpkg: { status: 'nonsense' } } } } })
    t.match(await packages(join(root, 'empty'), undefined), {
      section: { state: 'absent' },
      document: { manager: 'none', packages: {} },
    })
    t.match(await packages(join(root, 'bad'), undefined), {
      section: { state: 'error', detail: /damaged/ },
      document: undefined,
      manager: 'unknown',
    })
  },
)

t.test('rpm and dnf: rows as they stand in public', async (t) => {
  const installed = rpmRows(fixture('rpm-qa.jsonl'))
  t.strictSame(
    installed.map(({ name, version }) => `${name} ${version}`),
    [
      'util-linux 2.23.2-26.el7_2.2',
      'log4j 1.2.17-15.el7',
      'grub2-tools 1:2.02-0.34.el7_2',
      'bash 4.2.46-19.el7',
      'crash 7.1.0-8.el6',
    ],
  )
  t.throws(
    () => rpmRows('error: cannot open Packages database in /var/lib/rpm\n'),
    /not understood/,
  )
  t.throws(() => rpmRows('{"name":1}\n'), /not understood/)
  const kernels = [
    { name: 'kernel', architecture: 'x86_64', version: '5.14.0-70.el9' },
    { name: 'kernel', architecture: 'x86_64', version: '5.14.0-427.el9' },
  ]
  t.strictSame(reported('rpm', kernels, undefined).document?.packages, {
    kernel: '5.14.0-70.el9, 5.14.0-427.el9',
  })
  const curl = { name: 'curl', architecture: 'x86_64', version: '7.19.7-26.el6' }
  t.strictSame(
    securityRows(fixture('updateinfo.txt'), [curl]).map(
      ({ name, from, to }) => `${name} ${from} ${to}`,
    ),
    [
      'bind-libs unknown 32:9.8.2-0.17.rc1.el6_4.4',
      'curl 7.19.7-26.el6 7.19.7-36.el6_4',
      'kernel unknown 2.6.32-358.6.1.el6',
      'firefox unknown 83.0-13.fc32',
    ],
  )
  t.throws(() => securityRows('RHSA-1 Important/Sec. nonsense\n', []), /not understood/)
  t.strictSame(securityRows('', []), [])
})

t.test(
  'LZ4: what the lz4 program packs comes out again; damage is refused',
  { skip: missing('lz4') },
  async (t) => {
    const text = Buffer.from(`${fixture('dpkg-status').repeat(600)}${'z'.repeat(300_000)}end`)
    const random = Buffer.from(
      Array.from({ length: 200_000 }, (_none, i) => (i * 7919 + (i >> 3) * 104729) & 0xff),
    )
    for (const [input, argv] of [
      [text, ['-1']],
      [text, ['-9', '-BD', '-B4']],
      [text, ['-BD', '-BX', '--content-size']],
      [random, ['-1', '-B5']],
      [Buffer.alloc(0), ['-1']],
    ] as const) {
      const packed = spawnSync('lz4', ['-c', ...argv], { input, maxBuffer: 2 ** 26 }).stdout
      t.ok(
        Buffer.concat([...decompressLz4(packed)]).equals(input),
        `${argv.join(' ')}, ${packed.length} bytes`,
      )
      if (input.length === 0) continue
      t.throws(() => [...decompressLz4(packed.subarray(0, packed.length >> 1))], { message: /LZ4/ })
      t.throws(() => [...decompressLz4(packed.subarray(1))], { message: /LZ4/ })
    }
    const packed = spawnSync('lz4', ['-c'], { input: text, maxBuffer: 2 ** 26 }).stdout
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(packed)
        damaged[at] = damaged[at]! ^ flip
        try {
          for (const _piece of decompressLz4(damaged));
        } catch (error) {
          if (!(error instanceof Lz4Error)) throw error
        }
      }),
      { numRuns: 200 },
    )
  },
)

const day = 86_400_000
const now = Date.UTC(2026, 10, 22)
const listStanza = (name: string, version: string, architecture = 'amd64') =>
  `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nDescription: x\n\n`

interface Repository {
  readonly release: string
  readonly packages: string
  readonly ending?: '' | '.gz' | '.xz'
  readonly checkedDaysAgo?: number
}

/** A folder of apt's lists; a Release file's age is set by its modification time. */
function aptLists(root: string, repositories: Readonly<Record<string, Repository>>): void {
  const folder = join(root, 'var/lib/apt/lists')
  mkdirSync(folder, { recursive: true })
  for (const [name, one] of Object.entries(repositories)) {
    const release = join(folder, `${name}_InRelease`)
    const signed = '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n'
    writeFileSync(
      release,
      `${signed}${one.release}\nSHA256:\n abc 1 x\n-----BEGIN PGP SIGNATURE-----\n`,
    )
    const checked = (now - (one.checkedDaysAgo ?? 1) * day) / 1000
    utimesSync(release, checked, checked)
    const ending = one.ending ?? ''
    const body = ending === '.gz' ? gzipSync(one.packages) : one.packages
    writeFileSync(join(folder, `${name}_main_binary-amd64_Packages${ending}`), body)
  }
}

t.test(
  'apt’s lists: updates as apt sees them, security told apart, old lists know nothing',
  async (t) => {
    const installed = [
      ['asterisk', '1:20.1-1'],
      ['openssl', '3.0.15-1'],
      ['held', '5.0-1~bpo12+1'],
      ['chrony', '4.3-2'],
      ['local', '1.0'],
      ['experimental', '1'],
    ].map(([name, version]) => ({ name: name!, version: version!, architecture: 'amd64' }))
    const main = 'deb.example_debian_dists_bookworm'
    const security = 'deb.example_debian-security_dists_bookworm-security'
    const good: Record<string, Repository> = {
      [main]: {
        release: 'Suite: stable\nCodename: bookworm\nLabel: Debian',
        packages: [
          listStanza('asterisk', '1:20.2-1'),
          listStanza('openssl', '3.0.15-1'),
          listStanza('held', '4.0-1'),
          listStanza('chrony', '4.3-2'),
          listStanza('chrony', '9', 'arm64'),
          listStanza('unknown', '1'),
        ].join(''),
        ending: '.gz',
      },
      [security]: {
        release: 'Suite: stable-security\nCodename: bookworm-security\nLabel: Debian-Security',
        packages:
          listStanza('openssl', '3.0.15-1~deb12u0') + listStanza('openssl', '3.0.16-1~deb12u1'),
        checkedDaysAgo: 2,
      },
      'deb.example_debian_dists_bookworm-backports': {
        release: 'Suite: stable-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes',
        packages: listStanza('held', '5.1-1~bpo12+1') + listStanza('chrony', '4.9~bpo12+1'),
      },
      'deb.example_debian_dists_experimental': {
        release: 'Suite: rc-buggy\nNotAutomatic: yes',
        packages: listStanza('experimental', '2'),
      },
    }
    const look = (name: string, repositories: Record<string, Repository>, at = now) => {
      const root = folderOf(t)
      aptLists(join(root, name), repositories)
      return aptUpdates(installed, join(root, name), at, ({ mtimeMs }) => mtimeMs)
    }
    const found = look('good', good)
    t.strictSame(found.updates, {
      state: 'ok',
      pending: [
        { name: 'asterisk', from: '1:20.1-1', to: '1:20.2-1', security: false },
        { name: 'held', from: '5.0-1~bpo12+1', to: '5.1-1~bpo12+1', security: false },
        { name: 'openssl', from: '3.0.15-1', to: '3.0.16-1~deb12u1', security: true },
      ],
      checkedAt: '2026-11-20T00:00:00Z',
    })
    t.strictSame(
      found.metrics.map(({ labels, value }) => [labels['security'], value]),
      [
        ['true', 1],
        ['false', 2],
      ],
    )
    symlinkSync(join(t.testdirName, 'good'), join(t.testdirName, 'link'))
    const linked = aptUpdates(installed, join(t.testdirName, 'link'), now, ({ mtimeMs }) => mtimeMs)
    t.strictSame(linked.updates, found.updates, 'folders may be links')
    t.strictSame(
      look('again', good, now + day).updates,
      found.updates,
      'equal while nothing changes',
    )

    const old = look('old', good, now + 6 * day)
    t.match(old, {
      section: { state: 'error', detail: /cannot know: .*2026-11-20T00:00:00Z, over 7 days ago/ },
    })
    t.equal(old.metrics[0]?.value, 1, 'what waited then still waits')
  },
)

t.test('apt’s lists: none, unreadable ones, pins', async (t) => {
  const root = folderOf(t, { none: { var: { lib: { apt: { lists: {} } } } } })
  t.match(aptUpdates([], join(root, 'none'), now), {
    section: { state: 'error', detail: /no lists; run apt-get update/ },
  })
  t.throws(() => aptUpdates([], join(root, 'nowhere'), now), { code: 'ENOENT' })
  const list = (ending: '' | '.xz', packages: string) => {
    const folder = join(root, `list${ending}`)
    aptLists(folder, { x_dists_y: { release: 'Suite: y', packages, ending } })
    return folder
  }
  t.throws(() => aptUpdates([], list('.xz', ''), now), /keeps its lists as \.xz/)
  const pinned = list('', listStanza('a', '2'))
  mkdirSync(join(pinned, 'etc/apt'), { recursive: true })
  writeFileSync(join(pinned, 'etc/apt/preferences'), 'Package: *\n')
  const found = aptUpdates(
    [{ name: 'a', version: '1', architecture: 'amd64' }],
    pinned,
    now,
    (one) => one.mtimeMs,
  )
  t.match(found.updates, { state: 'ok', detail: /pins of \/etc\/apt\/preferences/ })
})

/** A tree with the kernel's files that tell a reboot. */
function kernelTree(
  root: string,
  release: string,
  version = '',
): { proc: string; sys: string; rootfs: string } {
  mkdirSync(join(root, 'proc/sys/kernel'), { recursive: true })
  mkdirSync(join(root, 'run'), { recursive: true })
  writeFileSync(join(root, 'proc/sys/kernel/osrelease'), `${release}\n`)
  writeFileSync(join(root, 'proc/version'), version)
  return { proc: join(root, 'proc'), sys: root, rootfs: root }
}

t.test(
  'reboot: a newer kernel of the same flavour, the same kernel newer built, or a package that asks',
  async (t) => {
    const root = folderOf(t)
    const image = (release: string, version: string, more = '') => ({
      name: `linux-image-${release}${more}`,
      architecture: 'amd64',
      version,
    })
    const roots = kernelTree(
      join(root, 'a'),
      '6.1.0-35-amd64',
      'Linux version 6.1.0-35-amd64 (gcc) #1 SMP Debian 6.1.137-1 (2025-05-07)',
    )
    const older = image('6.1.0-9-amd64', '6.1.27-1')
    const own = image('6.1.0-35-amd64', '6.1.137-1')
    t.strictSame(rebootNeeded('dpkg', [older, own], roots).reboot, { state: 'ok', needed: false })
    const cloud = image('6.1.0-99-cloud-amd64', '6.1.200-1')
    const meta = { ...own, name: 'linux-image-amd64' }
    const symbols = image('6.1.0-99-amd64', '6.1.200-1', '-dbg')
    t.strictSame(rebootNeeded('dpkg', [own, cloud, meta, symbols], roots).kernel, {
      running: '6.1.0-35-amd64',
      newest: '6.1.0-35-amd64',
    })
    t.match(rebootNeeded('dpkg', [own, image('6.1.0-37-amd64', '6.1.140-1')], roots), {
      reboot: {
        needed: true,
        reasons: ['kernel 6.1.0-35-amd64 runs, 6.1.0-37-amd64 is installed'],
      },
      metrics: [{ name: 'callward_reboot_required', value: 1 }],
    })
    t.match(rebootNeeded('dpkg', [image('6.1.0-35-amd64', '6.1.140-1')], roots).reboot, {
      needed: true,
      reasons: [/of 6\.1\.137-1 runs, 6\.1\.140-1 is installed/],
    })
    t.match(rebootNeeded('dpkg', [], roots), { section: { state: 'absent' }, metrics: [] })
    writeFileSync(join(root, 'a/run/reboot-required'), '*** System restart required ***\n')
    writeFileSync(join(root, 'a/run/reboot-required.pkgs'), 'libc6\ndbus\nlibc6\n')
    t.strictSame(rebootNeeded('dpkg', [], roots).reboot, {
      state: 'ok',
      needed: true,
      reasons: ['asked for by dbus, libc6'],
    })
    const red = kernelTree(join(root, 'r'), '5.14.0-70.13.1.el9_0.x86_64')
    const core = (version: string) => ({ name: 'kernel-core', architecture: 'x86_64', version })
    t.match(
      rebootNeeded('rpm', [core('5.14.0-70.13.1.el9_0'), core('5.14.0-427.16.1.el9_4')], red),
      {
        kernel: { newest: '5.14.0-427.16.1.el9_4.x86_64' },
        reboot: { needed: true },
      },
    )
    t.equal(
      newestLike('6.8.0-45-generic', ['6.8.0-9-generic', '6.8.0-50-lowlatency']),
      '6.8.0-9-generic',
    )
    t.equal(newestLike('6.18.44-fc-v657', []), undefined)
  },
)

t.test('end of life: os-release first, then Debian’s tables, else unknown', async (t) => {
  const csv =
    'version,codename,series,created,release,eol,eol-lts,eol-elts\n12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-06-10,2028-06-30,2033-06-30\n'
  const ubuntu =
    'version,codename,series,created,release,eol,eol-server,eol-esm\n24.04 LTS,Noble Numbat,noble,2023-10-12,2024-04-25,2029-05-31,2029-05-31,2034-04-25\n'
  const tree = (release: string) => {
    const root = folderOf(t, {
      etc: { 'os-release': release },
      usr: { share: { 'distro-info': { 'debian.csv': csv, 'ubuntu.csv': ubuntu } } },
    })
    return endOfLife(root)
  }
  t.strictSame(tree('ID=debian\nVERSION_ID="12"\n').endOfLife, {
    state: 'ok',
    release: 'debian 12',
    endsAt: '2026-06-10T23:59:59Z',
    longTermEndsAt: '2028-06-30T23:59:59Z',
  })
  t.match(tree('ID=ubuntu\nVERSION_ID="24.04"\n'), {
    endOfLife: { endsAt: '2029-05-31T23:59:59Z' },
    metrics: [{ value: Date.parse('2029-05-31T23:59:59Z') / 1000 }],
  })
  t.match(tree('ID=fedora\nVERSION_ID=42\nSUPPORT_END=2026-05-13\n').endOfLife, {
    endsAt: '2026-05-13T23:59:59Z',
  })
  for (const unknown of [
    'ID=debian\nVERSION_ID="99"\n',
    'ID=debian\n',
    'ID=rocky\nVERSION_ID=9\n',
    '',
  ])
    t.match(tree(unknown), { endOfLife: { state: 'absent', endsAt: 'unknown' }, metrics: [] })
})

t.test('what programs say of themselves, as they stand in public', async (t) => {
  for (const [name, version, text] of JSON.parse(fixture('words.json')) as [
    string,
    string,
    string,
  ][]) {
    const kind = serviceKinds.find((one) => one.name === name)!
    t.equal(versionIn(text, kind.version), version, name)
  }
  for (const { name, version } of serviceKinds) {
    t.equal(versionIn('', version), undefined, `${name}: silence is no version`)
    t.equal(
      versionIn('command not found\n', version),
      undefined,
      `${name}: a complaint is no version`,
    )
    t.notOk((versionIn(`Version: 1\u001b[31m${'9'.repeat(999)}`, version) ?? '').includes('\u001b'))
  }
})

t.test(
  'a service is outdated when its program changed after it started, in a tree of /proc',
  async (t) => {
    const root = folderOf(t)
    const bootSeconds = Math.floor(Date.now() / 1000) - 1000
    const process = (
      pid: number,
      name: string,
      startedSeconds: number,
      program: string,
      groups = '0::/\n',
    ) => {
      const folder = join(root, `proc/${pid}`)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'comm'), `${name}\n`)
      writeFileSync(join(folder, 'cmdline'), `${program}\0-f\0`)
      writeFileSync(join(folder, 'cgroup'), groups)
      const fields = [
        'S',
        ...Array.from({ length: 18 }, () => '0'),
        String(startedSeconds * 100),
        '0',
      ]
      writeFileSync(join(folder, 'stat'), `${pid} (${name}) x)) ${fields.join(' ')}`)
    }
    mkdirSync(join(root, 'usr/sbin'), { recursive: true })
    for (const name of ['asterisk', 'kamailio', 'nginx'])
      writeFileSync(join(root, 'usr/sbin', name), 'x')
    mkdirSync(join(root, 'proc'))
    writeFileSync(join(root, 'proc/stat'), `cpu 1\nbtime ${bootSeconds}\n`)
    // Its program was written just now, that is 1000 s after the boot.
    process(10, 'asterisk', 500, '/usr/sbin/asterisk')
    process(11, 'kamailio', 2000, '/usr/sbin/kamailio')
    process(12, 'kamailio', 1999, '/usr/sbin/kamailio')
    process(13, 'nginx', 1, '/usr/sbin/nginx', '0::/system.slice/docker-0123.scope\n')
    process(14, 'opensips', 1, '/usr/sbin/opensips')
    process(15, 'bash', 1, '/bin/bash')
    mkdirSync(join(root, 'proc/16'))
    const running = runningServices(serviceKinds, {
      proc: join(root, 'proc'),
      sys: root,
      rootfs: root,
    })
    t.match(running, [
      { service: 'asterisk', outdated: true, detail: 'its program changed since it started' },
      { service: 'kamailio', outdated: false },
      { service: 'opensips', detail: 'which program it runs cannot be seen' },
    ])
    t.strictSame(
      runningMetrics(running).map(({ labels, value }) => [labels['service'], value]),
      [
        ['asterisk', 1],
        ['kamailio', 0],
      ],
      'what cannot be known is no figure',
    )
  },
)

t.test('licences: dates as they are written, and expressions that never end', async (t) => {
  const expected = Date.UTC(2027, 0, 31)
  for (const text of [
    '2027-01-31',
    '2027/01/31',
    '20270131',
    '31-jan-2027',
    '31 January 2027',
    'January 31, 2027',
    'Jan 31 2027',
    '"2027-01-31"',
    '2027-01-31T00:00:00Z',
    '2027-01-31 07:00 +07:00',
    '2027-01-31 00:00:00',
    '2027-01-31 00:00 UTC',
    String(expected / 1000),
  ])
    t.equal(dateOf(text), expected, text)
  for (const text of [
    '',
    'never',
    '2027-13-01',
    '31-foo-2027',
    '30-feb-2027',
    '01/02/2027',
    '2027',
    'NaN',
    '2027-02-31',
  ])
    t.notOk(Number.isFinite(dateOf(text)), text)
  t.equal(firstGroup('^expires\\s*[:=]\\s*(\\S+)', 'a\nexpires: 2027-01-31\n'), '2027-01-31')
  t.throws(() => firstGroup('expires: (\\S+)', 'nothing'), /finds no date/)
  t.throws(() => firstGroup('expires', 'expires'), /finds no date/)
  t.throws(() => firstGroup('(', 'x'), /the expression: .*Invalid regular expression/)
  t.throws(() => firstGroup('^(a+)+$', `${'a'.repeat(40)}!`), /takes too long/)
})

t.test('the configuration: every fault at once, with its place in the list', async (t) => {
  const file = join(folderOf(t, { 'c.yaml': '' }), 'c.yaml')
  const read = (text: string) => {
    writeFileSync(file, text)
    return readConfig({ CALLWARD_CONFIG: file }, 'pbx')
  }
  const { software, sections } = read(
    'software: {everyMinutes: 5, files: [/etc/*.conf]}\nsections: {software: false}\n',
  )
  t.strictSame(software, { everyMinutes: 5, files: ['/etc/*.conf'] })
  t.equal(softwareSurvey.intervalOf?.(read('software: {everyMinutes: 5}')), 300_000)
  t.equal(softwareSurvey.intervalOf?.(read('{}')), 3_600_000)
  t.equal(sections['software'], false)
  const faulty = [
    'files: [relative, /a/../b, /ok]',
    'everyMinutes: 0',
    'licences: [{}]',
    "tlsEndpoints: ['evil.example:443', '127.0.0.1:5061']",
    'nonsense: 1',
  ]
  let faults: readonly string[] = []
  try {
    read(`software: {${faulty.join(', ')}}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults = error.faults
  }
  t.match(faults, [
    /^software.nonsense: there is no such key/,
    /^software.everyMinutes: must be minutes from 0.05 to 1440/,
    /^software.files.0: must be an absolute path/,
    /^software.files.1: must be an absolute path/,
    /^software.tlsEndpoints.0: must be an address of this host and a port/,
    /^software.licences.0: must be a path/,
  ])
})
