import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { bindable, storableText } from '../../../server/records/bindings.ts'
import { fromPostgres, fromSqlite, RecordsError } from '../../../server/records/records-error.ts'
import { scanSql } from '../../../server/records/sql-scan.ts'
import { defaultEngine, type SqliteEngine } from '../../../server/records/sqlite-engines.ts'
import { openSqlite } from '../../../server/records/sqlite-port.ts'
import { folderOf } from '../../helpers/folder.ts'

/** Engines this Node can load; on 22.14 and later that is both. */
const engines: SqliteEngine[] = [...new Set([defaultEngine(), 'libsql' as const])].filter(loads)

function loads(engine: SqliteEngine): boolean {
  try {
    openSqlite(':memory:', { engine }).close()
    return true
  } catch {
    return false
  }
}

/** Runs `call` and gives the code of the RecordsError it must throw. */
function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof RecordsError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

t.test('one statement is told from several, and its parameters are counted', async (t) => {
  const check = (sql: string, parameters: number, verb: string, returning = false) =>
    t.strictSame(scanSql(sql), { parameters, verb, returning }, JSON.stringify(sql))
  check('select 1', 0, 'select')
  check('SELECT ?', 1, 'select')
  check('insert into t values (?, ?,?)', 3, 'insert')
  check("select '?', \"?\", `?`, [?], '''?' where a = ?", 1, 'select')
  check('-- what?\nselect ? /* ? ; */ + ?;  -- ;\n ; ', 2, 'select')
  check("insert into t values (?, 'x') RETURNING id", 1, 'insert', true)
  check("insert into t values ('returning') -- returning", 0, 'insert')
  check('select a$1 from t', 0, 'select')
  check("select x'00ff', '/*', ?, '*/'", 1, 'select')
  check('select 1 /* open ?', 0, 'select')
  check("update t set 名 = ? where `a``?` = '--?'", 1, 'update')

  const refuse = (sql: unknown, reason: RegExp) =>
    t.throws(
      () => scanSql(sql as string),
      { name: 'TypeError', message: reason },
      JSON.stringify(sql),
    )
  refuse('', /no statement/)
  refuse(' -- only words', /no statement/)
  refuse(';', /no statement/)
  refuse('select 1; drop table t', /one SQL statement/)
  refuse("select ';'; /* */ select", /one SQL statement/)
  refuse('select ?1', /not named or numbered/)
  refuse('select :name', /not named or numbered/)
  refuse('select @name', /not named or numbered/)
  refuse('select $name', /not named or numbered/)
  refuse('select 1\0; drop', /NUL/)
  refuse("select '\ud800'", /surrogate/)
  refuse(undefined, /must be a string/)
  refuse({}, /must be a string/)
})

t.test('parameters are refused with their position and what they were', async (t) => {
  const refuse = (values: unknown, reason: RegExp) =>
    t.throws(
      () => bindable(values as unknown[]),
      { name: 'TypeError', message: reason },
      String(reason),
    )
  refuse([1, undefined], /Parameter 2 is undefined/)
  refuse([Number.NaN], /Parameter 1 is NaN/)
  refuse([-Infinity], /Parameter 1 is -Infinity/)
  refuse([new Date(0)], /Parameter 1 is an object \(Date\)/)
  refuse([() => 1], /Parameter 1 is a function/)
  refuse([Symbol('s')], /Parameter 1 is a symbol/)
  refuse([2n ** 63n], /outside 64 bits/)
  refuse(['a\0'], /Parameter 1 has a NUL/)
  refuse(['\udc00'], /Parameter 1 has a lone surrogate/)
  refuse(new Array(1), /Parameter 1 is undefined/)
  refuse({ a: 1 }, /must be an array/)
  refuse(undefined, /must be an array/)
  t.strictSame(bindable([true, false, null, 1.5, 3n, 'é']), [1, 0, null, 1.5, 3n, 'é'])
  t.equal(storableText('a\0b\ud800c😀'), 'a\ufffdb\ufffdc😀')
})

t.test('errors of both databases have one shape', async (t) => {
  const sqlite = (number: number, code: string) => {
    t.equal(
      fromSqlite(Object.assign(new Error('m'), { errcode: number })).code,
      code,
      `node ${number}`,
    )
    t.equal(
      fromSqlite(Object.assign(new Error('m'), { rawCode: number })).code,
      code,
      `libsql ${number}`,
    )
  }
  sqlite(2067, 'constraint_unique')
  sqlite(1555, 'constraint_unique')
  sqlite(2579, 'constraint_unique')
  sqlite(787, 'constraint')
  sqlite(3091, 'constraint')
  sqlite(5, 'busy')
  sqlite(517, 'busy')
  sqlite(13, 'full')
  sqlite(8, 'readonly')
  sqlite(11, 'corrupt')
  sqlite(26, 'corrupt')
  sqlite(10, 'other')
  sqlite(1, 'other')
  const postgres = (state: unknown, code: string) =>
    t.equal(fromPostgres(Object.assign(new Error('m'), { code: state })).code, code, String(state))
  postgres('23505', 'constraint_unique')
  postgres('23503', 'constraint')
  postgres('22P02', 'constraint')
  postgres('40P01', 'busy')
  postgres('55P03', 'busy')
  postgres('53100', 'full')
  postgres('25006', 'readonly')
  postgres('XX001', 'corrupt')
  postgres('42P01', 'other')
  postgres('ECONNREFUSED', 'other')
  postgres(undefined, 'other')
  t.equal(fromSqlite('text').message, 'text')
})

for (const engine of engines) {
  t.test(`the port on ${engine}`, async (t) => {
    t.test('statements, rows and counts', async (t) => statements(t, engine))
    t.test('errors and files', async (t) => errorsAndFiles(t, engine))
    t.test('any value at all is stored as it is or refused, and the process lives', async (t) => {
      const seed = Date.now() % 1_000_000
      const child = fileURLToPath(new URL('./port-property.js', import.meta.url))
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        [child, engine, String(seed)],
        {
          encoding: 'utf8',
        },
      )
      t.strictSame(
        { status, signal },
        { status: 0, signal: null },
        `seed ${seed}: ${stderr.slice(0, 2000)}`,
      )
      const { refused, returned } = JSON.parse(stdout) as { refused: number; returned: number }
      t.ok(refused > 500 && returned > 100, `refused ${refused}, returned ${returned}`)
    })
  })
}

function statements(t: Test, engine: SqliteEngine): void {
  const database = openSqlite(join(folderOf(t), 'a.sqlite'), { engine })
  t.teardown(() => database.close())
  const all = (sql: string, parameters: unknown[], rows: unknown[]) =>
    t.strictSame(database.all(sql, parameters), rows, sql)
  database.exec(
    'create table t (id integer primary key, v text, r real, b blob) strict; create table u (a any)',
  )
  const added = database.run('insert into t values (?, ?, ?, ?)', [
    7,
    'seven',
    1.5,
    Buffer.from([1, 0, 255]),
  ])
  t.strictSame(added, { changes: 1, lastInsertRowid: 7 })
  all('select * from t', [], [{ id: 7, v: 'seven', r: 1.5, b: new Uint8Array([1, 0, 255]) }])
  t.equal(
    Object.getPrototypeOf(database.all('select 1 as a')[0]),
    Object.prototype,
    'rows are plain objects',
  )

  const returning = database.run("insert into t (v) values ('x'), ('y') returning id")
  t.strictSame(
    returning,
    { changes: 2, lastInsertRowid: 9 },
    'run() counts although rows were offered',
  )
  all("insert into t (v) values ('z') returning id, v", [], [{ id: 10, v: 'z' }])
  t.equal(database.run('update t set v = ? where id > ?', ['w', 7]).changes, 3)
  all("delete from t where v = 'none'", [], [])
  all(
    'select (select count(*) from t) as n, typeof(?) as k, ? as v',
    [5, true],
    [{ n: 4, k: 'integer', v: 1 }],
  )
  all('select typeof(?) as k', [-0], [{ k: 'integer' }])
  all('select typeof(?) as k, ? as v', [2 ** 60, 2 ** 60], [{ k: 'real', v: 2 ** 60 }])
  all('select ? as a, ? as a', [1, 2], [{ a: 2 }])
  all(
    'select 9007199254740991 as n, cast(9007199254740993 as text) as t',
    [],
    [{ n: 9007199254740991, t: '9007199254740993' }],
  )
  t.throws(() => database.all('select 9007199254740993 as n'), {
    name: 'RecordsError',
    message: /"n".*beyond 2\^53/,
  })
  database.run('insert into u values (?)', [5])
  all('select typeof(a) as k from u', [], [{ k: 'integer' }])
  database.run("insert into t (v) values ('5')")
  all('select v from t where v = ?', ['5'], [{ v: '5' }])

  database.exec('alter table t add column later text')
  all(
    'select * from t where id = 7',
    [],
    [{ id: 7, v: 'seven', r: 1.5, b: new Uint8Array([1, 0, 255]), later: null }],
  )
  const many = Array.from({ length: 600 }, (_, n) => database.all(`select ${n} as n`)[0]?.['n'])
  t.strictSame(many, [...many.keys()], 'more statements than are kept prepared')
  const pragma = (name: string) => Object.values(database.all(`pragma ${name}`)[0] ?? {})[0]
  t.strictSame(
    ['journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout'].map(pragma),
    ['wal', 2, 1, 5000],
    'durable and checked by default',
  )
}

function errorsAndFiles(t: Test, engine: SqliteEngine): void {
  const folder = folderOf(t)
  const path = join(folder, 'a.sqlite')
  const database = openSqlite(path, { engine })
  database.exec(`create table t (id integer primary key, v text not null unique) strict;
    create table child (t integer references t (id)); insert into t values (1, 'one')`)
  const check = (sql: string, code: string) => {
    t.equal(
      codeOf(() => database.run(sql)),
      code,
      sql,
    )
    t.equal(
      codeOf(() => database.all(sql)),
      code,
      `${sql}, all()`,
    )
  }
  check("insert into t values (1, 'two')", 'constraint_unique')
  check("insert into t values (2, 'one')", 'constraint_unique')
  check('insert into t values (2, null)', 'constraint')
  check('insert into child values (9)', 'constraint')
  check("insert into t values ('text', 'two')", 'constraint')
  check('select nothing from t', 'other')
  check('select "nothing" from t', 'other')
  check('selec', 'other')
  t.throws(() => database.all('select ?', []), {
    name: 'TypeError',
    message: /has 1 parameters, 0 were given/,
  })
  t.throws(() => database.all('select ?', [1, 2]), {
    name: 'TypeError',
    message: /has 1 parameters, 2 were given/,
  })
  t.throws(() => database.all('select 1; select 2'), TypeError)
  t.throws(() => database.exec(5 as never), TypeError)
  t.throws(() => database.exec('select 1\0'), TypeError)
  t.strictSame(
    database.all('select id, v from t'),
    [{ id: 1, v: 'one' }],
    'nothing of all that was kept',
  )

  const other = openSqlite(path, { engine })
  other.exec('pragma busy_timeout = 20')
  database.exec('begin immediate')
  t.equal(
    codeOf(() => other.run('begin immediate')),
    'busy',
  )
  database.run('commit')
  other.close()

  const reader = openSqlite(path, { engine, readOnly: true })
  t.strictSame(reader.all('select v from t'), [{ v: 'one' }])
  const refuse = (sql: string) =>
    t.equal(
      codeOf(() => reader.all(sql)),
      'readonly',
      sql,
    )
  refuse("insert into t values (5, 'five')")
  refuse("with a as (select 1) insert into t select 5, 'five' from a")
  refuse('pragma query_only = off')
  refuse('drop table t')
  t.equal(
    codeOf(() => reader.exec('select 1')),
    'readonly',
  )
  database.run("insert into t values (3, 'three')")
  t.equal(reader.all('select v from t').length, 2, 'a reader sees the next commit')
  reader.close()

  database.all('pragma max_page_count = 12')
  const fill = () => database.run('insert into t (v) values (?)', [`${Math.random()}`.repeat(3000)])
  t.equal(
    codeOf(() => Array.from({ length: 50 }, fill)),
    'full',
  )

  database.close()
  database.close()
  t.equal(
    codeOf(() => database.all('select 1')),
    'other',
    'closed',
  )
  t.equal(
    codeOf(() => database.exec('select 1')),
    'other',
    'closed',
  )
  const open = (file: string, readOnly = false) =>
    codeOf(() => openSqlite(file, { engine, readOnly }))
  t.equal(open(join(folder, 'none', 'a.sqlite')), 'other')
  t.equal(open(folder), 'other')
  t.equal(open(join(folder, 'missing.sqlite'), true), 'other')
  writeFileSync(join(folder, 'not-a-database'), 'x'.repeat(8192))
  t.equal(open(join(folder, 'not-a-database')), 'corrupt')
  t.throws(() => openSqlite('a\0b', { engine }), TypeError)
}
