import type { LanePositions, Waiting } from '../pending.ts'
import type { Lane } from '../wire/frames.ts'
import { agesOf } from './ages.ts'
import type { Ledger } from './ledger.ts'
import { recordKinds, type Scan, type SpoolRecord } from './record.ts'
import {
  type ReportMeta,
  type Run,
  readGiven,
  readHead,
  readMeta,
  readPositions,
  type SegmentHead,
} from './segment.ts'

/** What a segment's records say beside the rows and series. */
type Event =
  | { readonly kind: 'report'; readonly meta: ReportMeta }
  | { readonly kind: 'given'; readonly run: Run }
  | { readonly kind: 'positions'; readonly positions: LanePositions }
  | { readonly kind: 'closed' }

/** A segment file as it was found. */
export interface FoundSegment {
  readonly serial: number
  /** Undefined when the file does not begin with one. */
  readonly head: SegmentHead | undefined
  readonly events: readonly Event[]
  readonly damaged: boolean
  /** Empty, or nothing but the beginning of its first record: nothing was sent on its word. */
  readonly isUnbegun: boolean
}

/** Who asks, and what it knows beside the segments. */
export interface Asker {
  readonly collector: string
  /** Of this start of the machine; empty when unknown. */
  readonly boot: string
  /** Nothing was sent, and nothing waited, that the segments do not know of. */
  readonly whole: boolean
  /** What the segments do not know, where that could be written down. */
  readonly ledger: Ledger | undefined
  readonly monotonic: number
}

export interface Recovered {
  /** Undefined: a new one must begin, for the reason. */
  readonly epoch: string | undefined
  /** Empty while the epoch goes on. */
  readonly reason: string
  readonly next: Record<Lane, number>
  readonly nextNumber: number
  /** By rising number. */
  readonly waiting: readonly Waiting[]
  /** Reports that waited and cannot be found. */
  readonly lost: number
  /** Nobody knows how many were lost: `lost` is the least. */
  readonly isLeast: boolean
  /** Reports that only memory had and that were on their way: the hub has them, or counts them as a gap. */
  readonly underWay: number
}

type Identity = Waiting['given']

interface State {
  readonly identities: Map<number, Identity>
  positions: LanePositions
  /** Reports from this number on are known by their records alone. */
  readonly first: number
  nextNumber: number
  /** The collector stopped in order, with everything on the medium. */
  closed: boolean
}

/** Reads a file's records. */
export function foundSegment(serial: number, { records, damaged }: Scan): FoundSegment {
  const [first] = records
  const head = first?.kind === recordKinds.head ? readHead(first.payload) : undefined
  const events: Event[] = []
  let unreadable = 0
  for (const record of records) {
    try {
      const event = eventOf(record)
      if (event !== undefined) events.push(event)
    } catch {
      unreadable++
    }
  }
  const isUnbegun = records.length === 0 && damaged === 0
  return { serial, head, events, damaged: damaged + unreadable > 0, isUnbegun }
}

/** Throws PayloadError. */
function eventOf({ kind, payload }: SpoolRecord): Event | undefined {
  if (kind === recordKinds.report) return { kind: 'report', meta: readMeta(payload) }
  if (kind === recordKinds.given) return { kind: 'given', run: readGiven(payload) }
  if (kind === recordKinds.positions) {
    return { kind: 'positions', positions: readPositions(payload) }
  }
  return kind === recordKinds.closed ? { kind: 'closed' } : undefined
}

/** The lowest and the highest number of its reports; the highest is below the lowest while it has none. */
export function numbersOf({ head, events }: FoundSegment): { first: number; last: number } {
  const numbers = events.flatMap((one) => (one.kind === 'report' ? [one.meta.number] : []))
  const first = numbers[0] ?? head?.first ?? 1
  return { first, last: numbers.at(-1) ?? first - 1 }
}

/** What waits according to the segments, by rising serial; undefined when they say nothing. */
export function recover(segments: readonly FoundSegment[], asker: Asker): Recovered | undefined {
  const metas = new Map<number, ReportMeta>()
  for (const { events } of segments)
    for (const one of events) if (one.kind === 'report') metas.set(one.meta.number, one.meta)
  const newest = segments.findLastIndex(({ head }) => head !== undefined)
  const head = segments[newest]?.head
  const { ledger } = asker
  if (head === undefined && metas.size === 0 && ledger === undefined) return undefined
  // A later one whose head is damaged still has its records.
  const speaking = segments.slice(Math.max(0, newest))
  const fromFiles = stateOf(head, speaking)
  const state = ledger === undefined ? fromFiles : withLedger(fromFiles, head, ledger)
  const reason = reasonForEpoch(head, speaking, state.closed, asker)
  const next = { ...state.positions.next }
  const ages = agesOf(datesOf(segments), asker)
  const onlyInMemory = new Set(numbersIn(ledger?.inMemory ?? []))
  const waiting: Waiting[] = []
  let underWay = 0
  let lost = speaking.some(({ damaged }) => damaged) ? lostRecords(state, metas) : 0
  for (const [number, identity] of [...state.identities].sort(([a], [b]) => a - b)) {
    if (!waits(number, identity, state.positions)) continue
    const meta = metas.get(number)
    if (meta !== undefined) {
      const readAt = asker.monotonic - (ages.get(number) ?? 0)
      waiting.push(waitingOf(meta, reason === '' ? identity : undefined, readAt))
    } else if (identity !== undefined && onlyInMemory.has(number)) underWay++
    else {
      lost++
      // Its sequence is skipped, which the hub sees; without one it takes one.
      if (identity === undefined) next.live++
    }
  }
  const isLeast = !asker.whole && ledger === undefined
  if (isLeast) lost = Math.max(lost, 1)
  // Below the lowest that waited none may be given again: it would be taken for answered.
  const nextNumber = Math.max(state.nextNumber, state.positions.lowest)
  const epoch = reason === '' ? (ledger ?? head)?.epoch : undefined
  const lanesNow = epoch === undefined ? freshLanes(lost + underWay) : next
  return { epoch, reason, next: lanesNow, nextNumber, waiting, lost, isLeast, underWay }
}

/** Reports by rising number, with the start of the machine that their segment names. */
function datesOf(segments: readonly FoundSegment[]) {
  const dated = segments.flatMap(({ head, events }) =>
    events.flatMap((one) =>
      one.kind === 'report' ? [{ boot: head?.boot ?? '', ...one.meta }] : [],
    ),
  )
  return dated.sort((a, b) => a.number - b.number)
}

function* numbersIn(runs: readonly Run[]): Generator<number> {
  for (const { number, count } of runs) for (let i = 0; i < count; i++) yield number + i
}

/** What the segments say, with what the ledger knows beside them. An identity never changes, so the order of the two does not matter. */
function withLedger(state: State, head: SegmentHead | undefined, ledger: Ledger): State {
  const isSame = head === undefined || head.epoch === ledger.epoch
  const { positions, nextNumber } = ledger
  const joined: State = {
    ...state,
    identities: new Map(),
    nextNumber: Math.max(state.nextNumber, nextNumber),
    positions: isSame ? furthest(state.positions, positions) : positions,
  }
  for (const run of [...ledger.inFiles, ...ledger.inMemory]) applyRun(joined, run)
  for (const [number, identity] of state.identities) {
    // One that the ledger leaves out was answered, although the files do not know it.
    const isKnown = number >= nextNumber || joined.identities.has(number)
    if (isKnown && joined.identities.get(number) === undefined)
      joined.identities.set(number, isSame ? identity : undefined)
  }
  return joined
}

/** Lanes of a new epoch, whose first live report shows the hub a gap of so many. */
export function freshLanes(lost: number): Record<Lane, number> {
  return { live: 1 + lost, backlog: 1 }
}

const nothingYet: LanePositions = {
  next: { live: 1, backlog: 1 },
  done: { live: 0, backlog: 0 },
  lowest: 0,
}

function stateOf(head: SegmentHead | undefined, segments: readonly FoundSegment[]): State {
  const positions = head?.positions ?? nothingYet
  const state: State = {
    identities: new Map(),
    positions,
    first: head?.first ?? segments.map(numbersOf).find(({ last }) => last > 0)?.first ?? 1,
    nextNumber: head?.first ?? 1,
    closed: false,
  }
  for (const run of head?.runs ?? []) applyRun(state, run)
  for (const event of segments.flatMap(({ events }) => events)) {
    state.closed = event.kind === 'closed'
    if (event.kind === 'report') {
      const { number, given } = event.meta
      applyRun(state, { lane: given?.lane, number, count: 1, sequence: given?.sequence ?? 0 })
    } else if (event.kind === 'given') applyRun(state, event.run)
    else if (event.kind === 'positions')
      state.positions = furthest(state.positions, event.positions)
  }
  return state
}

function applyRun(state: State, { lane, number, count, sequence }: Run): void {
  for (let i = 0; i < count; i++) {
    const given = lane === undefined ? undefined : { lane, sequence: sequence + i }
    state.identities.set(number + i, given)
  }
  state.nextNumber = Math.max(state.nextNumber, number + count)
  if (lane === undefined) return
  const { next } = state.positions
  const after = Math.max(next[lane], sequence + count)
  state.positions = { ...state.positions, next: { ...next, [lane]: after } }
}

function furthest(a: LanePositions, b: LanePositions): LanePositions {
  const of = (key: 'next' | 'done') => ({
    live: Math.max(a[key].live, b[key].live),
    backlog: Math.max(a[key].backlog, b[key].backlog),
  })
  return { next: of('next'), done: of('done'), lowest: Math.max(a.lowest, b.lowest) }
}

function waits(number: number, identity: Identity, { lowest, done }: LanePositions): boolean {
  if (number < lowest) return false
  return identity === undefined || identity.sequence > done[identity.lane]
}

/** Reports of the newest segment whose records are damaged: nothing else speaks of them. */
function lostRecords(
  { identities, positions, first, nextNumber }: State,
  metas: ReadonlyMap<number, ReportMeta>,
): number {
  let lost = 0
  for (let number = Math.max(first, positions.lowest); number < nextNumber; number++)
    if (!metas.has(number) && !identities.has(number)) lost++
  // Behind the last record there was something, and nobody knows how many.
  return Math.max(lost, 1)
}

/** Why sequences of the old epoch cannot be gone on with; empty when they can. `newest` has the head, those after it none. */
function reasonForEpoch(
  head: SegmentHead | undefined,
  [newest, ...later]: readonly FoundSegment[],
  closed: boolean,
  asker: Asker,
): string {
  // A segment that was being begun when the process was killed has nothing that was sent.
  const { ledger } = asker
  const isDamaged = head
    ? newest?.damaged !== false
    : ledger === undefined || newest?.isUnbegun === false
  if (isDamaged || !later.every(({ isUnbegun }) => isUnbegun))
    return 'the newest segment is damaged'
  const { collector, boot } = (ledger ?? head) as Ledger | SegmentHead
  if (collector !== asker.collector) return 'the spool is of another collector'
  if (!asker.whole && ledger === undefined) return 'the disk had refused what was sent since'
  const isStopped = closed && ledger === undefined
  if (!isStopped && (asker.boot === '' || asker.boot !== boot))
    return 'the machine went down without a stop of the collector'
  return ''
}

/** A report of an earlier process never overtakes: it goes by the backlog, unless it had a lane. */
function waitingOf(meta: ReportMeta, given: Identity, readAt: number): Waiting {
  const { number, wall } = meta
  return {
    number,
    wall,
    readAt,
    wanted: 'backlog',
    report: undefined,
    given,
    place: 'files',
    safeAfter: 0,
    gone: false,
  }
}
