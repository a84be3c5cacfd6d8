import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runSurvey } from '../../collector/surveys/run.ts'
import { runningServices } from '../../collector/surveys/software/processes.ts'
import { softwareSurvey } from '../../collector/surveys/software/software.ts'
import type { Findings } from '../../collector/surveys/survey.ts'
import { makeCertificate, opensslMissing } from '../helpers/certificates.ts'
import { folderOf } from '../helpers/folder.ts'
import { Program, TestHub, until } from '../helpers/hub.ts'

const main = fileURLToPath(new URL('../../collector/main.js', import.meta.url))
const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const missing = (program: string) =>
  spawnSync(program, ['--version']).status === 0 || required ? false : `${program} is not installed`

interface Software {
  readonly services: readonly { name: string; version: string; source: string }[]
  readonly updates: { state: string; pending: readonly { name: string; to: string }[] }
  readonly kernel: { running: string }
}

const softwareOf = (findings: Findings) => findings.documents['software'] as Software

t.test(
  'this machine, in the survey’s own process: as dpkg and apt say, twice the same',
  { skip: missing('dpkg') },
  async (t) => {
    const findings = await runSurvey(main, softwareSurvey)
    const states = new Map(
      findings.sections.map(({ name, state, detail }) => [name, { state, detail }]),
    )
    t.strictSame([...states.keys()].sort(), [
      'certificates',
      'config_files',
      'licences',
      'packages',
      'reboot',
      'software',
      'updates',
    ])
    t.match(states.get('packages'), { state: 'ok' })
    t.match(states.get('config_files'), { state: 'absent', detail: /software\.files/ })

    const fields = ['db:Status-Status', 'Package', 'Architecture', 'Version']
    const format = `${fields.map((one) => `\${${one}}`).join('\t')}\n`
    const rows = execFileSync('dpkg-query', ['-W', '-f', format], { encoding: 'utf8' })
      .trim()
      .split('\n')
    const installed = rows.map((row) => row.split('\t')).filter(([state]) => state === 'installed')
    const names = installed.map(([, name]) => name)
    const expected = installed.map(([, name, architecture, version]) => {
      const several = names.indexOf(name) !== names.lastIndexOf(name)
      return [several ? `${name}:${architecture}` : name, version]
    })
    t.match(findings.documents['packages'], { manager: 'dpkg' })
    const told = (findings.documents['packages'] as { packages: Record<string, string> }).packages
    t.strictSame(told, Object.fromEntries(expected))

    const { services, kernel, updates } = softwareOf(findings)
    t.equal(kernel.running, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
    for (const { name, version, source } of services) {
      if (name === 'openssl')
        t.match(execFileSync(source, ['version'], { encoding: 'utf8' }), version)
      if (name === 'postgres') t.match(told['postgresql-15'], version)
    }
    t.ok(
      services.some(({ name }) => name === 'openssl'),
      services.map(({ name }) => name).join(),
    )
    if (updates.state === 'ok') {
      const { stdout } = spawnSync('apt', ['list', '--upgradable'], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C' },
      })
      const theirs = stdout.split('\n').flatMap((line) => {
        const match = /^([^/]+)\/\S+ (\S+) \S+ \[upgradable/.exec(line)
        return match === null ? [] : [`${match[1]} ${match[2]}`]
      })
      t.strictSame(
        updates.pending.map(({ name, to }) => `${name} ${to}`),
        theirs.sort(),
        'as apt offers',
      )
    } else t.match(states.get('updates')?.detail, /cannot know/, 'or says why not')
    const again = await runSurvey(main, softwareSurvey)
    t.equal(JSON.stringify(again.documents), JSON.stringify(findings.documents), 'byte for byte')
  },
)

t.test(
  'a running program that is replaced on the disk is outdated until it is restarted',
  async (t) => {
    const rootfs = folderOf(t, { usr: { sbin: {} } })
    const program = join(rootfs, 'usr/sbin/kamailio')
    copyFileSync('/bin/sleep', program)
    const kinds = [
      { name: 'kamailio', programs: ['/usr/sbin/kamailio'], argv: ['-V'], version: /./ },
    ]
    const roots = { proc: '/proc', sys: '/sys', rootfs }
    const started = async (env: Record<string, string> = {}): Promise<ChildProcess> => {
      const child = spawn(program, ['600'], { env })
      t.teardown(() => child.kill('SIGKILL'))
      await until('it runs', () => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'kamailio\n')
      return child
    }
    t.strictSame(runningServices(kinds, roots), [])
    const child = await started()
    t.match(runningServices(kinds, roots), [{ service: 'kamailio', outdated: false }])
    copyFileSync('/bin/sleep', `${program}.new`)
    renameSync(`${program}.new`, program)
    t.match(runningServices(kinds, roots), [
      { service: 'kamailio', outdated: true, detail: /replaced/ },
    ])
    const second = await started()
    t.match(runningServices(kinds, roots), [{ outdated: true }], 'one old process is enough')
    child.kill('SIGKILL')
    await until('it is gone', () => child.exitCode !== null || child.signalCode !== null)
    t.match(runningServices(kinds, roots), [{ service: 'kamailio', outdated: false }])
    second.kill('SIGKILL')
    await until('it is gone', () => second.signalCode !== null)

    const mapped = readFileSync('/proc/self/maps', 'utf8').match(/\/\S+\/libm\.so\.6$/m)?.[0]
    if (mapped === undefined) return t.comment('node does not map libm here')
    const library = join(rootfs, 'usr/lib/libm.so.6')
    mkdirSync(join(rootfs, 'usr/lib'))
    copyFileSync(mapped, library)
    const third = await started({ LD_PRELOAD: library })
    const maps = () => readFileSync(`/proc/${third.pid}/maps`, 'utf8')
    await until('it has loaded the library', () => maps().includes(library))
    t.match(runningServices(kinds, roots), [{ service: 'kamailio', outdated: false }])
    rmSync(library)
    t.match(runningServices(kinds, roots), [
      { outdated: true, detail: 'its library libm.so.6 was replaced since it started' },
    ])
    third.kill('SIGKILL')
  },
)

t.test(
  'an expired certificate: seen by the collector, alarmed by the hub with its runbook, over with its renewal',
  { skip: opensslMissing, timeout: 60_000 },
  async (t) => {
    const rootfs = folderOf(t, { root: { etc: { keys: {} } }, data: {} })
    const certificate = join(rootfs, 'root/etc/keys/pbx.pem')
    const renew = (days: number) => {
      const made = makeCertificate(days, '/CN=pbx.bank.example')
      // The key stands in the same file, as Asterisk wants it.
      writeFileSync(`${certificate}.new`, made.key + made.certificate)
      renameSync(`${certificate}.new`, certificate)
      return made.key.split('\n')[1] ?? 'no key'
    }
    const key = renew(-1)
    const data = join(rootfs, 'data')
    const config = join(rootfs, 'collector.yaml')
    writeFileSync(
      config,
      [
        'labels: {instance: pbx-7, server: pbx-7, role: pbx}',
        `rootfs: ${join(rootfs, 'root')}`,
        'sections: {filesystem: false, inventory: false}',
        'software: {certificates: [/etc/keys/*.pem], everyMinutes: 0.05}',
      ].join('\n'),
    )
    const hub = await TestHub.start(data)
    t.teardown(() => hub.stop())
    const collector = new Program('collector/main.js', {
      CALLWARD_DATA: data,
      CALLWARD_HUB: hub.url.replace('http', 'ws'),
      CALLWARD_INTERVAL: '1',
      CALLWARD_CONFIG: config,
    })
    t.teardown(() => collector.kill('SIGKILL'))
    interface Alert {
      readonly rule: string
      readonly labels: Readonly<Record<string, string>>
    }
    const firing = async () => {
      const { alerts } = await hub.api<{ alerts: Alert[] }>('/api/v1/alerts?state=firing')
      return alerts.find(({ rule }) => rule === 'CertificateExpired')
    }
    const alert = await until('the alert', firing, 30_000)
    t.match(alert, {
      labels: { path: '/etc/keys/pbx.pem', index: '0', instance: 'pbx-7', severity: 'critical' },
    })
    t.match(JSON.stringify(alert), '/runbooks/CertificateExpired')
    const runbook = await hub.fetch('/runbooks/CertificateExpired')
    t.match(await runbook.text(), /certbot renew/)
    await until('the incident', async () => {
      const { incidents } = await hub.api<{ incidents: { title: string }[] }>(
        '/api/v1/incidents?state=open',
      )
      return incidents.some(({ title }) => /certificate on pbx-7 has expired/.test(title))
    })
    const certificateTold = async () => {
      const { facts } = await hub.api<{
        facts: Record<
          string,
          { document: { certificates: { notAfter: string; subject: string }[] } }
        >
      }>('/api/v1/hosts/pbx-7')
      return facts['software']?.document.certificates[0]
    }
    const before = await until('the fact', certificateTold)
    t.match(before, { subject: 'CN=pbx.bank.example' })
    t.ok(Date.parse(before.notAfter) < Date.now())
    const page = await hub.fetch('/api/v1/hosts/pbx-7')
    t.notMatch(await page.text(), key, 'the key beside it never left the host')

    renew(400)
    await until('the alert is over', async () => (await firing()) === undefined, 30_000)
    await until(
      'and the fact is new',
      async () => Date.parse((await certificateTold())?.notAfter ?? '') > Date.now(),
    )
    const series = await hub.query('callward_certificate_not_after_timestamp_seconds')
    t.equal(series.length, 1)
    t.equal(
      (await hub.query('callward_survey_interval_seconds{survey="software"}'))[0]?.value[1],
      '3',
    )
    for (const faults of ['callward_rule_file_faults', 'callward_rules_failing'])
      t.equal((await hub.query(faults))[0]?.value[1], '0', faults)
    collector.child.kill('SIGTERM')
    t.equal((await collector.exited).code, 0)
  },
)
