import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import {
  type Check,
  type CheckedSection,
  checkJson,
  checkText,
  verdictOf,
} from '../../../collector/check-report.ts'
import {
  absentHint,
  type Grantee,
  grantOf,
  type PathAccess,
  pathsIn,
  shellWord,
} from '../../../collector/grants.ts'
import { hidepidGroupOf, pathAccess } from '../../../collector/path-access.ts'
import { unprovenParsers } from '../../../collector/unproven.ts'
import { packageRoot } from '../../../server/assets.ts'

const sections: CheckedSection[] = [
  { name: 'cpu', state: 'ok', detail: '', figures: 96 },
  {
    name: 'conntrack',
    state: 'absent',
    detail: 'this host does not offer /proc/sys/net/netfilter/nf_conntrack_count',
    figures: 0,
  },
  {
    name: 'asterisk',
    state: 'denied',
    detail: 'no permission to read /var/log/asterisk/full; grant it',
    grant: {
      note: 'One file.',
      commands: ['setfacl -m u:callward-collector:r /var/log/asterisk/full'],
    },
  },
  { name: 'inventory', state: 'ok', detail: '', figures: 0, documents: ['hardware', 'os'] },
  { name: 'packages', state: 'ok', detail: '', documents: ['packages'] },
  { name: 'uname', state: 'ok', detail: '', figures: 1 },
  { name: 'disk', state: 'error', detail: 'diskstats: "x" is not a number\u001b[2J', figures: 0 },
]

const checkOf = (own: Partial<Check> = {}): Check => ({
  host: 'pbx-01',
  os: 'Debian GNU/Linux 12',
  version: '0.1.0',
  user: { id: 998, name: 'callward-collector' },
  sections,
  switchedOff: ['entropy'],
  notices: [],
  backups: '',
  unproven: [{ name: 'megaraid', why: 'from the vendor’s manual' }],
  ...own,
})

t.test(
  'the text: groups by state, how to grant, what is off and unproven, the verdict last',
  async (t) => {
    const text = checkText(checkOf(), { columns: undefined, colour: false })
    t.equal(
      text,
      `callward-collector 0.1.0 on pbx-01 (Debian GNU/Linux 12), as user callward-collector (id 998)

Seen (4)
  cpu        96 figures
  inventory  2 documents (hardware, os)
  packages   1 document (packages)
  uname      1 figure

Absent here: not on this host, not offered by its kernel, or not set up (1)
  conntrack  this host does not offer /proc/sys/net/netfilter/nf_conntrack_count

Denied: it is there, but not for this user (1)
  asterisk   no permission to read /var/log/asterisk/full; grant it
             to grant it: One file.
               setfacl -m u:callward-collector:r /var/log/asterisk/full

Error: it could not be read (1)
  disk       diskstats: "x" is not a number [2J

Switched off by the configuration: entropy

Unproven: written from documents alone; check by hand what they say (1)
  megaraid: from the vendor’s manual

Verdict: not all well: 4 of 7 sections seen, 1 absent here, 1 denied, 1 in error. See "Error".
`,
    )
    const painted = checkText(checkOf(), { columns: undefined, colour: true })
    t.match(painted, '\u001b[1;33mDenied')
    t.equal(
      stripVTControlCharacters(painted),
      stripVTControlCharacters(text),
      'colours alone differ',
    )
  },
)

t.test('a narrow terminal: nothing but commands and long words is wider', async (t) => {
  const long = 'a mount that has not answered within two seconds and is left alone until it does'
  const check = checkOf({
    sections: [...sections, { name: 'filesystem', state: 'error', detail: `${long}; ${long}` }],
    notices: [{ text: long, commands: [`echo ${long}`] }],
  })
  for (const columns of [40, 60, 100]) {
    const lines = checkText(check, { columns, colour: false }).split('\n')
    const wide = lines.filter((line) => line.length > columns)
    const known = /^ +(?:setfacl|echo) |^ *\S+$/
    t.same(
      wide.filter((line) => !known.test(line)),
      [],
      `${columns} columns`,
    )
    const words = (text: string) =>
      text
        .split(/\s+/)
        .filter((word) => word !== '')
        .sort()
    const whole = checkText(check, { columns: undefined, colour: false })
    t.same(words(lines.join('\n')), words(whole), 'no word is lost')
  }
})

t.test('verdict and exit code', async (t) => {
  const verdict = (states: CheckedSection['state'][]) =>
    verdictOf(checkOf({ sections: states.map((state) => ({ name: state, state, detail: '' })) }))
  t.match(verdict(['ok', 'absent']), { exitCode: 0, line: /^Verdict: good: 1 of 2 / })
  t.match(verdict(['ok', 'denied']), { exitCode: 0, line: /1 denied.*how to grant/ })
  t.match(verdict(['ok', 'error']), { exitCode: 1, line: /not all well/ })
  const hidden = checkOf({
    sections: [
      { name: 'filesystem', state: 'ok', detail: '' },
      { name: 'cpu', state: 'absent', detail: '' },
    ],
  })
  t.match(verdictOf(hidden), { exitCode: 1, line: /every Linux host has cpu.*ProcSubset=pid/ })
  t.match(verdict(['denied', 'absent']), { exitCode: 1, line: /sees nothing/ })
  t.match(verdict([]), { exitCode: 1, line: /sees nothing/ })
  const told = JSON.parse(checkJson(checkOf()))
  t.equal(told.exitCode, 1)
  t.equal(told.sections[2].grant.commands.length, 1)
  t.equal(told.sections.length, 7)
  const table = 'backup  posture    why\ndaily   protected\u001b[2J'
  const withBackups = checkText(checkOf({ backups: table }), { columns: 40, colour: false })
  t.match(
    withBackups,
    '\n\nbackup  posture    why\ndaily   protected [2J\n\n',
    'backups as a table',
  )
})

t.test('how to grant: the reason decides', async (t) => {
  const roots = { proc: '/proc', sys: '/sys', rootfs: '/' }
  const open: Omit<PathAccess, 'path'> = {
    closedFolder: undefined,
    kind: 'file',
    readingGroup: undefined,
  }
  const grant = (
    name: string,
    detail: string,
    access: Partial<PathAccess> = {},
    grantee: Partial<Grantee> = {},
  ) =>
    grantOf(
      { name, state: 'denied', detail },
      pathsIn(detail).map((path) => ({ path, ...open, ...access })),
      { user: 'cw', group: 'cwg', hidepidGroup: undefined, roots, ...grantee },
    )
  const restart = 'systemctl restart callward-collector.service'
  t.same(grant('a', 'no permission to read /var/log/full; grant it').commands, [
    'setfacl -m u:cw:r /var/log/full',
  ])
  t.same(grant('a', "open '/srv/x y' and /srv/z.").commands, [
    'setfacl -m u:cw:r /srv/x',
    'setfacl -m u:cw:r /srv/z',
  ])
  t.same(
    grant('a', '/var/log/asterisk/full /var/log/asterisk/queue', { readingGroup: 'asterisk' })
      .commands,
    ['usermod -aG asterisk cw', restart],
    'a group outlives the file; one command for two files',
  )
  t.same(
    grant('a', '/etc/letsencrypt/live/a.pem', {
      closedFolder: '/etc/letsencrypt/live',
      kind: 'unknown',
    }).commands,
    ['setfacl -m u:cw:x /etc/letsencrypt/live'],
  )
  t.same(grant('a', '/srv/licences', { kind: 'folder' }).commands, [
    'setfacl -R -m u:cw:rX /srv/licences',
    'setfacl -d -m u:cw:rX /srv/licences',
  ])
  t.same(grant('a', '/run/asterisk/asterisk.ctl', { kind: 'socket' }).commands, [
    'setfacl -m u:cw:rw /run/asterisk/asterisk.ctl',
  ])
  t.match(grant('a', '/home/x/licence').note, /ProtectHome=read-only/)
  t.match(grant('filesystem', '/mnt/sshfs: EACCES: permission denied'), {
    note: /allow_other/,
    commands: [],
  })
  t.match(grant('a', '/proc/812/fd'), { note: /CAP_SYS_PTRACE/, commands: [] })
  t.match(
    grant('a', '/proc/812/stat', {}, { hidepidGroup: 104 }).commands[0],
    /getent group 104.* cw$/,
  )
  t.match(grant('a', '/proc/812/stat', {}, { hidepidGroup: 0 }).commands, [
    /groupadd/,
    /usermod/,
    /remount/,
    restart,
  ])
  t.match(grant('pressure', '/proc/pressure/cpu').commands, [/systemctl cat/])
  t.match(
    grant('a', '/sys/class/dmi/id/board_serial').commands[0],
    "echo 'z /sys/class/dmi/id/board_serial 0440 root cwg'",
  )
  t.match(grant('inventory', 'needs root').commands[0], /callward-smart\.timer/)
  t.notMatch(
    grant('inventory', 'needs root').commands.join('\n'),
    / > /,
    'lines of other grants stay in their file',
  )
  t.match(grant('kernel_clock', 'adjtimex is refused'), {
    note: /sets nothing/,
    commands: [
      /grep .*ProtectClock/,
      /mkdir/,
      /ProtectClock=no.*SystemCallFilter=adjtimex/,
      /daemon-reload && .*restart/,
    ],
  })
  t.match(
    grant('filesystem', '/proc/1/mounts is hidden (hidepid)', {}, { hidepidGroup: 0 }).commands[0],
    /groupadd/,
  )
  t.match(
    grant('smart', 'sda: no permission to read /run/callward/smart/sda.json').commands.at(-1),
    /callward-smart/,
  )
  t.same(grant('a', 'the service says no').commands, [])
  t.match(absentHint('pressure'), /psi=1/)
  t.equal(absentHint('cpu'), undefined)
  t.equal(shellWord("it's; rm -rf /"), `'it'\\''s; rm -rf /'`)
  t.same(pathsIn('/a: x; (/b/c), "/d", /e /f /g; https://h/i'), ['/a', '/b/c', '/d', '/e', '/f'])
})

t.test('where the way to a path ends', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'callward-access-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'open'))
  writeFileSync(join(folder, 'open/file'), '')
  symlinkSync('open/file', join(folder, 'link'))
  symlinkSync('loop', join(folder, 'loop'))
  t.match(pathAccess(join(folder, 'open')), { kind: 'folder', closedFolder: undefined })
  t.match(pathAccess(join(folder, 'link')), { path: join(folder, 'open/file'), kind: 'file' })
  t.match(pathAccess(join(folder, 'loop')), { kind: 'file' })
  t.match(pathAccess(join(folder, 'none/file')), { kind: 'unknown', closedFolder: undefined })
  if (process.getuid?.() !== 0) {
    chmodSync(join(folder, 'open'), 0o600)
    t.match(pathAccess(join(folder, 'open/file')), { closedFolder: join(folder, 'open') })
  }
  t.equal(hidepidGroupOf('proc /proc proc rw,nosuid 0 0\n'), undefined)
  t.equal(hidepidGroupOf('proc /proc proc rw,hidepid=0 0 0\n'), undefined)
  t.equal(hidepidGroupOf('proc /proc proc rw,gid=104,hidepid=2 0 0\n'), 104)
  t.equal(hidepidGroupOf('proc /proc proc rw,hidepid=invisible 0 0\n'), 0)
  t.equal(hidepidGroupOf(''), undefined)
})

t.test('docs/collector.md names the unproven parsers', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/collector.md'), 'utf8')
  const part = page.split(/^## /m).find((one) => one.startsWith('Unproven parsers')) ?? ''
  const named = [...part.matchAll(/^- `([^`]+)`/gm)].map((match) => match[1])
  t.same(named.sort(), unprovenParsers.map(({ name }) => name).sort())
  t.equal(part.includes('None.'), named.length === 0)
})
