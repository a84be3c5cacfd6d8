import type { Labels, Lane, Millis } from './wire/frames.ts'

/** A series by identity: the same object stands for the same series in every report that holds it. */
export interface Series {
  readonly name: string
  readonly labels: Labels
}

/** A report as its maker hands it over; the session gives it a sequence. */
export interface OutgoingReport {
  readonly lane: Lane
  readonly wall: Millis
  /** Milliseconds of the monotonic clock at the same instant. */
  readonly monotonic: number
  /** May be shared between reports that hold the same series. */
  readonly series: readonly Series[]
  /** Same length as `series`. */
  readonly values: Float64Array
  readonly stale: readonly Series[]
}

export interface PendingReport extends OutgoingReport {
  readonly sequence: number
}

/** Bounds of the reports kept until the hub has committed them; beyond, the oldest are dropped and counted. */
export interface PendingLimits {
  readonly reports: number
  readonly bytes: number
}

/** 10 000 reports are about 28 h at 10 s; 64 MiB hold them for up to 800 series. */
export const defaultPendingLimits: PendingLimits = { reports: 10_000, bytes: 64 * 1024 * 1024 }

const bytesPerReport = 300
const bytesPerSeries = 8

interface LaneQueue {
  /** By rising sequence. */
  waiting: PendingReport[]
  nextSequence: number
  /** Sequence of the first report not sent on this connection; all before it are in flight. */
  nextToSend: number
}

/** Reports not yet acknowledged, by lane, in order of their sequence. */
export class PendingReports {
  readonly #limits: PendingLimits
  readonly #lanes: Readonly<Record<Lane, LaneQueue>> = { live: emptyLane(), backlog: emptyLane() }
  #bytes = 0
  #dropped = 0

  constructor(limits: PendingLimits = defaultPendingLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#lanes.live.waiting.length + this.#lanes.backlog.waiting.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Reports given up for want of room since the start. */
  get dropped(): number {
    return this.#dropped
  }

  add(report: OutgoingReport): PendingReport {
    const lane = this.#lanes[report.lane]
    const pending = { ...report, sequence: lane.nextSequence++ }
    lane.waiting.push(pending)
    this.#bytes += bytesOf(pending)
    while (
      this.count > this.#limits.reports ||
      (this.#bytes > this.#limits.bytes && this.count > 1)
    ) {
      this.#dropOldest()
    }
    return pending
  }

  /** Reports sent on this connection and not answered. */
  get inFlight(): number {
    return inFlight(this.#lanes.live).length + inFlight(this.#lanes.backlog).length
  }

  /** The next report to send, live before backlog; undefined when all are sent. */
  next(): PendingReport | undefined {
    return unsent(this.#lanes.live) ?? unsent(this.#lanes.backlog)
  }

  sent(report: PendingReport): void {
    this.#lanes[report.lane].nextToSend = report.sequence + 1
  }

  /** A new connection: everything unanswered is to be sent again. */
  rewind(): void {
    for (const lane of Object.values(this.#lanes)) lane.nextToSend = 0
  }

  /** Forgets every report of `lane` up to and including `sequence`. */
  acknowledge(lane: Lane, sequence: number): void {
    const queue = this.#lanes[lane]
    const kept = queue.waiting.findIndex((report) => report.sequence > sequence)
    this.#remove(queue, 0, kept < 0 ? queue.waiting.length : kept)
  }

  /** Forgets one report; false when it was not waiting. */
  forget(lane: Lane, sequence: number): boolean {
    const queue = this.#lanes[lane]
    const at = queue.waiting.findIndex((report) => report.sequence === sequence)
    if (at >= 0) this.#remove(queue, at, 1)
    return at >= 0
  }

  /** Gives up the oldest report in flight, which the hub cannot read; undefined when none is. */
  dropOldestInFlight(): PendingReport | undefined {
    const [report] = [...inFlight(this.#lanes.live), ...inFlight(this.#lanes.backlog)]
    if (report !== undefined && this.forget(report.lane, report.sequence)) this.#dropped++
    return report
  }

  #dropOldest(): void {
    const { live, backlog } = this.#lanes
    this.#remove(backlog.waiting.length > 0 ? backlog : live, 0, 1)
    this.#dropped++
  }

  #remove(lane: LaneQueue, from: number, count: number): void {
    for (const report of lane.waiting.splice(from, count)) this.#bytes -= bytesOf(report)
  }
}

function emptyLane(): LaneQueue {
  return { waiting: [], nextSequence: 1, nextToSend: 0 }
}

function unsent(lane: LaneQueue): PendingReport | undefined {
  const last = lane.waiting.at(-1)
  if (last === undefined || last.sequence < lane.nextToSend) return undefined
  return lane.waiting.find((report) => report.sequence >= lane.nextToSend)
}

function inFlight(lane: LaneQueue): PendingReport[] {
  const end = lane.waiting.findIndex((report) => report.sequence >= lane.nextToSend)
  return lane.waiting.slice(0, end < 0 ? lane.waiting.length : end)
}

/** Near enough for a bound: values, references to series, and the objects around them. */
function bytesOf(report: OutgoingReport): number {
  return (
    bytesPerReport +
    report.values.byteLength +
    (report.series.length + report.stale.length) * bytesPerSeries
  )
}
