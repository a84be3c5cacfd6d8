import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { ChannelHealth } from './channel-health.ts'
import { channelOf, channels } from './channels/all.ts'
import type { Channel, Delivery } from './channels/channel.ts'
import { type Settings, withoutSettings } from './contact-point.ts'
import type { ContactStore, OpenPoint } from './contact-store.ts'
import { ForbiddenAddress, type Guard } from './guard.ts'
import { abortable, guardedRequest } from './http.ts'
import { Lane, LaneFull, type LaneSizes } from './lanes.ts'
import type { NotifyLog } from './log-store.ts'
import { type Message, referenceOf } from './message.ts'
import type { NotifyMetrics } from './metrics.ts'
import { type Outcome, refused, retry } from './outcome.ts'
import { type Limit, RateLimits } from './rate-limit.ts'
import type { Templates } from './templates.ts'

export interface SendRequest {
  /** Its id, or anything that carries it. */
  readonly contactPoint: string | { readonly id: string }
  readonly message: Message
  /** The same for each attempt of one message to one contact point. */
  readonly idempotencyKey: string
  /** Aborted: the attempt ends at once, its outcome unknown. */
  readonly signal?: AbortSignal
}

/** One contact point takes this many whatever its provider allows: a storm is grouped before it comes here. */
export const pointLimits: readonly Limit[] = [{ count: 60, perMillis: 60_000 }]

/** What says more of something known uses at most this much of a limit: in a storm each system's first word comes before it. */
const shareOfFurther = 0.5

/** What one channel does at once, and keeps waiting. */
export const laneSizes: LaneSizes = {
  running: 32,
  runningOfTarget: 4,
  waiting: 5_000,
  waitingOfTarget: 500,
}

export interface SenderParts {
  readonly store: ContactStore
  readonly templates: Templates
  readonly guard: Guard
  readonly log: NotifyLog
  readonly metrics: NotifyMetrics
  readonly clock: Clock
  /** Longest an attempt takes whatever its channel allows. */
  readonly deadlineMillis: number
  warn(fields: object, text: string): void
}

/** Sends one message to one contact point; never throws, never takes longer than its deadline. */
export class Sender {
  readonly #parts: SenderParts
  readonly #limits = new RateLimits()
  readonly #lanes = new Map(channels.map(({ name }) => [name, new Lane(laneSizes)]))
  readonly health = new ChannelHealth()

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  async send(request: SendRequest): Promise<Outcome> {
    const { clock, log, metrics, store, warn } = this.#parts
    const startedAt = clock.monotonic()
    const at = clock.now()
    const id =
      typeof request.contactPoint === 'string' ? request.contactPoint : request.contactPoint.id
    const found = store.find(id)
    if (found === undefined) return refused('there is no such contact point')
    const { channel } = found.point
    let outcome: Outcome
    try {
      outcome = await this.#attempt(found, request)
    } catch (error) {
      // Whatever breaks in here must not stop the next step of an escalation.
      warn({ err: error, channel, contactPoint: id }, 'sending broke')
      outcome = retry('an internal fault; its detail is in the hub’s log')
    }
    const durationMillis = clock.monotonic() - startedAt
    metrics.attempts.labels(channel, outcome.outcome).inc()
    metrics.duration.labels(channel).observe(durationMillis / 1000)
    if (outcome.outcome === 'refused' || outcome.outcome === 'retry')
      warn(
        { channel, contactPoint: id, outcome: outcome.outcome, reason: outcome.reason },
        'message not sent',
      )
    log.add({
      ...outcome,
      contactPointId: id,
      channel,
      idempotencyKey: request.idempotencyKey,
      kind: request.message.kind,
      at,
      durationMillis,
    })
    return outcome
  }

  async #attempt(found: OpenPoint, request: SendRequest): Promise<Outcome> {
    const { point } = found
    const channel = channelOf(point.channel)
    if (channel === undefined)
      return refused('live messages go by the hub’s own push, not by this part')
    if (point.disabledAt !== null) return refused('the contact point is disabled')
    if (found.own === undefined)
      return this.#seen(
        channel,
        refused(
          'its settings were sealed with another key: enter them anew, or bring hub/notify.key back',
        ),
      )
    const settings = this.#parts.store.effective(found)
    if (settings === undefined)
      return this.#seen(
        channel,
        refused(
          `no shared contact point of the channel ${channel.name} lends its settings: an administrator makes one`,
        ),
      )
    const wait = this.#held(channel, point.id, settings, request.message)
    if (wait > 0) return retry(`held back: no more messages a minute are allowed there`, wait)
    const outcome = await this.#within(
      channel,
      settings,
      request,
      this.#delivery(found, request, channel),
    )
    return this.#seen(channel, { ...outcome, reason: withoutSettings(outcome.reason, settings) })
  }

  #seen(channel: Channel, outcome: Outcome): Outcome {
    this.health.saw(channel.name, outcome, this.#parts.clock.monotonic())
    return outcome
  }

  #held(channel: Channel, id: string, settings: Settings, { further }: Message): number {
    const now = this.#parts.clock.monotonic()
    const share = further === true ? shareOfFurther : 1
    const byTarget = this.#limits.take(
      `target:${targetOf(channel, settings)}`,
      channel.limits,
      now,
      share,
    )
    return byTarget > 0 ? byTarget : this.#limits.take(`point:${id}`, pointLimits, now, share)
  }

  #delivery({ point }: OpenPoint, request: SendRequest, channel: Channel): Delivery {
    const { templates, clock, metrics, warn } = this.#parts
    const { message, idempotencyKey } = request
    const language = message.language ?? point.language
    const reference = referenceOf(idempotencyKey)
    const { timeZone } = point
    const rendered = templates.render({
      ...{ message, language, timeZone, reference },
      channel: channel.name,
      now: clock.now(),
    })
    for (const fault of rendered.faults) {
      metrics.templateFaults.inc()
      warn({ fault }, 'a template failed; the default text is sent')
    }
    return { message, rendered, language, idempotencyKey, reference }
  }

  async #within(
    channel: Channel,
    settings: Settings,
    request: SendRequest,
    delivery: Delivery,
  ): Promise<Outcome> {
    const { guard, clock, deadlineMillis } = this.#parts
    const millis = Math.min(channel.timeoutMillis, deadlineMillis)
    const timeout = AbortSignal.timeout(millis)
    const signal =
      request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal])
    const lane = this.#lanes.get(channel.name)
    if (lane === undefined) throw new Error(`BUG: no lane for ${channel.name}`)
    try {
      return await abortable(
        lane.run(targetOf(channel, settings), signal, () =>
          channel.send(delivery, settings, {
            signal,
            now: clock.now(),
            request: (one) => guardedRequest(guard, one, signal),
            addressesOf: (host, port) => abortable(guard.addressesOf(host, port), signal),
          }),
        ),
        signal,
      )
    } catch (error) {
      if (request.signal?.aborted === true)
        return retry('stopped before an answer came; whether it arrived is not known')
      if (timeout.aborted)
        return retry(`no answer within ${millis / 1000} s; whether it arrived is not known`)
      if (error instanceof LaneFull) return retry(error.message, 10_000)
      return networkOutcome(error)
    }
  }
}

/** What a limit counts by, without the secret itself. */
function targetOf(channel: Channel, settings: Settings): string {
  return `${channel.name}:${createHash('sha256').update(channel.target(settings)).digest('base64url')}`
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be resolved now',
  EHOSTUNREACH: 'the network does not reach it',
  ENETUNREACH: 'the network does not reach it',
  ETIMEDOUT: 'it does not answer',
}

/** What a failure of the network means; anything else is thrown on. */
function networkOutcome(error: unknown): Outcome {
  if (error instanceof ForbiddenAddress) return refused(error.message)
  const { code, errors, message } = error as NodeJS.ErrnoException & {
    errors?: readonly NodeJS.ErrnoException[]
  }
  const first = code ?? errors?.[0]?.code
  if (first === undefined) throw error
  if (/CERT|SIGNED|ALTNAME|ERR_TLS|UNABLE_TO/.test(first))
    return refused(
      `the certificate is not trusted (${first}): enter its authority, or the name it is made for`,
    )
  if (first.startsWith('ERR_SSL') || first === 'EPROTO')
    return refused(`it does not speak TLS (${first})`)
  const known = words[first]
  if (known === undefined && !/^(?:E[A-Z]+|HPE_\w+|UND_\w+)$/.test(first)) throw error
  return retry(known === undefined ? message : `${known} (${first})`)
}
