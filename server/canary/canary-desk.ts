import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { ObligationKind, Obligations } from '../obligations/plugin.ts'
import type { Records } from '../records/records.ts'
import { dueAt, keepRun, lastRuns, plan, planId } from './canary-store.ts'
import { type CanaryRun, type FlightPorts, flight, nextFlight } from './flight.ts'

export interface CanaryParts {
  readonly clock: Clock
  readonly records: Records
  readonly obligations: Pick<Obligations, 'open' | 'close' | 'wake'>
  /** Time of day of the daily flight on the site's clock; undefined: none. */
  readonly at: string | undefined
  readonly zone: string
  readonly ports: (run: string, fly: (flying: boolean) => void) => FlightPorts
  readonly onFailed: (run: CanaryRun) => void
}

const kind = 'canary'
/** Longest flight: all of its stages. */
const attemptMillis = 180_000

/** Lets the canary fly, one at a time, and keeps its plan and its past. */
export class CanaryDesk {
  readonly #parts: CanaryParts
  readonly #stopping = new AbortController()
  #busy = false
  #flying = false
  #last: CanaryRun | undefined
  #due: Millis | undefined

  constructor(parts: CanaryParts) {
    this.#parts = parts
  }

  get flying(): boolean {
    return this.#flying
  }

  /** The newest flight. */
  get last(): CanaryRun | undefined {
    return this.#last
  }

  get dueAt(): Millis | undefined {
    return this.#due
  }

  get lateSeconds(): number {
    if (this.#due === undefined) return 0
    return Math.max(0, this.#parts.clock.now() - this.#due) / 1000
  }

  /** Flies now. Throws conflict while one flies. */
  async run(by: string): Promise<CanaryRun> {
    const run = await this.#fly(by, undefined, this.#stopping.signal)
    await this.#parts.records.write((tx) => keepRun(tx, run))
    this.#last = run
    return run
  }

  /** Takes up the last flight, and makes the plan follow the configuration; one that was missed while the hub was away flies now. */
  async start(): Promise<void> {
    const { records, clock, at, zone, obligations } = this.#parts
    this.#last = (await lastRuns(records.read, 1))[0]
    const known = await dueAt(records.read)
    const next = at === undefined ? undefined : nextFlight(clock.now(), at, zone)
    const missed = next !== undefined && known !== undefined && known < clock.now()
    this.#due = missed ? known : next
    if (this.#due === known) return
    await records.write(async (tx) => {
      await obligations.close(tx, kind, planId, 'the plan was changed')
      await plan(tx, this.#due)
      if (this.#due !== undefined) await obligations.open(tx, this.#opening(this.#due))
    })
    obligations.wake()
  }

  stop(): void {
    this.#stopping.abort(new Error('the hub is stopping'))
  }

  /** The daily flight as an obligation: one that is missed is lost, and named. */
  duty(): ObligationKind {
    const { clock, zone, obligations } = this.#parts
    return {
      kind,
      promise: 'a test alert flies through rules, records and channels once a day',
      concurrency: 1,
      attemptMillis,
      perform: async ({ dueAt: plannedFor }, signal) => {
        const run = await this.#fly('the plan', plannedFor, signal)
        const next = nextFlight(clock.now(), this.#parts.at!, zone)
        return {
          again: { dueAt: next },
          async settle(tx) {
            await keepRun(tx, run)
            await plan(tx, next)
          },
          committed: () => {
            this.#last = run
            this.#due = next
          },
        }
      },
      owed: (read) => (read as Records['read']).selectFrom('canary_plans').select('id as subject'),
      mend: async (tx) => this.#due !== undefined && obligations.open(tx, this.#opening(this.#due)),
    }
  }

  #opening(due: Millis) {
    const key = `${due}-${uuid(this.#parts.clock.now())}`
    return { kind, subject: planId, key, dueAt: due }
  }

  async #fly(by: string, plannedFor: Millis | undefined, signal: AbortSignal): Promise<CanaryRun> {
    if (this.#busy)
      throw new CallwardError('conflict', 'A canary is flying; see it with: callward canary show')
    const { clock, ports, onFailed } = this.#parts
    this.#busy = true
    const stop = AbortSignal.any([signal, this.#stopping.signal])
    try {
      const startedAt = clock.now()
      const id = uuid(startedAt)
      const through = ports(id, (flying) => {
        this.#flying = flying
      })
      const stages = await flight(through, stop)
      // A flight that was broken off says nothing of the way.
      stop.throwIfAborted()
      const ok = stages.every((stage) => stage.ok)
      const run = {
        ...{ id, plannedFor, startedBy: by, startedAt, finishedAt: clock.now() },
        ...{ ok, stages },
      }
      if (!ok) onFailed(run)
      return run
    } finally {
      this.#busy = false
      this.#flying = false
    }
  }
}
