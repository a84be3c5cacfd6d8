import { Worker } from 'node:worker_threads'
import { CallwardError } from '../errors.ts'
import { workerArguments } from '../worker-arguments.ts'
import { RecordsError } from './records-error.ts'
import type {
  EndRequest,
  SendRequest,
  SqliteFailure,
  SqliteReply,
  SqliteRequest,
  SqliteWorkerData,
} from './sqlite-protocol.ts'

type Answered = Extract<SqliteReply, { rows: unknown }>
type Outcome = { readonly reply: Answered } | { readonly failure: SqliteFailure }
/** A request that has a reply, without its number. */
export type SqliteQuestion = SqliteRequest extends infer R
  ? R extends { id: number }
    ? Omit<R, 'id'>
    : never
  : never

/** Requests a thread may have unanswered. */
const maxUnanswered = 20_000
/** Requests without a reply that are gathered before the thread gets them; the next question takes them along. */
const maxGathered = 64
/** Texts of statements that have a number; the others go over each time. */
const maxTexts = 256

/** The main thread's end of one database worker. The worker is asked to close, never terminated: libsql would abort the process. */
export class SqliteThread {
  readonly #worker: Worker
  readonly #name: string
  readonly #waiting = new Map<number, (outcome: Outcome) => void>()
  readonly #exited: Promise<void>
  readonly #onFault: (reason: string) => void
  #state: 'starting' | 'serving' | 'closing' = 'starting'
  #lastId = 0
  #gathered: SqliteRequest[] = []
  /** Numbers of the texts that the thread knows. */
  readonly #texts = new Map<string, number>()
  #stopped: string | undefined

  private constructor(data: SqliteWorkerData, onFault: (reason: string) => void, program: URL) {
    this.#name = data.mode
    this.#onFault = onFault
    this.#worker = new Worker(program, {
      ...workerArguments(),
      workerData: data,
      name: `records-${data.mode}`,
    })
    this.#worker.on('message', (reply: SqliteReply) => this.#answer(reply))
    this.#worker.on('error', (error) => this.#stop(`failed: ${error.message}`))
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#stop(`ended with code ${code}`)
        resolve()
      })
    })
  }

  /** Resolves once the worker has its database open; `onFault` hears when it ends unasked. Throws RecordsError. */
  static async start(
    data: SqliteWorkerData,
    onFault: (reason: string) => void = () => {},
    program: URL = new URL('./sqlite-worker.js', import.meta.url),
  ): Promise<SqliteThread> {
    const thread = new SqliteThread(data, onFault, program)
    const outcome = await new Promise<Outcome>((resolve) => thread.#waiting.set(0, resolve))
    if ('reply' in outcome) {
      thread.#state = 'serving'
      return thread
    }
    await thread.#exited
    throw errorOf(outcome.failure)
  }

  /** Throws RecordsError, TypeError (what was asked), CallwardError `unavailable` (too much asked at once). */
  async ask(question: SqliteQuestion): Promise<Answered> {
    if (this.#stopped !== undefined) throw new RecordsError('other', this.#stopped)
    if (this.#waiting.size >= maxUnanswered && question.kind !== 'close') {
      throw new CallwardError(
        'unavailable',
        `The records have ${maxUnanswered} requests waiting; try again shortly.`,
      )
    }
    this.#lastId += 1
    const id = this.#lastId
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#gathered.push({ ...question, id } as SqliteRequest)
      this.#post()
      this.#waiting.set(id, resolve)
    })
    if ('failure' in outcome) throw errorOf(outcome.failure)
    return outcome.reply
  }

  /** Sends a statement without a reply; its text goes over once. */
  send(scope: number, sql: string, parameters: SendRequest['parameters']): void {
    const known = this.#texts.get(sql)
    if (known !== undefined) {
      this.tell({ kind: 'send', scope, text: known, parameters })
      return
    }
    // Number `maxTexts` is nobody's: its text goes over each time.
    const text = Math.min(this.#texts.size, maxTexts)
    if (text < maxTexts) this.#texts.set(sql, text)
    this.tell({ kind: 'send', scope, text, sql, parameters })
  }

  /** Sends what has no reply, at the latest with the next question. */
  tell(request: EndRequest | SendRequest): void {
    this.#gathered.push(request)
    if (this.#gathered.length >= maxGathered) this.#post()
  }

  #post(): void {
    const requests = this.#gathered
    this.#gathered = []
    if (this.#stopped === undefined) this.#worker.postMessage(requests)
  }

  /** Resolves when the database is closed and the thread has ended. */
  async close(): Promise<void> {
    this.#state = 'closing'
    if (this.#stopped === undefined) await this.ask({ kind: 'close' })
    await this.#exited
  }

  #answer(reply: SqliteReply): void {
    const settle = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    settle?.('failure' in reply ? reply : { reply })
  }

  #stop(reason: string): void {
    if (this.#stopped !== undefined) return
    this.#stopped =
      this.#state === 'closing'
        ? 'The records are closed: the hub is stopping.'
        : `The records' ${this.#name} thread ${reason}. Restart the hub; what was acknowledged is kept.`
    const failure: SqliteFailure = { code: 'other', message: this.#stopped, broken: true }
    for (const settle of this.#waiting.values()) settle({ failure })
    this.#waiting.clear()
    if (this.#state === 'serving') this.#onFault(this.#stopped)
  }
}

/** True when an error means that the group's other transactions are lost too. */
export function brokeGroup(error: unknown): boolean {
  return error instanceof BrokenGroupError
}

class BrokenGroupError extends RecordsError {}

/** A failure as it is thrown. */
export function errorOf({ code, message, broken }: SqliteFailure): Error {
  if (code === 'type') return new TypeError(message)
  return broken ? new BrokenGroupError(code, message) : new RecordsError(code, message)
}
