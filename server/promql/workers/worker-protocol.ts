import type { MessagePort } from 'node:worker_threads'
import type { EngineOptions } from '../engine.ts'
import type { FailureKind } from '../failure.ts'
import type { AnswerBytes, QueryRequest } from './query-request.ts'

/** What engines of all threads have in common. */
export type EngineSettings = Omit<EngineOptions, 'reader'>

/** What a worker is started with. */
export interface WorkerStart {
  readonly settings: EngineSettings
  /** Where it reads series: the other end of `serveReads`. */
  readonly reads: MessagePort
  /** One Int32: the number of the query that is to stop. */
  readonly cancelled: SharedArrayBuffer
}

/** To a worker, one at a time. */
export interface Job {
  readonly id: number
  readonly request: QueryRequest
}

/** To a worker: gives up a read that the job waits for; a computing worker sees `cancelled`. */
export interface JobStop {
  readonly stop: number
}

/** From a worker, one a job. */
export type JobEnd =
  | { readonly id: number; readonly bytes: AnswerBytes }
  | {
      readonly id: number
      readonly failure: { readonly kind: FailureKind; readonly message: string }
    }
