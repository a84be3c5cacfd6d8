import type { Gate } from '../api/gate.ts'
import type { Engine } from '../engine.ts'
import { type Allowance, Outgrown } from '../eval/budget.ts'
import { type AnswerBytes, type QueryRequest, runRequest } from './query-request.ts'
import type { QueryWorkers } from './query-workers.ts'

/** Where a query was evaluated: on the hub's own thread, in a worker, or in part by the archive. */
export type QueryPlace = 'hub' | 'worker' | 'archive'

export interface QueryDeskOptions {
  readonly engine: Engine
  readonly gate: Gate
  /** Absent: all queries run on the hub's own thread, in short slices. */
  readonly workers: QueryWorkers | undefined
  /** What a query may cost on the hub's own thread. */
  readonly allowance: Allowance
  readonly onAnswered: (kind: QueryRequest['kind'], place: QueryPlace, seconds: number) => void
}

const remembered = 1000

/** Functions whose cost no count of samples shows: an expression of JavaScript's may backtrack for ever. */
const unbounded = /\blabel_replace\b/

/** How much a query asks for, as far as its parameters show: points of a series, and samples at one in ten seconds. */
function extentOf({ start, end, step }: QueryRequest): number {
  return step === 0 ? 1 : (end - start) / step + (end - start) / 10_000
}

/**
 * Takes the queries of the HTTP API in turn and finds a thread for each. What a query costs shows only when it
 * runs: each starts on the hub's own thread with a small allowance, some milliseconds' worth and a few
 * series from files. One that outgrows it starts again in a worker; one that cost too much is remembered by its text, so that it goes
 * there at once the next time.
 * A query whose cost cannot be seen coming never starts on the hub's own thread.
 */
export class QueryDesk {
  private readonly options: QueryDeskOptions
  /** By query text: the least extent that was too much for the hub's own thread. */
  private readonly heavy = new Map<string, number>()

  constructor(options: QueryDeskOptions) {
    this.options = options
  }

  /** Throws `QueryFailure`. */
  async answer(
    request: Omit<QueryRequest, 'queueSeconds'>,
    signal: AbortSignal,
  ): Promise<AnswerBytes> {
    const asked = performance.now()
    return this.options.gate.run(signal, async () => {
      const began = performance.now()
      const queueSeconds = (began - asked) / 1000
      let place: QueryPlace = 'hub'
      try {
        const queued = { ...request, queueSeconds }
        if (!this.isHeavy(queued)) {
          const answer = await this.tryHere(queued, signal)
          if (!(answer instanceof Outgrown)) return answer
          // What needs files today may be in memory the next time; trying costs nothing.
          if (answer.over === 'cost') this.remember(queued)
        }
        place = 'worker'
        return await this.options.workers!.run(queued, signal)
      } finally {
        this.options.onAnswered(request.kind, place, (performance.now() - began) / 1000)
      }
    })
  }

  /** Gives back why when the query outgrew its allowance. */
  private async tryHere(
    request: QueryRequest,
    signal: AbortSignal,
  ): Promise<AnswerBytes | Outgrown> {
    const { engine, workers, allowance } = this.options
    if (workers === undefined) return runRequest(engine, request, { signal })
    try {
      return await runRequest(engine, request, { signal, allowance })
    } catch (cause) {
      if (cause instanceof Outgrown) return cause
      throw cause
    }
  }

  private isHeavy(request: QueryRequest): boolean {
    if (this.options.workers === undefined) return false
    if (unbounded.test(request.text)) return true
    const least = this.heavy.get(request.text)
    return least !== undefined && extentOf(request) >= least
  }

  private remember(request: QueryRequest): void {
    if (this.heavy.size >= remembered) this.heavy.clear()
    this.heavy.set(request.text, extentOf(request))
  }
}
