import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { packedRow } from './document-store.ts'
import type { FactsStore, StoredDocument } from './facts-store.ts'
import type { Host } from './host.ts'

/** Who works with hosts and their documents as they come. */
export interface DocumentWatcher {
  /** The host's collector has said hello, under these labels. */
  greeted?(labels: HostLabels): void
  /** In the transaction that stores the document: what it throws leaves the document out, to be sent again. */
  within?(tx: RecordsTransaction, document: StoredDocument): Promise<void>
  /** After the commit. */
  stored?(document: StoredDocument): void
}

/** Facts documents by host, whichever collector told them. */
export interface HostDocuments {
  /** A collector's document, its hash checked. */
  facts(collectorId: string, name: string, hash: string, text: string): Promise<void>
  /** Hashes of the documents held of the collector's host, by name. */
  factHashes(collectorId: string): Promise<Record<string, string>>
  /** A document of a host as it was at a time (default: now). */
  document(instance: string, name: string, at?: Millis): Promise<StoredDocument | undefined>
  /** The JSON text that has this SHA-256, read inside a transaction. */
  documentText(tx: RecordsTransaction, hash: string): Promise<string | undefined>
  /** Holds a JSON text that is nobody's facts for as long as `known_versions` names its hash; gives the hash. */
  keepDocument(tx: RecordsTransaction, text: string): Promise<string>
  /** Called for each document that differs from the host's last one of that name. */
  watchDocuments(watcher: DocumentWatcher): void
}

const sweepEveryMillis = 600_000

/** Facts documents on their way to the records, and who works with them as they come. */
export class Documents {
  readonly #app: FastifyInstance
  readonly #facts: FactsStore
  readonly #hosts: ReadonlyMap<string, Host>
  readonly #watchers: DocumentWatcher[] = []
  #timer: NodeJS.Timeout | undefined

  /** `hosts` by collector, as they are at any time. */
  constructor(app: FastifyInstance, facts: FactsStore, hosts: ReadonlyMap<string, Host>) {
    this.#app = app
    this.#facts = facts
    this.#hosts = hosts
  }

  /** What `app.inventory` offers of them. */
  get members(): HostDocuments {
    const facts = this.#facts
    return {
      facts: (id, name, hash, text) => this.#take(id, name, hash, text),
      factHashes: async (id) => {
        const instance = this.#instanceOf(id)
        return instance === undefined ? {} : facts.hashes(instance).catch(() => ({}))
      },
      document: (instance, name, at) => facts.at(instance, name, at),
      documentText: (tx, hash) => facts.documents.text(tx, hash),
      keepDocument: async (tx, text) => {
        const hash = createHash('sha256').update(text).digest('hex')
        await facts.documents.put(tx, packedRow(hash, text))
        return hash
      },
      watchDocuments: (watcher) => void this.#watchers.push(watcher),
    }
  }

  greeted(labels: HostLabels): void {
    for (const watcher of this.#watchers) watcher.greeted?.(labels)
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#facts
        .sweep()
        .catch((err: unknown) => this.#app.log.warn({ err }, 'old documents not removed'))
    }, sweepEveryMillis)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #take(collectorId: string, name: string, hash: string, text: string): Promise<void> {
    const instance = this.#instanceOf(collectorId)
    // Another collector has taken the host over.
    if (instance === undefined) return
    try {
      const told = { collectorId, instance, name, hash, text }
      const stored = await this.#facts.save(told, async (tx, document) => {
        for (const watcher of this.#watchers) await watcher.within?.(tx, document)
      })
      if (stored !== undefined) for (const watcher of this.#watchers) watcher.stored?.(stored)
    } catch (err) {
      // Not saved means not in the next welcome, so the collector sends it again.
      this.#app.log.warn({ err, collector: collectorId, name }, 'facts not saved')
    }
  }

  #instanceOf(collectorId: string): string | undefined {
    return this.#hosts.get(collectorId)?.labels.instance
  }
}
