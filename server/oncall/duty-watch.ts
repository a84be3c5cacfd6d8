import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import { HubFigures } from '../hub-figures.ts'
import type { Calendar, ScheduleVersion } from './calendar.ts'
import { type Directory, readPeople } from './directory.ts'
import { dutyFigures, type Standing } from './duty-series.ts'
import { isPlannedGap } from './final.ts'
import { handOff } from './handover.ts'
import type { HandoverStore } from './handover-store.ts'
import type { OncallStore } from './oncall-store.ts'
import { type Proof, type Prover, proofDays } from './proof.ts'
import { dayMillis, hourMillis } from './zone.ts'

const everyMillis = 10_000
/** The coming shifts are looked at again this often even when nothing was changed: accounts and tests of channels change elsewhere. */
const proveEveryMillis = hourMillis
/** How far back the shift that ends may have begun, for its notes. */
const backMillis = 15 * dayMillis

export interface DutyParts {
  readonly clock: Clock
  readonly store: OncallStore
  readonly handovers: HandoverStore
  readonly calendar: Calendar
  readonly prover: Prover
}

/** Looks after on-call duty every few seconds: figures for rules, hand-overs as they happen, the nightly proof. */
export class DutyWatch {
  readonly #app: FastifyInstance
  readonly #parts: DutyParts
  readonly #series: HubFigures
  #proof: Proof | undefined
  #provenMonotonic = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #again = false
  /** Rounds that failed, for a metric. */
  failures = 0

  constructor(app: FastifyInstance, parts: DutyParts) {
    this.#app = app
    this.#parts = parts
    this.#series = new HubFigures(app.store)
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), everyMillis)
    void this.look()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  /** A schedule, policy or override was changed: everything is looked at anew, now. */
  changed(): void {
    this.#provenMonotonic = Number.NEGATIVE_INFINITY
    this.#app.live.hint('oncall')
    void this.look()
  }

  /** One round, resolved when it is over; a wish during a round is carried out after it. Never rejects. */
  look(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#rounds()
    return this.#running
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false
      try {
        await this.#round()
      } catch (err) {
        this.failures += 1
        this.#app.log.warn({ err }, 'on-call duty could not be looked at; tried again shortly')
      }
    } while (this.#again)
    // In the same turn as the last question whether to go on: no wish is lost between.
    this.#running = undefined
  }

  async #round(): Promise<void> {
    const { clock, store, prover } = this.#parts
    const now = clock.now()
    const versions = await store.versions(
      this.#app.records.read,
      now - backMillis,
      now + backMillis * 3,
    )
    if (versions.length === 0) {
      this.#proof = undefined
      this.#provenMonotonic = Number.NEGATIVE_INFINITY
      await this.#series.write([], now)
      return
    }
    // What cannot be proven must not silence who is on call now.
    const fault = await this.#prove().then(
      () => undefined,
      (error: unknown) => error,
    )
    const people = await readPeople(this.#app.records.read)
    const standings = versions.map((version) => this.#standing(version, people, now))
    const shifts = this.#proof?.shifts ?? []
    const last = await prover.lastProof()
    const provenAt = last === null ? undefined : Date.parse(last.provenAt)
    await this.#handOver(versions, now)
    await this.#series.write(dutyFigures(standings, shifts, provenAt), now)
    if (fault !== undefined) throw fault
  }

  async #prove(): Promise<void> {
    const { clock, prover } = this.#parts
    await prover.nightly()
    if (clock.monotonic() - this.#provenMonotonic < proveEveryMillis) return
    this.#provenMonotonic = clock.monotonic()
    this.#proof = await prover.prove(proofDays)
  }

  #standing(version: ScheduleVersion, people: Directory, now: number): Standing {
    const { id, content } = version
    const segment = this.#parts.calendar.at(version, now)
    if (segment.kind === 'gap') {
      const uncovered = !isPlannedGap(content.plannedGaps, segment.reasons)
      return { id, reachable: 0, uncovered }
    }
    const reachable = Number(people.find(segment.principalId)?.enabled === true)
    return { id, reachable, uncovered: reachable === 0 }
  }

  async #handOver(versions: readonly ScheduleVersion[], now: number): Promise<void> {
    const { handovers, calendar } = this.#parts
    const last = await handovers.last(this.#app.records.read)
    for (const version of versions) {
      const { final } = calendar.expand(version, now - backMillis, now + 1)
      const found = handOff(last.get(version.id), final, now)
      if (found === undefined) continue
      const isNew = await this.#app.records.write((tx) => handovers.keep(tx, version.id, found))
      if (isNew) this.#app.live.hint('oncall')
    }
  }
}
