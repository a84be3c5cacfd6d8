import { stringify } from 'yaml'
import type { AlertView, Millis } from '../../alerts/alert.ts'
import type { Matcher } from '../../alerts/matchers.ts'
import type { PipelineState } from '../../alerts/pipeline-state.ts'
import type { RoutingConfig } from '../../alerts/routing-config.ts'
import { type Silence, type SilencePhase, silenceFaults } from '../../alerts/silence.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { routingDocument } from './routing-document.ts'
import {
  type GettableSilence,
  gettableSilence,
  type PostedSilence,
  sameMatchers,
} from './silence-views.ts'

/** A silence, where it stands, and the alerts it hides now. */
export interface KeptSilence {
  readonly silence: Silence
  readonly phase: SilencePhase['phase']
  /** Fingerprints. */
  readonly hides: readonly string[]
}

/** What silences need of routing. */
export interface RoutingDoor {
  state(): PipelineState
  /** Resolves when `state` holds what was committed before the call. */
  settled(): Promise<void>
  routing(): RoutingConfig
  silences(): readonly KeptSilence[]
  preview(
    matchers: readonly Matcher[],
    startsAt: Millis,
    endsAt: Millis,
  ): { readonly hides: readonly AlertView[]; readonly tooBroad?: string | undefined }
  /** Throws unprocessable for one that is too broad and not forced. */
  setSilence(silence: Silence, by: Principal, force: boolean): Promise<void>
  endSilence(id: string, by: Principal): Promise<void>
}

/** What may be changed of a silence that stands. */
export interface SilenceChange {
  readonly endsAt: Millis
  readonly reason?: string | undefined
}

const endedMax = 500

/** The silences of the hub for its clients: Alertmanager's and its own. */
export class Silencing {
  readonly #door: RoutingDoor
  readonly #clock: Clock
  readonly #newId: () => string
  /** As last seen, so that those that end by themselves can still be shown. */
  #seen = new Map<string, Silence>()
  /** The newest that ended since the start. */
  readonly #ended = new Map<string, Silence>()

  constructor(door: RoutingDoor, clock: Clock, newId: () => string) {
    this.#door = door
    this.#clock = clock
    this.#newId = newId
  }

  /** What routing has decided on all that was committed before; the last known state while the records cannot be read. */
  async newest(): Promise<PipelineState> {
    await this.#door.settled().catch(() => undefined)
    return this.#door.state()
  }

  receivers(): string[] {
    return [...this.#door.routing().receivers.keys()]
  }

  /** YAML of an Alertmanager configuration with this hub's routes. */
  original(): string {
    return stringify(routingDocument(this.#door.routing()), { aliasDuplicateObjects: false })
  }

  /** Those that stand, and those that ended of late. */
  kept(): readonly KeptSilence[] {
    const standing = this.#door.silences()
    const now = new Map(standing.map(({ silence }) => [silence.id, silence]))
    for (const [id, silence] of this.#seen) if (!now.has(id)) this.#note(silence)
    for (const id of now.keys()) this.#ended.delete(id)
    this.#seen = now
    const ended = [...this.#ended.values()].map(
      (silence) => ({ silence, phase: 'expired', hides: [] }) as const,
    )
    return [...standing, ...ended]
  }

  all(): GettableSilence[] {
    return this.kept().map(({ silence, phase }) => gettableSilence(silence, phase))
  }

  /** Throws not_found. */
  find(id: string): GettableSilence {
    const { silence, phase } = this.keptOf(id)
    return gettableSilence(silence, phase)
  }

  /** Throws not_found. */
  keptOf(id: string): KeptSilence {
    const found = this.kept().find(({ silence }) => silence.id === id)
    if (found === undefined)
      throw new CallwardError('not_found', 'There is no silence of that id; it may have ended.')
    return found
  }

  /**
   * Sets a silence as a client of Alertmanager posts it; gives its id. One that stands keeps its id where its matchers
   * stay; otherwise it ends and another begins, as Alertmanager does. Throws bad_request, not_found, unprocessable.
   */
  async post(posted: PostedSilence, by: Principal): Promise<string> {
    const now = this.#clock.now()
    const before = posted.id === undefined ? undefined : this.keptOf(posted.id)
    const stands = before !== undefined && before.phase !== 'expired'
    const same = stands && sameMatchers(before.silence.matchers, posted.matchers)
    const began = same && before.phase !== 'pending' ? before.silence.startsAt : undefined
    const silence: Silence = {
      ...(same ? before.silence : {}),
      id: same ? before.silence.id : this.#newId(),
      matchers: posted.matchers,
      startsAt: began ?? Math.max(posted.startsAt ?? now, now),
      endsAt: posted.endsAt,
      createdAt: now,
      createdBy: authorOf(posted.createdBy, by),
      reason: posted.comment,
    }
    await this.set(silence, by, false)
    if (stands && !same) await this.end(before.silence.id, by)
    return silence.id
  }

  /** Sets or replaces a silence. Throws bad_request with every fault, unprocessable when it is too broad. */
  async set(silence: Silence, by: Principal, force: boolean): Promise<KeptSilence> {
    const faults = silenceFaults(silence, this.#clock.now())
    if (faults.length > 0)
      throw new CallwardError('bad_request', `The silence cannot be set: ${faults.join('; ')}.`)
    await this.#door.setSilence(silence, by, force)
    return this.keptOf(silence.id)
  }

  /** Moves the end of one that stands. Throws not_found, conflict, bad_request. */
  async change(id: string, { endsAt, reason }: SilenceChange, by: Principal): Promise<KeptSilence> {
    const { silence } = this.#standing(id)
    return this.set({ ...silence, endsAt, reason: reason ?? silence.reason }, by, true)
  }

  /** Ends one; one that has ended already stays so. Throws not_found. */
  async end(id: string, by: Principal): Promise<void> {
    const { silence, phase } = this.keptOf(id)
    if (phase === 'expired') return
    await this.#door.endSilence(id, by)
    this.#note({ ...silence, endsAt: Math.min(silence.endsAt, this.#clock.now()) })
    this.#seen.delete(id)
  }

  preview(matchers: readonly Matcher[], startsAt: Millis, endsAt: Millis) {
    return this.#door.preview(matchers, startsAt, endsAt)
  }

  /** Calendars that a recurring silence may name. */
  calendars(): RoutingConfig['calendars'] {
    return this.#door.routing().calendars
  }

  #standing(id: string): KeptSilence {
    const kept = this.keptOf(id)
    if (kept.phase === 'expired')
      throw new CallwardError('conflict', 'That silence has ended; set a new one.')
    return kept
  }

  #note(silence: Silence): void {
    this.#ended.delete(silence.id)
    this.#ended.set(silence.id, silence)
    const [oldest] = this.#ended.keys()
    if (this.#ended.size > endedMax && oldest !== undefined) this.#ended.delete(oldest)
  }
}

/** The name that was given, and always that of the token: a name can be given by anybody. */
export function authorOf(given: string, { name }: Pick<Principal, 'name'>): string {
  const token = ` (${name})`
  if (given === '' || given === name) return name
  return given.endsWith(token) ? given : `${given}${token}`
}
