/** Why a whole write request is refused; the label `reason` of `callward_ingest_write_rejected_total`. */
export type RefusalReason = 'malformed' | 'too_large' | 'unsupported'

const statusOf = { malformed: 400, too_large: 413, unsupported: 415 } as const

/** A write request of which nothing is stored. The message is a sentence for the sender's log. */
export class WriteRefused extends Error {
  readonly reason: RefusalReason
  /** HTTP status. */
  readonly status: number

  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.name = 'WriteRefused'
    this.reason = reason
    this.status = statusOf[reason]
  }
}
