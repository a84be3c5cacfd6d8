import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { writeBackupFile } from '../../server/backup/backup-file.ts'
import { backupStream } from '../../server/backup/backup-stream.ts'
import { manifestName } from '../../server/backup/manifest.ts'
import { restoreBackup } from '../../server/backup/restore.ts'
import { tarEnd, tarHeader, tarPadding } from '../../server/backup/tar.ts'
import { openBackup, verifyBackup } from '../../server/backup/verify.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, Program, TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

interface Incident {
  id: string
  number: number
  state: string
  acknowledgedBy: string
}

const quiet = () => undefined

/** Runs `callward ARGUMENTS` to its end. */
async function callward(hub: TestHub | undefined, ...args: string[]) {
  const program = new Program(
    'server/cli/main.js',
    hub === undefined ? {} : { CALLWARD_HUB: hub.url, CALLWARD_ADMIN_TOKEN: adminToken },
    args,
  )
  const { code } = await program.exited
  return { code, output: program.output }
}

/** Every value of a host's series, by time. */
async function valuesOf(hub: TestHub, host: Reporter): Promise<number[]> {
  const query = encodeURIComponent(`test_value{instance="${host.labels.instance}"}[2h]`)
  // On a machine so busy that a hello takes seconds the hub takes that for a wrong clock, and corrects times into its future.
  const time = Date.now() / 1000 + 3600
  const { data } = await hub.api<{ data: { result: { values: [number, string][] }[] } }>(
    `/prom/api/v1/query?query=${query}&time=${time}`,
  )
  return data.result.flatMap(({ values }) => values.map(([, value]) => Number(value)))
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

/** A host whose report n has the value n. */
class Pump {
  readonly host: Reporter
  sent = 0
  #running: Promise<void> | undefined
  #stop = false
  /** When each was read, so that one sent again is the same: by a clock that tells the hub of no offset, however late it comes. */
  readonly #read: { readonly wall: number }[] = []

  constructor(host: Reporter) {
    this.host = host
  }

  send(from: number, to: number): void {
    for (let n = from; n <= to; n++) {
      const wall = Math.max(Date.now(), (this.#read[n - 1]?.wall ?? 0) + 1)
      this.#read[n] ??= { wall }
      this.host.report(n, [n], this.#read[n])
    }
    this.sent = Math.max(this.sent, to)
  }

  start(): void {
    this.#stop = false
    this.#running = (async () => {
      while (!this.#stop) {
        if (this.sent - this.host.acknowledged < 32) this.send(this.sent + 1, this.sent + 1)
        await delay(4)
      }
    })()
  }

  async stop(): Promise<void> {
    this.#stop = true
    await this.#running
    await this.host.acknowledgedUpTo(this.sent)
  }
}

t.test(
  'a backup of a hub at work brings back everything acknowledged before it, and nothing twice',
  { timeout: 150_000 },
  async (t) => {
    const folder = folderOf(t, {
      'callward.yaml': 'hub: { ruleIntervalSeconds: 1 }\n',
      backups: {},
    })
    const hub = await TestHub.start(join(folder, 'data'), {
      CALLWARD_CONFIG: join(folder, 'callward.yaml'),
    })
    t.teardown(() => hub.stop())
    const token = await hub.token('reporters', 'collector')
    const anna = await hub.token('anna', 'operator')

    const silent = new Reporter('pbx-silent')
    await silent.connect(hub.url, token, { intervalSeconds: 1 })
    silent.report(1, [1])
    const pumps = ['a', 'b', 'c'].map((name) => new Pump(new Reporter(`load-${name}`)))
    for (const { host } of pumps) await host.connect(hub.url, token, { intervalSeconds: 60 })
    for (const pump of pumps) pump.start()

    const incident = await until('an incident', async () => {
      const { incidents } = await hub.api<{ incidents: Incident[] }>('/api/v1/incidents?state=open')
      return incidents[0]
    })
    const acknowledging = `/api/v1/incidents/${incident.id}/acknowledge`
    await hub.api(acknowledging, { method: 'POST', body: { note: 'on my way' }, token: anna })
    const compacted = await callward(hub, 'store', 'compact')
    t.equal(compacted.code, 0, compacted.output)
    await until('load after the compaction', () => pumps.every(({ sent }) => sent > 200))

    const before = pumps.map(({ host }) => host.acknowledged)
    const made = await callward(hub, 'backup', '--to', join(folder, 'backups'))
    t.equal(made.code, 0, made.output)
    t.match(made.output, /every one proven/)
    const after = pumps.map(({ host }) => host.acknowledged)
    t.ok(
      after.every((n, i) => n > before[i]!),
      'reports were acknowledged while it was made',
    )
    await until('load after the backup', () => pumps.every(({ sent }, i) => sent > after[i]! + 20))
    for (const pump of pumps) await pump.stop()

    const [name] = readdirSync(join(folder, 'backups'))
    t.match(name, /^callward-backup-[\dTZ-]+\.tar$/, 'nothing else is left there')
    const file = join(folder, 'backups', name!)
    const manifest = await verifyBackup(file)
    t.ok(manifest.store.samplesInParts > 0 && manifest.store.partFiles > 0)
    t.ok(manifest.records.kind === 'sqlite' && manifest.records.tables['incidents'] === 1)
    t.match(manifest.madeAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

    const data = join(folder, 'restored')
    const restored = await callward(undefined, 'restore', file, '--data', data)
    t.equal(restored.code, 0, restored.output)
    t.match(restored.output, /as many in each table as in the manifest/)
    t.match(readFileSync(join(data, 'config', 'callward.yaml'), 'utf8'), /ruleIntervalSeconds/)
    t.notOk(
      readdirSync(data).some((one) => one.startsWith('restoring')),
      'nothing unfinished is left',
    )

    const second = await TestHub.start(data)
    t.teardown(() => second.stop())
    const { incidents } = await second.api<{ incidents: Incident[] }>('/api/v1/incidents?state=all')
    t.match(
      incidents,
      [{ id: incident.id, number: incident.number, acknowledgedBy: 'anna' }],
      'the incident with who took it',
    )
    const { incident: detail } = await second.api<{
      incident: { facts: { text: string }[]; alerts: { rule: string }[] }
    }>(`/api/v1/incidents/${incident.id}`)
    t.ok(detail.facts.some(({ text }) => text.includes('on my way')))
    t.match(detail.alerts, [{ rule: 'HostSilent' }])
    t.match(await second.api('/api/v1/me', { token: anna }), { name: 'anna', role: 'operator' })

    const positions: number[] = []
    for (const [i, { host }] of pumps.entries()) {
      const values = await valuesOf(second, host)
      t.ok(values.length >= before[i]!, `${values.length} values, ${before[i]} were acknowledged`)
      t.same(values, upTo(values.length), 'each once, in order, none missing')
      host.close()
      await host.untilClosed()
      await host.connect(second.url, token, { intervalSeconds: 60 })
      const position = host.frame('welcome')?.committed.live ?? -1
      t.equal(position, values.length, 'the position is that of the samples')
      positions.push(position)
    }

    const [keeper, forgetter] = pumps as [Pump, Pump]
    const gaps = async () =>
      Number(
        /^callward_ingest_gap_reports_total(?:\{[^}]*\})? (\d+)/m.exec(
          await (await second.fetch('/metrics')).text(),
        )?.[1] ?? 0,
      )
    const gapsBefore = await gaps()
    keeper.host.acknowledged = 0
    keeper.send(positions[0]! - 5, keeper.sent)
    await keeper.host.acknowledgedUpTo(keeper.sent)
    t.same(await valuesOf(second, keeper.host), upTo(keeper.sent), 'sent again: whole, none twice')
    t.equal(await gaps(), gapsBefore)
    const next = forgetter.sent + 1
    forgetter.host.acknowledged = 0
    forgetter.send(next, next)
    await forgetter.host.acknowledgedUpTo(next)
    t.same(
      await valuesOf(second, forgetter.host),
      [...upTo(positions[1]!), next],
      'what its collector had given away is missing',
    )
    t.equal(await gaps(), gapsBefore + (next - 1 - positions[1]!), 'and the gap is counted')
    for (const { host } of pumps) host.close()
    silent.close()
  },
)

/** A small backup of a hub in this process. */
async function smallBackup(t: Test) {
  const folder = folderOf(t)
  const config = readHubConfig({
    CALLWARD_DATA: join(folder, 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  t.teardown(() => app.close())
  await app.ready()
  const now = Date.now()
  const ids = [1, 2, 3].map((n) => app.store.intern({ __name__: 'kept', n: String(n) }))
  for (const [i, id] of ids.entries()) {
    await app.store.append({
      rows: [{ t: now - i, ids: Uint32Array.of(id), values: Float64Array.of(i) }],
    })
    if (i === 1) await app.store.compact()
  }
  const headers = { authorization: `Bearer ${adminToken}` }
  const ask = () => app.inject({ method: 'POST', url: '/api/v1/backup', headers })
  const answer = await ask()
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'content-type': 'application/x-tar' })
  const file = join(folder, 'backup.tar')
  writeFileSync(file, answer.rawPayload)
  return { folder, config, file, bytes: answer.rawPayload, ask, app }
}

t.test('a backup that is damaged, cut off or of a later version is refused', async (t) => {
  const { folder, file, bytes } = await smallBackup(t)
  const manifest = await verifyBackup(file)
  const data = join(folder, 'new')
  const refused = async (why: RegExp, change: (bytes: Buffer) => Buffer) => {
    const bad = join(folder, 'bad.tar')
    writeFileSync(bad, change(Buffer.from(bytes)))
    await t.rejects(restoreBackup(bad, data, quiet), { message: why }, String(why))
    t.notOk(existsSync(data) && readdirSync(data).length > 0, 'nothing is left behind')
  }
  const backup = await openBackup(file)
  await backup.close()
  for (const { path } of manifest.files) {
    const at = bytes.indexOf(path) + 512
    await refused(new RegExp(`"${path}" is damaged`), (copy) => {
      copy[at] = copy[at]! ^ 1
      return copy
    })
    await refused(/damaged|missing|no whole backup/, (copy) => {
      copy[at - 512] = copy[at - 512]! ^ 1
      return copy
    })
  }
  for (let length = 0; length < bytes.length - 1024; length += 1777)
    await refused(/no whole backup/, (copy) => copy.subarray(0, length))
  const changed = (from: string | RegExp, to: string) => (copy: Buffer) => {
    const at = copy.lastIndexOf(manifestName)
    const text = Buffer.from(
      copy
        .subarray(at + 512)
        .toString()
        .replace(/\0+$/, '')
        .replace(from, to),
    )
    return Buffer.concat([
      copy.subarray(0, at),
      tarHeader(manifestName, text.length, 0),
      text,
      tarPadding(text.length),
      tarEnd,
    ])
  }
  await refused(/has format 2 of Callward/, changed('"format": 1', '"format": 2'))
  await refused(/outside the data folder/, changed('hub/store/format', 'hub/../../../etc/cron'))
  await refused(/"hub\/store\/gone" is missing/, changed('hub/store/format', 'hub/store/gone'))
  await refused(/series, the manifest says 99/, changed(/"series": \d+/, '"series": 99'))
  await refused(/rows, the manifest says 77/, changed(/"settings": \d+/, '"settings": 77'))
  await refused(
    /samples in \d+ files, the manifest says 4 in/,
    changed(/"samplesInParts": \d+/, '"samplesInParts": 4'),
  )
  await t.rejects(restoreBackup(join(folder, 'none.tar'), data, quiet), { message: /ENOENT/ })

  const restored = await restoreBackup(file, data, quiet)
  t.ok(restored.series >= 3)
  t.equal(restored.config, undefined)
  t.match(restored.manifest, { store: { series: manifest.store.series } })
  await t.rejects(restoreBackup(file, data, quiet), { message: /is not empty/ })
})

t.test('a running hub’s folder is refused, and one backup at a time is made', async (t) => {
  const { config, file, ask, app } = await smallBackup(t)
  await t.rejects(restoreBackup(file, config.data, quiet), { message: /hub is running/ })
  const answers = await Promise.all([ask(), ask()])
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 409])
  await until('the copies are gone', () => !existsSync(join(config.data, 'hub', 'backup.tmp')))
  t.equal((await ask()).statusCode, 200, 'the next one is made')
  const document = (
    await app.inject({
      url: '/api/v1/openapi.json',
      headers: { authorization: `Bearer ${adminToken}` },
    })
  ).json()
  t.match(document.paths['/api/v1/backup'].post.responses['200'].content, {
    'application/x-tar': {},
  })
})

t.test('the store of a stopped hub is looked into and compacted', async (t) => {
  const { config, app } = await smallBackup(t)
  const { data } = config
  const refused = await callward(undefined, 'store', 'compact', '--data', data)
  t.equal(refused.code, 1)
  t.match(refused.output, /in use by process/)
  await app.close()
  const compacted = await callward(undefined, 'store', 'compact', '--data', data)
  t.equal(compacted.code, 0, compacted.output)
  t.match(compacted.output, /^Compacted in /m)
  const inspected = await callward(undefined, 'store', 'inspect', '--data', data, '--verify')
  t.equal(inspected.code, 0, inspected.output)
  t.match(inspected.output, /every checksum was checked/)
  const parts = join(data, 'hub', 'store', 'parts')
  const part = join(parts, readdirSync(parts).find((name) => name.endsWith('.part'))!)
  const bytes = readFileSync(part)
  bytes[12] = bytes[12]! ^ 1
  writeFileSync(part, bytes)
  const damaged = await callward(
    undefined,
    'store',
    'inspect',
    '--data',
    data,
    '--verify',
    '--json',
  )
  t.equal(damaged.code, 1)
  t.match(JSON.parse(damaged.output.slice(damaged.output.indexOf('{'))), { isWhole: false })
  const none = await callward(undefined, 'store', 'inspect', '--data', join(data, 'nothing'))
  t.equal(none.code, 1)
  t.match(none.output, /There is no store in/)
})

t.test('a file is written whole or not at all', async (t) => {
  const { folder, bytes } = await smallBackup(t)
  const target = join(folder, 'copy.tar')
  async function* pieces(of: Buffer, failing = false) {
    for (let at = 0; at < of.length; at += 10_000) yield of.subarray(at, at + 10_000)
    if (failing) throw new Error('terminated')
  }
  const phases = new Set<string>()
  await t.rejects(writeBackupFile(target, pieces(bytes, true), undefined, quiet))
  await t.rejects(
    writeBackupFile(target, pieces(bytes.subarray(0, bytes.length - 3000)), undefined, quiet),
    { message: /no whole backup/ },
  )
  t.same(
    readdirSync(folder).filter((name) => name.startsWith('copy')),
    [],
  )
  await writeBackupFile(target, pieces(bytes), bytes.length, (phase) => void phases.add(phase))
  t.same([...phases], ['copying', 'checking'])
  t.same(readFileSync(target), bytes)
  const again = await callward(undefined, 'backup', '--to', target, '--token', 'x')
  t.equal(again.code, 1)
  t.match(again.output, /exists already/)
})

t.test('records on PostgreSQL are not in the file, and both commands say so', async (t) => {
  const folder = folderOf(t, { 'terminal.token': 'cwt_x\n' })
  const contents = {
    files: [{ path: 'hub/terminal.token', from: join(folder, 'terminal.token'), bytes: 6 }],
    store: { series: 0, partFiles: 0, samplesInParts: 0, oldest: null, newest: null },
    records: { kind: 'postgres' as const },
    release: async () => undefined,
  }
  const chunks: Buffer[] = []
  const hub = { version: '1.0.0', demo: false, now: Date.now() }
  for await (const chunk of backupStream(contents, hub)) chunks.push(chunk)
  const file = join(folder, 'backup.tar')
  writeFileSync(file, Buffer.concat(chunks))
  const data = join(folder, 'new')
  mkdirSync(data)
  const { code, output } = await callward(undefined, 'restore', file, '--data', data)
  t.equal(code, 0, output)
  t.match(output, /pg_restore/)
  t.notOk(existsSync(join(data, 'hub', 'records.sqlite')))
  truncateSync(file, 1024)
  const refused = await callward(undefined, 'restore', file, '--data', join(folder, 'newer'))
  t.equal(refused.code, 1)
  t.match(refused.output, /Nothing was restored.*no whole backup/)
  const wrong = await callward(undefined, 'restore', file)
  t.equal(wrong.code, 2)
  t.match(wrong.output, /--data FOLDER/)
})
