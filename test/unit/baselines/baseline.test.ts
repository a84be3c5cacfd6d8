import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import {
  readBaselineFiles,
  readBaselineText,
  signatureOf,
} from '../../../server/baselines/baseline-files.ts'
import { type Finding, judge, stateOf, withoutBaseline } from '../../../server/baselines/judge.ts'
import { readPackages, readSoftware } from '../../../server/changes/documents.ts'
import { folderOf } from '../../helpers/folder.ts'

const hash = (digit: string) => digit.repeat(64)
const head = 'role: pbx\nversion: "7"\napprovedBy: Anh\napprovedAt: 2026-03-02\n'

function baselineOf(text: string) {
  const { baseline, faults } = readBaselineText(`${head}${text}`)
  if (baseline === undefined) throw new Error(JSON.stringify(faults))
  return baseline
}

const versions = (packages: unknown, software: unknown) => ({
  packages: readPackages(packages === undefined ? undefined : JSON.stringify(packages)),
  software: readSoftware(software === undefined ? undefined : JSON.stringify(software)),
})
const told = (findings: readonly Finding[]) =>
  findings.map(({ kind, subject, found }) => `${kind} | ${subject} | ${found}`)

t.test('all faults of a file at once, with line and example', async (t) => {
  const faults = (text: string) =>
    readBaselineText(text).faults.map(({ line, message }) => `${line}: ${message}`)
  const all = faults(
    'role: 5\nversion: 1.10\napprovedAt: yesterday\npackges: {}\npackages:\n  openssl: 3.0\n  bash: ">> 1"\nfiles:\n  etc/x: abc\n  /etc/y: abc\nforbidden: telnetd\n',
  )
  for (const pattern of [
    /^1: role: is a number; put it in quotes. Example: role: "5"/,
    /^2: version: is a number/,
    /^1: approvedBy: is missing. Example: approvedBy: /,
    /^3: approvedAt: must be a day, or a time with its zone/,
    /^4: packges: unknown key. Known keys: role, version/,
    /^6: packages.openssl: 3 is a number, which loses zeros/,
    /^7: packages.bash: ">> 1" is no bound/,
    /^9: files.etc\/x: the path must begin with/,
    /^10: files.\/etc\/y: must be the file's SHA-256. Get it with: sha256sum \/etc\/y/,
    /^11: forbidden: must be a list/,
  ])
    t.ok(
      all.some((fault) => pattern.test(fault)),
      `${pattern} in\n${all.join('\n')}`,
    )
  t.equal(all.length, 10)
  t.match(faults('a: [')[0], /not readable as YAML/)
  t.match(faults('- a')[0], /must be keys with values/)
  t.match(faults(head)[0], /says nothing of any version/)
  t.match(faults(`${head}a: &a [x]\npackages: {x: "1", x: "2"}`)[0], /YAML/)
  t.same(readBaselineText('').baseline, undefined)
})

t.test('the example of the docs is a baseline', async (t) => {
  const docs = readFileSync(join(packageRoot, 'docs', 'changes.md'), 'utf8')
  const [, text = ''] = /```yaml\n([\s\S]*?)```/.exec(docs) ?? []
  const { baseline, faults } = readBaselineText(text)
  t.same(faults, [])
  t.match(baseline, { role: 'pbx', version: '2026-03', approvedAt: '2026-03-02T10:00:00+07:00' })
  t.equal(baseline?.packages.size, 4)
})

t.test('a folder: broken files leave the others alone, two for one role are none', async (t) => {
  const folder = folderOf(t, {
    'a.yaml': `${head}forbidden: [telnetd]`,
    'b.yml': 'role: [',
    'c.yaml': `${head.replace('pbx', 'db')}forbidden: [telnetd]`,
    'd.yaml': `${head.replace('pbx', 'db')}forbidden: [x]`,
    'latin.yaml': '',
    '.hidden.yaml': 'role: [',
    'notes.txt': 'x',
  })
  writeFileSync(join(folder, 'latin.yaml'), Buffer.from([0x72, 0xe9]))
  const { byRole, faults } = await readBaselineFiles(folder)
  t.same([...byRole.keys()], ['pbx'])
  const texts = faults.map(
    ({ file, line, message }) => `${file.slice(folder.length + 1)}:${line}: ${message}`,
  )
  t.equal(texts.length, 4)
  t.match(texts.join('\n'), /b\.yml:\d: not readable as YAML/)
  t.match(texts.join('\n'), /latin\.yaml:1: the file is not UTF-8/)
  t.match(texts.join('\n'), /c\.yaml:1: role: "db" has 2 baselines \(c\.yaml, d\.yaml\)/)
  const before = await signatureOf(folder)
  t.equal(await signatureOf(folder), before)
  writeFileSync(join(folder, 'a.yaml'), `${head}forbidden: [telnetd, x]`)
  t.not(await signatureOf(folder), before)
  rmSync(folder, { recursive: true })
  const gone = await readBaselineFiles(folder)
  t.match(gone.faults[0]?.message, /ENOENT.*hub\.baselinesFolder/)
  mkdirSync(folder)
})

t.test('a host against its baseline', async (t) => {
  const baseline = baselineOf(`
packages: { asterisk: "1:20-1", openssl: ">= 3.0.11", gone: "*", libc6: "2.36" }
services: { asterisk: "20.6.0", kamailio: ">= 5.6", silent: "1" }
files: { /a: ${hash('a')}, /b: ${hash('b')}, /c: ${hash('c')}, /d: ${hash('d')}, /e: ${hash('e')} }
forbidden: [telnetd, "nmap*", /etc/hosts.equiv, /nowhere]
`)
  const packages = {
    manager: 'dpkg',
    packages: {
      asterisk: '1:20-1',
      openssl: '3.0.9-1',
      'libc6:amd64': '2.36',
      'libc6:i386': '2.35',
      'nmap-common': '7.93',
      constructor: '1',
    },
  }
  const software = {
    services: [
      { name: 'asterisk', version: '20.6.0', source: 'process' },
      { name: 'asterisk', version: '18.1.0', source: 'process' },
      { name: 'silent', version: '', source: 'process' },
      { name: 'telnetd', version: '', source: 'process' },
    ],
    files: [
      { path: '/a', state: 'ok', sha256: hash('a') },
      { path: '/b', state: 'ok', sha256: hash('f') },
      { path: '/c', state: 'absent' },
      { path: '/d', state: 'denied' },
      { path: '/etc/hosts.equiv', state: 'ok', sha256: hash('a') },
    ],
  }
  const findings = judge(baseline, versions(packages, software))
  t.same(told(findings), [
    'drift | package openssl | 3.0.9-1',
    'missing | package gone | not there',
    'drift | package libc6 | 2.35',
    'drift | service asterisk | 18.1.0',
    'missing | service kamailio | not there',
    'unknown | service silent | it does not say its version',
    `drift | file /b | sha256:${hash('f')}`,
    'missing | file /c | not there',
    'unknown | file /d | the collector cannot read it (denied)',
    'unknown | file /e | the collector does not look at it; add it to its list of files',
    'forbidden | package nmap-common | 7.93',
    'forbidden | service telnetd | runs',
    'forbidden | file /etc/hosts.equiv | there',
    'unknown | file /nowhere | the collector does not look at it',
  ])
  t.equal(stateOf(findings), 'drift')
  t.equal(stateOf([]), 'ok')
  // To RPM a bound without a release means any release, to dpkg 1.2-1 comes after 1.2.
  const bound = baselineOf('packages: { a: "<= 1.2" }')
  const by = (manager: string) =>
    stateOf(judge(bound, versions({ manager, packages: { a: '1.2-1' } }, {})))
  t.same([by('dpkg'), by('rpm')], ['drift', 'ok'])
})

t.test('what cannot be judged is never in order', async (t) => {
  const baseline = baselineOf(`packages: { constructor: "1" }\nfiles: { /a: ${hash('a')} }`)
  const hostile: [packages: unknown, software: unknown][] = [
    [undefined, undefined],
    [{ manager: 'none', packages: {} }, {}],
    [{ manager: 'dpkg', packages: {} }, { files: 'all' }],
    [{ manager: 'dpkg', packages: { a: 1 } }, { files: [{ path: '/a', state: 'ok' }] }],
    [[], 'x'],
    [
      { manager: 'dpkg', packages: { ['n'.repeat(600)]: '1' } },
      { files: [{ path: '/a', state: 'ok', sha256: 'no' }] },
    ],
    [{ manager: 'dpkg', packages: { x: 'v'.repeat(300) } }, { services: [{}] }],
  ]
  for (const [packages, software] of hostile) {
    const findings = judge(baseline, versions(packages, software))
    t.equal(stateOf(findings), 'unknown', JSON.stringify([packages, software]).slice(0, 60))
    t.ok(
      findings.every(({ found }) => found.length > 10 && found.length < 700),
      'and says why',
    )
  }
  t.same(readPackages('{"manager":'), {
    state: 'error',
    detail:
      'the document "packages" cannot be used: it is not JSON. Does the collector\'s version fit the hub\'s?',
  })
  t.equal(stateOf([withoutBaseline('pbx', 'none')]), 'unknown')
  const own = judge(
    baselineOf('packages: { constructor: "*" }'),
    versions({ manager: 'rpm', packages: { b: '1' } }, {}),
  )
  t.same(told(own), ['missing | package constructor | not there'])
})
