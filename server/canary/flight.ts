import { Temporal } from 'temporal-polyfill'
import type { Millis } from '../clock.ts'
import { endsWithin } from '../time-limit.ts'

export const stages = ['fired', 'recorded', 'received', 'sent', 'resolved'] as const
export type Stage = (typeof stages)[number]

/** How one stage went; `seconds` from the start of the stage before it. */
export interface StageResult {
  readonly stage: Stage
  readonly ok: boolean
  /** Undefined: it was not reached, or there was nothing to measure. */
  readonly seconds: number | undefined
  /** A sentence for people. */
  readonly reason: string
}

/** One flight of the canary. */
export interface CanaryRun {
  readonly id: string
  /** When it was due; undefined: somebody started it. */
  readonly plannedFor: Millis | undefined
  readonly startedBy: string
  readonly startedAt: Millis
  readonly finishedAt: Millis
  readonly ok: boolean
  readonly stages: readonly StageResult[]
}

/** Somebody on call now or within a day. */
export interface Listener {
  readonly principalId: string
  readonly name: string
}

/** What a flight passes through; each answer is when it happened, on the monotonic clock, or rejects at the signal's end. */
export interface FlightPorts {
  monotonic(): number
  /** Makes the figure of the shipped rule `CanaryTest` 1 or 0. */
  fly(flying: boolean): void
  /** Resolves with the alert's id once the rule fires. */
  fired(signal: AbortSignal): Promise<string>
  /** Resolves once the records hold the alert. */
  recorded(alertId: string, signal: AbortSignal): Promise<void>
  coming(): Promise<readonly Listener[]>
  /** Those of them whose screen is connected, each resolving once it said it received what was sent. */
  received(
    people: readonly Listener[],
    signal: AbortSignal,
  ): readonly {
    readonly name: string
    /** False: the screen has gone. */
    readonly done: Promise<boolean>
  }[]
  /** Undefined: no contact point is configured. Gives what the channel said. */
  send(signal: AbortSignal): Promise<{ readonly ok: boolean; readonly reason: string }> | undefined
  resolved(alertId: string, signal: AbortSignal): Promise<void>
}

/** How long each stage may take, in milliseconds. */
export const stageMillis: Readonly<Record<Stage, Millis>> = {
  fired: 15_000,
  recorded: 10_000,
  received: 10_000,
  sent: 26_000,
  // In the first minute after a start nothing resolves without news.
  resolved: 90_000,
}

/** Flies once; every stage is named, those after a fault too, and the figure is always taken back. Never rejects. */
export async function flight(ports: FlightPorts, stop: AbortSignal): Promise<StageResult[]> {
  const results: StageResult[] = []
  let alertId: string | undefined
  const stage = async (name: Stage, work: (signal: AbortSignal) => Promise<string>) => {
    const began = ports.monotonic()
    const signal = endsWithin(stageMillis[name], stop)
    try {
      const reason = await work(signal)
      const seconds = (ports.monotonic() - began) / 1000
      results.push({ stage: name, ok: true, seconds, reason })
      return true
    } catch (error) {
      const reason =
        signal.aborted && !stop.aborted ? `not within ${stageMillis[name] / 1000} s` : text(error)
      results.push({ stage: name, ok: false, seconds: undefined, reason })
      return false
    }
  }
  ports.fly(true)
  try {
    const fires = await stage('fired', async (signal) => {
      alertId = await ports.fired(signal)
      return 'the rule fired'
    })
    const recorded =
      fires &&
      (await stage('recorded', async (signal) => {
        await ports.recorded(alertId!, signal)
        return 'the records hold the alert'
      }))
    if (recorded) await tell(ports, stage)
  } finally {
    ports.fly(false)
  }
  if (alertId !== undefined)
    await stage('resolved', async (signal) => {
      await ports.resolved(alertId!, signal)
      return 'the alert is over'
    })
  const missed = stages.filter((name) => results.every((one) => one.stage !== name))
  for (const name of missed)
    results.push({ stage: name, ok: false, seconds: undefined, reason: 'not reached' })
  return results.sort((a, b) => stages.indexOf(a.stage) - stages.indexOf(b.stage))
}

/** Screens and the contact point; it must have reached at least one of them, or it proved nothing. */
async function tell(
  ports: FlightPorts,
  stage: (name: Stage, work: (signal: AbortSignal) => Promise<string>) => Promise<boolean>,
): Promise<void> {
  let reached = 0
  await stage('received', async (signal) => {
    const people = await ports.coming()
    const screens = ports.received(people, signal)
    const ends = await Promise.allSettled(screens.map(({ done }) => done))
    const deaf = screens.filter((_, i) => ends[i]!.status === 'rejected').map(({ name }) => name)
    reached = ends.filter((end) => end.status === 'fulfilled' && end.value).length
    if (deaf.length > 0) throw new Error(`no receipt from the screen of ${deaf.join(', ')}`)
    const connected = `${reached} of ${people.length} coming on-call people have a screen connected`
    return reached === 0 ? connected : `${connected}, each sent its receipt`
  })
  await stage('sent', async (signal) => {
    const sending = ports.send(signal)
    if (sending === undefined) {
      if (reached > 0) return 'no contact point is configured for it'
      throw new Error(
        'it reached nobody: no screen of anybody on call is connected, and hub.canary.contactPoint is not set',
      )
    }
    const { ok, reason } = await sending
    if (!ok) throw new Error(`the contact point: ${reason}`)
    return `the contact point: ${reason}`
  })
}

function text(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300)
}

/** The next time of day `at` (HH:MM) in a zone after `now`; one that a change of the clocks leaves out is taken an hour later. */
export function nextFlight(now: Millis, at: string, zone: string): Millis {
  const time = Temporal.PlainTime.from(at)
  const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone).toPlainDate()
  for (let days = 0; ; days++) {
    const due = today
      .add({ days })
      .toZonedDateTime({ timeZone: zone, plainTime: time }).epochMilliseconds
    if (due > now) return due
  }
}
