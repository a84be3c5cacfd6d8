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
  type PlanningReader,
  PlanPacker,
  type PlanPiece,
  unpackEntries,
} from './read-plan.ts'
import type {
  CatalogueLimits,
  Labels,
  Matcher,
  ReadLimits,
  SeriesSamples,
  StoreReader,
} from './reader.ts'
import type { Entries } from './samples.ts'
import { Breathing, readWithin, results } from './store-reads.ts'

type Method = keyof StoreReader | 'plan'

/** What bounds a call, save its signal, which cannot cross. */
type Limits = Omit<ReadLimits & CatalogueLimits, 'signal'>

type Question =
  | {
      readonly kind: 'call'
      readonly id: number
      readonly method: Method
      readonly query: readonly unknown[]
      readonly limits: Limits
    }
  /** The asker has lost interest in a call. */
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'damage'; readonly path: string; readonly message: string }

interface Answer {
  readonly id: number
  /** Of a plan; the answer goes on until the last one. */
  readonly piece?: PlanPiece
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
  const plan = async (
    id: number,
    query: readonly unknown[],
    limits: Limits,
    signal: AbortSignal,
  ): Promise<void> => {
    if (!reader.plan) {
      port.postMessage({ id } satisfies Answer)
      return
    }
    const [matchers, start, end] = query as Parameters<PlanningReader['plan']>
    const planned = reader.plan(matchers, start, end, limits)
    await packer.send(planned, limits, new Breathing(signal), (piece) =>
      port.postMessage({ id, piece } satisfies Answer, buffersOf(piece)),
    )
  }
  port.on('close', () => {
    for (const controller of running.values()) controller.abort()
  })
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
    const { signal } = controller
    running.set(id, controller)
    const { method, query, limits } = question
    try {
      if (method === 'plan') await plan(id, query, limits, signal)
      else {
        const run = reader[method] as (...query: readonly unknown[]) => Promise<unknown>
        const value = await run.apply(reader, [...query, { ...limits, signal }])
        port.postMessage({ id, value } satisfies Answer)
      }
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

/** Arrays of a piece, which nobody here needs any more. */
function buffersOf(piece: PlanPiece): TransferListItem[] {
  const { ids, fresh, labelCounts, labelTexts, counts, times, values, staleTimes } = piece
  const arrays = [ids, fresh, labelCounts, labelTexts, counts, times, values, staleTimes]
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))]
}

/** A plan as it came, put together. */
interface ToldPlan {
  readonly ids: Uint32Array
  /** Labels, and entries of memory, by index of the ids. */
  readonly labels: Labels[]
  readonly inMemory: Entries[]
  readonly files: readonly string[]
}

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly ids: Uint32Array[]
  readonly labels: Labels[]
  readonly inMemory: Entries[]
}

/** Asks the store's thread. */
class Asker {
  private readonly port: MessagePort
  private readonly onGone: (path: string) => void
  private readonly waiting = new Map<number, Asked>()
  private readonly labels = new KnownLabels()
  private next = 0

  /** `onGone` is told of files of plans that the store has no more. */
  constructor(port: MessagePort, onGone: (path: string) => void) {
    this.port = port
    this.onGone = onGone
    port.on('message', ({ id, piece, value, error }: Answer) => {
      const asked = this.waiting.get(id)
      if (piece) {
        const plan = this.take(piece, asked)
        if (!plan) return
        asked?.resolve(plan)
      } else if (error) {
        asked?.reject(new CallwardError(error.code as ErrorCode, error.message))
      } else asked?.resolve(value)
      this.waiting.delete(id)
    })
  }

  /** What a piece tells is told once: it counts although nobody waits for its plan any more. */
  private take(piece: PlanPiece, asked: Asked | undefined): ToldPlan | undefined {
    const labels = this.labels.learn(piece)
    for (const path of piece.last?.gone ?? []) this.onGone(path)
    if (!asked) return undefined
    asked.ids.push(piece.ids)
    for (const one of labels) asked.labels.push(one)
    for (const one of unpackEntries(piece)) asked.inMemory.push(one)
    if (!piece.last) return undefined
    const { inMemory } = asked
    return { ids: joined(asked.ids), labels: asked.labels, inMemory, files: piece.last.files }
  }

  post(question: Question): void {
    this.port.postMessage(question)
  }

  async ask(
    method: Method,
    query: readonly unknown[],
    { signal, ...limits }: ReadLimits & CatalogueLimits = {},
  ): Promise<unknown> {
    signal?.throwIfAborted()
    const id = this.next++
    let onAbort: (() => void) | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject, ids: [], labels: [], inMemory: [] })
        onAbort = () => {
          this.waiting.delete(id)
          this.post({ kind: 'abort', id })
          reject(signal!.reason)
        }
        signal?.addEventListener('abort', onAbort)
        this.post({ kind: 'call', id, method, query, limits })
      })
    } finally {
      if (onAbort) signal?.removeEventListener('abort', onAbort)
    }
  }
}

function joined(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 1) return lists[0]!
  const all = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const list of lists) {
    all.set(list, at)
    at += list.length
  }
  return all
}

/** Files vanish when they are merged or past their retention; a plan made now names the present ones. */
const mostPlans = 5

/** Part files that stay known, and bytes of their unpacked directories. */
const mostParts = 256
const directoryBytes = 48 * 1024 * 1024

/** Reads plans on this thread. */
class PlanReader {
  readonly asker: Asker
  private readonly files = new SyncFiles()
  private readonly parts = new Map<string, Part>()
  private readonly sources: ConstructorParameters<typeof ColumnRead>[0]

  constructor(port: MessagePort) {
    const asker = new Asker(port, (path) => this.drop(path))
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
      const plan = await this.asker.ask('plan', [matchers, start, end], limits)
      // A reader without plans reads by itself.
      if (plan === undefined)
        return this.asker.ask('select', [matchers, start, end], limits) as Promise<
          readonly SeriesSamples[]
        >
      try {
        return await this.read(plan as ToldPlan, start, end, limits)
      } catch (error) {
        if (plans === mostPlans || systemCode(error) !== 'ENOENT') throw error
      }
    }
  }

  private async read(
    { ids, labels, inMemory, files }: ToldPlan,
    start: number,
    end: number,
    limits: ReadLimits,
  ): Promise<readonly SeriesSamples[]> {
    const breathing = new Breathing(limits.signal)
    const read = new ColumnRead(this.sources, ids, start, end, breathing, limits.rollup)
    for (const [i, entries] of inMemory.entries())
      if (entries.times.length + entries.staleTimes.length > 0) read.addInMemory(i, [entries])
    const parts: Part[] = []
    for (const path of files) {
      const part = await this.part(path)
      if (part) parts.push(part)
    }
    return results(await readWithin(read, parts, limits), (i) => labels[i]!, breathing)
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
  const plans = new PlanReader(port)
  const ask = <M extends Exclude<keyof StoreReader, 'select'>>(
    method: M,
    query: readonly unknown[],
    limits: CatalogueLimits | undefined,
  ) => plans.asker.ask(method, query, limits) as ReturnType<StoreReader[M]>
  return {
    select: (matchers, start, end, limits = {}) => plans.select(matchers, start, end, limits),
    series: (selectors, start, end, limits) => ask('series', [selectors, start, end], limits),
    labelNames: (selectors, start, end, limits) =>
      ask('labelNames', [selectors, start, end], limits),
    labelValues: (name, selectors, start, end, limits) =>
      ask('labelValues', [name, selectors, start, end], limits),
  }
}
