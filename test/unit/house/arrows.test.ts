import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

/** Files of server/ that every capability may use. */
const shared = new Set([
  'server/store/reader.ts',
  'server/store/writer.ts',
  'server/records/records.ts',
  'server/records/schema.ts',
  'server/records/records-error.ts',
  'server/records/bindings.ts',
  'server/records/alert-view.ts',
  'server/search/index-fact.ts',
])

/** A backup holds the files of others, and what works on a hub that is stopped has no decorator to ask. */
const doors: Readonly<Record<string, RegExp>> = {
  backup:
    /^server\/(?:store\/(?:disk|embedded-store|folder-lock|parts\/part-format)|records\/sqlite-copy)\.ts$/,
  // Whoever verifies the ledger must not need the hub that wrote it.
  cli: /^server\/(?:ledger\/(?:checkpoint|cosignature|entry|merkle|verify|witnessed)|backup\/(?:backup-file|manifest|restore)|routing\/routing-file|clocks\/regime-files|store\/(?:embedded-store|inspect|victoria\/migrate))\.ts$/,
}

/** Trees and notes, pure: all that a witness shares with the hub it does not trust. */
const proofs = /^server\/ledger\/(?:checkpoint|cosignature|merkle)\.ts$/

/** Folders that do no I/O, and what each may use of the others. */
const pure: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['alerts', []],
  ['clocks', []],
  ['dashboards', []],
  ['incidents', []],
  ['deadlines', ['clocks', 'incidents']],
  // What is published is worked out again by whoever verifies.
  ['verifier', ['incidents', 'deadlines']],
])

/** What a file may import, by the folder it is in; the design's arrows. */
function fault({ from, to, typeOnly }: Import): string | undefined {
  const top = (path: string) => path.split('/')[0]
  const capability = (path: string) => (path.split('/').length > 2 ? path.split('/')[1] : undefined)
  if (from.startsWith('collector/wire/'))
    return to.startsWith('collector/wire/') ? undefined : 'the wire protocol imports nothing'
  if (pure.has(top(from) ?? '')) {
    if (pure.get(top(from) ?? '')?.includes(top(to) ?? '') === true) return undefined
    return top(to) === top(from) ? undefined : `${top(from)}/ imports nothing of ours`
  }
  if (proofs.test(from)) return proofs.test(to) ? undefined : 'trees and notes know nothing else'
  if (top(from) === 'witness')
    return top(to) === 'witness' || proofs.test(to)
      ? undefined
      : 'a witness knows of the hub only proofs and notes'
  if (top(from) === 'collector')
    return top(to) === 'collector' ? undefined : 'a collector imports only itself'
  if (top(from) !== 'server') return undefined
  if (top(to) === 'collector')
    return to.startsWith('collector/wire/')
      ? undefined
      : 'of the collector the hub knows only the wire'
  if (['alerts', 'clocks', 'deadlines', 'incidents'].includes(top(to) ?? '')) return undefined
  if (top(to) === 'verifier')
    return capability(from) === 'cli' ? undefined : 'only the command may run the verifier'
  if (top(to) === 'dashboards')
    return (to === 'dashboards/catalogue.ts' && capability(from) === undefined) ||
      (to.startsWith('dashboards/drawing/') && capability(from) === 'boards')
      ? undefined
      : 'boards are data for the hub'
  if (top(to) === 'witness')
    return capability(from) === 'cli' ? undefined : 'the hub does not know its witnesses’ program'
  if (top(to) !== 'server') return `server/ may not import ${top(to)}/`
  const [mine, theirs] = [capability(from), capability(to)]
  if (mine === undefined || theirs === undefined || mine === theirs) return undefined
  if (mine === 'promql' && theirs === 'store' && !(to.endsWith('/plugin.ts') && typeOnly))
    return /^server\/store\/(?:archive|(?:remote-)?reader)\.ts$/.test(to)
      ? undefined
      : 'promql sees only the store’s reader'
  if (shared.has(to)) return undefined
  if (to.endsWith('/plugin.ts') && typeOnly) return undefined
  if (doors[mine]?.test(to) === true) return undefined
  return `a capability uses another only by its decorator (types from its plugin.ts)`
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(packageRoot, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      if (path !== 'server/console/web') yield* sources(path)
    } else if (/\.ts$/.test(entry.name)) yield path
  }
}

function importsOf(path: string): Import[] {
  const text = readFileSync(join(packageRoot, path), 'utf8')
  return [
    ...text.matchAll(
      /^(import|export)\s+(type\s+)?[^'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/gm,
    ),
  ].map((match) => ({
    from: path,
    to: relative(packageRoot, join(packageRoot, dirname(path), match[3] ?? match[4] ?? '')),
    typeOnly: match[2] !== undefined,
  }))
}

t.test('the rule itself can fail', async (t) => {
  t.ok(fault({ from: 'alerts/a.ts', to: 'server/clock.ts', typeOnly: true }))
  t.ok(fault({ from: 'clocks/a.ts', to: 'alerts/calendar.ts', typeOnly: false }))
  t.ok(fault({ from: 'incidents/a.ts', to: 'alerts/alert.ts', typeOnly: true }))
  t.ok(fault({ from: 'incidents/a.ts', to: 'deadlines/case.ts', typeOnly: true }))
  t.notOk(fault({ from: 'verifier/a.ts', to: 'deadlines/rebuild.ts', typeOnly: false }))
  t.ok(fault({ from: 'verifier/a.ts', to: 'alerts/alert.ts', typeOnly: true }))
  t.notOk(fault({ from: 'server/incidents/a.ts', to: 'incidents/judge.ts', typeOnly: false }))
  t.ok(fault({ from: 'verifier/a.ts', to: 'server/ledger/merkle.ts', typeOnly: true }))
  t.ok(fault({ from: 'server/ledger/a.ts', to: 'verifier/tree.ts', typeOnly: false }))
  t.ok(fault({ from: 'server/live/a.ts', to: 'server/rules/scheduler.ts', typeOnly: false }))
  t.ok(fault({ from: 'server/live/a.ts', to: 'server/rules/plugin.ts', typeOnly: false }))
  t.notOk(fault({ from: 'server/live/a.ts', to: 'server/rules/plugin.ts', typeOnly: true }))
  t.ok(fault({ from: 'server/cli/a.ts', to: 'server/store/head/head.ts', typeOnly: false }))
  t.notOk(fault({ from: 'server/cli/a.ts', to: 'server/store/inspect.ts', typeOnly: false }))
  t.ok(fault({ from: 'witness/a.ts', to: 'server/ledger/ledger-log.ts', typeOnly: true }))
  t.notOk(fault({ from: 'witness/a.ts', to: 'server/ledger/merkle.ts', typeOnly: false }))
  t.ok(fault({ from: 'server/ledger/a.ts', to: 'witness/judge.ts', typeOnly: true }))
  t.ok(fault({ from: 'server/promql/a.ts', to: 'server/store/writer.ts', typeOnly: true }))
})

t.test('imports follow the arrows of ARCHITECTURE.md', async (t) => {
  const imports = [
    'alerts',
    'clocks',
    'collector',
    'dashboards',
    'deadlines',
    'incidents',
    'server',
    'verifier',
    'witness',
  ]
    .flatMap((folder) => [...sources(folder)])
    .flatMap(importsOf)
  t.ok(imports.length > 200, `${imports.length} imports read`)
  const faults = imports.flatMap((one) => {
    const reason = fault(one)
    return reason === undefined ? [] : [`${one.from} -> ${one.to}: ${reason}`]
  })
  t.same(faults, [])
})
