import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { ExternalAlerts } from './external-alerts.ts'
import type { AlertmanagerMetrics } from './metrics.ts'
import { type PostedAlert, PostFault, readPostedAlert } from './posted-alert.ts'

/** Alerts of one post at most. */
export const postMax = 10_000
const faultsShown = 5

export interface IntakeOptions {
  readonly clock: Clock
  readonly alerts: ExternalAlerts
  readonly metrics: AlertmanagerMetrics
}

/**
 * Takes the alerts of one request; resolves when all good ones are durable. Throws bad_request naming the faulty ones
 * (the good ones are taken), too_many_requests where too many are active, and what `ExternalAlerts.post` throws.
 */
export async function takeAlerts(
  { clock, alerts, metrics }: IntakeOptions,
  given: readonly unknown[],
  by: string,
): Promise<void> {
  if (given.length > postMax)
    throw new CallwardError('too_large', `More than ${postMax} alerts in one post; send several.`)
  const now = clock.now()
  const good: PostedAlert[] = []
  const faults: string[] = []
  for (const [i, one] of given.entries()) {
    const read = readOne(one, now)
    if (typeof read === 'string') faults.push(`alert ${i}: ${read}`)
    else good.push(read)
  }
  metrics.posted(given.length)
  if (faults.length > 0) metrics.refused('faulty', faults.length)
  const result = await alerts.post(good, by).catch((error: unknown) => {
    metrics.refused('records behind', good.length)
    throw error
  })
  if (result.refused > 0) metrics.refused('too many active', result.refused)
  if (faults.length > 0) throw new CallwardError('bad_request', faultText(faults))
  if (result.refused > 0)
    throw new CallwardError(
      'too_many_requests',
      `${result.refused} alerts were not taken: too many posted alerts are active. See the runbook ExternalAlertsFull.`,
    )
}

function readOne(given: unknown, now: number): PostedAlert | string {
  try {
    return readPostedAlert(given, now)
  } catch (error) {
    if (error instanceof PostFault) return error.message
    throw error
  }
}

function faultText(faults: readonly string[]): string {
  const more = faults.length - faultsShown
  const shown = faults.slice(0, faultsShown).join('; ')
  return `${shown}${more > 0 ? `; and ${more} more` : ''}. The other alerts were taken.`
}
