import type { Millis } from '../clock.ts'
import { badFrame, type Connection, type LiveAction, type LiveStep } from './connection-state.ts'
import type { ClientFrame } from './schema.ts'

/** What a receipt says of a message. */
export type ReceiptKind = 'received' | 'displayed'

/** Messages of one person after `after`, up to `upTo`, have this receipt. */
export interface WaitingReceipt {
  readonly principalId: string
  readonly kind: ReceiptKind
  readonly after: number
  readonly upTo: number
  readonly at: Millis
}

/** A client's frame that is a receipt. */
export type ReceiptFrame = Extract<ClientFrame, { readonly type: ReceiptKind }>

export function isReceipt(frame: ClientFrame): frame is ReceiptFrame {
  return frame.type === 'received' || frame.type === 'displayed'
}

/** A receipt for what was sent here, or was sent before the position the client resumed from. */
export function receiptArrived(connection: Connection, frame: ReceiptFrame): LiveStep {
  const newest = frame.type === 'received' ? frame.sequence : Math.max(...frame.sequences)
  // It is well formed: a client of a restored hub may send some before it reads that its numbers are gone.
  const understood = { ...connection, badFramesInARow: 0 }
  if (newest > connection.cursor || connection.phase === 'welcomed') {
    const message = `${frame.type} ${newest} names a message that was not sent on this connection.`
    return badFrame(understood, message)
  }
  // Whether the client's numbers are of this queue is not known yet: the hub may be an older copy.
  if (connection.phase === 'checking') return [understood, []]
  return frame.type === 'received' ? received(understood, frame) : displayed(understood, frame)
}

/** Cumulative: from the last receipt, or from `after` when the client repeats what another connection received. */
function received(
  connection: Connection,
  { sequence, after }: ReceiptFrame & { type: 'received' },
): LiveStep {
  const farthest = sequence - connection.limits.repeatedReceipts
  const from =
    after === undefined
      ? Math.max(connection.received, connection.start)
      : Math.max(0, after, farthest)
  const next = { ...connection, received: Math.max(connection.received, sequence) }
  if (from >= sequence) return [next, []]
  return [next, [{ kind: 'receipt', receipt: 'received', after: from, upTo: sequence }]]
}

function displayed(
  connection: Connection,
  { sequences }: ReceiptFrame & { type: 'displayed' },
): LiveStep {
  return [
    connection,
    runs(sequences).map(
      ([first, last]): LiveAction => ({
        kind: 'receipt',
        receipt: 'displayed',
        after: first - 1,
        upTo: last,
      }),
    ),
  ]
}

/** Numbers as runs without holes, each once. */
function runs(numbers: readonly number[]): (readonly [first: number, last: number])[] {
  const found: [number, number][] = []
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = found.at(-1)
    if (last !== undefined && number <= last[1] + 1) last[1] = number
    else found.push([number, number])
  }
  return found
}

/** Receipts that wait to be written, the person who has waited longest first. Changed in place. */
export type WaitingReceipts = Map<string, WaitingReceipt[]>

/** Receipts of one person this near in time are one, with the later time: a receipt is never said to be older than it is. */
const joinedMillis = 1000

/** Adds one, joined to those it touches. False when `limit` of its person and kind wait already: then it is dropped. */
export function gather(waiting: WaitingReceipts, receipt: WaitingReceipt, limit: number): boolean {
  const theirs = waiting.get(receipt.principalId) ?? []
  const touches = (other: WaitingReceipt) =>
    other.kind === receipt.kind &&
    other.after <= receipt.upTo &&
    receipt.after <= other.upTo &&
    Math.abs(other.at - receipt.at) <= joinedMillis
  const others = theirs.filter((other) => !touches(other))
  if (others.filter(({ kind }) => kind === receipt.kind).length >= limit) return false
  const joined = [receipt, ...theirs.filter(touches)]
  const one: WaitingReceipt = {
    ...receipt,
    after: Math.min(...joined.map(({ after }) => after)),
    upTo: Math.max(...joined.map(({ upTo }) => upTo)),
    at: Math.max(...joined.map(({ at }) => at)),
  }
  waiting.set(receipt.principalId, [...others, one])
  return true
}

/** Takes at most `limit` out, a share of each person's, so that nobody's many hold up the others. */
export function takeSome(waiting: WaitingReceipts, limit: number): WaitingReceipt[] {
  const taken: WaitingReceipt[] = []
  const share = Math.max(1, Math.floor(limit / Math.max(1, waiting.size)))
  for (const [principalId, theirs] of [...waiting]) {
    if (taken.length >= limit) break
    const count = Math.min(share, limit - taken.length)
    taken.push(...theirs.slice(0, count))
    waiting.delete(principalId)
    // What is left goes to the end of the line.
    if (theirs.length > count) waiting.set(principalId, theirs.slice(count))
  }
  return taken
}
