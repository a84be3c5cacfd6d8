import { MessageChannel, Worker } from 'node:worker_threads'
import type { StoreReader } from '../../store/reader.ts'
import { serveReads } from '../../store/remote-reader.ts'
import { workerArguments } from '../../worker-arguments.ts'
import { executionFailure, QueryFailure } from '../failure.ts'
import type { AnswerBytes, QueryRequest } from './query-request.ts'
import type { EngineSettings, Job, JobEnd, JobStop, WorkerStart } from './worker-protocol.ts'

/** Why a worker was given up. */
export type LossReason = 'memory' | 'stuck' | 'exit'

export interface QueryWorkersOptions {
  readonly reader: StoreReader
  readonly settings: EngineSettings
  /** Threads at most; they start when they are needed. */
  readonly size: number
  /** JavaScript heap of one worker; arrays of samples are bounded by the limit of samples. */
  readonly heapMebibytes: number
  /** How long a worker may go on with a query that is to stop before it is ended. */
  readonly graceMilliseconds: number
  /** Workers without work for so long are ended. */
  readonly idleMilliseconds: number
  readonly onLost: (reason: LossReason, detail: string) => void
}

interface Assignment {
  readonly id: number
  readonly request: QueryRequest
  readonly deadline: number
  readonly resolve: (bytes: AnswerBytes) => void
  readonly reject: (failure: Error) => void
}

/** A thread and what it is doing. */
interface Member {
  readonly worker: Worker
  readonly cancelled: Int32Array
  doing: Assignment | undefined
  /** Ends the thread: while it works on a query that is to stop, or when it is long idle. */
  ending: NodeJS.Timeout | undefined
}

/**
 * Threads that evaluate queries. Each query has a worker to itself; more queries than workers wait. A worker
 * that dies, or does not stop when told, costs its own query only: the next one starts a new worker.
 */
export class QueryWorkers {
  private readonly options: QueryWorkersOptions
  private readonly members = new Set<Member>()
  private readonly waiting: Assignment[] = []
  private lastId = 0
  private closed = false

  constructor(options: QueryWorkersOptions) {
    this.options = options
  }

  /** Living threads. */
  get size(): number {
    return this.members.size
  }

  /** Throws `QueryFailure`: the query's own, `canceled` on the signal, `timeout`, `execution` when its worker died. */
  run(request: QueryRequest, signal?: AbortSignal): Promise<AnswerBytes> {
    if (this.closed) return Promise.reject(new QueryFailure('unavailable', 'the hub is stopping'))
    this.lastId = (this.lastId % 0x7fff_ffff) + 1
    const id = this.lastId
    return new Promise((resolve, reject) => {
      const { timeoutMilliseconds } = request
      const stop = (failure: QueryFailure): void => {
        settle()
        reject(failure)
        this.stop(id)
      }
      const abort = (): void =>
        stop(new QueryFailure('canceled', 'query was canceled in expression evaluation'))
      // The worker says so itself when it can.
      const timer = setTimeout(
        () => stop(new QueryFailure('timeout', 'query timed out in expression evaluation')),
        timeoutMilliseconds + 250,
      )
      const settle = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      this.waiting.push({
        id,
        request,
        deadline: performance.now() + timeoutMilliseconds,
        resolve: (bytes) => {
          settle()
          resolve(bytes)
        },
        reject: (failure) => {
          settle()
          reject(failure)
        },
      })
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
      this.assign()
    })
  }

  /** Ends all threads; their queries are refused. */
  async close(): Promise<void> {
    this.closed = true
    const failure = new QueryFailure('unavailable', 'the hub is stopping')
    for (const { reject } of this.waiting.splice(0)) reject(failure)
    const ends = [...this.members].map((member) => {
      member.doing?.reject(failure)
      return this.end(member)
    })
    await Promise.all(ends)
  }

  private assign(): void {
    while (this.waiting.length > 0 && !this.closed) {
      const member = this.freeMember()
      if (member === undefined) return
      const next = this.waiting.shift()!
      const left = next.deadline - performance.now()
      clearTimeout(member.ending)
      member.ending = undefined
      member.doing = next
      member.worker.ref()
      const request = { ...next.request, timeoutMilliseconds: Math.max(0, left) }
      member.worker.postMessage({ id: next.id, request } satisfies Job)
    }
  }

  private freeMember(): Member | undefined {
    for (const member of this.members) if (member.doing === undefined) return member
    return this.members.size < this.options.size ? this.start() : undefined
  }

  private start(): Member {
    const { settings, heapMebibytes, reader } = this.options
    const { port1, port2 } = new MessageChannel()
    const cancelled = new SharedArrayBuffer(4)
    const data: WorkerStart = { settings, reads: port2, cancelled }
    const worker = new Worker(new URL('./query-worker.js', import.meta.url), {
      ...workerArguments(),
      name: 'query-worker',
      workerData: data,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: heapMebibytes },
    })
    serveReads(port1, reader)
    port1.unref()
    const member: Member = {
      worker,
      cancelled: new Int32Array(cancelled),
      doing: undefined,
      ending: undefined,
    }
    this.members.add(member)
    worker.on('message', (end: JobEnd) => this.finish(member, end))
    worker.on('messageerror', (error) => this.lose(member, 'exit', String(error)))
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'exit'
      this.lose(member, reason, error.stack ?? error.message)
    })
    worker.on('exit', (code) => {
      port1.close()
      this.lose(member, 'exit', `it ended with code ${code}`)
    })
    return member
  }

  private finish(member: Member, end: JobEnd): void {
    const { doing } = member
    if (doing?.id !== end.id) return
    if ('bytes' in end) doing.resolve(end.bytes)
    else if (end.failure.kind !== 'internal') {
      doing.reject(new QueryFailure(end.failure.kind, end.failure.message))
    } else doing.reject(new Error(`in a query worker: ${end.failure.message}`))
    member.doing = undefined
    member.worker.unref()
    clearTimeout(member.ending)
    member.ending = setTimeout(() => void this.end(member), this.options.idleMilliseconds)
    member.ending.unref()
    this.assign()
  }

  /** Makes a query stop: out of the queue, or by its worker, which is ended when it goes on. */
  private stop(id: number): void {
    const place = this.waiting.findIndex((waiting) => waiting.id === id)
    if (place >= 0) this.waiting.splice(place, 1)
    for (const member of this.members) {
      if (member.doing?.id !== id) continue
      Atomics.store(member.cancelled, 0, id)
      member.worker.postMessage({ stop: id } satisfies JobStop)
      member.ending = setTimeout(
        () => this.lose(member, 'stuck', 'it did not stop when it was told to'),
        this.options.graceMilliseconds,
      )
      member.ending.unref()
    }
  }

  private lose(member: Member, reason: LossReason, detail: string): void {
    if (!this.members.has(member)) return
    const { heapMebibytes, onLost } = this.options
    onLost(reason, detail)
    member.doing?.reject(
      executionFailure(
        reason === 'memory'
          ? `the query needs more than the ${heapMebibytes} MiB of memory a query may use; ask for fewer series or a shorter time`
          : 'the query ended its worker; ask for fewer series or a shorter time, or try again',
      ),
    )
    void this.end(member)
    this.assign()
  }

  private async end(member: Member): Promise<void> {
    clearTimeout(member.ending)
    this.members.delete(member)
    await member.worker.terminate()
  }
}
