import {
  keyIdOf,
  type NamedKey,
  readCheckpoint,
  type SignedTreeHead,
  type TreeHead,
} from '../server/ledger/checkpoint.ts'
import { logSaid } from '../server/ledger/cosignature.ts'
import { emptyRoot, type Hash, isConsistent } from '../server/ledger/merkle.ts'

/** A checkpoint that somebody wants cosigned, and the proof that it goes on from what the witness holds. */
export interface Submission {
  /** Size that the proof begins at. */
  readonly oldSize: number
  readonly proof: readonly Hash[]
  /** The signed note. */
  readonly note: string
}

/** No cosignature; `status` is that of C2SP tlog-witness. */
export interface Refusal {
  readonly kind: 'refused'
  readonly status: 400 | 403 | 404 | 409 | 422 | 503
  readonly reason: string
  /** Size the witness holds, where the answer tells it. */
  readonly size?: number
  /**
   * What speaks against the log: `fork` is proof (two signed checkpoints of one size), `proof` and `smaller` are not, as whoever
   * submits could have sent the wrong thing.
   */
  readonly against?: 'fork' | 'proof' | 'smaller'
}

/** A checkpoint whose log is known. */
export interface Identified {
  readonly kind: 'identified'
  readonly head: SignedTreeHead
  /** The log's own signature line. */
  readonly logLine: string
  /** A pinned key signed it, under a name that was not pinned: the log a restored hub opens. */
  readonly isNewLog: boolean
}

/** Which log a note is of, and whether its pinned key signed it. */
export function identify(note: string, pinned: readonly NamedKey[]): Identified | Refusal {
  const head = readCheckpoint(note)
  if (head === undefined) return refused(400, 'This is no signed checkpoint.')
  const named = pinned.filter(({ name }) => name === head.origin)
  const isNewLog = named.length === 0
  // The key of a log that is pinned may sign for the one after it, under that one's name.
  const keys = isNewLog ? pinned.map((key) => renamed(key, head.origin)) : named
  const words = keys.map((key) => logSaid(head, key))
  if (words.some(({ kind }) => kind === 'invalid'))
    return refused(403, `The signature of ${head.origin} is not good: the note was altered.`)
  const good = words.find((word) => word.kind === 'valid')
  if (good?.kind === 'valid') return { kind: 'identified', head, logLine: good.line, isNewLog }
  return isNewLog
    ? refused(404, `The log ${head.origin} is not known here: no pinned key signed it.`)
    : refused(403, `The checkpoint of ${head.origin} is not signed by its pinned key.`)
}

/** Undefined: the checkpoint goes on from what is held, and may be cosigned. */
export function objection(
  head: TreeHead,
  { oldSize, proof }: Pick<Submission, 'oldSize' | 'proof'>,
  held: TreeHead | undefined,
): Refusal | undefined {
  const from = held ?? { size: 0, root: emptyRoot }
  const misplaced = placed(head, oldSize, from.size)
  if (held?.size === head.size && !held.root.equals(head.root)) {
    const reason = `FORK: the log signed two trees of ${head.size} entries: ${held.root.toString('base64')} and ${head.root.toString('base64')}.`
    return { ...refused(misplaced?.status ?? 422, reason), size: from.size, against: 'fork' }
  }
  if (head.size < from.size) {
    const reason = `The checkpoint has ${head.size} entries, this witness has seen ${from.size}.`
    return { ...refused(misplaced?.status ?? 409, reason), size: from.size, against: 'smaller' }
  }
  if (misplaced !== undefined) return misplaced
  if (head.size === 0 && !head.root.equals(emptyRoot))
    return refused(422, 'A tree without entries has another root.')
  if (oldSize === 0)
    return proof.length === 0
      ? undefined
      : refused(422, 'From 0 entries there is nothing to prove.')
  if (isConsistent(from, head, proof)) return undefined
  const reason = `The proof does not show that the ${from.size} entries this witness has seen are the first of the ${head.size}.`
  return { ...refused(422, reason), against: 'proof' }
}

function placed(head: TreeHead, oldSize: number, heldSize: number): Refusal | undefined {
  if (oldSize > head.size)
    return refused(400, `The old size ${oldSize} is above the checkpoint's ${head.size}.`)
  if (oldSize === heldSize) return undefined
  return {
    ...refused(409, `This witness holds ${heldSize} entries, not ${oldSize}.`),
    size: heldSize,
  }
}

function refused(status: Refusal['status'], reason: string): Refusal {
  return { kind: 'refused', status, reason }
}

function renamed(key: NamedKey, name: string): NamedKey {
  return { ...key, name, keyId: keyIdOf(name, key.publicKey) }
}
