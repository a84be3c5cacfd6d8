/** What went wrong, in the words of Prometheus's HTTP API. */
export type FailureKind =
  | 'bad_data'
  | 'execution'
  | 'timeout'
  | 'canceled'
  | 'not_found'
  | 'not_acceptable'
  | 'unavailable'
  | 'internal'

/** A query that cannot be parsed or answered; the message is shown to its author as it stands. */
export class QueryFailure extends Error {
  readonly kind: FailureKind

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'QueryFailure'
    this.kind = kind
  }
}

/** A query that parsed but whose evaluation has no answer (HTTP 422). */
export function executionFailure(message: string): QueryFailure {
  return new QueryFailure('execution', message)
}
