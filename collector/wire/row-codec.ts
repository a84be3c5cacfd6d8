/** Decodes the rows of one lane, each against the one before; see docs/protocol.md. */
export interface RowDecoder {
  /** State from which `restoreDecoder` goes on with the next row. */
  snapshot(): Uint8Array
}
