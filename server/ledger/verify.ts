import { isSignedBy, readCheckpoint } from './checkpoint.ts'
import { isCanonical, type Opening, saltedHash } from './entry.ts'
import { GrowingTree, leafHash } from './merkle.ts'

/** An entry as a hub hands it out. */
export interface ShownEntry {
  readonly index: number
  readonly entry: string
  readonly leaf: string
  readonly treeLeaf: string | null
  readonly opening: Readonly<Record<string, unknown>> | null
}

export interface VerifyInput {
  readonly origin: string
  /** Entries with a place, in order. */
  readonly entries: AsyncIterable<ShownEntry>
  /** Signed notes, the smallest first: the hub's and those somebody has kept. */
  readonly checkpoints: readonly string[]
  /** Public keys that may have signed, 32 bytes each. */
  readonly keys: readonly Uint8Array[]
  /** Called now and then with the entries read so far. */
  readonly onProgress?: (entries: number) => void
}

/** What verification found; `faults` is empty when the ledger is what was signed. */
export interface Verified {
  readonly entries: number
  readonly root: string
  readonly checkpoints: number
  /** Size of the largest checkpoint that agrees. */
  readonly covered: number
  readonly faults: readonly string[]
  /** Faults beyond those that are named. */
  readonly unnamed: number
}

const faultsNamed = 100
const progressEvery = 10_000

/** Recomputes every leaf and every root from the entries alone, and compares them with what the hub stored and what was signed. */
export async function verifyLedger(input: VerifyInput): Promise<Verified> {
  const faults = new Faults()
  const expected = expectedRoots(input, faults)
  const tree = new GrowingTree()
  let covered = 0
  const compare = () => {
    for (const { root, text } of expected.get(tree.size) ?? []) {
      if (tree.root().equals(root)) covered = tree.size
      else
        faults.add(
          `The checkpoint of ${tree.size} entries has another root: ${text}. An entry after ${covered} (the last size that agrees) was changed, put in or moved.`,
        )
    }
  }
  compare()
  for await (const shown of input.entries) {
    for (const fault of faultsOf(shown, tree.size)) faults.add(fault)
    tree.add(leafHash(shown.entry))
    compare()
    if (tree.size % progressEvery === 0) input.onProgress?.(tree.size)
  }
  for (const size of expected.keys())
    if (size > tree.size)
      faults.add(
        `A checkpoint of ${size} entries was signed, the hub shows ${tree.size}: entries are gone.`,
      )
  return {
    entries: tree.size,
    root: tree.root().toString('base64'),
    checkpoints: input.checkpoints.length,
    covered,
    faults: faults.named,
    unnamed: faults.unnamed,
  }
}

function expectedRoots({ origin, checkpoints, keys }: VerifyInput, faults: Faults) {
  const bySize = new Map<number, { readonly root: Buffer; readonly text: string }[]>()
  for (const [index, note] of checkpoints.entries()) {
    const head = readCheckpoint(note)
    if (head === undefined) {
      faults.add(`Checkpoint ${index + 1} is no signed checkpoint.`)
      continue
    }
    if (head.origin !== origin)
      faults.add(`A checkpoint of ${head.size} entries is of another log: ${head.origin}.`)
    else if (!isSignedBy(head, keys))
      faults.add(`The checkpoint of ${head.size} entries is not signed by a key of this ledger.`)
    else {
      const text = `signed is ${head.root.toString('base64')}`
      bySize.set(head.size, [...(bySize.get(head.size) ?? []), { root: head.root, text }])
    }
  }
  return bySize
}

/** What is wrong with one entry; `index` is where it should stand. */
function faultsOf(shown: ShownEntry, index: number): string[] {
  if (shown.index !== index) return [`Entry ${index} is gone; entry ${shown.index} follows.`]
  const name = `Entry ${index} (${summaryOf(shown.entry)})`
  const leaf = leafHash(shown.entry).toString('base64')
  const faults: string[] = []
  if (!isCanonical(shown.entry)) faults.push(`${name} is not in its canonical form.`)
  if (leaf !== shown.leaf) faults.push(`${name} is not the text its leaf was made of.`)
  if (leaf !== shown.treeLeaf) faults.push(`${name} is not what the tree holds at its place.`)
  const hashes = sensitiveOf(shown.entry)
  for (const [field, opening] of Object.entries(shown.opening ?? {}))
    if (!isOpening(opening) || saltedHash(opening) !== hashes[field])
      faults.push(`${name}: the text kept for "${field}" is not the one that was hashed.`)
  return faults
}

function isOpening(value: unknown): value is Opening {
  const { salt, value: text } = (value ?? {}) as Partial<Opening>
  return typeof salt === 'string' && typeof text === 'string'
}

function sensitiveOf(entry: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(entry) as { sensitive?: Record<string, unknown> }).sensitive ?? {}
  } catch {
    return {}
  }
}

function summaryOf(entry: string): string {
  try {
    const { action, object, recordedAt } = JSON.parse(entry) as {
      action: string
      object: { type: string; id: string }
      recordedAt: string
    }
    return `${action} of ${object.type} ${object.id}, ${recordedAt}`
  } catch {
    return 'unreadable'
  }
}

class Faults {
  readonly named: string[] = []
  unnamed = 0

  add(text: string): void {
    if (this.named.length < faultsNamed) this.named.push(text)
    else this.unnamed++
  }
}
