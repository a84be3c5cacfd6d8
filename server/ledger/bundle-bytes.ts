import { readFile } from 'node:fs/promises'
import type { BundlePlan } from './bundle.ts'
import { evidenceNamed, evidenceOf } from './bundle-files.ts'
import { type Database, entriesFrom, type StoredEntry } from './ledger-store.ts'
import { treeLeaves } from './tree-leaves.ts'
import { ZipWriter } from './zip-writer.ts'

const entriesPerMember = 1000
const rowsPerMember = 5000

/** The bundle as it goes out: members of bounded size, one after the other. */
export async function* bundleBytes(read: Database, plan: BundlePlan): AsyncGenerator<Buffer> {
  const zip = new ZipWriter()
  for (const { name, value } of plan.documents) yield* zip.add(name, Buffer.from(value))
  for (const [name, rows] of Object.entries(plan.rows.tables))
    for (let part = 0; part * rowsPerMember < rows.length; part++) {
      const some = rows.slice(part * rowsPerMember, (part + 1) * rowsPerMember)
      yield* zip.add(memberName(`rows/${name}`, part), jsonLines(some))
    }
  for (const [hash, path] of plan.files) {
    const content = await readFile(path).catch(() => undefined)
    // A file that is gone is missed by the verifier, which names it.
    if (content !== undefined) yield* zip.add(`attachments/${hash}`, content)
  }
  for (const hash of evidenceNamed(plan.rows)) {
    const content = await evidenceOf(read, hash)
    if (content !== undefined) yield* zip.add(`evidence/${hash}`, content)
  }
  let part = 0
  for await (const entries of entryPages(read, plan)) {
    const leafAt = treeLeaves(read, plan.epoch.number)
    const lines = await Promise.all(entries.map((one) => entryLine(plan, one, leafAt)))
    yield* zip.add(memberName('entries', part), jsonLines(lines))
    yield* zip.add(
      memberName('disclosures', part),
      jsonLines(entries.flatMap((one) => disclosureLine(plan, one))),
    )
    part++
  }
  if (plan.single.length > 0)
    yield* zip.add(
      memberName('disclosures', part),
      jsonLines(plan.single.flatMap((one) => disclosureLine(plan, one))),
    )
  yield* zip.end()
}

/** Entries of the range, so many at a time; the database reads the next while these go out. */
async function* entryPages(
  read: Database,
  { epoch, range }: BundlePlan,
): AsyncGenerator<readonly StoredEntry[]> {
  const below = epoch.first_number + range.end
  const pageFrom = (from: number) => {
    const page = entriesFrom(read, { from, below, limit: entriesPerMember })
    // Whoever waits for it is told; nobody does when the reader has gone away.
    page.catch(() => {})
    return page
  }
  let next = pageFrom(epoch.first_number + range.begin)
  for (;;) {
    const entries = await next
    const last = entries.at(-1)
    if (last === undefined) return
    next = pageFrom(last.number + 1)
    yield entries
  }
}

/** An entry; what the tree holds at its place goes along where that is another leaf. */
async function entryLine(
  { epoch }: BundlePlan,
  { number, entry, leaf }: StoredEntry,
  leafAt: ReturnType<typeof treeLeaves>,
) {
  const index = Number(number) - epoch.first_number
  const tree = await leafAt(index)
  return tree === null || tree === leaf ? { index, entry, leaf } : { index, entry, leaf, tree }
}

/** Texts behind the hashes of what is shown, and of nothing else. */
function disclosureLine(
  { epoch, rows: { objects } }: BundlePlan,
  { number, entry, opening }: StoredEntry,
) {
  if (opening === null) return []
  const { type, id } = objectOf(entry)
  const shown = objects[type as keyof typeof objects]?.has(id) === true
  const index = Number(number) - epoch.first_number
  return shown ? [{ index, opening: jsonOf(opening) }] : []
}

const objectBegin = '"object":{'
const objectEnd = '},"occurredAt":'

function objectOf(entry: string): { readonly type: string; readonly id: string } {
  // In the canonical form nothing but hashes and times comes after it (`seal`).
  const at = entry.lastIndexOf(objectBegin)
  const end = entry.indexOf(objectEnd, at)
  const { type, id } = jsonOf(entry.slice(at + objectBegin.length - 1, end + 1)) as {
    type?: unknown
    id?: unknown
  }
  return { type: String(type), id: String(id) }
}

/** An entry that somebody damaged is shown as it is; the verifier names it. */
function jsonOf(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function jsonLines(rows: readonly unknown[]): Buffer {
  return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

function memberName(name: string, part: number): string {
  return `${name}/${String(part).padStart(6, '0')}.jsonl`
}
