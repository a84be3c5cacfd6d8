import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { good, noPgBackRest, Scene } from './backups-scene.ts'

/** Every file below a folder with its time, size and inode: what nobody touched stays equal. */
function stateOf(...folders: readonly string[]): string {
  const argv = [...folders, '-printf', '%p %y %i %s %T@ %l\n']
  return execFileSync('find', argv, { encoding: 'utf8' }).split('\n').sort().join('\n')
}

/** The segments of a log by their inodes: the database itself goes on writing into them. */
function logOf(folder: string): string {
  const argv = [folder, '-maxdepth', '1', '-type', 'f', '-size', '+1M', '-printf', '%p %i\n']
  return execFileSync('find', argv, { encoding: 'utf8' }).split('\n').sort().join('\n')
}

t.test(
  'pgBackRest: maps and links of the site lead a drill nowhere; a configuration it refuses says nothing of the backup',
  { skip: noPgBackRest, timeout: 280_000 },
  async (t) => {
    const scene = new Scene(
      t,
      [
        ...[
          '-c',
          'autovacuum=off',
          '-c',
          'checkpoint_timeout=1h',
          '-c',
          'wal_level=replica',
          '-c',
          'archive_mode=on',
          '-c',
          'max_wal_senders=3',
        ],
        ...[
          '-c',
          'archive_command=pgbackrest --config=$(dirname "$PWD")/own.conf --stanza=main archive-push %p',
        ],
      ],
      'wal',
    )
    const { folder } = scene
    const config = (name: string, more = '') => {
      const own = `pg1-path=${folder}/cluster\npg1-socket-path=${folder}\npg1-user=admin\npg1-database=postgres`
      const paths = `lock-path=${folder}/lock\nspool-path=${folder}/spool`
      const text = `[global]\nrepo1-path=${folder}/repo\nlog-level-file=off\n${paths}\n[main]\n${own}\n${more}\n`
      writeFileSync(scene.at(name), text)
      return scene.at(name)
    }
    config('own.conf')
    await scene.fill()
    good(['mkdir', scene.at('space'), scene.at('elsewhere')])
    const sql = (text: string) =>
      good(['psql', '-qX', '-h', folder, '-U', 'admin', '-c', text, 'postgres'])
    sql(`create tablespace fast location '${scene.at('space')}'`)
    sql('create table recent tablespace fast as select * from cdr limit 100')
    const own = ['--config', scene.at('own.conf'), '--stanza=main', '--log-level-console=off']
    good(['pgbackrest', ...own, 'stanza-create'])
    good(['pgbackrest', ...own, '--type=full', '--start-fast', '--compress-level=1', 'backup'])

    const drill = { everyHours: 1000, user: 'admin', checks: [{ table: 'recent', rows: 100 }] }
    const job = (name: string, file: string, more: object = {}) =>
      scene.jobs.push({
        name,
        kind: 'pgbackrest',
        stanza: 'main',
        config: file,
        rpoHours: 26,
        drill,
        ...more,
      })
    const outside = scene.at('elsewhere')
    const maps = [
      `link-map=pg_wal=${outside}/wal`,
      'link-all=y',
      `tablespace-map=fast=${outside}/fast`,
      `tablespace-map-all=${outside}/all`,
      'delta=y',
      'force=y',
      `recovery-option=recovery_end_command=touch ${outside}/ran`,
      'recovery-option=primary_conninfo=host=192.0.2.1',
      'db-include=postgres',
    ]
    job('sections', config('sections.conf', `[main:restore]\n${maps.join('\n')}`))
    job('global', config('global.conf', `[global:restore]\n${maps.join('\n')}`))
    // The environment outranks the file.
    const file = scene.at('maps.env')
    const asVariable = (line: string) =>
      line.replace(
        /^([a-z-]+)=/,
        (_, key: string) => `PGBACKREST_${key.toUpperCase().replaceAll('-', '_')}=`,
      )
    writeFileSync(
      file,
      maps
        .filter((one) => !one.includes('conninfo'))
        .map(asVariable)
        .join('\n'),
      { mode: 0o600 },
    )
    execFileSync('chown', ['--reference', folder, file])
    job('environment', config('plain.conf'), { environmentFile: file })
    job('option', config('option.conf', '[main:restore]\nprocess-max=many'))
    job('fetch', config('fetch.conf', '[main:archive-get]\nprocess-max=many'))
    job('verify', config('verify.conf', '[main:verify]\nprocess-max=many'))

    const watched = [scene.at('cluster', 'base'), scene.at('space'), outside]
    good(['psql', '-qX', '-h', folder, '-U', 'admin', '-c', 'checkpoint', 'postgres'])
    const before = stateOf(...watched)
    const logBefore = logOf(scene.at('wal'))
    for (const name of ['sections', 'global', 'environment']) {
      const { status, stdout, stderr } = scene.drill(name)
      t.equal(status, 0, `${name}: ${stdout}${stderr}`)
      t.match(stdout, /result +passed[\s\S]*100 rows/, name)
      t.same(readdirSync(outside), [], `${name}: nothing outside of the scratch place`)
    }
    t.equal(logOf(scene.at('wal')), logBefore, 'its log is where it was')
    t.equal(stateOf(...watched), before, 'the running database is as it was')

    for (const name of ['option', 'fetch']) {
      const refused = scene.drill(name)
      t.equal(refused.status, 1)
      t.match(
        refused.stdout,
        /pgbackrest refuses its options or its configuration \(code 32\)/,
        name,
      )
      t.notMatch(refused.stdout, /did not restore/, name)
    }
    t.match(await scene.verify('verify'), /"state":"notDone".*refuses its options/)
    const table = scene.check()
    for (const name of ['option', 'fetch', 'verify'])
      t.match(
        table,
        new RegExp(`\\n${name} +attention .*refuses its options`),
        'proves nothing, either way',
      )
    t.same(scene.left(), [])
  },
)
