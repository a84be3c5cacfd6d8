import type { FastifyBaseLogger } from 'fastify'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { LiveLimits, LiveTimes } from './limits.ts'
import type { LiveMetrics } from './live-metrics.ts'
import { type StoredReceipt, storeReceipts } from './receipt-store.ts'
import {
  gather,
  type ReceiptKind,
  takeSome,
  type WaitingReceipt,
  type WaitingReceipts,
} from './receipts.ts'

/** Pages of one person whose receipt of `kind` is new. */
export interface PageReceipts {
  readonly principalId: string
  readonly kind: ReceiptKind
  readonly at: number
  readonly messages: readonly {
    readonly sequence: number
    readonly kind: string
    /** JSON. */
    readonly body: string
  }[]
}

/** Called in the transaction that stores the receipts. */
export type ReceiptListener = (
  tx: RecordsTransaction,
  receipts: readonly PageReceipts[],
) => Promise<void>

export interface ReceiptWriterOptions {
  readonly records: Records
  readonly limits: LiveLimits
  readonly times: LiveTimes
  readonly metrics: LiveMetrics
  readonly log: FastifyBaseLogger
}

/** Tries of a write whose listeners fail before it is made without them: a receipt is not lost for a listener's fault. */
const listenerTries = 3

/** Gathers receipts of all sockets and writes them, one write at a time; a write that fails is tried again. */
export class ReceiptWriter {
  readonly #options: ReceiptWriterOptions
  readonly #listeners: ReceiptListener[] = []
  readonly #waiting: WaitingReceipts = new Map()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failures = 0

  constructor(options: ReceiptWriterOptions) {
    this.#options = options
  }

  listen(listener: ReceiptListener): void {
    this.#listeners.push(listener)
  }

  /** Takes one; never throws and never waits. */
  offer(receipt: WaitingReceipt): void {
    const { limits, metrics, times } = this.#options
    if (gather(this.#waiting, receipt, limits.waitingReceipts)) this.#later(times.receiptMs)
    else metrics.refused('receipts_full')
  }

  /** Writes what waits, once; for the end of the hub. */
  async close(): Promise<void> {
    await this.#writing
    clearTimeout(this.#timer)
    while (this.#waiting.size > 0 && (await this.#write())) {}
  }

  #later(waitMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#writing = this.#write().then((written) => {
        this.#writing = undefined
        const { limits, times } = this.#options
        if (this.#waiting.size === 0) return
        if (!written) this.#later(times.receiptRetryMs)
        // As many as one write takes wait already: nothing is gained by waiting for more.
        else this.#later(this.#waiting.size >= limits.receiptsPerWrite ? 0 : times.receiptMs)
      })
    }, waitMs)
    this.#timer.unref()
  }

  /** False when it has to be tried again. */
  async #write(): Promise<boolean> {
    const { records, limits, metrics, log } = this.#options
    const batch = takeSome(this.#waiting, limits.receiptsPerWrite)
    let stored: StoredReceipt[] = []
    let told = true
    try {
      await records.write(async (tx) => {
        stored = await storeReceipts(tx, batch)
        told = false
        if (this.#failures < listenerTries) await this.#tell(tx, stored)
        told = true
      })
    } catch (error) {
      // While the records themselves refuse, there is nothing to give up.
      this.#failures = told ? 0 : this.#failures + 1
      metrics.refused('receipts_not_written')
      log.error({ err: error }, 'receipts of live messages were not written; tried again shortly')
      for (const receipt of batch)
        if (!gather(this.#waiting, receipt, limits.waitingReceipts))
          metrics.refused('receipts_full')
      return false
    }
    if (this.#failures >= listenerTries)
      log.error('receipts of pages were stored without telling those who follow them')
    this.#failures = 0
    for (const kind of ['received', 'displayed'] as const)
      metrics.receipts(kind, stored.filter((one) => one.kind === kind).length)
    return true
  }

  async #tell(tx: RecordsTransaction, stored: readonly StoredReceipt[]): Promise<void> {
    if (this.#listeners.length === 0) return
    const pages = ofPages(stored)
    if (pages.length === 0) return
    for (const listener of this.#listeners) await listener(tx, pages)
  }
}

/** Pages by person, kind and time. */
function ofPages(stored: readonly StoredReceipt[]): PageReceipts[] {
  const groups = new Map<string, PageReceipts & { messages: PageReceipts['messages'][number][] }>()
  for (const { principalId, kind, at, sequence, messageKind, body } of stored) {
    if (messageKind !== 'page') continue
    const key = JSON.stringify([principalId, kind, at])
    const group = groups.get(key) ?? { principalId, kind, at, messages: [] }
    group.messages.push({ sequence, kind: messageKind, body })
    groups.set(key, group)
  }
  return [...groups.values()]
}
