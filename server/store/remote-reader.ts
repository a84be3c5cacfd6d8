import type { MessagePort, TransferListItem } from 'node:worker_threads'
import { CallwardError, type ErrorCode } from '../errors.ts'
import { BytesError } from './bytes.ts'
import { systemCode } from './disk.ts'
import { ColumnRead } from './parts/column-read.ts'
import { DirectoryCache } from './parts/directories.ts'
import { openPart, type Part } from './parts/part.ts'
import { SyncFiles } from './parts/part-files.ts'
import {
  KnownLabels,
  type PackedPlan,
  type PlanningReader,
  PlanPacker,
  unpackEntries,
} from './read-plan.ts'
import type { Matcher, ReadLimits, SeriesSamples, StoreReader } from './reader.ts'
import { Breathing, readWithin, results } from './store-reads.ts'

type Method = keyof StoreReader | 'plan'

type Question =
  | {
      readonly kind: 'call'
      readonly id: number
      readonly method: Method
      readonly query: readonly unknown[]
    }
  /** The asker has lost interest in a call. */
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'damage'; readonly path: string; readonly message: string }

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/**
 * Answers, on the store's thread, the reads that `remoteReader` asks over the other end of `port`. A reader that makes plans only says
 * where the data lie; the other thread reads them.
 */
export function serveReads(port: MessagePort, reader: StoreReader & Partial<PlanningReader>): void {
  const packer = new PlanPacker()
  const running = new Map<number, AbortController>()
  const answer = async (
    method: Method,
    query: readonly unknown[],
    signal: AbortSignal,
  ): Promise<unknown> => {
    if (method === 'plan') {
      const [matchers, start, end] = query as Parameters<PlanningReader['plan']>
      return reader.plan && packer.pack(reader.plan(matchers, start, end))
    }
    if (method === 'select') {
      const [matchers, start, end, limits] = query as Parameters<StoreReader['select']>
      return reader.select(matchers, start, end, { ...limits, signal })
    }
    const run = reader[method] as (...query: readonly unknown[]) => Promise<unknown>
    return run.apply(reader, [...query])
  }
  port.on('message', async (question: Question) => {
    if (question.kind === 'damage') {
      reader.reportDamage?.(question.path, new BytesError(question.message))
      return
    }
    const { id } = question
    if (question.kind === 'abort') {
      running.get(id)?.abort()
      return
    }
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const value = await answer(question.method, question.query, controller.signal)
      const transfer = question.method === 'plan' ? buffersOf(value) : []
      port.postMessage({ id, value } satisfies Answer, transfer)
    } catch (error) {
      port.postMessage({
        id,
        error: {
          code: error instanceof CallwardError ? error.code : 'internal',
          message: error instanceof Error ? error.message : String(error),
        },
      } satisfies Answer)
    } finally {
      running.delete(id)
    }
  })
}

/** Arrays of a plan, which nobody here needs any more. */
function buffersOf(value: unknown): TransferListItem[] {
  if (!value) return []
  const { ids, fresh, labelCounts, labelTexts, counts, times, values, staleTimes } =
    value as PackedPlan
  const arrays = [ids, fresh, labelCounts, labelTexts, counts, times, values, staleTimes]
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))]
}

/** Asks the store's thread. */
class Asker {
  private readonly port: MessagePort
  private readonly waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: unknown): void }
  >()
  private next = 0

  constructor(port: MessagePort) {
    this.port = port
    port.on('message', ({ id, value, error }: Answer) => {
      const asked = this.waiting.get(id)
      this.waiting.delete(id)
      if (error) asked?.reject(new CallwardError(error.code as ErrorCode, error.message))
      else asked?.resolve(value)
    })
  }

  post(question: Question): void {
    this.port.postMessage(question)
  }

  async ask(method: Method, query: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    const id = this.next++
    let onAbort: (() => void) | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject })
        onAbort = () => {
          this.waiting.delete(id)
          this.post({ kind: 'abort', id })
          reject(signal!.reason)
        }
        signal?.addEventListener('abort', onAbort)
        this.post({ kind: 'call', id, method, query })
      })
    } finally {
      if (onAbort) signal?.removeEventListener('abort', onAbort)
    }
  }
}

/** Files vanish when they are merged or past their retention; a plan made now names the present ones. */
const mostPlans = 5

/** Part files that stay known, and bytes of their unpacked directories. */
const mostParts = 256
const directoryBytes = 16 * 1024 * 1024

/** Reads plans on this thread. */
class PlanReader {
  private readonly asker: Asker
  private readonly files = new SyncFiles()
  private readonly parts = new Map<string, Part>()
  private readonly labels = new KnownLabels()
  private readonly sources: ConstructorParameters<typeof ColumnRead>[0]

  constructor(asker: Asker) {
    this.asker = asker
    this.sources = {
      files: this.files,
      directories: new DirectoryCache(directoryBytes),
      gapBytes: 4096,
      damaged: ({ path }, { message }) => asker.post({ kind: 'damage', path, message }),
    }
  }

  async select(
    matchers: readonly Matcher[],
    start: number,
    end: number,
    limits: ReadLimits,
  ): Promise<readonly SeriesSamples[]> {
    for (let plans = 1; ; plans++) {
      const plan = await this.asker.ask('plan', [matchers, start, end], limits.signal)
      if (plan === undefined) return this.selectThere(matchers, start, end, limits)
      this.labels.learn(plan as PackedPlan)
      try {
        return await this.read(plan as PackedPlan, start, end, limits)
      } catch (error) {
        if (plans === mostPlans || systemCode(error) !== 'ENOENT') throw error
      }
    }
  }

  private selectThere(
    matchers: readonly Matcher[],
    start: number,
    end: number,
    { signal, ...plain }: ReadLimits,
  ): Promise<readonly SeriesSamples[]> {
    const found = this.asker.ask('select', [matchers, start, end, plain], signal)
    return found as Promise<readonly SeriesSamples[]>
  }

  private async read(
    plan: PackedPlan,
    start: number,
    end: number,
    limits: ReadLimits,
  ): Promise<readonly SeriesSamples[]> {
    const { ids } = plan
    const read = new ColumnRead(this.sources, ids, start, end, new Breathing(limits.signal))
    for (const [i, entries] of unpackEntries(plan).entries())
      if (entries.times.length + entries.staleTimes.length > 0) read.addInMemory(i, [entries])
    const parts: Part[] = []
    for (const path of plan.files) {
      const part = await this.part(path)
      if (part) parts.push(part)
    }
    const entries = await readWithin(read, parts, limits)
    return results(ids, entries, (id) => this.labels.of(id))
  }

  private async part(path: string): Promise<Part | undefined> {
    const known = this.parts.get(path)
    this.parts.delete(path)
    try {
      const part =
        known ??
        (await openPart(path, {
          bytes: this.files.size(path),
          read: (offset, length) => this.files.read(path, offset, length),
        }))
      this.parts.set(path, part)
      if (this.parts.size > mostParts) this.drop(this.parts.keys().next().value!)
      return part
    } catch (error) {
      if (!(error instanceof BytesError)) throw error
      this.asker.post({ kind: 'damage', path, message: error.message })
      return undefined
    }
  }

  private drop(path: string): void {
    this.parts.delete(path)
    this.files.forget(path)
  }
}

/** A reader for another thread. */
export function remoteReader(port: MessagePort): StoreReader {
  const asker = new Asker(port)
  const plans = new PlanReader(asker)
  return {
    select: (matchers, start, end, limits = {}) => plans.select(matchers, start, end, limits),
    series: (...query) => asker.ask('series', query) as ReturnType<StoreReader['series']>,
    labelNames: (...query) =>
      asker.ask('labelNames', query) as ReturnType<StoreReader['labelNames']>,
    labelValues: (...query) =>
      asker.ask('labelValues', query) as ReturnType<StoreReader['labelValues']>,
  }
}
