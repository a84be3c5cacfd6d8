import type { Bindable } from './bindings.ts'
import type { RecordsErrorCode } from './records-error.ts'
import type { SqliteEngine } from './sqlite-engines.ts'
import type { SqliteRow } from './sqlite-port.ts'

/** What a database worker is started with. */
export interface SqliteWorkerData {
  readonly path: string
  readonly mode: 'writer' | 'reader'
  readonly engine?: SqliteEngine
}

/** A statement; with `scope`, inside that transaction of the open group, which it opens when needed. */
export interface StatementRequest {
  readonly kind: 'statement'
  readonly id: number
  readonly scope?: number
  readonly sql: string
  readonly parameters: readonly Bindable[]
  readonly wantsRows: boolean
}

/** A statement without a reply: when it fails, its transaction is rolled back at its end, and the commit's reply says so. */
export interface SendRequest {
  readonly kind: 'send'
  readonly scope: number
  /** Number of its text. */
  readonly text: number
  /** Its text, the first time. */
  readonly sql?: string
  readonly parameters: readonly Bindable[]
}

/** Ends a transaction of the group; has no reply: a failure shows at the group's commit. */
export interface EndRequest {
  readonly kind: 'release' | 'rollback'
  readonly scope: number
}

/** Commits the open group, or gives the error that broke it. Nothing open is no error. */
export interface CommitRequest {
  readonly kind: 'commit'
  readonly id: number
}

/** Rolls back what is open, closes the database, ends the thread. */
export interface CloseRequest {
  readonly kind: 'close'
  readonly id: number
}

/** To the worker; requests are done in the order they are sent. */
export type SqliteRequest =
  | StatementRequest
  | SendRequest
  | EndRequest
  | CommitRequest
  | CloseRequest

/** `broken`: the whole group is lost, not only this statement. */
export interface SqliteFailure {
  readonly code: RecordsErrorCode | 'type'
  readonly message: string
  readonly broken: boolean
}

/** From the worker; the reply with id 0 says that the database is open, or why not. */
export type SqliteReply =
  | {
      readonly id: number
      readonly rows: readonly SqliteRow[]
      readonly changes?: number
      /** To a commit: transactions of the group that were rolled back alone. */
      readonly failed?: readonly { readonly scope: number; readonly failure: SqliteFailure }[]
    }
  | { readonly id: number; readonly failure: SqliteFailure }
