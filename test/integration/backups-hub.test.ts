import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Program, TestHub, until } from '../helpers/hub.ts'

interface HostFacts {
  readonly facts: Record<string, { document: BackupsDocument } | undefined>
  readonly sections: readonly { name: string; state: string; detail: string }[]
}
interface BackupsDocument {
  readonly posture: string
  readonly jobs: readonly {
    name: string
    posture: string
    drill?: { result: string; checks: readonly unknown[] }
  }[]
}

t.test(
  'posture and drill evidence arrive at the hub; the alert fires with its runbook and resolves with a good backup',
  { timeout: 280_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cwb-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const secret = join(folder, 'secret-place')
    for (const name of ['secret-place', 'source']) mkdirSync(join(folder, name))
    writeFileSync(join(folder, 'source', 'a.conf'), 'context = internal\n')
    execFileSync('sh', ['-c', 'cd "$0" && sha256sum a.conf > SUMS', join(folder, 'source')])
    const archive = join(secret, 'pbx.tar.gz')
    const back = (age: number) => {
      execFileSync('tar', ['-C', join(folder, 'source'), '-czf', archive, '.'])
      const at = new Date(Date.now() - age * 1000)
      utimesSync(archive, at, at)
    }
    back(48 * 3600)
    const config = join(folder, 'collector.yaml')
    const drill = { everyHours: 1, mode: 'whole', rtoMinutes: 10, checks: [{ manifest: 'SUMS' }] }
    const job = {
      name: 'pbx',
      kind: 'tar',
      folder: secret,
      pattern: '*.tar.gz',
      rpoHours: 26,
      drill,
    }
    const backups = { everyMinutes: 0.1, reserveMegabytes: 1, jobs: [job] }
    writeFileSync(
      config,
      JSON.stringify({ collector: { backups, sections: { inventory: false } } }),
    )

    const data = join(folder, 'data')
    const hub = await TestHub.start(data)
    t.teardown(() => hub.stop())
    const collector = new Program('collector/main.js', {
      CALLWARD_CONFIG: config,
      CALLWARD_DATA: data,
      CALLWARD_HUB: hub.url.replace('http', 'ws'),
      CALLWARD_INTERVAL: '1',
    })
    t.teardown(() => collector.kill('SIGKILL'))
    const facts = async () => {
      const host = await hub.api<HostFacts>(`/api/v1/hosts/${encodeURIComponent(hostname())}`)
      return {
        document: host.facts['backups']?.document,
        section: host.sections.find((one) => one.name === 'backups'),
      }
    }
    const firing = async () => {
      const { alerts } = await hub.api<{
        alerts: { rule: string; annotations: Record<string, string> }[]
      }>('/api/v1/alerts?state=firing')
      return alerts.find((one) => one.rule === 'BackupUnprotected')
    }
    const alert = await until('the alert fires', firing, 40_000)
    t.equal(alert.annotations['runbook_url'], '/runbooks/BackupUnprotected')
    t.equal((await hub.fetch('/runbooks/BackupUnprotected')).status, 200)
    const drilled = async () => (await facts()).document?.jobs[0]?.drill
    t.match(await until('the drill has arrived', drilled, 60_000), {
      result: 'passed',
      checks: [{ ok: true }, { ok: true, found: '1 of 1 files fit' }],
    })
    t.match((await facts()).document, {
      posture: 'unprotected',
      jobs: [{ reasons: [{ code: 'old' }] }],
    })
    t.match((await facts()).section, { state: 'ok' })

    back(60)
    await until('the alert resolves', async () => (await firing()) === undefined, 40_000)
    const posture = async () => (await facts()).document?.posture === 'protected'
    await until('verified and protected', posture, 60_000)
    const series = async (query: string) =>
      (await hub.query(query)).map(({ value }) => Number(value[1]))
    // The document comes at once, the figures with the next report.
    const isProtected = async () =>
      (await series('callward_backup_posture{backup="pbx",state="protected"}'))[0] === 1
    await until('the series says so too', isProtected)
    t.same(await series('sum(callward_backup_posture{backup="pbx"})'), [1])
    t.same(await series('callward_restore_drill_ok'), [1])
    t.same(await series('callward_backup_verify_ok'), [1])
    t.same(await series('callward_restore_drill_overdue'), [0])
    t.equal(
      (
        await series(
          'callward_backup_rpo_seconds - (time() - callward_backup_last_success_timestamp_seconds) > 0',
        )
      ).length,
      1,
    )
    t.equal((await series('callward_survey_timestamp_seconds{survey="backups"}')).length, 1)
    const everything =
      JSON.stringify(await facts()) + JSON.stringify(await hub.query('{backup!=""}'))
    for (const word of ['secret-place', 'a.conf', 'SUMS', folder])
      t.notOk(everything.includes(word), word)
    t.notOk(collector.output.includes('secret-place'), 'nor into the log')
    t.match(await collector.kill('SIGTERM'), { code: 0 })
  },
)
