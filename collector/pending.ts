import { BacklogPace } from './backlog-pace.ts'
import { type Labels, type Lane, lanes, limits, type Millis } from './wire/frames.ts'

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

/** A report with its identity, which it keeps for ever. */
export interface SentReport {
  readonly lane: Lane
  readonly sequence: number
  readonly report: OutgoingReport
  /** When it was read, by this process's monotonic clock. */
  readonly readAt: number
}

/** Bounds of the reports that only memory holds; beyond, the oldest are dropped and counted. */
export interface PendingLimits {
  readonly reports: number
  readonly bytes: number
}

/** 10 000 reports are about 28 h at 10 s; 64 MiB hold them for up to 800 series. */
export const defaultPendingLimits: PendingLimits = { reports: 10_000, bytes: 64 * 1024 * 1024 }

/** Why a report was given up: no room in memory, in the spool, too old, the spool lost it, the hub cannot read it. */
export type DropReason = 'memory' | 'bytes' | 'age' | 'damaged' | 'unreadable'

export const dropReasons: readonly DropReason[] = [
  'memory',
  'bytes',
  'age',
  'damaged',
  'unreadable',
]

/** A report that waits for the hub's acknowledgement. */
export interface Waiting {
  /** Counts the reports of this host by age, across restarts while the spool lasts. */
  readonly number: number
  readonly wall: Millis
  /** Monotonic milliseconds of this process, also for a report of an earlier one. */
  readonly readAt: number
  /** The lane its maker asked for. */
  readonly wanted: Lane
  /** Undefined while only the spool's files have it. */
  report: OutgoingReport | undefined
  /** Its identity, once it has one. */
  given: { readonly lane: Lane; readonly sequence: number } | undefined
  /** Where it would be found after a kill of this process. */
  place: 'memory' | 'writing' | 'files'
  /** Number of the spool's write that holds it with its identity; infinite while none does. */
  safeAfter: number
  /** Answered or given up. */
  gone: boolean
}

/** How far the lanes are, as the spool's files are to know it. */
export interface LanePositions {
  /** The sequence that is given next. */
  readonly next: Readonly<Record<Lane, number>>
  /** Up to here every sequence is answered or given up. */
  readonly done: Readonly<Record<Lane, number>>
  /** Below it no report waits. */
  readonly lowest: number
}

/** What the spool asks of, and tells, the reports that wait. */
export interface SpoolSource {
  positions(): LanePositions
  /** All that wait, by rising number. */
  waiting(): readonly Waiting[]
  /** These are in files now. */
  stored(reports: readonly Waiting[]): void
  /** Something that was held back may be sent now. */
  ready(): void
}

/** Where reports wait on disk; `collector/spool`. Nothing of it throws or waits: what cannot be written stays in memory. */
export interface ReportSpool {
  /** What an earlier process left. */
  readonly found: {
    readonly next: Readonly<Record<Lane, number>>
    readonly nextNumber: number
    /** By rising number. */
    readonly waiting: readonly Waiting[]
    /** Reports that were lost with it, as far as known. */
    readonly lost: number
  }
  readonly longestMilliseconds: number
  /** Whether what is kept comes onto the disk. */
  readonly isWorking: boolean
  attach(source: SpoolSource): void
  /** Takes over a report that was just read. */
  keep(report: Waiting): void
  /** These got their identity after they were kept. */
  given(reports: readonly Waiting[]): void
  /** Reports were answered or given up. */
  moved(): void
  /** Whether this report may be sent: it would come back under its identity after a kill, or the disk fails. */
  isSafe(report: Waiting): boolean
  /** Reports up to this number are to be given up for want of room; undefined within the limit. */
  overLimit(): number | undefined
  /** Bodies by number; one that is missing is lost. */
  read(reports: readonly Waiting[]): Promise<ReadonlyMap<number, OutgoingReport>>
}

const bytesPerReport = 300
const bytesPerSeries = 8
/** Bodies are read back from the spool when so many of the next ones are not all in memory, so many at once. */
const readAhead = 64
const readTogether = 64

interface LaneQueue {
  readonly lane: Lane
  /** With an identity and not answered, by rising sequence. */
  given: Waiting[]
  /** How many of `given`, from the first on, went out on this connection. */
  inFlight: number
  nextSequence: number
  /** The highest sequence the hub has answered. */
  answered: number
}

/**
 * Reports not yet acknowledged. A report gets lane and sequence when a connection is there to send it, keeps them, and
 * is sent under them until it is answered, before anything newer of its lane. What a new connection finds without an
 * identity goes by the backlog, but for the newest report. With a spool the bodies of those that wait long are on disk only.
 */
export class PendingReports {
  readonly #limits: PendingLimits
  readonly #spool: ReportSpool | undefined
  readonly #live = emptyLane('live')
  readonly #backlog = emptyLane('backlog')
  /** Without an identity, by rising number. */
  #notGiven: Waiting[] = []
  #nextNumber = 1
  #connected = false
  /** The hub has answered a live report of this connection: only then the backlog follows. */
  #liveAnswered = false
  #fetching = false
  /** What only memory holds. */
  #memoryReports = 0
  #memoryBytes = 0
  readonly #dropped: Record<DropReason, number> = {
    memory: 0,
    bytes: 0,
    age: 0,
    damaged: 0,
    unreadable: 0,
  }
  /** How much of the backlog is sent ahead. */
  readonly pace = new BacklogPace()
  /** Called when `next` may have something that it had not. */
  onReady: () => void = () => {}

  constructor(limits: PendingLimits = defaultPendingLimits, spool?: ReportSpool) {
    this.#limits = limits
    this.#spool = spool
    if (spool === undefined) return
    const { next, nextNumber, waiting, lost } = spool.found
    this.#nextNumber = nextNumber
    this.#dropped.damaged = lost
    for (const lane of lanes) this.#lane(lane).nextSequence = next[lane]
    for (const report of waiting) {
      if (report.given === undefined) this.#notGiven.push(report)
      else this.#lane(report.given.lane).given.push(report)
    }
    for (const lane of lanes)
      this.#lane(lane).given.sort((a, b) => a.given!.sequence - b.given!.sequence)
    spool.attach({
      positions: () => this.#positions(),
      waiting: () => this.#waiting(),
      stored: (reports) => this.#stored(reports),
      ready: () => this.onReady(),
    })
  }

  get count(): number {
    return this.#live.given.length + this.#backlog.given.length + this.#notGiven.length
  }

  /** Those of them that only memory holds. */
  get inMemory(): number {
    return this.#memoryReports
  }

  /** Reports given up since the start, and what an earlier process's spool lost. */
  get dropped(): number {
    return Object.values(this.#dropped).reduce((sum, one) => sum + one, 0)
  }

  get droppedBy(): Readonly<Record<DropReason, number>> {
    return { ...this.#dropped }
  }

  /** When the oldest was read, by this host's wall clock; undefined when none waits. */
  get oldestWall(): Millis | undefined {
    return this.#oldest()?.wall
  }

  /** Reports sent on this connection and not answered. */
  get inFlight(): number {
    return this.#live.inFlight + this.#backlog.inFlight
  }

  add(report: OutgoingReport): void {
    const { wall, monotonic, lane } = report
    const waiting: Waiting = {
      number: this.#nextNumber++,
      wall,
      readAt: monotonic,
      wanted: lane,
      report,
      given: undefined,
      place: 'memory',
      safeAfter: Number.POSITIVE_INFINITY,
      gone: false,
    }
    this.#memoryReports++
    this.#memoryBytes += bytesOf(report)
    if (this.#connected) this.#give(lane, [waiting])
    else {
      const before = this.#notGiven.at(-1)
      this.#notGiven.push(waiting)
      if (before !== undefined) this.#release(before)
    }
    this.#spool?.keep(waiting)
    this.#trim(monotonic)
    this.#showGap(report)
  }

  /**
   * What the backlog gave up last is seen by the hub once something follows in that lane. When nothing does, a report without
   * any series does, behind `report`; once it can be on disk, for its own loss would be a gap.
   */
  #showGap({ wall, monotonic }: OutgoingReport): void {
    const { given, answered, nextSequence } = this.#backlog
    const last = Math.max(answered, given.at(-1)?.given?.sequence ?? 0)
    if (!this.#connected || last >= nextSequence - 1) return
    if (this.#spool?.isWorking === false) return
    const empty = { lane: 'backlog', wall, monotonic, series: [], stale: [] } as const
    this.add({ ...empty, values: new Float64Array(0) })
  }

  /** A new connection, whose hub has committed up to these sequences: the rest is to be sent again. */
  connected(committed: Readonly<Record<Lane, number>>): void {
    this.#connected = true
    this.#liveAnswered = false
    this.pace.begin()
    for (const lane of lanes) {
      const queue = this.#lane(lane)
      queue.inFlight = 0
      this.acknowledge(lane, committed[lane])
      queue.nextSequence = Math.max(queue.nextSequence, committed[lane] + 1)
    }
    const late = this.#notGiven
    const newest = late.at(-1)?.wanted === 'live' ? [late.pop()!] : []
    this.#notGiven = []
    this.#give('backlog', late)
    this.#give('live', newest)
    this.#spool?.given([...late, ...newest])
  }

  /** The connection has ended: what is read from now on waits for the next. */
  disconnected(): void {
    this.#connected = false
  }

  /** The next report to send, live before backlog; undefined when all are sent, the window is full, or the disk is asked. */
  next(): SentReport | undefined {
    if (this.inFlight >= limits.reportsInFlight) return undefined
    if (this.#live.inFlight < this.#live.given.length) return this.#nextOf(this.#live)
    if (this.#live.inFlight > 0 && !this.#liveAnswered) return undefined
    return this.#backlog.inFlight < this.pace.window ? this.#nextOf(this.#backlog) : undefined
  }

  /** What `next` gave has gone out. */
  sent(report: SentReport): void {
    this.#lane(report.lane).inFlight++
  }

  /** Forgets every report of `lane` up to and including `sequence`. */
  acknowledge(lane: Lane, sequence: number): void {
    const queue = this.#lane(lane)
    queue.answered = Math.max(queue.answered, sequence)
    if (lane === 'live' && queue.inFlight > 0) this.#liveAnswered = true
    const kept = queue.given.findIndex(({ given }) => given!.sequence > sequence)
    this.#take(queue, 0, kept < 0 ? queue.given.length : kept)
  }

  /** Forgets one report; false when it was not waiting. */
  forget(lane: Lane, sequence: number): boolean {
    const queue = this.#lane(lane)
    const at = queue.given.findIndex(({ given }) => given!.sequence === sequence)
    queue.answered = Math.max(queue.answered, sequence)
    if (at >= 0) this.#take(queue, at, 1)
    return at >= 0
  }

  /** Gives up the oldest report in flight, which the hub cannot read; undefined when none is. */
  dropOldestInFlight(): { readonly lane: Lane; readonly sequence: number } | undefined {
    const queue = this.#live.inFlight > 0 ? this.#live : this.#backlog
    const [report] = queue.given
    if (queue.inFlight === 0 || report === undefined) return undefined
    this.#take(queue, 0, 1)
    this.#dropped.unreadable++
    return report.given
  }

  #lane(lane: Lane): LaneQueue {
    return lane === 'live' ? this.#live : this.#backlog
  }

  #give(lane: Lane, reports: readonly Waiting[]): void {
    const queue = this.#lane(lane)
    for (const report of reports) {
      report.given = { lane, sequence: queue.nextSequence++ }
      queue.given.push(report)
    }
  }

  #nextOf(queue: LaneQueue): SentReport | undefined {
    const waiting = queue.given[queue.inFlight]
    if (waiting === undefined) return undefined
    this.#fetch(queue)
    const { report, given } = waiting
    if (report === undefined || given === undefined) return undefined
    if (this.#spool !== undefined && !this.#spool.isSafe(waiting)) return undefined
    return { ...given, report, readAt: waiting.readAt }
  }

  /** Asks the spool for the bodies of the next reports that memory lacks. */
  #fetch(queue: LaneQueue): void {
    if (this.#fetching || this.#spool === undefined) return
    const end = Math.min(queue.given.length, queue.inFlight + readAhead)
    let from = queue.inFlight
    while (from < end && queue.given[from]!.report !== undefined) from++
    if (from === end) return
    const wanted = queue.given
      .slice(from, from + readTogether)
      .filter(({ report }) => report === undefined)
    this.#fetching = true
    this.#spool.read(wanted).then((found) => {
      this.#fetching = false
      for (const one of wanted) {
        one.report ??= found.get(one.number)
        if (one.report === undefined && !one.gone) this.#drop(one, 'damaged')
      }
      this.onReady()
    })
  }

  /** Drops what is too much or too old; `now` is the monotonic clock. */
  #trim(now: number): void {
    const { reports, bytes } = this.#limits
    while (
      this.#memoryReports > reports ||
      (this.#memoryBytes > bytes && this.#memoryReports > 1)
    ) {
      const report = this.#oldestInMemory()
      if (report === undefined) break
      this.#drop(report, 'memory')
    }
    const spool = this.#spool
    if (spool === undefined) return
    let oldest = this.#oldest()
    for (; oldest !== undefined; oldest = this.#oldest()) {
      if (now - oldest.readAt <= spool.longestMilliseconds) break
      this.#drop(oldest, 'age')
    }
    for (let upTo = spool.overLimit(); upTo !== undefined; upTo = spool.overLimit()) {
      for (oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
        if (oldest.number > upTo) break
        this.#drop(oldest, 'bytes')
      }
    }
  }

  #oldest(): Waiting | undefined {
    return least(this.#live.given[0], this.#backlog.given[0], this.#notGiven[0])
  }

  /** The oldest that only memory has; what is on its way to the hub goes last, the newest of all never. */
  #oldestInMemory(): Waiting | undefined {
    const only = (reports: readonly Waiting[], from: number) =>
      reports.find(
        ({ place, number }, i) =>
          i >= from && place === 'memory' && number !== this.#nextNumber - 1,
      )
    const { given: live } = this.#live
    const { given: backlog } = this.#backlog
    return (
      least(
        only(live, this.#live.inFlight),
        only(backlog, this.#backlog.inFlight),
        only(this.#notGiven, 0),
      ) ?? least(only(live, 0), only(backlog, 0))
    )
  }

  /** Gives a report up; one without an identity takes a sequence of `live` with it, so that the hub sees the gap with the next report. */
  #drop(report: Waiting, reason: DropReason): void {
    this.#dropped[reason]++
    if (report.given === undefined) {
      this.#live.nextSequence++
      this.#notGiven.splice(this.#notGiven.indexOf(report), 1)
      this.#forgotten(report)
    } else {
      const queue = this.#lane(report.given.lane)
      this.#take(queue, queue.given.indexOf(report), 1)
    }
    this.#spool?.moved()
  }

  #take(queue: LaneQueue, from: number, count: number): void {
    if (count === 0) return
    for (const report of queue.given.splice(from, count)) this.#forgotten(report)
    queue.inFlight -= Math.min(count, Math.max(0, queue.inFlight - from))
    this.#spool?.moved()
  }

  #forgotten(report: Waiting): void {
    if (report.place !== 'files') this.#leavesMemory(report)
    report.gone = true
  }

  #leavesMemory(waiting: Waiting): void {
    this.#memoryReports--
    if (waiting.report !== undefined) this.#memoryBytes -= bytesOf(waiting.report)
  }

  #stored(reports: readonly Waiting[]): void {
    for (const report of reports) {
      if (!report.gone) this.#leavesMemory(report)
      report.place = 'files'
      if (report !== this.#notGiven.at(-1)) this.#release(report)
    }
  }

  /** Lets go of the body of a report that will not be sent soon. */
  #release(waiting: Waiting): void {
    if (waiting.given === undefined && waiting.place === 'files') waiting.report = undefined
  }

  #positions(): LanePositions {
    const done = ({ given, nextSequence }: LaneQueue) =>
      (given[0]?.given?.sequence ?? nextSequence) - 1
    return {
      next: { live: this.#live.nextSequence, backlog: this.#backlog.nextSequence },
      done: { live: done(this.#live), backlog: done(this.#backlog) },
      lowest: this.#oldest()?.number ?? this.#nextNumber,
    }
  }

  #waiting(): Waiting[] {
    const all = [...this.#live.given, ...this.#backlog.given, ...this.#notGiven]
    return all.sort((a, b) => a.number - b.number)
  }
}

function emptyLane(lane: Lane): LaneQueue {
  return { lane, given: [], inFlight: 0, nextSequence: 1, answered: 0 }
}

function least(...reports: readonly (Waiting | undefined)[]): Waiting | undefined {
  let best: Waiting | undefined
  for (const one of reports)
    if (one !== undefined && (best === undefined || one.number < best.number)) best = one
  return best
}

/** Near enough for a bound: values, references to series, and the objects around them. */
function bytesOf(report: OutgoingReport): number {
  return (
    bytesPerReport +
    report.values.byteLength +
    (report.series.length + report.stale.length) * bytesPerSeries
  )
}
