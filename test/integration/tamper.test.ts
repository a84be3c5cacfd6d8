import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leafHash } from '../../server/ledger/merkle.ts'
import { grow } from '../../server/ledger/tiles.ts'
import type { SqliteConnection, SqliteRow, SqliteValue } from '../../server/records/sqlite-port.ts'
import { type Row, readBundle, tableNames } from '../../verifier/bundle.ts'
import { faultsOf, period, Scene } from './tamper-scene.ts'

/** One edit past the hub, and how it is taken back. */
interface Edit {
  readonly name: string
  /** What the verifier must name. */
  readonly expected: RegExp
  readonly query: string
  run(database: SqliteConnection): Undo
}

type Undo = (database: SqliteConnection) => void

const keys: Readonly<Record<string, readonly string[]>> = {
  incident_alerts: ['incident_id', 'alert_id'],
  page_alerts: ['page_id', 'alert_id'],
  runbook_versions: ['hash'],
  incident_deadlines: ['incident_id', 'regime', 'code'],
  incident_assignments: ['fact_id'],
  ledger_entries: ['number'],
  ledger_tiles: ['epoch', 'level', 'tile'],
  ledger_checkpoints: ['epoch', 'size'],
  ledger_epochs: ['number'],
}
/** Why somebody was not told is not ledgered; the report says so where it counts. */
const unledgered = new Set(['routing_holds'])
const incidentOne = 'incident=1'

function whereOf(table: string, row: Row): { readonly sql: string; readonly values: unknown[] } {
  const names = keys[table] ?? ['id']
  return {
    sql: names.map((name) => `${name} = ?`).join(' and '),
    values: names.map((name) => row[name]),
  }
}

function otherValue(value: unknown, column: string): SqliteValue {
  if (value === null) return /_at$/.test(column) ? 1_700_000_000_000 : 'x'
  if (typeof value === 'number') return value > 1e12 ? value - 7_200_000 : value + 700
  const text = String(value)
  return text.startsWith('{')
    ? text.replace(/[a-z](?=[^a-z]*$)/, (letter) => (letter === 'x' ? 'y' : 'x'))
    : `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`
}

/** Every column that is shown, changed by itself. */
function changes(table: string, row: Row): Edit[] {
  return Object.keys(row).map((column) => ({
    name: `${table}.${column} changed`,
    expected: new RegExp(`${table}|has entries and no row|${String(row['id'])}`),
    query: incidentOne,
    run(database) {
      const { sql, values } = whereOf(table, row)
      const changed = otherValue(row[column], column)
      const text = `update ${table} set ${column} = ? where ${sql}`
      const result = database.run(text, [changed, ...values])
      if (result.changes !== 1)
        throw new Error(`${table}.${column}: ${result.changes} rows changed`)
      const after = whereOf(table, { ...row, [column]: changed })
      return (again) => again.run(text, [row[column], ...after.values])
    },
  }))
}

function whole(database: SqliteConnection, table: string, row: Row): SqliteRow {
  const { sql, values } = whereOf(table, row)
  const [found] = database.all(`select * from ${table} where ${sql}`, values)
  if (found === undefined) throw new Error(`${table} has no such row`)
  return found
}

function insert(database: SqliteConnection, table: string, row: SqliteRow): void {
  const names = Object.keys(row)
  const places = names.map(() => '?').join(', ')
  database.run(`insert into ${table} (${names.join(', ')}) values (${places})`, Object.values(row))
}

function deletion(table: string, row: Row, query = incidentOne): Edit {
  return {
    name: `${table}: row deleted`,
    expected: new RegExp(`${table}|is missing|is gone`),
    query,
    run(database) {
      const before = whole(database, table, row)
      const { sql, values } = whereOf(table, row)
      database.run(`delete from ${table} where ${sql}`, values)
      return (again) => insert(again, table, before)
    },
  }
}

/** A copy under another id, where the table's own rules allow one. */
function insertion(table: string, row: Row, own: Record<string, SqliteValue>): Edit {
  return {
    name: `${table}: row put in`,
    expected: new RegExp(table),
    query:
      table === 'incidents' || table === 'alerts' || table === 'pages' ? period() : incidentOne,
    run(database) {
      const id = typeof row['id'] === 'string' ? { id: `${row['id'].slice(0, -4)}beef` } : {}
      const added = { ...whole(database, table, row), ...id, ...own }
      insert(database, table, added)
      const { sql, values } = whereOf(table, added)
      return (again) => again.run(`delete from ${table} where ${sql}`, values)
    },
  }
}

/** Two rows exchange a value. */
function swap(table: string, column: string, a: Row, b: Row): Edit {
  const set = (database: SqliteConnection, row: Row, value: unknown) => {
    const { sql, values } = whereOf(table, row)
    database.run(`update ${table} set ${column} = ? where ${sql}`, [value, ...values])
  }
  return {
    name: `${table}.${column} of two rows swapped`,
    expected: new RegExp(table === 'ledger_entries' ? 'entry' : table),
    query: incidentOne,
    run(database) {
      const [first, second] = [whole(database, table, a)[column], whole(database, table, b)[column]]
      set(database, a, second)
      set(database, b, first)
      return (again) => {
        set(again, a, first)
        set(again, b, second)
      }
    },
  }
}

/** The edits of every table of which the bundle shows rows. */
function rowEdits(tables: ReturnType<typeof readBundle>['tables']): Edit[] {
  const own: Readonly<Record<string, Record<string, SqliteValue>>> = {
    incidents: { number: 4711 },
    incident_facts: { sequence: 99 },
    incident_alerts: { alert_id: 'beef' },
    page_alerts: { alert_id: 'beef' },
    pages: { number: 4711 },
    page_steps: { sequence: 99 },
    page_tellings: { key: 'beef' },
    alerts: {},
    page_attempts: {},
    incident_deadlines: { code: 'beef' },
    incident_assignments: { fact_id: 'beef' },
    incident_notices: { version: 4711 },
    incident_notice_deliveries: { key: 'beef' },
    legal_holds: {},
  }
  const edits: Edit[] = []
  for (const table of tableNames) {
    const [row] = tables[table]
    if (unledgered.has(table)) continue
    if (row === undefined) throw new Error(`The bundle shows no row of ${table}.`)
    edits.push(...changes(table, row), deletion(table, row))
    if (own[table] !== undefined) edits.push(insertion(table, row, own[table]))
  }
  const [facts, steps] = [tables.incident_facts, tables.page_steps]
  for (const column of ['value', 'sequence', 'recorded_by', 'occurred_at', 'kind']) {
    const [a, b] = [facts[1]!, facts.find((one) => one[column] !== facts[1]![column])!]
    if (column !== 'sequence') edits.push(swap('incident_facts', column, a, b))
  }
  edits.push(swap('page_steps', 'content', steps[0]!, steps[1]!))
  return edits
}

/** The ledger's own tables; each must not keep the hub from going on once it is taken back. */
function ledgerEdits(scene: Scene, incident: string): Edit[] {
  const rows = scene.withDatabase((database) =>
    database.all(
      'select * from ledger_entries where object_id = ? and opening is not null order by number',
      [incident],
    ),
  )
  const [a, b, c] = [rows[0]!, rows[1]!, rows.at(-1)!]
  const named = (edit: Edit, row: SqliteRow): Edit => ({
    ...edit,
    name: `${edit.name} (${String(row['number'])})`,
    expected: new RegExp(`entry ${String(row['number'])}\\b`),
  })
  const edits: Edit[] = []
  for (const row of [a, b, c]) {
    for (const column of ['entry', 'leaf', 'opening'])
      edits.push(named(changes('ledger_entries', pick(row, column))[1]!, row))
    edits.push(named(deletion('ledger_entries', row), row))
  }
  edits.push(named(swap('ledger_entries', 'entry', a, b), a))
  edits.push({ ...changes('ledger_entries', a)[0]!, ...numberMoved(a) })
  edits.push({
    ...{ name: 'ledger_tiles: a hash changed', query: incidentOne },
    expected: /tree|inconsisten|root|no checkpoint|earlier state/,
    run: (database) => {
      flipTile(database)
      return flipTile
    },
  })
  edits.push({
    ...deletion('ledger_tiles', { epoch: 1, level: 0, tile: 0 }),
    expected: /Tile 0\/0|signs no checkpoint/,
  })
  return edits
}

const pick = (row: SqliteRow, column: string): Row => ({
  number: row['number'],
  [column]: row[column],
})

function numberMoved(row: SqliteRow): Edit {
  const move = (from: unknown, to: unknown) => (database: SqliteConnection) =>
    database.run('update ledger_entries set number = ? where number = ?', [to, from])
  return {
    name: 'ledger_entries.number changed',
    expected: new RegExp(`entry ${String(row['number'])}\\b`),
    query: incidentOne,
    run(database) {
      move(row['number'], -1)(database)
      return move(-1, row['number'])
    },
  }
}

function flipTile(database: SqliteConnection): void {
  const where = 'where epoch = 1 and level = 0 and tile = 0'
  const [tile] = database.all(`select hashes from ledger_tiles ${where}`)
  const hashes = Buffer.from(String(tile?.['hashes']), 'base64')
  hashes[3]! ^= 1
  database.run(`update ledger_tiles set hashes = ? ${where}`, [hashes.toString('base64')])
}

async function isNamed(t: Test, scene: Scene, edit: Edit): Promise<boolean> {
  const undo = scene.withDatabase((database) => edit.run(database))
  const told = await scene.judge(edit.query)
  scene.withDatabase(undo)
  const faults = told.kind === 'report' ? faultsOf(told.report) : [`refused: ${told.text}`]
  const named = faults.some((fault) => edit.expected.test(fault))
  const caught = told.kind === 'report' ? told.report.verdict === 'failed' : told.status === 409
  if (!(caught && named)) t.fail(`missed: ${edit.name}`, { faults: faults.slice(0, 5) })
  return caught && named
}

/** What nobody touched is verified. */
async function clean(t: Test, scene: Scene, query = incidentOne): Promise<Uint8Array> {
  const told = await scene.judge(query)
  if (told.kind === 'refused') throw new Error(told.text)
  t.same(faultsOf(told.report), [], `${query}: nothing is wrong`)
  t.equal(told.report.verdict, 'verified')
  return told.file
}

t.setTimeout(300_000)
t.test('edits past the hub are named', { timeout: 300_000 }, async (t) => {
  const scene = await Scene.start(t)
  await scene.story()
  const backup = join(scene.hub.data, '..', 'older.sqlite')
  scene.withDatabase((database) => database.exec(`vacuum into '${backup}'`))
  await scene.act(1, 'notes', { text: 'After the backup.' })
  await scene.keep()
  const { tables } = readBundle(await clean(t, scene))
  for (const query of ['incident=2', 'incident=3', period()]) await clean(t, scene, query)
  const incident = String(tables.incidents[0]!['id'])
  const edits = [...rowEdits(tables), ...ledgerEdits(scene, incident)]
  let caught = 0
  for (const edit of edits) if (await isNamed(t, scene, edit)) caught++
  t.comment(`${caught} of ${edits.length} edits named`)
  t.equal(caught, edits.length)
  t.ok(edits.length > 100, `${edits.length} edits`)
  await clean(t, scene)
  await rewrites(t, scene, backup)
})

/** Makes the whole tree anew from the entries, as the hub would have made it. */
async function rebuild(scene: Scene, change: (database: SqliteConnection) => void): Promise<void> {
  const leaves = scene.withDatabase((database) => {
    change(database)
    for (const { number, entry } of database.all('select number, entry from ledger_entries'))
      database.run('update ledger_entries set leaf = ? where number = ?', [
        leafHash(String(entry)).toString('base64'),
        number,
      ])
    const rows = database.all('select leaf from ledger_entries order by number')
    return rows.map(({ leaf }) => Buffer.from(String(leaf), 'base64'))
  })
  const tiles = await grow(0, leaves, async () => undefined)
  scene.withDatabase((database) => {
    database.exec('delete from ledger_tiles; delete from ledger_checkpoints')
    for (const { level, index, hashes } of tiles)
      database.run('insert into ledger_tiles (epoch, level, tile, hashes) values (1, ?, ?, ?)', [
        ...[level, index, hashes.toString('base64')],
      ])
    database.run('update ledger_epochs set size = ? where number = 1', [leaves.length])
  })
}

/** Somebody else made the note: in the entry and in the row. */
function anotherAuthor(database: SqliteConnection): void {
  const [fact] = database.all("select id from incident_facts where kind = 'note'")
  const id = String(fact?.['id'])
  database.run("update incident_facts set recorded_by = 'mallory' where id = ?", [id])
  const [entry] = database.all('select number, entry from ledger_entries where entry like ?', [
    `%"fact":"${id}"%`,
  ])
  const text = String(entry?.['entry']).replace(/"actor":"[^"]*"/, '"actor":"mallory"')
  database.run('update ledger_entries set entry = ? where number = ?', [text, entry?.['number']])
}

/** As a new file: this process still knows the old one from connections it has closed. */
function putBack(from: string, to: string): void {
  rmSync(to, { force: true })
  copyFileSync(from, to)
}

/** Whoever rewrites all of it needs the auditor's checkpoint as well, or another key. */
async function rewrites(t: Test, scene: Scene, backup: string): Promise<void> {
  const { hub, trust } = scene
  const folder = join(hub.data, 'hub')
  const kept = ['records.sqlite', 'ledger.key', 'ledger.checkpoint']
  await hub.stop()
  scene.withDatabase((database) => database.exec('pragma wal_checkpoint(truncate)'))
  for (const name of kept) copyFileSync(join(folder, name), join(folder, `${name}.true`))
  const scenes: Readonly<Record<string, { expected: RegExp; change(): Promise<void> }>> = {
    'truncated to an older size': {
      expected: /consistency: /,
      change: () =>
        rebuild(scene, (database) =>
          database.run('delete from ledger_entries where number >= ?', [trust.older!.size - 5]),
        ),
    },
    'an older copy put back': {
      expected: /consistency: /,
      change: async () => putBack(backup, scene.records),
    },
    'rewritten with the same key': {
      expected: /consistency: the first \d+ entries are not those of the older checkpoint/,
      change: () => rebuild(scene, anotherAuthor),
    },
    'rewritten with a new key': {
      expected: /signatures: .*signed by another key/,
      change: async () => {
        await rebuild(scene, anotherAuthor)
        const { privateKey } = generateKeyPairSync('ed25519')
        const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
        writeFileSync(join(folder, 'ledger.key'), pem)
      },
    },
  }
  for (const [name, { expected, change }] of Object.entries(scenes)) {
    for (const one of kept) putBack(join(folder, `${one}.true`), join(folder, one))
    for (const end of ['-wal', '-shm']) rmSync(`${scene.records}${end}`, { force: true })
    await change()
    rmSync(join(folder, 'ledger.checkpoint'))
    for (const end of ['-wal', '-shm'])
      if (name === 'an older copy put back') rmSync(`${scene.records}${end}`, { force: true })
    await hub.restart()
    scene.trust = trust
    const told = await scene.judge(incidentOne)
    const faults = told.kind === 'report' ? faultsOf(told.report) : [told.text]
    t.ok(
      faults.some((fault) => expected.test(fault)),
      `${name}: ${faults[0]}`,
    )
    if (name === 'rewritten with the same key') {
      scene.trust = { key: trust.key! }
      const alone = await scene.judge(incidentOne)
      t.equal(
        alone.kind === 'report' && alone.report.verdict,
        'verified',
        'without a checkpoint kept elsewhere nobody can tell: docs/verifier.md says so',
      )
    }
    await hub.stop()
  }
}
