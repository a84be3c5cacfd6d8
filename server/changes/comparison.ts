import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Inventory, StoredDocument } from '../inventory/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { ExpectedChange } from './change.ts'
import {
  knownSoftware,
  packageDifference,
  softwareDifference,
  type VersionItem,
} from './difference.ts'
import { readPackages, readSoftware } from './documents.ts'
import { announcedIn } from './standing.ts'
import type { VersionStore } from './version-store.ts'

/** Names of the documents whose versions are compared. */
export const comparedDocuments: readonly string[] = ['packages', 'software']

/** Documents of a host that are searched for announced updates; it tells a new one at most once an hour. */
const documentsSearched = 12

/** What is known after a document, and what it changed. */
interface Step {
  readonly known: string
  readonly items: readonly VersionItem[]
}

/** Compares a document with what was known of its host, in the transaction that stores it; the first one changes nothing. */
export class Comparison {
  readonly #inventory: Pick<Inventory, 'documentText' | 'keepDocument'>
  readonly #versions: VersionStore

  constructor(inventory: Pick<Inventory, 'documentText' | 'keepDocument'>, versions: VersionStore) {
    this.#inventory = inventory
    this.#versions = versions
  }

  async take(tx: RecordsTransaction, told: StoredDocument, labels: HostLabels): Promise<void> {
    const { instance, name, text } = told
    const row = await tx
      .selectFrom('known_versions')
      .select('hash')
      .where('instance', '=', instance)
      .where('name', '=', name)
      .executeTakeFirst()
    const before = row === undefined ? undefined : await this.#inventory.documentText(tx, row.hash)
    const step = name === 'packages' ? packagesStep(before, text) : softwareStep(before, text)
    if (step === undefined) return
    const hash =
      step.known === text ? told.hash : await this.#inventory.keepDocument(tx, step.known)
    await tx
      .insertInto('known_versions')
      .values({ instance, name, hash })
      .onConflict((conflict) => conflict.columns(['instance', 'name']).doUpdateSet({ hash }))
      .execute()
    if (row === undefined || step.items.length === 0) return
    const { items } = step
    const seen = { labels, document: name, fromHash: row.hash, toHash: hash, items }
    await this.#versions.add(tx, seen, () => this.#announced(tx, instance))
  }

  /** Security updates that the host's newest documents told were waiting: what is installed now waits no more. */
  async #announced(tx: RecordsTransaction, instance: string): Promise<ExpectedChange[]> {
    const rows = await tx
      .selectFrom('facts')
      .select('hash')
      .where('instance', '=', instance)
      .where('name', '=', 'software')
      .orderBy('received_at', 'desc')
      .limit(documentsSearched)
      .execute()
    const announced: ExpectedChange[] = []
    for (const { hash } of rows)
      announced.push(...announcedIn(await this.#inventory.documentText(tx, hash)))
    return announced
  }
}

/** Undefined: the document says nothing that can be compared, and the next one is compared with what was known before. */
function packagesStep(before: string | undefined, text: string): Step | undefined {
  const after = readPackages(text)
  if (after.state !== 'ok') return undefined
  const old = readPackages(before)
  const items = old.state === 'ok' ? packageDifference(old.document, after.document) : []
  return { known: text, items }
}

function softwareStep(before: string | undefined, text: string): Step | undefined {
  const after = readSoftware(text)
  if (after.state !== 'ok') return undefined
  const old = readSoftware(before)
  const last = old.state === 'ok' ? old.document : undefined
  const known = knownSoftware(last, after.document)
  const items = last === undefined ? [] : softwareDifference(last, known)
  return { known: JSON.stringify(known), items }
}
