import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { rawPublicKey, signCheckpoint, verifierKeyText } from '../../../server/ledger/checkpoint.ts'
import { readLogKey } from '../../../server/ledger/cosignature.ts'
import { consistencyRanges, emptyRoot, leafHash, nodeHash } from '../../../server/ledger/merkle.ts'
import type { Submission } from '../../../witness/judge.ts'

/** RFC 6962 §2.1, word for word. */
export function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return emptyRoot
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** A log that can sign any history. */
export class TestLog {
  readonly origin: string
  readonly privateKey: KeyObject
  readonly key

  constructor(
    origin = 'callward.ledger/a',
    privateKey = generateKeyPairSync('ed25519').privateKey,
  ) {
    this.origin = origin
    this.privateKey = privateKey
    this.key = readLogKey(this.verifierKey)!
  }

  get verifierKey(): string {
    return verifierKeyText(this.origin, rawPublicKey(this.privateKey))
  }

  note(leaves: readonly Buffer[]): string {
    const { origin, privateKey } = this
    return signCheckpoint({ origin, size: leaves.length, root: naiveRoot(leaves) }, privateKey)
  }

  /** The checkpoint over all leaves, with the proof from the first `from`. */
  submission(leaves: readonly Buffer[], from: number): Submission {
    const proof =
      from > leaves.length
        ? []
        : consistencyRanges(from, leaves.length).map(({ begin, end }) =>
            naiveRoot(leaves.slice(begin, end)),
          )
    return { oldSize: from, proof, note: this.note(leaves) }
  }

  body(leaves: readonly Buffer[], from: number): string {
    const { oldSize, proof, note } = this.submission(leaves, from)
    return `old ${oldSize}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`
  }
}

/** Leaves of a history; those of two names differ from `same` on. */
export function history(size: number, name = '', same = 0): Buffer[] {
  return Array.from({ length: size }, (_, index) =>
    leafHash(index < same ? `${index}` : `${name}${index}`),
  )
}
