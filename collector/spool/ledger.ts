import { crc32 } from 'node:zlib'
import type { LanePositions, Waiting } from '../pending.ts'
import { type Run, readPacked, readRuns, runsOf, runsPacked } from './segment.ts'

/** Size of the file, whatever it says: written again in place, so that a full disk takes it. */
export const ledgerBytes = 4096

/** What the segments do not know while the disk refuses them: written before anything is sent from memory. */
export interface Ledger {
  readonly collector: string
  readonly epoch: string
  readonly boot: string
  readonly nextNumber: number
  readonly positions: LanePositions
  /** What waits in files, with identities the files may not know. */
  readonly inFiles: readonly Run[]
  /** What only memory held. */
  readonly inMemory: readonly Run[]
}

/** The part of a ledger that tells of reports; `all` by rising number. */
export function ledgerRuns(all: readonly Waiting[]): Pick<Ledger, 'inFiles' | 'inMemory'> {
  return {
    inFiles: runsOf(all.filter(({ place }) => place === 'files')),
    inMemory: runsOf(all.filter(({ place }) => place !== 'files')),
  }
}

/** The file's bytes; `blank`: the segments know all. Undefined when it does not fit: the reports have too many runs. */
export function writeLedger(ledger: Ledger | 'blank'): Uint8Array | undefined {
  const { positions, inFiles, inMemory, ...rest } =
    ledger === 'blank' ? ({} as Partial<Ledger>) : ledger
  const text = JSON.stringify({
    ...rest,
    ...positions,
    ...(inFiles && { inFiles: runsPacked(inFiles) }),
    ...(inMemory && { inMemory: runsPacked(inMemory) }),
  })
  const line = Buffer.from(`${checksum(text)} ${text}\n`)
  if (line.length > ledgerBytes) return undefined
  const bytes = Buffer.alloc(ledgerBytes, ' ')
  line.copy(bytes)
  return bytes
}

/** Undefined when the bytes are no ledger, or a damaged one. */
export function readLedger(bytes: Uint8Array | undefined): Ledger | 'blank' | undefined {
  const [line = ''] = Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n', 1)
  const text = line.slice(9)
  if (line.slice(0, 9) !== `${checksum(text)} `) return undefined
  if (text === '{}') return 'blank'
  try {
    const { inFiles, inMemory, ...rest } = JSON.parse(text) as Record<string, unknown>
    const head = readPacked(rest, 'nextNumber')
    const { first: nextNumber, ...known } = head
    return { ...known, nextNumber, inFiles: readRuns(inFiles), inMemory: readRuns(inMemory) }
  } catch {
    return undefined
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
