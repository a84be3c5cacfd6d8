import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { fromSqlite } from './records-error.ts'
import { openSqlite, type SqliteConnection } from './sqlite-port.ts'
import type {
  CloseRequest,
  CommitRequest,
  EndRequest,
  SendRequest,
  SqliteFailure,
  SqliteReply,
  SqliteRequest,
  SqliteWorkerData,
  StatementRequest,
} from './sqlite-protocol.ts'

/** The transactions that will share one commit; `none` until the first statement. */
type Group =
  | { readonly state: 'none' }
  | { readonly state: 'open' }
  | { readonly state: 'broken'; readonly cause: unknown }

/** A reply without its number. */
type Answer = Omit<Extract<SqliteReply, { rows: unknown }>, 'id'>

/** Does what it is asked on one connection, one request after the other. */
class Session {
  readonly #connection: SqliteConnection
  /** What statements say, by the number that stands for it. */
  readonly #texts: string[] = []
  #group: Group = { state: 'none' }
  #scope: number | undefined
  #doomed: { readonly cause: unknown } | undefined
  /** Transactions of the group that failed by a statement nobody waited for. */
  #failed: { readonly scope: number; readonly failure: SqliteFailure }[] = []

  constructor(connection: SqliteConnection) {
    this.#connection = connection
  }

  get broken(): boolean {
    return this.#group.state === 'broken'
  }

  answer(request: StatementRequest | CommitRequest | CloseRequest): Answer {
    if (request.kind === 'statement') return this.#statement(request)
    if (request.kind === 'commit') return this.#commit()
    this.#close()
    return { rows: [] }
  }

  /** Does what has no reply. */
  take(request: SendRequest | EndRequest): void {
    if (request.kind === 'send') this.#send(request)
    else this.#end(request.kind, request.scope)
  }

  /** Its failure dooms the transaction, or has broken the group. */
  #send({ scope, text, sql, parameters }: SendRequest): void {
    if (sql !== undefined) this.#texts[text] = sql
    try {
      this.#enter(scope)
      this.#connection.run(this.#texts[text] ?? '', parameters)
    } catch (cause) {
      if (this.#scope === scope) this.#doomed ??= { cause }
    }
  }

  #statement({ scope, sql, parameters, wantsRows }: StatementRequest): Answer {
    if (scope !== undefined) this.#enter(scope)
    try {
      if (wantsRows) return { rows: this.#connection.all(sql, parameters) }
      return { rows: [], changes: this.#connection.run(sql, parameters).changes }
    } catch (cause) {
      if (scope !== undefined) this.#doomed = { cause }
      throw cause
    }
  }

  /** Undoing a transaction that the engine already undid breaks the group. */
  #end(kind: 'release' | 'rollback', scope: number): void {
    if (this.#scope !== scope) return
    this.#scope = undefined
    if (this.#group.state !== 'open') return
    try {
      const doomed = this.#doomed
      if (kind === 'release' && doomed !== undefined)
        this.#failed.push({ scope, failure: failureOf(doomed.cause, false) })
      if (kind === 'rollback' || doomed !== undefined)
        this.#connection.run('rollback to callward_write')
      this.#connection.run('release callward_write')
    } catch (cause) {
      this.#break(this.#doomed?.cause ?? cause)
    }
  }

  #commit(): Answer {
    const group = this.#group
    const failed = this.#failed
    this.#group = { state: 'none' }
    this.#scope = undefined
    this.#failed = []
    if (group.state === 'none') return { rows: [] }
    try {
      if (group.state === 'broken') throw group.cause
      this.#connection.run('commit')
      return { rows: [], failed }
    } catch (cause) {
      this.#undo()
      throw cause
    }
  }

  #close(): void {
    if (this.#group.state !== 'none') this.#undo()
    this.#connection.close()
  }

  #enter(scope: number): void {
    if (this.#group.state === 'broken') throw this.#group.cause
    try {
      if (this.#group.state === 'none') {
        this.#connection.run('begin immediate')
        this.#group = { state: 'open' }
      }
      if (this.#scope !== scope) {
        this.#connection.run('savepoint callward_write')
        this.#scope = scope
        this.#doomed = undefined
      }
    } catch (cause) {
      this.#break(cause)
      throw cause
    }
    if (this.#doomed !== undefined) throw this.#doomed.cause
  }

  #break(cause: unknown): void {
    this.#group = { state: 'broken', cause }
  }

  #undo(): void {
    try {
      this.#connection.run('rollback')
    } catch {
      // The engine has rolled back by itself; there is nothing left to undo.
    }
  }
}

function serve(port: MessagePort, session: Session): void {
  port.on('message', (requests: readonly SqliteRequest[]) => {
    for (const request of requests) serveOne(port, session, request)
  })
}

function serveOne(port: MessagePort, session: Session, request: SqliteRequest): void {
  if (!('id' in request)) {
    session.take(request)
    return
  }
  const { id } = request
  try {
    port.postMessage({ id, ...session.answer(request) } satisfies SqliteReply)
  } catch (error) {
    port.postMessage({ id, failure: failureOf(error, session.broken) } satisfies SqliteReply)
  }
  if (request.kind === 'close') port.close()
}

function failureOf(error: unknown, broken: boolean): SqliteFailure {
  if (error instanceof TypeError) return { code: 'type', message: error.message, broken }
  const { code, message } = fromSqlite(error)
  return { code, message, broken }
}

function start(port: MessagePort, { path, mode, engine }: SqliteWorkerData): void {
  try {
    const readOnly = mode === 'reader'
    const session = new Session(
      openSqlite(path, engine === undefined ? { readOnly } : { readOnly, engine }),
    )
    serve(port, session)
    port.postMessage({ id: 0, rows: [] } satisfies SqliteReply)
  } catch (error) {
    port.postMessage({ id: 0, failure: failureOf(error, false) } satisfies SqliteReply)
  }
}

if (parentPort === null) throw new Error('BUG: sqlite-worker runs as a worker thread only')
start(parentPort, workerData as SqliteWorkerData)
