import { execFileSync } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/hub.ts'
import { good, noPgBackRest, processesIn, Scene, skip } from './backups-scene.ts'

const hourAgo = new Date(Date.now() - 3_600_000)

t.test(
  'pg_dump: restored into a throw-away cluster, rows counted; broken ones fail; a kill leaves nothing',
  { skip, timeout: 280_000 },
  async (t) => {
    const scene = new Scene(t)
    await scene.fill()
    const dump = (name: string, database = 'postgres') => {
      good(['mkdir', scene.at(name)])
      const path = join(scene.at(name), 'cdr.dump')
      good(['pg_dump', '-Fc', '-h', scene.folder, '-U', 'admin', '-f', path, database])
      return path
    }
    const job = (name: string, checks: object[], more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'dump',
        folder: scene.at(name),
        pattern: '*.dump',
        rpoHours: 26,
        drill: { everyHours: 1000, rtoMinutes: 10, checks },
        ...more,
      })
    dump('good')
    job('good', [{ table: 'public.cdr', rows: 5000 }])
    job('few', [{ table: 'cdr', rows: 5001 }, { table: 'nothing' }], { folder: scene.at('good') })
    const flipped = dump('flipped')
    const bytes = readFileSync(flipped)
    bytes[Math.floor(bytes.length * 0.7)]! ^= 0x10
    writeFileSync(flipped, bytes)
    job('flipped', [])
    const cut = dump('cut')
    truncateSync(cut, Math.floor(statSync(cut).size * 0.7))
    job('cut', [])
    for (const path of [flipped, cut]) utimesSync(path, hourAgo, hourAgo)
    // A function of an index runs when the dump is restored: as a superuser it could start programs.
    const evil = scene.at('evil')
    const own = (sql: string) =>
      good(['psql', '-qX', '-h', scene.folder, '-U', 'admin', '-c', sql, 'hostile'])
    const body = (code: string) =>
      `create or replace function f(int) returns int language plpgsql immutable as $$ begin ${code} return 1; end $$`
    good(['createdb', '-h', scene.folder, '-U', 'admin', 'hostile'])
    own(body(''))
    own('create table t as select 1 as a')
    own('create index on t (f(a))')
    own(body(`copy (select 1) to program 'touch ${evil}';`))
    dump('hostile', 'hostile')
    job('hostile', [])

    const passed = scene.drill('good')
    t.equal(passed.status, 0, passed.stdout + passed.stderr)
    t.match(
      passed.stdout,
      /result +passed: all checks passed[\s\S]*tool +pg_restore, postgresql \d+[\s\S]*check passed +at least 5000 rows in public\.cdr: 5000 rows/,
    )
    const few = scene.drill('few')
    t.equal(few.status, 1)
    t.match(few.stdout, /result +failed: [\s\S]*check FAILED +at least 5001 rows in cdr: 5000 rows/)
    for (const name of ['flipped', 'cut']) {
      const broken = scene.drill(name)
      t.equal(broken.status, 1)
      t.match(
        broken.stdout,
        /result +failed: it did not restore: what is stored is damaged[\s\S]*The tool said \(shown here only\)/,
        name,
      )
    }
    t.match(
      scene.drill('none').stdout,
      /There is no backup job "none"\. Known are: good, few, flipped, cut, hostile\./,
    )
    t.match(scene.drill('hostile').stdout, /result +failed: it did not restore/)
    t.notOk(existsSync(evil), 'a dump starts no program')
    t.same(scene.left(), [])
    const table = scene.check()
    t.match(table, /\ngood +attention +.*never been verified/)
    t.match(table, /\nflipped +unprotected +it did not restore/)
    t.match(table, /\n +backups +\d+ figures, 1 document/)
    // Where the collector keeps its own reports is no secret.
    t.notMatch(table.replace(/^ *spool .*$/m, ''), scene.folder)

    // Due at once in a collector that starts; killed with its child in the middle of it.
    rmSync(scene.at('data', 'collector', 'backups', 'good.json'))
    scene.jobs.splice(1)
    const first = scene.start()
    const drilling = () => readdirSync('/proc').some((pid) => isDrillIn(pid, scene.folder))
    await until('a throw-away cluster runs', drilling, 60_000)
    for (const pid of childrenOf(first.pid!)) process.kill(pid, 'SIGKILL')
    process.kill(first.pid!, 'SIGKILL')
    t.equal(scene.left().length, 1, 'what a killed drill leaves')
    const second = scene.start()
    t.teardown(() => second.kill('SIGKILL'))
    const record = () => readFileSync(scene.at('data', 'collector', 'backups', 'good.json'), 'utf8')
    await until(
      'cleaned up and drilled after the next start',
      () => /"result":"passed"/.test(record()),
      120_000,
    )
    await until('verified as well', () => /"verify":\{[^}]*"ok":true/.test(record()), 60_000)
    second.kill('SIGTERM')
    await new Promise((resolve) => second.once('exit', resolve))
    t.same(scene.left(), [])
    t.same(processesIn(scene.at('data')), [], 'no process is left')

    // Only its starter is gone, or it is asked to stop: it cleans up by itself.
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      rmSync(scene.at('data', 'collector', 'backups', 'good.json'))
      const third = scene.start()
      await until('a drill is under way', drilling, 60_000)
      const ended = new Promise((resolve) => third.once('exit', resolve))
      third.kill(signal)
      await ended
      await until(
        'nothing is left',
        () => scene.left().length === 0 && processesIn(scene.at('data')).length === 0,
      )
      t.notMatch(record(), /"drill":/, 'no result of a drill that was stopped')
    }
    t.match(scene.check(), /\ngood +attention/)
  },
)

function isDrillIn(pid: string, folder: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return command.includes(`${folder}/data/`) && command.includes('unix_socket_directories')
  } catch {
    return false
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
}

t.test(
  'pgBackRest: restored beside production, which is left alone',
  { skip: noPgBackRest, timeout: 280_000 },
  async (t) => {
    const config = (folder: string, repository: string) =>
      `[global]\nrepo1-path=${repository}\nlog-level-file=off\nlock-path=${folder}/lock\nspool-path=${folder}/spool\n[main]\npg1-path=${folder}/cluster\npg1-socket-path=${folder}\npg1-user=admin\npg1-database=postgres\n`
    let at = ''
    const scene = new Scene(t, [
      ...['-c', 'wal_level=replica', '-c', 'archive_mode=on', '-c', 'max_wal_senders=3'],
      ...[
        '-c',
        `archive_command=pgbackrest --config=$(dirname "$PWD")/pgbackrest.conf --stanza=main archive-push %p`,
      ],
    ])
    at = scene.folder
    writeFileSync(scene.at('pgbackrest.conf'), config(at, scene.at('repo')))
    await scene.fill()
    good(['mkdir', scene.at('space')])
    good([
      'psql',
      '-qX',
      '-h',
      at,
      '-U',
      'admin',
      '-c',
      `create tablespace fast location '${scene.at('space')}'`,
      'postgres',
    ])
    good([
      'psql',
      '-qX',
      '-h',
      at,
      '-U',
      'admin',
      '-c',
      'create table recent tablespace fast as select * from cdr limit 100',
      'postgres',
    ])
    const own = [
      '--config',
      scene.at('pgbackrest.conf'),
      '--stanza=main',
      '--log-level-console=off',
    ]
    good(['pgbackrest', ...own, 'stanza-create'])
    good(['pgbackrest', ...own, '--type=full', '--start-fast', '--compress-level=1', 'backup'])
    good(['cp', '-a', scene.at('repo'), scene.at('flipped')])
    const pack = execFileSync(
      'find',
      [scene.at('flipped', 'backup'), '-path', '*base*', '-size', '+20k', '-name', '*.gz'],
      { encoding: 'utf8' },
    ).split('\n')[0]!
    const bytes = readFileSync(pack)
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10
    writeFileSync(pack, bytes)
    writeFileSync(scene.at('flipped.conf'), config(at, scene.at('flipped')))
    const drill = {
      everyHours: 1000,
      rtoMinutes: 10,
      user: 'admin',
      checks: [
        { table: 'public.cdr', rows: 5000 },
        { table: 'recent', rows: 100 },
      ],
    }
    const job = (name: string, more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'pgbackrest',
        stanza: 'main',
        config: scene.at('pgbackrest.conf'),
        rpoHours: 26,
        drill,
        ...more,
      })
    job('good')
    job('flipped', { config: scene.at('flipped.conf') })
    job('other', { stanza: 'nosuch' })
    const space = () =>
      execFileSync('find', [scene.at('space'), scene.at('cluster')], { encoding: 'utf8' }).split(
        '\n',
      ).length
    const before = space()
    t.match(await scene.verify('good'), /"ok":true/)
    t.match(await scene.verify('flipped'), /"ok":false/, 'one flipped bit')
    const passed = scene.drill('good')
    t.equal(passed.status, 0, passed.stdout + passed.stderr)
    t.match(passed.stdout, /pgbackrest 2\.\S+, postgresql \d+[\s\S]*5000 rows\n[\s\S]*100 rows/)
    const broken = scene.drill('flipped')
    t.equal(broken.status, 1)
    t.match(broken.stdout, /result +failed: it did not restore/)
    t.equal(scene.drill('other').status, 1)
    t.ok(Math.abs(space() - before) < 20, 'tablespace and cluster of production are as they were')
    t.equal(
      good([
        'psql',
        '-AtqX',
        '-h',
        at,
        '-U',
        'admin',
        '-c',
        'select count(*) from cdr',
        'postgres',
      ]).trim(),
      '5000',
    )
    t.same(scene.left(), [])
    t.same(processesIn(scene.at('data')), [])
    const table = scene.check()
    t.match(table, /\ngood +protected\n/)
    t.match(table, /\nflipped +unprotected/)
    t.match(table, /\nother +unknown/)
  },
)
