import type { Clock, Millis } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import type { HttpAnswer, HttpRequest } from '../notify/plugin.ts'
import { endsWithin } from '../time-limit.ts'
import type { Timers } from '../timers.ts'
import type { VitalFault } from './vitals.ts'

export type HeartbeatConfig = NonNullable<HubConfig['heartbeat']>

/** How the words outward went. */
export interface BeatState {
  /** When one was last taken; undefined: never. */
  readonly takenAt: Millis | undefined
  /** Attempts in a row that were not taken. */
  readonly refusals: number
  /** Why the newest was not taken; names no address. */
  readonly reason: string | undefined
  /** True while the hub keeps silent, or says that it is not well. */
  readonly unwell: boolean
}

export interface BeatParts {
  readonly config: HeartbeatConfig
  readonly clock: Clock
  readonly timers: Timers
  readonly faults: () => readonly VitalFault[]
  readonly request: (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
  readonly onBeat: (outcome: 'taken' | 'refused' | 'withheld' | 'told-unwell') => void
  readonly warn: (fields: object, text: string) => void
}

const attemptMillis = 10_000

/** Says outside at each interval that the hub is well, and only then. */
export class Beat {
  readonly #parts: BeatParts
  readonly #stopping = new AbortController()
  #cancel: (() => void) | undefined
  #running: Promise<void> | undefined
  state: BeatState = { takenAt: undefined, refusals: 0, reason: undefined, unwell: false }

  constructor(parts: BeatParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.beat().finally(() => {
      if (this.#stopping.signal.aborted) return
      const delay = this.#parts.config.intervalSeconds * 1000
      this.#cancel = this.#parts.timers.after(delay, () => this.start())
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the hub is stopping'))
    this.#cancel?.()
    await this.#running
  }

  /** One word, or none; never rejects. */
  async beat(): Promise<void> {
    const { config, faults, onBeat, warn } = this.#parts
    const found = faults()
    const unwell = found.length > 0
    if (unwell && !this.state.unwell)
      warn({ faults: found }, 'the hub is not well; its heartbeat outward stops')
    this.state = { ...this.state, unwell }
    if (!unwell) {
      const body = config.method === 'POST' ? (config.body ?? '') : undefined
      await this.#send({ method: config.method, url: config.url, body }, 'taken')
    } else if (config.failUrl === undefined) onBeat('withheld')
    else {
      const body = found.map(({ part, because }) => `${part}: ${because}`).join('\n')
      await this.#send({ method: 'POST', url: config.failUrl, body }, 'told-unwell')
    }
  }

  async #send(
    { method, url, body }: { method: 'GET' | 'POST'; url: string; body: string | undefined },
    outcome: 'taken' | 'told-unwell',
  ): Promise<void> {
    const { clock, request, onBeat, warn } = this.#parts
    const signal = endsWithin(attemptMillis, this.#stopping.signal)
    const headers = body === undefined ? {} : { 'content-type': 'text/plain; charset=utf-8' }
    let reason: string | undefined
    try {
      const answer = await request(
        { method, url, headers, ...(body === undefined ? {} : { body }) },
        signal,
      )
      if (answer.status < 200 || answer.status > 299) reason = `answered with ${answer.status}`
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      // The address is a secret: whoever has it can keep the outside quiet.
      reason = (error as Error).message.replaceAll(url, 'URL').slice(0, 300)
    }
    if (reason === undefined) {
      this.state = { ...this.state, takenAt: clock.now(), refusals: 0, reason: undefined }
      onBeat(outcome)
      return
    }
    if (this.state.refusals === 0) warn({ reason }, 'the heartbeat outward was not taken')
    this.state = { ...this.state, refusals: this.state.refusals + 1, reason }
    onBeat('refused')
  }
}
