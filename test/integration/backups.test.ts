import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { takeBackups } from '../../collector/backups/survey.ts'
import { doWork, type WorkResult } from '../../collector/backups/work.ts'
import { type CollectorConfig, readConfig } from '../../collector/config.ts'

const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
const missing = (program: string) =>
  required || spawnSync('which', [program]).status === 0 ? false : `${program} is not installed`

interface JobSeen {
  readonly name: string
  readonly posture: string
  readonly reasons: readonly { readonly code: string; readonly text: string }[]
  readonly copies?: number
  readonly lastBytes?: number
}

/** A host with a folder of its own, jobs, and the means to break backups. */
class Scene {
  readonly folder: string
  readonly source: string
  readonly jobs: object[] = []
  /** The clock of surveys, drills and verifications. */
  readonly now = Date.now

  constructor(t: Test) {
    this.folder = mkdtempSync(join(tmpdir(), 'cwb-'))
    t.teardown(() => spawnSync('rm', ['-rf', this.folder]))
    this.source = this.at('source')
    mkdirSync(join(this.source, 'etc'), { recursive: true })
    for (let i = 0; i < 8; i++) {
      writeFileSync(join(this.source, 'etc', `recording [${i}] *.wav`), randomBytes(20_000))
    }
    execFileSync('sh', ['-c', 'cd "$0"/etc && sha256sum *.wav > SHA256SUMS', this.source])
  }

  at(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  secret(name: string, text: string): string {
    writeFileSync(this.at(name), `${text}\n`, { mode: 0o600 })
    return this.at(name)
  }

  get config(): CollectorConfig {
    const path = this.at('collector.yaml')
    const backups = { jobs: this.jobs, reserveMegabytes: 1 }
    writeFileSync(path, JSON.stringify({ data: this.at('data'), backups }))
    return readConfig({ CALLWARD_CONFIG: path }, 'host')
  }

  async survey(): Promise<{
    postures: Record<string, string>
    jobs: Map<string, JobSeen>
    text: string
    state: string
  }> {
    const found = await takeBackups(this.config, this.now)
    const { jobs } = found.documents['backups'] as { jobs: JobSeen[] }
    const postures = Object.fromEntries(
      jobs.map((one) => [
        one.name,
        [one.posture, ...one.reasons.map(({ code }) => code)].join(' '),
      ]),
    )
    const byName = new Map(jobs.map((one) => [one.name, one]))
    return { postures, jobs: byName, text: JSON.stringify(found), state: found.sections[0]!.state }
  }

  work(
    what: 'drill' | 'verify',
    name: string,
    signal = new AbortController().signal,
  ): Promise<WorkResult> {
    const config = this.config
    const job = config.backups.jobs.find((one) => one.name === name)!
    const options = {
      settings: config.backups,
      collectorFolder: config.folder,
      now: this.now,
      signal,
    }
    return doWork({ ...options, work: { what, job } })
  }

  /** What is below the scratch folder, which must be nothing after each drill. */
  left(): string[] {
    return readdirSync(this.at('data', 'collector', 'backups', 'scratch')).filter(
      (name) => name !== '.callward-scratch',
    )
  }
}

/** The largest file below a folder: where the data is. */
function largest(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(folder, name),
  )
  const sized = files
    .map((path) => ({ path, stats: statSync(path) }))
    .filter((one) => one.stats.isFile())
  return sized.sort((a, b) => b.stats.size - a.stats.size)[0]!.path
}
function flip(path: string, at = 0.5): void {
  execFileSync('chmod', ['u+w', path])
  const bytes = readFileSync(path)
  bytes[Math.floor(bytes.length * at)]! ^= 0x10
  writeFileSync(path, bytes)
}

t.test(
  'restic: the right posture in each state, drills that prove it',
  { skip: missing('restic'), timeout: 280_000 },
  async (t) => {
    const scene = new Scene(t)
    const passwordFile = scene.secret('password', 'open sesame')
    const restic = (repository: string, ...argv: string[]) =>
      execFileSync('restic', ['-q', '-r', scene.at(repository), ...argv], {
        env: {
          PATH: process.env['PATH'],
          RESTIC_PASSWORD_FILE: passwordFile,
          RESTIC_CACHE_DIR: scene.at('cache'),
        },
      })
    restic('good', 'init')
    restic('good', 'backup', '--tag', 'old', '--time', '2020-01-01 00:00:00', scene.source)
    restic('none', 'init')
    restic('good', 'backup', '--tag', 'new', scene.source)
    for (const name of ['flipped', 'cut'])
      cpSync(scene.at('good'), scene.at(name), { recursive: true })
    flip(largest(scene.at('flipped', 'data')), 0.3)
    const pack = largest(scene.at('cut', 'data'))
    execFileSync('chmod', ['u+w', pack])
    truncateSync(pack, 1000)

    const root = scene.source.slice(1)
    const drill = {
      everyHours: 168,
      mode: 'whole',
      rtoMinutes: 30,
      checks: [
        { manifest: `${root}/etc/SHA256SUMS` },
        { file: `${root}/etc/SHA256SUMS` },
        { files: 9 },
        { bytes: 160_000 },
      ],
    }
    const job = (name: string, repository: string, more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'restic',
        repository: scene.at(repository),
        passwordFile,
        rpoHours: 26,
        verifySubset: '100%',
        drill,
        ...more,
      })
    job('fresh', 'good', { tag: 'new' })
    job('stale', 'good', { tag: 'old' })
    job('sample', 'good', {
      tag: 'new',
      drill: { ...drill, mode: 'sample', maxMegabytes: 1, checks: [drill.checks[0]!] },
    })
    job('flipped', 'flipped', { tag: 'new' })
    job('cut', 'cut', { tag: 'new' })
    job('empty', 'none')
    job('wrong', 'good', { passwordFile: scene.secret('wrong-password', 'open barley') })
    job('gone', 'nowhere')
    const before = await scene.survey()
    t.match(before.postures, {
      fresh: 'attention notVerified neverDrilled',
      stale: 'unprotected old notVerified neverDrilled',
      flipped: /^attention/,
      cut: /^attention/,
      empty: 'unprotected empty notVerified neverDrilled',
      wrong: 'unknown wrongPassword notVerified neverDrilled',
      gone: 'unknown missing notVerified neverDrilled',
    })
    t.equal(before.state, 'error')
    t.equal(before.jobs.get('fresh')?.copies, 1)
    t.ok(before.jobs.get('fresh')!.lastBytes! > 160_000)

    const good = await scene.work('drill', 'fresh')
    t.match(good, {
      state: 'drilled',
      drill: {
        result: 'passed',
        mode: 'whole',
        files: 9,
        tool: /^restic 0/,
        checks: [
          { ok: true, found: '9 files' },
          { ok: true, found: '8 of 8 files fit' },
          { ok: true },
          { ok: true },
          { ok: true },
        ],
      },
    })
    t.match(await scene.work('verify', 'fresh'), { state: 'verified', verify: { ok: true } })
    t.match(await scene.work('drill', 'sample'), { drill: { result: 'passed', mode: 'sample' } })
    t.match(
      await scene.work('drill', 'flipped'),
      { drill: { result: 'failed', detail: /^it did not restore: / } },
      'one flipped bit',
    )
    t.match(await scene.work('drill', 'cut'), { drill: { result: 'failed' } }, 'a pack cut short')
    t.match(await scene.work('verify', 'cut'), { verify: { ok: false } })
    const refused = await scene.work('drill', 'wrong')
    t.match(refused, { state: 'notDone', attempt: { detail: /the password was refused/ } })
    t.match(await scene.work('drill', 'gone'), { state: 'notDone' })
    t.same(scene.left(), [])
    const after = await scene.survey()
    t.match(after.postures, {
      fresh: 'protected',
      stale: /^unprotected old/,
      flipped: /^unprotected drillFailed/,
      cut: 'unprotected verifyFailed drillFailed',
      wrong: /^unknown wrongPassword/,
    })
    t.same(
      JSON.stringify((await scene.survey()).jobs.get('fresh')),
      JSON.stringify(after.jobs.get('fresh')),
    )
    for (const text of [before.text, after.text, JSON.stringify([good, refused])])
      for (const secret of [scene.folder, 'sesame', 'barley', 'SHA256SUMS', 'recording'])
        t.notOk(text.includes(secret), `nothing of the host leaves it: ${secret}`)
  },
)

t.test(
  'borg: the right posture in each state, drills that prove it',
  { skip: missing('borg'), timeout: 280_000 },
  async (t) => {
    const scene = new Scene(t)
    const passwordFile = scene.secret('password', 'open sesame')
    const borg = (...argv: string[]) =>
      execFileSync('borg', argv, {
        stdio: 'pipe',
        env: {
          PATH: process.env['PATH'],
          BORG_PASSPHRASE: 'open sesame',
          BORG_BASE_DIR: scene.at('base'),
          TZ: 'UTC',
        },
      })
    borg('init', '-e', 'repokey', scene.at('good'))
    borg('create', '--timestamp', '2020-01-01T00:00:00', `${scene.at('good')}::old`, scene.source)
    borg('create', `${scene.at('good')}::new-1`, scene.source)
    cpSync(scene.at('good'), scene.at('flipped'), { recursive: true })
    flip(largest(scene.at('flipped', 'data')))
    borg('init', '-e', 'repokey', scene.at('none'))

    const root = scene.source.slice(1)
    const drill = {
      everyHours: 168,
      mode: 'whole',
      checks: [{ manifest: `${root}/etc/SHA256SUMS` }],
    }
    const job = (name: string, repository: string, more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'borg',
        repository: scene.at(repository),
        passwordFile,
        rpoHours: 26,
        archives: 'new-*',
        drill,
        ...more,
      })
    const elsewhere = {
      environmentFile: scene.secret('env', `BORG_RELOCATED_REPO_ACCESS_IS_OK=yes`),
    }
    job('fresh', 'good', elsewhere)
    job('stale', 'good', { archives: 'old', ...elsewhere })
    job('sample', 'good', { drill: { ...drill, mode: 'sample' }, ...elsewhere })
    job('flipped', 'flipped', elsewhere)
    job('empty', 'none', { archives: undefined })
    job('wrong', 'good', {
      passwordFile: scene.secret('wrong-password', 'open barley'),
      ...elsewhere,
    })
    job('gone', 'nowhere')
    const good = await scene.work('drill', 'fresh')
    t.match(good, {
      state: 'drilled',
      drill: {
        result: 'passed',
        files: 9,
        tool: /^borg 1/,
        checks: [{ found: '9 files' }, { found: '8 of 8 files fit' }],
      },
    })
    t.match(await scene.work('verify', 'fresh'), { state: 'verified', verify: { ok: true } })
    t.match(await scene.work('drill', 'sample'), { drill: { result: 'passed', mode: 'sample' } })
    t.match(
      await scene.work('drill', 'flipped'),
      { drill: { result: 'failed' } },
      'one flipped bit',
    )
    t.match(await scene.work('verify', 'flipped'), { verify: { ok: false } })
    t.match(await scene.work('drill', 'wrong'), {
      state: 'notDone',
      attempt: { detail: /password was refused/ },
    })
    t.same(scene.left(), [])
    const { postures, text, jobs } = await scene.survey()
    t.match(postures, {
      fresh: 'protected',
      stale: 'unprotected old notVerified neverDrilled',
      flipped: /^unprotected/,
      empty: /^unprotected empty/,
      wrong: /^unknown wrongPassword/,
      gone: /^unknown missing/,
    })
    t.ok(jobs.get('fresh')!.lastBytes! > 160_000)
    for (const secret of [scene.folder, 'sesame', 'barley', 'SHA256SUMS', 'new-1'])
      t.notOk((text + JSON.stringify(good)).includes(secret), secret)
  },
)

t.test(
  'archives, mirrors, dumps as text, snapshots; hostile and broken ones',
  { timeout: 280_000 },
  async (t) => {
    const scene = new Scene(t)
    const old = new Date(Date.now() - 3_600_000)
    const age = (path: string) => utimesSync(path, old, old)
    const folder = (name: string) => {
      mkdirSync(scene.at(name))
      return scene.at(name)
    }
    const drill = { everyHours: 168, mode: 'whole', checks: [{ manifest: 'etc/SHA256SUMS' }] }
    const job = (name: string, kind: string, more: object) =>
      scene.jobs.push({
        name,
        kind,
        rpoHours: 26,
        drill,
        pattern: '*',
        folder: scene.at(name),
        ...more,
      })
    const archive = (name: string) => {
      const path = join(folder(name), 'a.tar.gz')
      execFileSync('tar', ['-C', scene.source, '-czf', path, 'etc'])
      age(path)
      return path
    }
    archive('tar')
    job('tar', 'tar', {})
    const bitflip = archive('tar-flipped')
    flip(bitflip)
    age(bitflip)
    job('tar-flipped', 'tar', {})
    const cut = archive('tar-cut')
    truncateSync(cut, statSync(cut).size - 4000)
    age(cut)
    job('tar-cut', 'tar', {})
    const zero = archive('tar-zero')
    truncateSync(zero, 0)
    age(zero)
    job('tar-zero', 'tar', {})
    const later = archive('tar-later')
    writeFileSync(join(scene.at('tar-later'), 'b.tar'), readFileSync(later).subarray(0, 700))
    const newer = new Date(Date.now() - 600_000)
    utimesSync(join(scene.at('tar-later'), 'b.tar'), newer, newer)
    job('tar-later', 'tar', {})
    archive('tar-many')
    writeFileSync(join(scene.at('tar-many'), 'b.tar'), 'beginning of a tar')
    job('tar-many', 'tar', {})

    const victim = folder('victim')
    writeFileSync(join(victim, 'keep'), 'precious')
    const evil = folder('evil')
    symlinkSync(victim, join(evil, 'out'))
    execFileSync('tar', ['-C', evil, '-cf', scene.at('evil', 'x.tar'), 'out'])
    rmSync(join(evil, 'out'))
    mkdirSync(join(evil, 'out'))
    writeFileSync(join(evil, 'out', 'keep'), 'overwritten')
    execFileSync('tar', ['-C', evil, '-rf', scene.at('evil', 'x.tar'), 'out/keep'])
    execFileSync('tar', ['-C', evil, '-Prf', scene.at('evil', 'x.tar'), '../victim/keep'])
    execFileSync('tar', ['-C', evil, '-Prf', scene.at('evil', 'x.tar'), join(victim, 'keep')])
    age(scene.at('evil', 'x.tar'))
    job('evil', 'tar', { pattern: 'x.tar', drill: { everyHours: 1, mode: 'whole' } })

    cpSync(join(scene.source, 'etc'), join(folder('mirror'), 'etc'), { recursive: true })
    writeFileSync(scene.at('mirror', '.complete'), '')
    cpSync(scene.at('mirror', 'etc', 'SHA256SUMS'), scene.at('mirror', 'SUMS'))
    execFileSync('sed', ['-i', 's,  ,  etc/,', scene.at('mirror', 'SUMS')])
    job('mirror', 'rsync', { pattern: undefined, manifest: 'SUMS' })
    cpSync(scene.at('mirror'), scene.at('mirror-flipped'), { recursive: true })
    flip(scene.at('mirror-flipped', 'etc', 'recording [3] *.wav'))
    job('mirror-flipped', 'rsync', { pattern: undefined, manifest: 'SUMS' })
    mkdirSync(join(folder('mirror-unmarked'), 'run-1'))
    utimesSync(scene.at('mirror-unmarked', 'run-1'), new Date('2020-01-01'), new Date('2020-01-01'))
    job('mirror-unmarked', 'rsync', { pattern: 'run-*' })

    const dump =
      'COPY public.cdr (a) FROM stdin;\n1\n2\n\\.\n\\! touch /tmp/callward-evil\n-- PostgreSQL database dump complete\n'
    writeFileSync(join(folder('sql'), 'a.sql'), dump)
    age(scene.at('sql', 'a.sql'))
    job('sql', 'dump', { drill: { everyHours: 1, checks: [{ table: 'public.cdr', rows: 2 }] } })
    job('sql-few', 'dump', {
      folder: scene.at('sql'),
      drill: { everyHours: 1, checks: [{ table: 'public.cdr', rows: 3 }] },
    })
    writeFileSync(join(folder('sql-cut'), 'a.sql'), dump.slice(0, 60))
    age(scene.at('sql-cut', 'a.sql'))
    job('sql-cut', 'dump', { drill: undefined })
    mkdirSync(join(folder('snap'), 'daily.0'))
    job('snap', 'snapshot', {
      pattern: undefined,
      folder: undefined,
      drill: undefined,
      tool: 'folder',
      path: scene.at('snap'),
    })
    job('toobig', 'tar', {
      folder: scene.at('tar'),
      drill: { ...drill, maxMegabytes: 1, scratch: scene.at('data/collector/backups/scratch') },
    })
    job('snatch', 'tar', {
      folder: scene.at('tar'),
      drill: { ...drill, scratch: scene.at('victim') },
    })

    t.match((await scene.survey()).postures, {
      tar: 'attention notVerified neverDrilled',
      'tar-cut': /^attention/,
      'tar-zero': /^unprotected empty empty/,
      'tar-later': /^attention truncated/,
      'tar-many': /^attention notVerified/,
      'mirror-unmarked': /^unprotected unfinished empty/,
      'sql-cut': /^unprotected truncated empty/,
      snap: 'attention snapshot',
    })
    const passed = async (name: string) =>
      t.match(await scene.work('drill', name), { drill: { result: 'passed' } }, name)
    const failed = async (name: string, detail: RegExp) =>
      t.match(await scene.work('drill', name), { drill: { result: 'failed', detail } }, name)
    await passed('tar')
    t.match(await scene.work('verify', 'tar'), { verify: { ok: true, detail: /9 files/ } })
    await failed('tar-flipped', /damaged/)
    await failed('tar-cut', /damaged/)
    t.match(await scene.work('verify', 'tar-cut'), { verify: { ok: false } })
    await failed('evil', /leads out of its folder/)
    t.equal(readFileSync(join(victim, 'keep'), 'utf8'), 'precious')
    t.same(readdirSync(victim), ['keep'])
    await passed('mirror')
    t.match(await scene.work('verify', 'mirror'), { verify: { ok: true, detail: /8 of 8/ } })
    await failed('mirror-flipped', /not what its sum says/)
    t.match(await scene.work('verify', 'mirror-flipped'), { verify: { ok: false } })
    await passed('sql')
    await failed('sql-few', /at least 3 rows in public.cdr: 2 rows/)
    t.match(await scene.work('drill', 'snatch'), {
      state: 'notDone',
      attempt: { detail: /scratch folder is refused: it (holds|is)/ },
    })
    t.same(readdirSync(victim), ['keep'])
    t.same(scene.left(), [])
    t.match((await scene.survey()).postures, {
      tar: 'protected',
      'tar-flipped': /^unprotected drillFailed/,
      'tar-cut': /^unprotected verifyFailed drillFailed/,
      evil: /^unprotected drillFailed/,
      mirror: 'protected',
      'mirror-flipped': /^unprotected verifyFailed drillFailed/,
    })
    rmSync(scene.at('tar', 'a.tar.gz'))
    writeFileSync(scene.at('tar', 'a.tar.gz'), '')
    t.match(
      (await scene.survey()).postures,
      { tar: /^unprotected empty|^unprotected empty growing/ },
      'a file just begun is no backup',
    )
  },
)

t.test(
  'room and time: a full scratch, a stop in the middle, a drill already under way',
  { timeout: 280_000 },
  async (t) => {
    const scene = new Scene(t)
    mkdirSync(scene.at('big'))
    writeFileSync(scene.at('big.bin'), Buffer.alloc(30 * 1024 * 1024, 'callward'))
    execFileSync('tar', ['-C', scene.folder, '-czf', scene.at('big', 'a.tar.gz'), 'big.bin'])
    const job = (name: string, drill: object, more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'tar',
        folder: scene.at('big'),
        pattern: '*',
        rpoHours: 26,
        drill: { everyHours: 1, mode: 'whole', ...drill },
        ...more,
      })
    job('plain', {})
    job('small', { maxMegabytes: 1 })
    job('hasty', { maxMinutes: 0.01 })
    t.match(await scene.work('drill', 'small'), {
      state: 'notDone',
      attempt: { detail: /maxMegabytes/ },
    })
    const stop = new AbortController()
    stop.abort()
    t.match(await scene.work('drill', 'plain', stop.signal), {
      state: 'notDone',
      attempt: { detail: 'it was stopped' },
    })
    const both = await Promise.all([scene.work('drill', 'plain'), scene.work('drill', 'small')])
    t.match(both.map((one) => one.state).sort(), ['drilled', 'notDone'])
    t.match(JSON.stringify(both), /another drill or verification is under way/)
    t.same(scene.left(), [])

    if (process.getuid?.() !== 0) {
      t.pass('a full disk', { skip: 'mounting a small tmpfs needs root' })
      return
    }
    mkdirSync(scene.at('mount'))
    const mounted = spawnSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      'size=12m,mode=0755',
      'tmpfs',
      scene.at('mount'),
    ])
    if (mounted.status !== 0 && !required) {
      t.pass('a full disk', { skip: 'no tmpfs can be mounted here' })
      return
    }
    t.equal(mounted.status, 0, 'a small tmpfs')
    t.teardown(() => spawnSync('umount', ['-l', scene.at('mount')]))
    job('full', { scratch: scene.at('mount', 'scratch') })
    t.match(
      await scene.work('drill', 'full'),
      { state: 'notDone', attempt: { detail: /no room|ran down/ } },
      'the packed size fits, the content does not',
    )
    t.same(readdirSync(scene.at('mount', 'scratch')), ['.callward-scratch'])
  },
)
