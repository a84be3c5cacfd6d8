import { fromBase64, readCheckpoint, type TreeHead } from '../server/ledger/checkpoint.ts'
import { type Hash, leafHash, rootOfInclusion } from '../server/ledger/merkle.ts'
import type { HubClient } from './hub-client.ts'
import type { Answer, Held, Witness } from './witness.ts'
import { WitnessFault } from './witness-fault.ts'

/** What came of one visit to a hub. */
export interface Pulled {
  readonly answer: Answer
  /** What an auditor must read: a fork, a log that was put back, a new log. */
  readonly alarms: readonly string[]
  /** What became of the cosignature at the hub. */
  readonly delivered: string | undefined
  /** The hub could not be given what was signed; the next visit does it. */
  readonly undelivered: boolean
}

/** Fetches the hub's newest checkpoint with its proof, cosigns it and gives the hub the cosignature. Throws WitnessFault. */
export async function pull(witness: Witness, hub: HubClient): Promise<Pulled> {
  const note = await hub.text('/api/v1/ledger/checkpoint')
  const head = readCheckpoint(note)
  if (head === undefined) throw new WitnessFault('The hub gave no signed checkpoint.')
  const held = witness.held(head.origin)
  const others = witness.logs()
  const oldSize = Math.min(held?.size ?? 0, head.size)
  const proof = await proofOf(hub, oldSize, head)
  const answer = await witness.add({ oldSize, proof, note })
  if (answer.kind === 'refused')
    return { answer, alarms: await against(witness, answer, held, note), ...undeliverable }
  const alarms = answer.isNewLog ? await newLogAlarms(hub, head, others) : []
  const { origin, size } = head
  const body = { origin, size, cosignature: answer.line }
  try {
    const { status, message } = await hub.post('/api/v1/ledger/cosignatures', body)
    if (status === 200) return { answer, alarms, delivered: 'The hub has it.', undelivered: false }
    return { answer, alarms, delivered: `The hub did not take it: ${message}`, undelivered: true }
  } catch (error) {
    if (!(error instanceof WitnessFault)) throw error
    return { answer, alarms, delivered: error.message, undelivered: true }
  }
}

const undeliverable = { delivered: undefined, undelivered: false }

async function proofOf(hub: HubClient, from: number, { size, origin }: TreeHead): Promise<Hash[]> {
  if (from === 0 || from === size) return []
  const path = `/api/v1/ledger/consistency?from=${from}&to=${size}`
  const answer = await hub.json<{ origin?: unknown; proof?: unknown }>(path)
  const texts = Array.isArray(answer.proof) ? answer.proof : []
  const hashes = texts.map((text) => fromBase64(String(text)))
  if (answer.origin !== origin || hashes.some((hash) => hash?.length !== 32))
    throw new WitnessFault('The hub gave no proof of this log. Nothing was signed; run this again.')
  return hashes.filter((hash) => hash !== undefined)
}

/** The hub itself shows this as its newest: what would be idle talk from others speaks against the log here. */
async function against(
  witness: Witness,
  answer: Extract<Answer, { kind: 'refused' }>,
  held: Held | undefined,
  note: string,
): Promise<string[]> {
  if (answer.against === undefined || held === undefined) return []
  const evidence = answer.evidence ?? (await witness.accuse(answer, held, note))
  const what = {
    fork: 'Somebody rewrote the ledger, and the hub signed it again.',
    proof:
      'The ledger is no later state of the one this witness saw: entries were changed, taken out or moved.',
    smaller: 'The ledger was put back to an older state without opening a new log.',
  }[answer.against]
  return [what, answer.reason, `Evidence: ${evidence}`]
}

/** A log the pinned key opened under a new name: its first entry must name the one before it. */
async function newLogAlarms(
  hub: HubClient,
  head: TreeHead,
  others: readonly Held[],
): Promise<string[]> {
  const opened = `NEW LOG: the hub opened ${head.origin}; a restore does that. It is witnessed from here on.`
  const previous = await previousOf(hub, head).catch((error: unknown) =>
    error instanceof WitnessFault ? undefined : Promise.reject(error),
  )
  if (previous === undefined)
    return [opened, 'Its first entry does not name the log before it. Ask why it was opened.']
  const former = others.find(({ origin }) => origin === previous.origin)
  if (former === undefined)
    return [opened, `Its first entry names ${previous.origin}, which this witness never saw.`]
  const known = `Its first entry names ${former.origin} with ${previous.size} entries; this witness saw ${former.size}.`
  if (previous.size < former.size)
    return [opened, known, `${former.size - previous.size} entries of the old log are gone.`]
  if (previous.size === former.size && previous.root !== former.root.toString('base64'))
    return [opened, known, 'Its root is another: the old log was rewritten before it was closed.']
  return [opened, known]
}

async function previousOf(
  hub: HubClient,
  { size, root }: TreeHead,
): Promise<{ readonly origin: string; readonly size: number; readonly root: unknown } | undefined> {
  const path = `/api/v1/ledger/entries/0/proof?size=${size}`
  const { entry, proof } = await hub.json<{ entry?: unknown; proof?: unknown }>(path)
  if (typeof entry !== 'string' || !Array.isArray(proof)) return undefined
  const hashes = proof.map((text) => fromBase64(String(text)) ?? Buffer.alloc(0))
  if (rootOfInclusion(0, size, leafHash(entry), hashes)?.equals(root) !== true) return undefined
  try {
    const { action, content } = JSON.parse(entry) as {
      action?: unknown
      content?: { previous?: { origin?: unknown; size?: unknown; root?: unknown } | null }
    }
    const previous = content?.previous
    if (action !== 'ledger.opened' || typeof previous?.origin !== 'string') return undefined
    return { origin: previous.origin, size: Number(previous.size), root: previous.root }
  } catch {
    return undefined
  }
}
