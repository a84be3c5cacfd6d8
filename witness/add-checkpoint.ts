import { fromBase64 } from '../server/ledger/checkpoint.ts'
import type { Submission } from './judge.ts'

/** Most hashes of a proof (C2SP tlog-witness). */
const proofMax = 63

/** Reads the body of an add-checkpoint request (C2SP tlog-witness); undefined for anything malformed. */
export function readAddCheckpoint(body: string): Submission | undefined {
  const gap = body.indexOf('\n\n')
  if (gap < 0) return undefined
  const [first = '', ...hashes] = body.slice(0, gap).split('\n')
  const old = /^old (0|[1-9]\d{0,15})$/.exec(first)
  const oldSize = Number(old?.[1])
  if (old === null || !Number.isSafeInteger(oldSize) || hashes.length > proofMax) return undefined
  const proof = hashes.map(fromBase64).filter((hash) => hash?.length === 32)
  if (proof.length < hashes.length) return undefined
  return { oldSize, proof: proof.filter((hash) => hash !== undefined), note: body.slice(gap + 2) }
}
