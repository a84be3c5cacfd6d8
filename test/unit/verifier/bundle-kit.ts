import { generateKeyPairSync } from 'node:crypto'
import { publishedStates } from '../../../server/ledger/bundle-states.ts'
import { rawPublicKey, signCheckpoint, verifierKeyText } from '../../../server/ledger/checkpoint.ts'
import { type SealedEntry, seal } from '../../../server/ledger/entry.ts'
import { GrowingTree, outsideRanges, type Range } from '../../../server/ledger/merkle.ts'
import { ZipWriter } from '../../../server/ledger/zip-writer.ts'
import { readVerifierKey, type Trust } from '../../../verifier/verify.ts'

export const origin = 'callward.ledger/kit'
export const now = Date.UTC(2026, 5, 1)
const pair = generateKeyPairSync('ed25519')
export const key = readVerifierKey(verifierKeyText(origin, rawPublicKey(pair.privateKey)))!
export const trust: Trust = { key }

/** Members of a sound bundle of a log with two entries and no incident. */
export function members(): Map<string, string> {
  const sealed = [
    entry('ledger.opened', { type: 'ledger', id: origin }, { origin, previous: null }, now),
    entry('ledger.bundle', { type: 'bundle', id: 'b' }, { kind: 'period' }, now + 1000),
  ]
  return membersOf(sealed)
}

export function entry(
  action: string,
  object: { type: string; id: string },
  content: object,
  at: number,
) {
  return seal({ action, object, actor: 'hub', occurredAt: at, content }, at)
}

/** Members of a bundle over all of some entries. */
export function membersOf(sealed: readonly SealedEntry[]): Map<string, string> {
  const leaves = sealed.map(({ leaf }) => Buffer.from(leaf, 'base64'))
  const head = {
    origin,
    size: sealed.length,
    root: rootOf(leaves, { begin: 0, end: leaves.length }),
  }
  const manifest = {
    ...{ format: 'callward-evidence', version: 1, origin, size: sealed.length },
    asked: { kind: 'period', from: '2026-05-01T00:00:00.000Z', to: '2026-07-01T00:00:00.000Z' },
    range: { from: 0, to: sealed.length },
    asOf: sealed.length,
    madeAt: '2026-06-01T00:00:01.000Z',
    inconsistency: null,
  }
  const lines = sealed.map(({ entry, leaf }, index) => JSON.stringify({ index, entry, leaf }))
  return new Map([
    ['manifest.json', JSON.stringify(manifest)],
    ['proofs.json', JSON.stringify({ range: [], single: [], since: null })],
    ['states.json', JSON.stringify(publishedStates)],
    ['checkpoint.txt', signCheckpoint(head, pair.privateKey)],
    ['entries/000000.jsonl', lines.map((line) => `${line}\n`).join('')],
  ])
}

export function zip(of: ReadonlyMap<string, string>): Uint8Array {
  const writer = new ZipWriter()
  const parts = [...of].flatMap(([name, text]) => writer.add(name, Buffer.from(text)))
  return new Uint8Array(Buffer.concat([...parts, ...writer.end()]))
}

/** Root over a range of leaves. */
export function rootOf(leaves: readonly Buffer[], { begin, end }: Range): Buffer {
  const tree = new GrowingTree()
  for (const leaf of leaves.slice(begin, end)) tree.add(leaf)
  return tree.root()
}

/** What proves leaves of a range to be in the tree. */
export function rangeProof(leaves: readonly Buffer[], range: Range): Buffer[] {
  return outsideRanges(range, leaves.length).map((one) => rootOf(leaves, one))
}
