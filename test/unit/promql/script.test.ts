import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { systemClock } from '../../../server/clock.ts'
import { openEmbeddedStore } from '../../../server/store/embedded-store.ts'
import type { Row } from '../../../server/store/writer.ts'
import { MemoryReader } from '../../helpers/memory-reader.ts'
import { type CaseResult, runScript, type ScriptStore } from './script.ts'

function memory(): ScriptStore {
  const reader = new MemoryReader()
  return {
    reader,
    add: (labels, time, value) => reader.add(labels, time, value),
    addStale: (labels, time) => reader.addStale(labels, time),
  }
}

/** The hub's own store: what every second load brings lies in a part file, the rest in memory. */
async function embedded(): Promise<ScriptStore> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-script-'))
  const store = await openEmbeddedStore({
    folder,
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    lingerMillis: 0,
    maintenanceMillis: 0,
  })
  let rows: Row[] = []
  let loads = 0
  return {
    reader: store,
    add: (labels, t, value) => {
      const ids = Uint32Array.of(store.intern(labels))
      rows.push({ t, ids, values: Float64Array.of(value) })
    },
    addStale: (labels, t) => {
      const stale = Uint32Array.of(store.intern(labels))
      rows.push({ t, ids: new Uint32Array(), values: new Float64Array(), stale })
    },
    async loaded() {
      await store.append({ rows })
      rows = []
      if (loads++ % 2 === 0) await store.compact()
    },
    async close() {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const stores = { 'in memory': memory, 'in the embedded store': embedded }

function scriptsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.test'))
    .sort()
}

const knownFailing = new Set(
  readFileSync(join(packageRoot, 'test/unit/promql/known-failing.txt'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#')),
)

function report(t: Tap, file: string, results: readonly CaseResult[]): void {
  for (const { line, query, fault, native } of results) {
    const name = `${file}:${line}`
    if (!knownFailing.has(name)) t.equal(fault, undefined, `${name} ${query}`)
    else if (!native) t.fail(`${name} is listed as failing but has no native histogram`)
    else t.not(fault, undefined, `${name} is listed as failing; take it off the list if it passes`)
  }
  const passed = results.filter(({ fault }) => fault === undefined).length
  t.comment(`${file}: ${passed} of ${results.length} pass`)
}

type Tap = Pick<typeof t, 'equal' | 'fail' | 'not' | 'comment'>

for (const [place, newStore] of Object.entries(stores)) {
  t.test(`our own scenarios, ${place}`, async (t) => {
    const folder = join(packageRoot, 'test/scenarios/promql')
    const files = scriptsIn(folder)
    t.ok(files.length > 0, 'there are scenarios')
    for (const file of files) {
      const results = await runScript(readFileSync(join(folder, file), 'utf8'), newStore)
      t.ok(results.length > 0, `${file} has cases`)
      report(t, file, results)
    }
  })

  t.test(`Prometheus's conformance scripts, ${place}`, { timeout: 240_000 }, async (t) => {
    const folder =
      process.env['CALLWARD_PROMQL_SCRIPTS'] ?? join(packageRoot, '..', 'shared', 'promql')
    if (!existsSync(folder)) {
      t.pass(`skipped: no scripts in ${folder}`, { skip: 'set CALLWARD_PROMQL_SCRIPTS' })
      return
    }
    for (const file of scriptsIn(folder)) {
      report(t, file, await runScript(readFileSync(join(folder, file), 'utf8'), newStore))
    }
  })
}
