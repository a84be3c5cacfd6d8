import { createHash } from 'node:crypto'
import { faultsOfFact } from '../../incidents/facts.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { HandlingParts } from './handling.ts'
import { type FieldFault, type Line, rowToPast } from './import-row.ts'
import { mostLines, type ReadLine } from './import-text.ts'
import { judgePast, type PastIncident } from './past.ts'

export interface ImportFault extends FieldFault {
  readonly line: number
  readonly reference: string
}

/** What came of an import; nothing is written when there is a fault. */
export interface ImportResult {
  readonly dryRun: boolean
  readonly lines: number
  readonly imported: readonly { readonly reference: string; readonly number: number }[]
  /** Imported before with the same content. */
  readonly already: readonly { readonly reference: string; readonly number: number }[]
  /** Would be imported; of a dry run. */
  readonly ready: number
  readonly faults: readonly ImportFault[]
}

/** Faults that are shown of one import. */
const faultsShown = 500
/** Incidents written in one transaction. */
const perTransaction = 100

interface Ready {
  readonly line: number
  readonly reference: string
  readonly hash: string
  readonly incident: PastIncident
}

/** Takes incidents of the past in, all of a request or none: each by its own reference, once, through the judge. */
export class Importing {
  readonly #parts: HandlingParts

  constructor(parts: HandlingParts) {
    this.#parts = parts
  }

  async run(by: Principal, lines: readonly ReadLine[], dryRun: boolean): Promise<ImportResult> {
    const { ready, faults } = this.#read(by, lines)
    const known = await this.#known(ready)
    const already: { reference: string; number: number }[] = []
    const fresh: Ready[] = []
    for (const one of ready) {
      const before = known.get(one.reference)
      if (before === undefined) fresh.push(one)
      else if (before.hash === one.hash)
        already.push({ reference: one.reference, number: before.number })
      else
        faults.push({
          ...{ line: one.line, reference: one.reference, field: 'reference' },
          text: `was imported with other content as incident ${before.number}: correct that one by facts`,
        })
    }
    const shown = faults.sort((a, b) => a.line - b.line).slice(0, faultsShown)
    const base = { dryRun, lines: lines.length, already, faults: shown, ready: fresh.length }
    if (dryRun || faults.length > 0) return { ...base, imported: [] }
    return { ...base, imported: await this.#write(by, fresh) }
  }

  #read(by: Principal, lines: readonly ReadLine[]): { ready: Ready[]; faults: ImportFault[] } {
    const now = this.#parts.clock.now()
    const faults: ImportFault[] = []
    const ready: Ready[] = []
    const seen = new Map<string, number>()
    if (lines.length > mostLines)
      faults.push({
        ...{ line: mostLines + 1, reference: '', field: '' },
        text: `send at most ${mostLines} incidents at a time; there are ${lines.length}`,
      })
    for (const { line, fields, fault } of lines.slice(0, mostLines)) {
      if (fault !== undefined) {
        faults.push({ line, reference: '', field: '', text: fault })
        continue
      }
      const row = rowToPast(fields, by.name, now)
      const { reference } = row
      const twice = seen.get(reference)
      if (reference !== '' && twice !== undefined)
        faults.push({ line, reference, field: 'reference', text: `stands on line ${twice} too` })
      seen.set(reference, twice ?? line)
      if (!row.ok) {
        faults.push(...row.faults.map((one) => ({ line, reference, ...one })))
        continue
      }
      let id = 0
      const verdict = judgePast(row.incident, () => ({ id: `f${++id}`, recordedAt: now }))
      if (verdict.lawful)
        ready.push({ line, reference, hash: hashOf(fields), incident: row.incident })
      else
        faults.push(
          ...[...new Set([...ownFaults(row.incident), ...verdict.faults])].map((text) => ({
            ...{ line, reference, field: fieldOf(text), text },
          })),
        )
    }
    return { ready, faults }
  }

  async #known(ready: readonly Ready[]) {
    const known = new Map<string, { hash: string; number: number }>()
    for (let from = 0; from < ready.length; from += 500) {
      const references = ready.slice(from, from + 500).map(({ reference }) => reference)
      const rows = await this.#parts.records.read
        .selectFrom('incident_imports')
        .innerJoin('incidents', 'incidents.id', 'incident_imports.incident_id')
        .select(['reference', 'content_hash', 'incidents.number'])
        .where('reference', 'in', references)
        .execute()
      for (const { reference, content_hash: hash, number } of rows)
        known.set(reference, { hash, number: Number(number) })
    }
    return known
  }

  async #write(by: Principal, fresh: readonly Ready[]) {
    const { records, committed } = this.#parts
    const imported: { reference: string; number: number }[] = []
    for (let from = 0; from < fresh.length; from += perTransaction) {
      const some = fresh.slice(from, from + perTransaction)
      // A cut between two of these is mended by sending the same request again: what is there is passed over.
      imported.push(...(await records.write((tx) => this.#writeSome(tx, by, some))))
      committed()
    }
    return imported
  }

  async #writeSome(tx: RecordsTransaction, by: Principal, some: readonly Ready[]) {
    const { store, clock } = this.#parts
    const imported: { reference: string; number: number }[] = []
    for (const { reference, hash, incident } of some) {
      const there = await tx
        .selectFrom('incident_imports')
        .select('reference')
        .where('reference', '=', reference)
        .executeTakeFirst()
      if (there !== undefined) continue
      const { id, number } = await store.recordPast(tx, incident)
      await tx
        .insertInto('incident_imports')
        .values({
          ...{ reference, incident_id: id, content_hash: hash },
          ...{ imported_by: by.name, at: clock.now() },
        })
        .execute()
      imported.push({ reference, number })
    }
    return imported
  }
}

/** Faults of each fact by itself: the judge names only those of the first. */
function ownFaults({ chapters }: PastIncident): string[] {
  return chapters.flatMap(({ facts }) => facts.flatMap((fact) => faultsOfFact(fact)))
}

function hashOf(fields: Line): string {
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}

/** The judge speaks of facts; the column behind the first word is named where there is one. */
function fieldOf(text: string): string {
  const columns: Readonly<Record<string, string>> = {
    occurred: 'occurredAt',
    detected: 'detectedAt',
    recovered: 'recoveredAt',
    acknowledged: 'acknowledgedAt',
    arrived: 'arrivedAt',
    impact: 'callsAttempted',
    severity: 'severity',
    opened: 'discovery',
    phenomenon: 'phenomenon',
    root_cause: 'rootCauses',
    'the verifier is the fixer': 'verifier',
  }
  return Object.entries(columns).find(([start]) => text.startsWith(start))?.[1] ?? ''
}
