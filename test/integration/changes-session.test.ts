import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { Terminal } from '../../server/cli/command.ts'
import { run } from '../../server/cli/main.ts'
import { FactsStore } from '../../server/inventory/facts-store.ts'
import { house } from '../../server/records/migrations/0001-house.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

interface Alert {
  readonly rule: string
  readonly instance?: string
  readonly state: string
  readonly runbook: string
}

/** Runs `callward ARGUMENTS` with a person's token to its end, in this process. */
async function callward(hub: TestHub | undefined, token: string, ...args: string[]) {
  let output = ''
  const stream = () => {
    const through = new PassThrough()
    through.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    return through
  }
  const environment = { CALLWARD_HUB: hub?.url, CALLWARD_TOKEN: token }
  const streams = { stdin: new PassThrough(), stdout: stream(), stderr: stream() }
  // Of a terminal the command only asks whether it is one.
  const terminal = { environment, ...streams } as unknown as Terminal
  const code = await run(args, terminal)
  await setImmediate()
  return { code, output }
}

function tell(host: Reporter, name: string, document: unknown): void {
  const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex')
  host.sendJson({ type: 'facts', name, hash, document, wall: Date.now() })
}

async function firing(hub: TestHub): Promise<string[]> {
  const { alerts } = await hub.api<{ alerts: Alert[] }>('/api/v1/alerts')
  return alerts
    .filter(({ rule, state }) => /^(Change|Version)/.test(rule) && state === 'firing')
    .map(({ rule, instance }) => `${rule} ${instance}`)
    .sort()
}

/** A host that is not silent after one report: alerts of silent hosts stay as they are. */
const seldom = { intervalSeconds: 60 }
const packages = (asterisk: string) => ({ manager: 'dpkg', packages: { asterisk } })

/** Installs that version of a package with the real dpkg into a root of its own, and tells what dpkg then lists. */
function installed(folder: string, version: string): object {
  const root = join(folder, 'root', 'var', 'lib', 'dpkg')
  for (const name of ['updates', 'info', 'triggers'])
    mkdirSync(join(root, name), { recursive: true })
  for (const name of ['status', 'available']) writeFileSync(join(root, name), '', { flag: 'a' })
  const source = join(folder, 'source')
  mkdirSync(join(source, 'DEBIAN'), { recursive: true })
  writeFileSync(
    join(source, 'DEBIAN', 'control'),
    `Package: asterisk\nVersion: ${version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\n`,
  )
  const file = join(folder, 'asterisk.deb')
  const quiet: { stdio: ('ignore' | 'pipe')[] } = { stdio: ['ignore', 'pipe', 'ignore'] }
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', source, file], quiet)
  execFileSync(
    'dpkg',
    [`--root=${join(folder, 'root')}`, '--force-not-root', '--force-script-chrootless', '-i', file],
    quiet,
  )
  const format = ['Package', 'Version'].map((field) => `\${${field}}`).join('\t')
  const listed = execFileSync(
    'dpkg-query',
    [`--admindir=${root}`, '-W', '-f', `${format}\n`],
    quiet,
  )
  const rows = listed.toString().trim().split('\n')
  return {
    manager: 'dpkg',
    packages: Object.fromEntries(rows.map((row) => row.split('\t'))),
  }
}

const hasDpkg =
  process.env['CALLWARD_REQUIRE_PEERS'] === '1' || spawnSync('dpkg-deb', ['--version']).status === 0

t.test(
  'a package downgraded without a record: seen, alarmed, linked, resolved; kept over a restart and a restore',
  async (t) => {
    const folder = folderOf(t, { baselines: {} })
    const baselines = join(folder, 'baselines')
    writeFileSync(
      join(baselines, 'pbx.yaml'),
      'role: pbx\nversion: "1"\napprovedBy: Anh\napprovedAt: 2026-03-02\npackages: { asterisk: ">= 1:20" }\n',
    )
    const config = join(folder, 'callward.yaml')
    writeFileSync(config, `hub: { baselinesFolder: ${baselines} }\n`)
    const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
    t.teardown(() => hub.stop())
    const [ines, jonas, collector] = [
      await hub.token('ines', 'operator'),
      await hub.token('jonas', 'operator'),
      await hub.token('pbx', 'collector'),
    ]
    const [one, two] = [new Reporter('pbx-1'), new Reporter('pbx-2')]
    if (!hasDpkg) t.comment('dpkg is not installed: both lists of packages are made up')
    const now = (host: Reporter, version: string) =>
      host === one && hasDpkg ? installed(join(folder, 'pbx-1'), version) : packages(version)
    for (const host of [one, two]) {
      await host.connect(hub.url, collector, seldom)
      t.teardown(() => host.close())
      host.report(1, [1])
      tell(host, 'packages', now(host, '1:20.6'))
      tell(host, 'software', { services: [], files: [], kernel: { running: '6.1' } })
    }
    const drift = (instance: string) =>
      hub.api<{ state: string; findings: { kind: string }[] }>(`/api/v1/hosts/${instance}/drift`)
    for (const instance of ['pbx-1', 'pbx-2'])
      await until(`${instance} is in order`, async () => (await drift(instance)).state === 'ok')
    t.same(await firing(hub), [])

    const made = await callward(
      hub,
      ines,
      'change',
      'create',
      '--title',
      'Back to 18',
      '--hosts',
      'server=pbx-2',
      '--from',
      new Date(Date.now() - 60_000).toISOString(),
      '--to',
      new Date(Date.now() + 3_600_000).toISOString(),
      '--expect',
      'asterisk=1:18.1',
    )
    t.match(made, { code: 0, output: /#1 {2}Back to 18\n {2}state +draft/ })
    t.match(await callward(hub, ines, 'change', 'approve', '1'), {
      code: 1,
      output: /cannot approve it/,
    })
    t.match(await callward(hub, jonas, 'change', 'approve', '#1'), {
      code: 0,
      output: /approved .* by jonas/,
    })

    for (const host of [one, two]) tell(host, 'packages', now(host, '1:18.1'))
    await until('the finding of pbx-1 and the drift of both', async () => {
      const alerts = await firing(hub)
      return String(alerts) === 'ChangeWithoutRecord pbx-1,VersionDrift pbx-1,VersionDrift pbx-2'
    })
    const { alerts } = await hub.api<{ alerts: Alert[] }>('/api/v1/alerts')
    for (const alert of alerts.filter(({ rule }) => rule === 'ChangeWithoutRecord')) {
      t.equal(alert.runbook, '/runbooks/ChangeWithoutRecord')
      t.equal((await hub.fetch(alert.runbook)).status, 200)
    }

    one.close()
    await hub.stop()
    await hub.restart()
    const again = new Reporter('pbx-1')
    await again.connect(hub.url, collector, seldom)
    t.teardown(() => again.close())
    again.report(1, [1])
    await until('the alert lives on', async () =>
      (await firing(hub)).includes('ChangeWithoutRecord pbx-1'),
    )

    const open = await callward(hub, ines, 'change', 'open')
    t.match(open, {
      code: 0,
      output: /pbx-1 .*\n {2}package asterisk: 1:20.6 -> 1:18.1 {2}\(not covered\)\n/,
    })
    const [, number = ''] = /version change (\d+)/.exec(open.output) ?? []
    const link = ['change', 'link', number, '--change', '1', '--reason', 'the same work']
    t.match(await callward(hub, jonas, ...link), {
      code: 1,
      output: /does not name the host pbx-1/,
    })
    const late = await callward(
      hub,
      jonas,
      'change',
      'create',
      '--title',
      'Late',
      '--hosts',
      'pbx-1',
      '--from',
      '2026-03-02 22:00',
      '--to',
      '2026-03-02 23:00',
    )
    t.equal(late.code, 0, late.output)
    await callward(hub, ines, 'change', 'approve', '2')
    t.match(
      await callward(hub, jonas, 'change', 'link', number, '--change', '2', '--reason', 'agreed'),
      { code: 0, output: /linked to change #2 by jonas: agreed/ },
    )
    await until(
      'the finding is closed',
      async () => !(await firing(hub)).some((one) => one.startsWith('Change')),
    )
    t.match(await callward(hub, ines, 'change', 'open'), {
      output: /Every version change is covered/,
    })
    t.match(await callward(hub, ines, 'change', 'list'), {
      output: /#2 +IN PROGRESS +Late .*\n#1 +IN PROGRESS +Back to 18/,
    })
    const standing = ['--origin', 'security', '--daily', '23:00-04:00+07:00', '--days', 'sat,sun']
    const times = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-12-31T00:00:00Z']
    const create = ['change', 'create', '--title', 'Security updates', '--hosts', 'role=none']
    t.match(await callward(hub, ines, ...create, ...times, ...standing), {
      code: 0,
      output:
        /expected +what was announced as such\n +standing +security updates, sat, sun 23:00 to 04:00 \(\+07:00\)/,
    })
    t.match(
      await callward(hub, ines, 'change', 'verify', '1', '--result', 'ok', '--note', 'calls'),
      { output: /verified +ok.*ines: calls/ },
    )
    t.match(await callward(hub, ines, 'change', 'dance'), {
      code: 2,
      output: /Usage: callward change/,
    })
    t.match(
      await callward(
        hub,
        ines,
        'change',
        'create',
        '--title',
        'x',
        '--hosts',
        'a',
        '--from',
        'soon',
      ),
      { code: 2, output: /is no time. Example/ },
    )

    const file = join(folder, 'hub.tar')
    t.match(await callward(hub, adminToken, 'backup', '--to', file), { code: 0 })
    await hub.stop()
    const restored = join(folder, 'restored')
    t.match(await callward(undefined, '', 'restore', file, '--data', restored), { code: 0 })
    const second = await TestHub.start(restored, { CALLWARD_CONFIG: config })
    t.teardown(() => second.stop())
    t.match(await second.api('/api/v1/version-changes'), {
      versionChanges: [{ links: [{}] }, { links: [{}] }],
    })
    t.match(await second.api('/api/v1/changes/1'), { change: { verification: { result: 'ok' } } })
    t.match(await second.api('/api/v1/hosts/pbx-2/facts/packages'), {
      document: packages('1:18.1'),
    })
  },
)

t.test('facts of the first release move to documents and to their hosts', async (t) => {
  const path = join(folderOf(t), 'records.sqlite')
  const old = await openSqliteRecords({ path, migrations: [house] })
  const body = JSON.stringify({ distribution: 'Debian' })
  await old.write(async (tx) => {
    for (const [id, instance] of [
      ['a', 'pbx-1'],
      ['b', 'pbx-1 (replaced b)'],
      ['c', 'pbx-2'],
    ] as const) {
      const labels = JSON.stringify({ instance: instance.split(' ')[0] })
      await sql`insert into collectors values (${id}, ${instance}, ${labels}, '0', 'e', 1, 0, 1, 1)`.execute(
        tx,
      )
      await sql`insert into facts values (${id}, 'os', ${id === 'b' ? 'old' : 'h'}, ${body}, ${id === 'b' ? 1 : 2})`.execute(
        tx,
      )
    }
  })
  await old.close()
  const records = await openSqliteRecords({ path })
  const facts = new FactsStore(
    records,
    { now: () => 3, monotonic: () => 3 },
    { versions: 2, days: 0 },
  )
  t.match(await facts.at('pbx-1', 'os'), { hash: 'h', text: body, receivedAt: 2 })
  t.match(await facts.at('pbx-1', 'os', 1), { hash: 'old', receivedAt: 1 })
  t.same(await facts.hashes('pbx-2'), { os: 'h' })
  const count = async () =>
    (await records.read.selectFrom('documents').select('hash').execute()).length
  t.equal(await count(), 2, 'held once')

  const long = JSON.stringify(Array.from({ length: 5000 }, (_, index) => `package-${index}`))
  const told = { collectorId: 'a', instance: 'pbx-1', name: 'os', hash: 'long', text: long }
  await facts.save(told, async () => undefined)
  t.match(await facts.at('pbx-1', 'os'), { text: long, receivedAt: 3 })
  const row = await records.read
    .selectFrom('documents')
    .selectAll()
    .where('hash', '=', 'long')
    .executeTakeFirstOrThrow()
  t.ok(
    row.encoding === 'deflate' && row.body.length < long.length / 4,
    `${row.body.length} of ${long.length} characters`,
  )
  t.equal(await facts.save(told, async () => undefined), undefined, 'the same is no version')
  await t.rejects(
    facts.save({ ...told, hash: 'x', text: '1' }, async () => Promise.reject(new Error('no'))),
  )
  t.match(await facts.at('pbx-1', 'os'), { hash: 'long' }, 'whole or not at all')
  await facts.save({ ...told, hash: 'next', text: '2' }, async () => undefined)
  t.match(
    await facts.at('pbx-1', 'os'),
    { hash: 'next', receivedAt: 4 },
    'in order, although the clock stood still',
  )
  t.equal(await facts.at('pbx-1', 'os', 2), undefined, 'two versions are kept')
  t.equal(await facts.sweep(), 1, 'and no document that nobody shows')
  t.equal(await count(), 3)
  for (let index = 0; index < 31; index++)
    await facts.save({ ...told, name: `n${index}`, hash: 'next', text: '2' }, async () => undefined)
  await t.rejects(
    facts.save({ ...told, name: 'more', hash: 'next', text: '2' }, async () => undefined),
    /32 kinds/,
  )
  const more = new FactsStore(
    records,
    { now: () => 5, monotonic: () => 5 },
    { versions: 200, days: 1 },
  )
  const flood = async () => {
    for (let version = 0; version < 100; version++)
      await more.save({ ...told, hash: `v${version}`, text: `${version}` }, async () => undefined)
  }
  await t.rejects(flood(), /60 versions of "os" within an hour; this one is not kept/)
  const kept = records.read.selectFrom('facts').select('hash').where('name', '=', 'os')
  t.equal((await kept.where('instance', '=', 'pbx-1').execute()).length, 60)
  const later = 3 * 86_400_000
  const after = new FactsStore(
    records,
    { now: () => later, monotonic: () => 0 },
    { versions: 200, days: 1 },
  )
  await after.save({ ...told, hash: 'late', text: 'late' }, async () => undefined)
  t.equal(
    (await after.at('pbx-1', 'os', later - 1))?.hash,
    'v57',
    'what was in force when the kept time began stays',
  )
  t.equal((await kept.where('instance', '=', 'pbx-1').execute()).length, 2)
  await records.close()
})
