import { type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { alertLimits } from './posted-alert.ts'

/** Alerts of one delivery at most. */
export const webhookAlertsMax = 10_000

/**
 * How long an alert of a webhook lasts without another delivery: senders repeat it every few hours only, and their end
 * is a delivery of its own.
 */
export const webhookLastsMillis: Millis = 26 * 3_600_000

/** What a webhook delivers, as posts to the API v2. */
export interface WebhookDelivery {
  /** As in a post to the API v2, still to be read. */
  readonly alerts: readonly unknown[]
  /** Alerts of the group that the sender left out. */
  readonly truncated: number
}

const urls = ['dashboardURL', 'panelURL', 'silenceURL', 'imageURL'] as const

/**
 * Reads the default body of Grafana's webhook contact point, or of Alertmanager's webhook (version 4), which has the
 * same frame (grafana.com/docs, "Configure webhook notifications"; prometheus.io/docs, webhook_config). `endsAt` of
 * an alert that fires is Go's zero time. Throws unprocessable for
 * any other shape, such as a body of an own template.
 */
export function readGrafanaWebhook(body: unknown, now: Millis): WebhookDelivery {
  if (!isMapping(body) || !Array.isArray(body['alerts']))
    throw new CallwardError(
      'unprocessable',
      'This is not the default body of a Grafana or Alertmanager webhook: "alerts" is missing. Remove the custom payload template of the contact point.',
    )
  const given = body['alerts'] as readonly unknown[]
  if (given.length > webhookAlertsMax)
    throw new CallwardError(
      'too_large',
      `More than ${webhookAlertsMax} alerts in one delivery; set "Max alerts" of the contact point.`,
    )
  const truncated = body['truncatedAlerts']
  return {
    alerts: given.map((one) => readOne(one, now)),
    truncated: typeof truncated === 'number' && truncated > 0 ? Math.floor(truncated) : 0,
  }
}

function readOne(given: unknown, now: Millis): unknown {
  if (!isMapping(given)) return given
  const { labels, annotations, startsAt, endsAt, status, generatorURL } = given
  const resolved = status === 'resolved'
  return {
    labels,
    annotations: { ...(isMapping(annotations) ? annotations : {}), ...extras(given) },
    startsAt,
    generatorURL,
    endsAt: resolved ? endOf(endsAt, now) : rfc3339(now + webhookLastsMillis),
  }
}

/** A sender whose clock is ahead says an end that is yet to come; it says so once, so it is over now. */
function endOf(endsAt: unknown, now: Millis): unknown {
  if (!isTime(endsAt)) return rfc3339(now)
  const at = Date.parse(endsAt as string)
  return at > now ? rfc3339(now) : endsAt
}

/** What Grafana tells beside the annotations. */
function extras(given: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const found: [string, string][] = []
  const { valueString, values } = given
  if (typeof valueString === 'string' && valueString !== '') found.push(['value', valueString])
  else if (isMapping(values)) {
    const figures = Object.entries(values).filter(([, value]) => typeof value === 'number')
    if (figures.length > 0) found.push(['value', figures.map((pair) => pair.join('=')).join(', ')])
  }
  for (const key of urls) {
    const url = given[key]
    if (typeof url === 'string' && /^https?:\/\/\S+$/.test(url))
      found.push([key.replace('URL', '_url'), url.slice(0, alertLimits.urlLength)])
  }
  return Object.fromEntries(found)
}

function isTime(given: unknown): boolean {
  return typeof given === 'string' && given !== '' && !given.startsWith('0001-')
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
