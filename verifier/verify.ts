import { checkAlertRows } from './alert-checks.ts'
import { checkAssignments } from './assignment-checks.ts'
import { type Bundle, type Entry, type Row, readBundle } from './bundle.ts'
import { checkDeadlines } from './deadline-checks.ts'
import { checkFiles } from './erasure-checks.ts'
import { checkEvidence } from './evidence-checks.ts'
import { type History, hashOf, historyOf, isTold } from './history.ts'
import { checkHolds } from './hold-checks.ts'
import { checkIncidentRows, checkStates } from './incident-checks.ts'
import {
  checkConsistency,
  checkForm,
  checkInclusion,
  checkOrder,
  checkReads,
  checkSignatures,
  type Trust,
} from './log-checks.ts'
import { checkNotices } from './notice-checks.ts'
import { checkPageRows, checkPaging } from './page-checks.ts'
import { type Check, Findings, type Report, shown } from './report.ts'
import { RowCheck } from './rows.ts'

export type { Trust } from './log-checks.ts'
export { readCheckpoint, readVerifierKey } from './note.ts'
export type { Check, CheckId, Report } from './report.ts'
export { limits, Unreadable } from './zip.ts'

/** Checks a bundle against what the auditor trusts. Throws Unreadable for what is no bundle of a hub. */
export async function verifyBundle(file: Uint8Array, trust: Trust): Promise<Report> {
  const bundle = readBundle(file)
  const history = historyOf(bundle)
  const { manifest, checkpoint, entries } = bundle
  const checks = [
    checkForm(bundle),
    checkInclusion(bundle),
    checkConsistency(bundle, trust),
    await checkSignatures(bundle, trust),
    checkOrder(bundle),
    checkStates(bundle, history),
    checkRows(bundle, history),
    checkDeadlines(bundle, history),
    checkPaging(bundle, history),
    checkNotices(bundle, history),
    checkDigests(bundle),
    checkReads(bundle),
  ]
  const { asked } = manifest
  return {
    origin: shown(checkpoint.origin),
    size: checkpoint.size,
    root: [...checkpoint.root].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    entries: entries.length,
    asked: shown(
      asked.kind === 'incident' ? `incident ${asked.number}` : `${asked.from} to ${asked.to}`,
    ),
    madeAt: shown(manifest.madeAt),
    checks,
    verdict: verdictOf(checks),
  }
}

/** Without a signature nothing says who made the bundle. */
function verdictOf(checks: readonly Check[]): Report['verdict'] {
  if (checks.some(({ state }) => state === 'failed')) return 'failed'
  const signed = checks.some(({ id, state }) => id === 'signatures' && state === 'passed')
  return signed ? 'verified' : 'incomplete'
}

/** (6) What the hub shows is what its entries say. */
function checkRows(bundle: Bundle, history: History): Check {
  const found = new Findings('rows')
  const rows = new RowCheck(found, bundle)
  checkIncidentRows(bundle, history, rows)
  checkAlertRows(history, rows)
  checkPageRows(history, rows)
  checkAssignments(bundle, history, rows)
  checkHolds(bundle, history, rows)
  checkDisclosures(bundle, history, rows)
  for (const [why, count] of rows.uncompared) found.flag(`not compared: ${count} × ${why}`)
  if (rows.compared === 0) found.notChecked('the bundle shows no row')
  return found.done(`${rows.compared} comparisons of rows with their entries.`)
}

/** A text that is disclosed must be the one that was hashed, whatever shows it. */
function checkDisclosures(bundle: Bundle, history: History, rows: RowCheck): void {
  const { entries, single, openings } = bundle
  const byIndex = new Map<number, Entry>()
  for (const { entry } of single) if (openings.has(entry.index)) byIndex.set(entry.index, entry)
  for (const entry of entries) if (openings.has(entry.index)) byIndex.set(entry.index, entry)
  for (const [index, fields] of openings) {
    const entry = byIndex.get(index)
    if (entry === undefined || !isTold(entry))
      rows.fault(`disclosures: entry ${index} is not in the range`)
    else
      for (const field of Object.keys(fields))
        if (history.text(entry, field).kind !== 'true')
          rows.fault(`disclosures: "${field}" of entry ${index} is not the text that was hashed`)
  }
}

/** (10) Texts that are named by their hash. */
function checkDigests(bundle: Bundle): Check {
  const { tables, entries } = bundle
  const found = new Findings('digests')
  const named = new Set(
    tables.incidents.map((row: Row) => row['runbook_hash']).filter((hash) => hash !== null),
  )
  const there = new Set<unknown>()
  for (const { hash, name, body } of tables.runbook_versions) {
    there.add(hash)
    if (hashOf(String(body)).hex !== hash)
      found.fault(`runbook_versions: the text of ${String(name)} is not the one of ${String(hash)}`)
  }
  for (const { number, runbook_hash: hash, runbook_name: name } of tables.incidents) {
    const version = tables.runbook_versions.find((one) => one['hash'] === hash)
    if (version !== undefined && version['name'] !== name)
      found.fault(`runbook_versions: the runbook of incident ${String(number)} has another name`)
  }
  for (const hash of named)
    if (!there.has(hash)) found.fault(`runbook_versions: the runbook ${String(hash)} is missing`)
  const large = entries.filter(({ value }) => typeof value?.content['sha256'] === 'string').length
  if (large > 0) found.flag(`${large} entries hold the hash of a content over 64 KiB only`)
  const files = checkFiles(bundle, found)
  const pieces = checkEvidence(bundle, found)
  if (there.size + files + pieces === 0)
    found.notChecked('nothing in the bundle is named by its hash')
  return found.done(
    `${there.size} runbooks, ${files} attached files and ${pieces} pieces of evidence are what their hashes name.`,
  )
}
