import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { labelKeys, type Subject, subjectOf } from '../../../alerts/correlation.ts'
import type { CorrelationRule } from '../../../alerts/correlation-config.ts'
import type { Clock, Millis } from '../../clock.ts'
import { CallwardError } from '../../errors.ts'
import type { Ledger } from '../../ledger/plugin.ts'
import { alertViewOf } from '../../records/alert-view.ts'
import { later, type Records, type RecordsTransaction } from '../../records/records.ts'
import type { CorrelationDocumentRow, RecordsSchema } from '../../records/schema.ts'
import { builtInText, type DocumentLineFault, readDocument } from './document.ts'

/** The document that holds. */
export interface CorrelationDocument {
  /** 0: the built-in one. */
  readonly version: number
  readonly text: string
  readonly rules: readonly CorrelationRule[]
  readonly storedAt: Millis | undefined
  readonly storedBy: string | undefined
  /** Of a stored document that this program cannot read; the built-in rules hold then. */
  readonly faults: readonly DocumentLineFault[]
}

/** One stored version, as lists show it. */
export interface DocumentVersion {
  readonly version: number
  readonly hash: string
  readonly storedAt: Millis
  readonly storedBy: string
}

const builtIn: CorrelationDocument = {
  version: 0,
  text: builtInText,
  rules: readDocument(builtInText).rules ?? [],
  storedAt: undefined,
  storedBy: undefined,
  faults: [],
}
const versionsShown = 100

function documentOf(row: CorrelationDocumentRow): CorrelationDocument {
  const { rules, faults } = readDocument(row.body)
  return {
    ...{ version: Number(row.version), text: row.body, rules: rules ?? builtIn.rules, faults },
    ...{ storedAt: Number(row.stored_at), storedBy: row.stored_by },
  }
}

/** What is answered for a document with faults: each with its line. */
export function faultyDocument(faults: readonly DocumentLineFault[]): CallwardError {
  const missing = faults.map(({ line, message }) => ({ text: `line ${line}: ${message}` }))
  const texts = missing.slice(0, 5).map(({ text }) => text)
  return new CallwardError('unprocessable', `The document is not taken: ${texts.join('; ')}`, {
    missing,
  })
}

/** Documents of correlation, each version as it was stored; the newest holds. */
export class DocumentStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger
  #current = builtIn

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
  }

  /** As it was last read or stored. */
  get current(): CorrelationDocument {
    return this.#current
  }

  /** Reads which one holds. */
  async look(): Promise<CorrelationDocument> {
    const row = await this.#newest(this.#records.read)
    this.#current = row === undefined ? builtIn : documentOf(row)
    return this.#current
  }

  /** The newest first. */
  async versions(): Promise<DocumentVersion[]> {
    const rows = await this.#records.read
      .selectFrom('correlation_documents')
      .select(['version', 'hash', 'stored_at', 'stored_by'])
      .orderBy('version', 'desc')
      .limit(versionsShown)
      .execute()
    return rows.map((row) => ({
      ...{ version: Number(row.version), hash: row.hash },
      ...{ storedAt: Number(row.stored_at), storedBy: row.stored_by },
    }))
  }

  /** A version as it was stored, 0 for the built-in one. Throws not_found. */
  async version(version: number): Promise<CorrelationDocument> {
    if (version === 0) return builtIn
    const row = await this.#records.read
      .selectFrom('correlation_documents')
      .selectAll()
      .where('version', '=', version)
      .executeTakeFirst()
    if (row === undefined)
      throw new CallwardError(
        'not_found',
        `There is no version ${version} of the correlation rules. List them with: callward correlation versions`,
      )
    return documentOf(row)
  }

  /**
   * Stores a document, which holds from the next alert on; one that is there already is not stored again. Throws unprocessable with every
   * fault, conflict when another version holds than the one it was made from.
   */
  async put(text: string, madeFrom: number | undefined, by: string): Promise<CorrelationDocument> {
    const { rules, faults } = readDocument(text)
    if (rules === undefined) throw faultyDocument(faults)
    await this.#records.write(async (tx) => {
      const newest = await this.#newest(tx)
      const version = Number(newest?.version ?? 0)
      if (madeFrom !== undefined && madeFrom !== version)
        throw new CallwardError(
          'conflict',
          `Version ${version} holds, and yours was made from version ${madeFrom}. Look at it with: callward correlation show`,
        )
      if (text === (newest?.body ?? builtInText)) return
      await this.#insert(tx, version + 1, text, by)
      await fillLabelKeys(tx, rules)
    })
    return this.look()
  }

  async #insert(tx: RecordsTransaction, version: number, body: string, by: string): Promise<void> {
    const hash = createHash('sha256').update(body).digest('hex')
    const at = this.#clock.now()
    await tx
      .insertInto('correlation_documents')
      .values({ version, hash, body, stored_at: at, stored_by: by })
      .execute()
    await this.#ledger.append(tx, {
      action: 'correlation.version',
      object: { type: 'correlation', id: String(version) },
      actor: by,
      occurredAt: at,
      content: { version, hash },
    })
  }

  #newest(read: Kysely<RecordsSchema>) {
    return read
      .selectFrom('correlation_documents')
      .selectAll()
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirst()
  }
}

/** Open incidents are found by the labels that new rules look at. */
async function fillLabelKeys(
  tx: RecordsTransaction,
  rules: readonly CorrelationRule[],
): Promise<void> {
  const rows = await tx
    .selectFrom('incidents')
    .innerJoin('incident_alerts', 'incident_alerts.incident_id', 'incidents.id')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .selectAll('alerts')
    .select('incidents.id as incident_id')
    .where('incidents.state', '!=', 'resolved')
    .execute()
  for (const { incident_id, ...row } of rows)
    await addLabelKeys(tx, rules, incident_id, subjectOf(alertViewOf(row)))
}

/** Keys under which rules that only join find an incident with this alert. */
export async function addLabelKeys(
  tx: RecordsTransaction,
  rules: readonly CorrelationRule[],
  incident_id: string,
  subject: Subject,
): Promise<void> {
  const values = labelKeys(rules, subject).map((label_key) => ({
    ...{ label_key, incident_id },
  }))
  if (values.length === 0) return
  await later(
    tx,
    tx
      .insertInto('incident_label_keys')
      .values(values)
      .onConflict((conflict) => conflict.columns(['label_key', 'incident_id']).doNothing()),
  )
}
