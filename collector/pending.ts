import { type Labels, type Lane, limits, type Millis } from './wire/frames.ts'

/** A series by identity: the same object stands for the same series in every report that holds it. */
export interface Series {
  readonly name: string
  readonly labels: Labels
}

/** A report as its maker hands it over. */
export interface OutgoingReport {
  /** A `live` report that could not be sent in its time goes by the backlog. */
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

/** A report with its identity, which it gets when it is first sent and keeps from then on. */
export interface SentReport {
  readonly lane: Lane
  readonly sequence: number
  readonly report: OutgoingReport
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
  readonly lane: Lane
  /** Sent in this session or an earlier one and not answered, by rising sequence. */
  sent: SentReport[]
  /** How many of `sent`, from the first on, went out on this connection. */
  inFlight: number
  /** Never sent, by age. */
  unsent: OutgoingReport[]
  nextSequence: number
}

/**
 * Reports not yet acknowledged. A report gets its sequence when it is first sent; what was sent is sent again under the
 * same identity, before anything newer of its lane. What a new connection finds never sent goes by the backlog, but for
 * the newest report.
 */
export class PendingReports {
  readonly #limits: PendingLimits
  readonly #live = emptyLane('live')
  readonly #backlog = emptyLane('backlog')
  #bytes = 0
  #dropped = 0

  constructor(limits: PendingLimits = defaultPendingLimits) {
    this.#limits = limits
  }

  get count(): number {
    return waiting(this.#live) + waiting(this.#backlog)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Reports given up for want of room since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Reports sent on this connection and not answered. */
  get inFlight(): number {
    return this.#live.inFlight + this.#backlog.inFlight
  }

  add(report: OutgoingReport): void {
    this.#lane(report.lane).unsent.push(report)
    this.#bytes += bytesOf(report)
    const { reports, bytes } = this.#limits
    while (this.count > reports || (this.#bytes > bytes && this.count > 1)) this.#dropOldest()
  }

  /** A new connection, whose hub has committed up to these sequences: the rest is to be sent again. */
  connected(committed: Readonly<Record<Lane, number>>): void {
    for (const lane of [this.#live, this.#backlog]) {
      lane.inFlight = 0
      this.acknowledge(lane.lane, committed[lane.lane])
      lane.nextSequence = Math.max(lane.nextSequence, committed[lane.lane] + 1)
    }
    const late = this.#live.unsent.splice(0, this.#live.unsent.length - 1)
    this.#backlog.unsent = [...this.#backlog.unsent, ...late]
  }

  /** The next report to send, live before backlog; undefined when all are sent or the window is full. */
  next(): SentReport | undefined {
    if (this.inFlight >= limits.reportsInFlight) return undefined
    const live = nextOf(this.#live)
    if (live !== undefined) return live
    return this.#backlog.inFlight < limits.backlogInFlight ? nextOf(this.#backlog) : undefined
  }

  /** What `next` gave has gone out. */
  sent(report: SentReport): void {
    const lane = this.#lane(report.lane)
    if (lane.inFlight === lane.sent.length) {
      lane.unsent.shift()
      lane.sent.push(report)
      lane.nextSequence = report.sequence + 1
    }
    lane.inFlight++
  }

  /** Forgets every report of `lane` sent up to and including `sequence`. */
  acknowledge(lane: Lane, sequence: number): void {
    const queue = this.#lane(lane)
    const kept = queue.sent.findIndex((one) => one.sequence > sequence)
    this.#answered(queue, 0, kept < 0 ? queue.sent.length : kept)
  }

  /** Forgets one report; false when it was not waiting. */
  forget(lane: Lane, sequence: number): boolean {
    const queue = this.#lane(lane)
    const at = queue.sent.findIndex((one) => one.sequence === sequence)
    if (at >= 0) this.#answered(queue, at, 1)
    return at >= 0
  }

  /** Gives up the oldest report in flight, which the hub cannot read; undefined when none is. */
  dropOldestInFlight(): SentReport | undefined {
    const lane = this.#live.inFlight > 0 ? this.#live : this.#backlog
    if (lane.inFlight === 0) return undefined
    const [report] = lane.sent
    this.#answered(lane, 0, 1)
    this.#dropped++
    return report
  }

  /** What was never sent goes first and takes a sequence with it, so that the hub sees the gap. */
  #dropOldest(): void {
    this.#dropped++
    const lanes = [this.#backlog, this.#live]
    const unsent = lanes.find((queue) => queue.unsent.length > (queue === this.#live ? 1 : 0))
    const sent = lanes.find((queue) => queue.sent.length > 0)
    if (unsent !== undefined) {
      this.#bytes -= bytesOf(unsent.unsent.shift()!)
      unsent.nextSequence++
    } else if (sent !== undefined) this.#answered(sent, 0, 1)
    else throw new Error('BUG: nothing to drop')
  }

  #answered(queue: LaneQueue, from: number, count: number): void {
    for (const { report } of queue.sent.splice(from, count)) this.#bytes -= bytesOf(report)
    queue.inFlight -= Math.min(count, Math.max(0, queue.inFlight - from))
  }

  #lane(lane: Lane): LaneQueue {
    return lane === 'live' ? this.#live : this.#backlog
  }
}

function emptyLane(lane: Lane): LaneQueue {
  return { lane, sent: [], inFlight: 0, unsent: [], nextSequence: 1 }
}

function waiting(lane: LaneQueue): number {
  return lane.sent.length + lane.unsent.length
}

function nextOf({ lane, sent, inFlight, unsent, nextSequence }: LaneQueue): SentReport | undefined {
  if (inFlight < sent.length) return sent[inFlight]
  const [report] = unsent
  return report && { lane, sequence: nextSequence, report }
}

/** Near enough for a bound: values, references to series, and the objects around them. */
function bytesOf(report: OutgoingReport): number {
  return (
    bytesPerReport +
    report.values.byteLength +
    (report.series.length + report.stale.length) * bytesPerSeries
  )
}
