/** The table of errors a caller may see: code, HTTP status, default message. docs/errors.md must equal it (tested). */
export const errorTable = {
  bad_request: [400, 'The request is not valid.'],
  unauthorized: [401, 'Send "Authorization: Bearer TOKEN", or Basic with the token as password.'],
  forbidden: [403, 'This token’s role may not do that.'],
  host_not_allowed: [
    421,
    'This Host is not one the hub answers to; add it to `hosts` in the configuration.',
  ],
  not_found: [404, 'There is nothing here.'],
  method_not_allowed: [405, 'That method is not allowed here.'],
  conflict: [409, 'The record has changed or is in a state that does not allow this.'],
  gone: [410, 'The link was used or has expired; make a new one with `callward sign-in`.'],
  too_large: [413, 'The body is over this route’s limit.'],
  unprocessable: [422, 'The request is well formed but cannot be carried out.'],
  too_many_requests: [429, 'Too many requests; wait and try again.'],
  query_too_large: [
    422,
    'The query reads more than the limit; narrow the time range or the selector.',
  ],
  query_timeout: [503, 'The query took longer than the limit.'],
  storage_unavailable: [
    507,
    'The disk refuses writes; free space or mend it. Nothing was acknowledged.',
  ],
  unavailable: [503, 'The hub is starting or stopping; try again shortly.'],
  internal: [500, 'An internal error; its detail is in the hub’s log under this request id.'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof errorTable

/** A start that cannot work; main prints the message, which says what to do, and exits with 1. */
export class StartError extends Error {}

/** One thing that is missing; `guard` names the published rule that asks for it, `code` and `params` say `text` in any language. */
export interface Missing {
  readonly guard?: string | undefined
  readonly code?: string | undefined
  readonly params?: Readonly<Record<string, string | number>> | undefined
  readonly text: string
}

/** An error whose message the caller may read and act on. Anything else is shown as `internal`. */
export class CallwardError extends Error {
  readonly code: ErrorCode
  readonly status: number
  /** All that stands against it, one by one, where there are several things to mend. */
  readonly missing: readonly Missing[] | undefined

  constructor(
    code: ErrorCode,
    message?: string,
    options: ErrorOptions & { readonly missing?: readonly Missing[] } = {},
  ) {
    super(message ?? errorTable[code][1], options)
    this.missing = options.missing
    this.name = 'CallwardError'
    this.code = code
    this.status = errorTable[code][0]
  }
}
