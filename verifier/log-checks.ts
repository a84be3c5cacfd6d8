import type { Bundle, Entry } from './bundle.ts'
import { same } from './bytes.ts'
import { type Checkpoint, judge, keyText, type VerifierKey } from './note.ts'
import { type Check, Findings } from './report.ts'
import { isConsistent, rootOfInclusion, rootOfRange } from './tree.ts'

/** What the auditor brings along; the bundle has no say in it. */
export interface Trust {
  /** The hub's key, as it was written down earlier. */
  readonly key?: VerifierKey
  /** A checkpoint that was kept where the hub's administrators cannot reach it. */
  readonly older?: Checkpoint
  /** Keys of witnesses that must have cosigned. */
  readonly witnesses?: readonly VerifierKey[]
}

/** Clocks of hub and witness may differ by this much. */
const clockMillis = 5 * 60_000
/** Recorded this much after it happened: late, which is flagged. */
const lateMillis = 3_600_000

/** How a finding names an entry. */
export function entryName({ index, value }: Entry): string {
  if (value === undefined) return `entry ${index}`
  const { action, object, recordedAt } = value
  const at = new Date(recordedAt).toISOString()
  return `entry ${index} (${action} of ${object.type} ${object.id}, ${at})`
}

/** (1) Every entry is canonical JSON, and its leaf is the hash of its text. */
export function checkForm({ entries, single }: Bundle): Check {
  const found = new Findings('form')
  const all = [...entries, ...single.map(({ entry }) => entry)]
  for (const entry of all) {
    if (entry.value === undefined) found.fault(`${entryName(entry)} is not in its canonical form`)
    if (!entry.isLeaf)
      found.fault(`${entryName(entry)} is not the text its leaf was made of: it was changed`)
  }
  return found.done(`${all.length} entries are canonical, and each leaf is the hash of its text.`)
}

/** (2) The entries lead to the checkpoint's root. */
export function checkInclusion(bundle: Bundle): Check {
  const { manifest, entries, rangeProof, single, checkpoint } = bundle
  const found = new Findings('inclusion')
  const { from, to } = manifest
  const missing = missingPlaces(bundle)
  for (const index of missing) found.fault(`entry ${index} is missing from the range`)
  if (missing.length === 0) {
    const root = rootOfRange(
      from,
      entries.map(({ hash }) => hash),
      checkpoint.size,
      rangeProof,
    )
    if (root === undefined || !same(root, checkpoint.root)) tellChanged(found, bundle)
  }
  for (const entry of entries)
    if (isOutOfTree(entry))
      found.fault(`${entryName(entry)} is not what the tree holds at its place`)
  for (const { entry, proof } of single) {
    const root = rootOfInclusion(entry.index, checkpoint.size, entry.hash, proof)
    if (root === undefined || !same(root, checkpoint.root))
      found.fault(`${entryName(entry)} is not in the tree of ${checkpoint.size} entries`)
  }
  const range = `entries ${from} to ${to - 1}`
  return found.done(
    `${range} and ${single.length} single ones are in the tree of ${checkpoint.size} entries.`,
  )
}

/** The hub itself says that its tree holds something else there: the text and its leaf were changed, moved or put in together. */
function isOutOfTree({ hash, inTree }: Entry): boolean {
  return inTree !== undefined && !same(hash, inTree)
}

/** Which entry differs is known where the leaf or the tree that the hub kept still is the old one. */
function tellChanged(found: Findings, { manifest, entries, checkpoint, rangeProof }: Bundle): void {
  const changed = entries.filter((entry) => !entry.isLeaf && !isOutOfTree(entry))
  for (const entry of changed)
    found.fault(`${entryName(entry)} is not what the tree holds at its place`)
  if (changed.length > 0 || entries.some(isOutOfTree)) return
  const size = `the checkpoint of ${checkpoint.size} entries`
  found.fault(
    rootOfRange(
      manifest.from,
      entries.map(({ hash }) => hash),
      checkpoint.size,
      rangeProof,
    ) === undefined
      ? `the proof does not fit entries ${manifest.from} to ${manifest.to - 1} of ${size}`
      : `entries ${manifest.from} to ${manifest.to - 1} do not lead to the root of ${size}: one of them, or the tree, was rewritten`,
  )
}

function missingPlaces({ manifest: { from, to }, entries }: Bundle): number[] {
  if (entries.length === to - from && entries.every(({ index }, i) => index === from + i)) return []
  const there = new Set(entries.map(({ index }) => index))
  const missing: number[] = []
  for (let index = from; index < to && missing.length < 100; index++)
    if (!there.has(index)) missing.push(index)
  return missing
}

/** (3) The tree grew out of the one the auditor's checkpoint saw. */
export function checkConsistency({ checkpoint, since, single }: Bundle, { older }: Trust): Check {
  const found = new Findings('consistency')
  const now = `the checkpoint of ${checkpoint.size} entries`
  if (older === undefined) {
    found.notChecked('no older checkpoint was given; keep one elsewhere and give it (--checkpoint)')
  } else if (older.origin !== checkpoint.origin) {
    found.fault(
      `the older checkpoint is of the log ${older.origin}, the bundle of ${checkpoint.origin}.${previousOf(single)} Verify the old log by its own bundle, and ask who opened the new one`,
    )
  } else if (older.size > checkpoint.size) {
    found.fault(
      `the log had ${older.size} entries, and ${now} is smaller: it was put back or rewritten`,
    )
  } else if (older.size === checkpoint.size) {
    if (!same(older.root, checkpoint.root))
      found.fault(
        `two checkpoints of ${older.size} entries have different roots: entries were rewritten`,
      )
  } else if (older.size > 0 && since?.size !== older.size) {
    found.fault(
      `the bundle has no proof from ${older.size} entries on: ask for it with --since ${older.size}`,
    )
  } else if (older.size > 0 && !isConsistent(older, checkpoint, since?.proof ?? [])) {
    found.fault(
      `the first ${older.size} entries are not those of the older checkpoint: one of entries 0 to ${older.size - 1} was changed, put in, moved or taken out`,
    )
  }
  return found.done(`The log of ${older?.size ?? 0} entries is an earlier state of ${now}.`)
}

function previousOf(single: Bundle['single']): string {
  const opened = single.find(({ entry }) => entry.index === 0)?.entry.value
  const previous = opened?.content['previous']
  return previous === null || previous === undefined
    ? ''
    : ` Its first entry names the log before it: ${JSON.stringify(previous)}.`
}

/** (4) Signatures by keys that the auditor brought, and when witnesses saw the log. */
export async function checkSignatures(bundle: Bundle, trust: Trust): Promise<Check> {
  const found = new Findings('signatures')
  const { checkpoint, manifest } = bundle
  if (manifest.origin !== checkpoint.origin)
    found.fault(`manifest.json is of ${manifest.origin}, the checkpoint of ${checkpoint.origin}`)
  if (manifest.inconsistency !== null)
    found.fault(`the hub itself signs no checkpoint any more: ${manifest.inconsistency}`)
  const { key, older, witnesses = [] } = trust
  if (key === undefined)
    found.notChecked('no key was given; write it down when the hub is set up and give it (--key)')
  else {
    await checkOwn(found, `the bundle's checkpoint`, checkpoint, key)
    if (older !== undefined) await checkOwn(found, 'the older checkpoint', older, key)
  }
  for (const witness of witnesses) await checkWitness(found, bundle, trust, witness)
  return found.done(
    `Signed by the given key${witnesses.length === 0 ? '; no witness was asked for' : ` and ${witnesses.length} witness(es)`}.`,
  )
}

async function checkOwn(found: Findings, what: string, note: Checkpoint, key: VerifierKey) {
  if (key.name !== note.origin) {
    found.fault(`${what} is of the log ${note.origin}, the given key of ${key.name}`)
    return
  }
  const { kind } = await judge(note, key)
  if (kind === 'unable')
    found.notChecked('this browser knows no Ed25519; use a newer one, or callward verify')
  else if (kind === 'absent')
    found.fault(`${what} is signed by another key than the given ${keyText(key)}`)
  else if (kind === 'bad') found.fault(`the signature under ${what} is false`)
}

async function checkWitness(
  found: Findings,
  { checkpoint, entries }: Bundle,
  { older }: Trust,
  witness: VerifierKey,
): Promise<void> {
  const notes = older === undefined ? [checkpoint] : [checkpoint, older]
  let seen = 0
  for (const note of notes) {
    const judged = await judge(note, witness)
    if (judged.kind === 'bad')
      found.fault(`the cosignature of ${witness.name} under ${note.size} entries is false`)
    if (judged.kind === 'unable') found.notChecked('this browser knows no Ed25519')
    if (judged.kind !== 'good') continue
    seen++
    if (judged.at !== undefined) checkTime(found, entries, note.size, judged.at, witness.name)
  }
  if (seen === 0) found.fault(`the witness ${witness.name} has cosigned neither checkpoint`)
}

/** What a witness saw was recorded before, and what it did not see afterwards. */
function checkTime(
  found: Findings,
  entries: readonly Entry[],
  size: number,
  at: number,
  name: string,
): void {
  const seenAt = new Date(at).toISOString()
  found.flag(`${name} saw ${size} entries at ${seenAt}`)
  for (const entry of entries) {
    if (entry.value === undefined) continue
    const { recordedAt } = entry.value
    if (entry.index < size && recordedAt > at + clockMillis)
      found.fault(`${entryName(entry)} says a later time than ${name} saw it at (${seenAt})`)
    if (entry.index >= size && recordedAt < at - clockMillis)
      found.fault(`${entryName(entry)} was added after ${seenAt}, and says an earlier time`)
  }
}

/** (5) Places without gaps, times that go forward, and what was recorded late. */
export function checkOrder(bundle: Bundle): Check {
  const { manifest, entries, checkpoint } = bundle
  const found = new Findings('order')
  let [expected, newest] = [manifest.from, Number.NEGATIVE_INFINITY]
  for (const entry of entries) {
    const { index, value } = entry
    if (index !== expected)
      found.fault(
        index > expected
          ? `entry ${expected} is missing; ${entryName(entry)} follows`
          : `${entryName(entry)} stands where entry ${expected} belongs`,
      )
    expected = index + 1
    if (value === undefined) continue
    const { recordedAt, occurredAt, content } = value
    const back = newest - recordedAt
    if (back > clockMillis) found.fault(`${entryName(entry)} was recorded before the one before it`)
    else if (back > 0) found.flag(`${entryName(entry)}: the clock went back by ${back} ms`)
    newest = Math.max(newest, recordedAt)
    if (occurredAt > recordedAt + clockMillis)
      found.fault(`${entryName(entry)} was recorded before it happened`)
    if (recordedAt - occurredAt > lateMillis || content['late'] === true)
      found.flag(`${entryName(entry)} is late: it happened ${new Date(occurredAt).toISOString()}`)
  }
  if (expected !== manifest.to) found.fault(`entry ${expected} to ${manifest.to - 1} are missing`)
  checkPeriod(found, bundle)
  if (manifest.to > checkpoint.size)
    found.fault(`the range ends at ${manifest.to}, the checkpoint at ${checkpoint.size}`)
  const rest = checkpoint.size - manifest.to
  if (rest > 0) found.flag(`${rest} later entries are not in this bundle`)
  return found.done(`${entries.length} entries, no number missing, times in order.`)
}

/** Of a period nothing is left out: the range begins before it and ends after it. */
function checkPeriod(found: Findings, { manifest, entries, checkpoint }: Bundle): void {
  const { asked, from, to } = manifest
  if (asked.kind !== 'period') return
  const [begin, end] = [Date.parse(asked.from), Date.parse(asked.to)]
  const [first, last] = [entries[0]?.value?.recordedAt, entries.at(-1)?.value?.recordedAt]
  if (!(begin < end)) found.fault('the bundle says no period')
  if (from > 0 && !(first !== undefined && first < begin))
    found.fault(`entry ${from} is not from before the period: entries before it may be left out`)
  if (to < checkpoint.size && !(last !== undefined && last >= end))
    found.fault(`entry ${to - 1} is not from after the period: entries after it may be left out`)
}

/** (11) How the log began and that this reading was written down. */
export function checkReads({ entries, single, checkpoint }: Bundle): Check {
  const found = new Findings('reads')
  const all = [...entries, ...single.map(({ entry }) => entry)]
  const first = all.find(({ index }) => index === 0)?.value
  if (first?.action !== 'ledger.opened' || first.object.id !== checkpoint.origin)
    found.fault('entry 0 does not say that this log was opened')
  else if (first.content['previous'] !== null)
    found.flag(
      `the log was opened by ${first.actor} (${String(first.content['reason'])}) after another one: ${JSON.stringify(first.content['previous'])}`,
    )
  const made = all.filter(({ value }) => value?.action === 'ledger.bundle')
  if (made.length === 0) found.fault('no entry says that this bundle was made')
  const reads = all.filter(({ value }) => value?.action === 'ledger.read').length
  for (const { value } of all)
    if (value?.action === 'ledger.key_added')
      found.flag(`the hub began to sign with the key ${value.object.id}`)
  return found.done(
    `The log's beginning and this bundle's own entry are there; ${reads} reads of the log in the range.`,
  )
}
