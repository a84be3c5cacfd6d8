import type { CheckResult } from './evidence.ts'
import type { Check } from './job.ts'
import type { RestoreAround, Restored } from './kind.ts'
import { countRows, psql } from './postgres.ts'
import { filesBelow, openBelow, readManifest, sha256Below } from './tree.ts'
import { BackupError } from './trouble.ts'

/** Asks everything of what was restored. Never throws but for `stopped`: a check that cannot be made is a check that failed. */
export async function runChecks(restored: Restored, around: RestoreAround): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  results.push(await firstCheck(restored, around))
  for (const check of around.plan.checks) {
    try {
      results.push(await runCheck(check, restored, around))
    } catch (error) {
      if (!(error instanceof BackupError) || error.trouble.code === 'stopped') throw error
      results.push({ check: nameOf(check), ok: false, found: error.trouble.text })
    }
  }
  return results
}

/** What every drill asks, whatever is configured. */
async function firstCheck(restored: Restored, around: RestoreAround): Promise<CheckResult> {
  const { cluster, rows } = restored
  if (rows !== undefined)
    return { check: 'the dump is complete', ok: true, found: `${rows.size} tables with rows` }
  if (cluster === undefined) return contentCheck(around)
  const own = "relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
  const tables = Number(await psql(cluster, `select count(*) from pg_class where ${own}`, around))
  return { check: 'the database answers', ok: true, found: `${tables} tables` }
}

/** Without file names: they may tell what the host does, and they are the host's. */
function nameOf(check: Check): string {
  if (check.kind === 'manifest') return 'SHA-256 sums of the manifest'
  if (check.kind === 'file') return 'a named file is there'
  if (check.kind === 'rows') return `at least ${check.minimum} rows in ${check.table}`
  return `at least ${check.minimum} ${check.kind}`
}

/** Every drill of files asks this: there is something, and all of it can be read. */
async function contentCheck({ target, signal }: RestoreAround): Promise<CheckResult> {
  const check = 'every restored file can be read'
  let files = 0
  try {
    for await (const { path } of filesBelow(target)) {
      await sha256Below(target, path, signal)
      files++
    }
  } catch (error) {
    if (!(error instanceof BackupError) || error.trouble.code === 'stopped') throw error
    return { check, ok: false, found: error.trouble.text }
  }
  return { check, ok: files > 0, found: `${files} files` }
}

async function runCheck(
  check: Check,
  restored: Restored,
  around: RestoreAround,
): Promise<CheckResult> {
  const result = (ok: boolean, found: string): CheckResult => ({ check: nameOf(check), ok, found })
  const { target } = around
  if (check.kind === 'rows') {
    const { cluster, rows } = restored
    const count =
      cluster === undefined ? rows?.get(check.table) : await countRows(cluster, check.table, around)
    return count === undefined
      ? result(false, 'no such table')
      : result(count >= check.minimum, `${count} rows`)
  }
  if (check.kind === 'file') {
    const file = await openBelow(target, check.path)
    const { size } = await file.stat().finally(() => file.close())
    return result(size > 0, `${size} bytes`)
  }
  if (check.kind === 'manifest') return manifestCheck(check.path, around, result)
  const count = check.kind === 'files' ? restored.files : restored.bytes
  return result(count >= check.minimum, `${count} ${check.kind}`)
}

/** All files of the list in a drill of the whole; of a sample those that were restored, at least one. Names are relative to the list. */
async function manifestCheck(
  path: string,
  { plan, target, signal }: RestoreAround,
  result: (ok: boolean, found: string) => CheckResult,
): Promise<CheckResult> {
  const lines = await readManifest(target, path)
  const folder = path.split('/').slice(0, -1).join('/')
  let good = 0
  let missing = 0
  for (const line of lines) {
    try {
      const sum = await sha256Below(target, `${folder}/${line.path}`, signal)
      if (sum !== line.sha256) return result(false, 'a file is not what its sum says')
      good++
    } catch (error) {
      if (!(error instanceof BackupError) || error.trouble.code !== 'missing') throw error
      missing++
    }
  }
  const found = `${good} of ${lines.length} files fit`
  return result(good > 0 && (plan.mode === 'sample' || missing === 0), found)
}
