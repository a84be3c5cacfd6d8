/** Numbers that bound the live push; each refusal is counted in `callward_live_refused_total`. */
export interface LiveLimits {
  /** Bytes of one frame from a client; a longer one closes the socket with 1009. */
  readonly frameBytes: number
  /** Frames a second from one socket, receipts not counted; one more is refused. */
  readonly framesPerSecond: number
  /** Frames of any kind a second from one socket; one more closes it with 4429. */
  readonly floodPerSecond: number
  /** Frames in a row that are not understood before the socket is closed with 4400. */
  readonly badFramesInARow: number
  /** Acknowledgements of one socket that are being recorded at a time. */
  readonly pendingAcknowledgements: number
  /** Bytes waiting in a socket at which sending pauses until half of them are taken; a quarter leaves hints out. */
  readonly bufferedBytes: number
  /** Milliseconds a paused client may take nothing before its socket is closed with 4408. */
  readonly stalledMs: number
  /** Messages read from the records at a time. */
  readonly pageMessages: number
  /** Open sockets of one person. */
  readonly socketsPerPerson: number
  /** Messages kept for one person. */
  readonly keptMessages: number
  /** Milliseconds a message is kept. */
  readonly keptMs: number
  /** How far back a receipt may repeat what an earlier connection received. */
  readonly repeatedReceipts: number
  /** Receipts of one person that wait to be written, of each kind; one more is dropped. */
  readonly waitingReceipts: number
  /** Receipts in one write. */
  readonly receiptsPerWrite: number
}

/** Times of the live push, all in milliseconds. */
export interface LiveTimes {
  /** Between two pings; a socket that misses two answers is ended. */
  readonly pingMs: number
  /** Between two checks that the token or session still holds. */
  readonly recheckMs: number
  /** Between two looks for messages whose wake-up was lost, or that another hub wrote. */
  readonly sweepMs: number
  /** At most one hint a topic in this time. */
  readonly hintMs: number
  /** From the first receipt that waits to the write of all that wait. */
  readonly receiptMs: number
  /** From a failed write of receipts to the next try. */
  readonly receiptRetryMs: number
  /** Between two prunings. */
  readonly pruneMs: number
  /** How long a closed socket may take to say goodbye. */
  readonly closeMs: number
}

export const defaultLiveLimits: LiveLimits = {
  frameBytes: 64 * 1024,
  framesPerSecond: 20,
  floodPerSecond: 2000,
  badFramesInARow: 3,
  pendingAcknowledgements: 32,
  bufferedBytes: 4 * 1024 * 1024,
  stalledMs: 3000,
  pageMessages: 100,
  socketsPerPerson: 16,
  keptMessages: 10_000,
  keptMs: 30 * 24 * 3600 * 1000,
  repeatedReceipts: 1000,
  waitingReceipts: 1000,
  receiptsPerWrite: 500,
}

export const defaultLiveTimes: LiveTimes = {
  pingMs: 15_000,
  recheckMs: 30_000,
  sweepMs: 5000,
  hintMs: 250,
  receiptMs: 20,
  receiptRetryMs: 1000,
  pruneMs: 10 * 60_000,
  closeMs: 5000,
}
