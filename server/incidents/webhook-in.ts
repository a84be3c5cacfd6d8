import { createHash } from 'node:crypto'
import { discoveries } from '../../incidents/facts.ts'
import { CallwardError } from '../errors.ts'
import type { RecordRequest } from './handling.ts'

/** Names under which other systems send each thing, the first that is there counts; docs/incidents.md shows this table. */
export const webhookFields = {
  id: ['id', 'key', 'dedupKey', 'dedup_key', 'incident_key'],
  title: ['title', 'summary', 'name'],
  phenomenon: ['phenomenon', 'description', 'message', 'text', 'details'],
  services: ['services', 'service', 'component'],
  hosts: ['hosts', 'host', 'instance', 'source'],
  customers: ['customers', 'customer'],
  severity: ['severity', 'priority', 'level'],
  occurredAt: ['occurredAt', 'startedAt', 'startsAt', 'started_at', 'start'],
  detectedAt: ['detectedAt', 'detected_at', 'timestamp'],
  cause: ['cause'],
  discovery: ['discovery'],
} as const

const severities: Readonly<Record<string, readonly string[]>> = {
  sev1: ['sev1', 'critical', 'emergency', 'fatal', 'p1', '1', 'disaster'],
  sev2: ['sev2', 'high', 'error', 'major', 'p2', '2'],
  sev3: ['sev3', 'warning', 'warn', 'medium', 'average', 'p3', '3'],
  sev4: ['sev4', 'info', 'information', 'low', 'minor', 'p4', '4'],
}

/** What another system reports, as a request to record an incident. Its other fields are passed over. Throws unprocessable. */
export function fromWebhook(
  body: Readonly<Record<string, unknown>>,
  account: string,
): RecordRequest {
  const first = (names: readonly string[]) =>
    names.map((name) => body[name]).find((value) => value !== undefined && value !== null)
  const text = (name: keyof typeof webhookFields, most: number) => {
    const value = first(webhookFields[name])
    const isText = typeof value === 'string' || typeof value === 'number'
    const string = isText ? String(value).trim().slice(0, most) : ''
    return string === '' ? undefined : string
  }
  const names = (name: keyof typeof webhookFields) => {
    const value = first(webhookFields[name])
    const list = Array.isArray(value) ? value : value === undefined ? [] : [value]
    const texts = list.filter((one) => typeof one === 'string' || typeof one === 'number')
    const clean = texts.map((one) => String(one).trim().slice(0, 200)).filter((one) => one !== '')
    return [...new Set(clean)].slice(0, 200)
  }
  const title = text('title', 500)
  const phenomenon = text('phenomenon', 10_000) ?? title
  const services = names('services')
  const missing = [
    ...(phenomenon === undefined ? [`one of ${webhookFields.phenomenon.join(', ')}`] : []),
    ...(services.length === 0 ? [`one of ${webhookFields.services.join(', ')}`] : []),
  ]
  if (phenomenon === undefined || missing.length > 0)
    throw new CallwardError('unprocessable', `The message lacks ${missing.join(' and ')}.`, {
      missing: missing.map((one) => ({ text: one })),
    })
  const id = text('id', 10_000)
  const discovery = text('discovery', 40)
  return {
    how: 'webhook',
    ...{ title: title?.split('\n')[0], phenomenon, services },
    ...{ hosts: names('hosts'), customers: names('customers'), cause: text('cause', 10_000) },
    occurredAt: instantIn(text('occurredAt', 60)),
    detectedAt: instantIn(text('detectedAt', 60)),
    severity: severityOf(text('severity', 40)),
    discovery: (discoveries as readonly string[]).includes(discovery ?? '')
      ? discovery
      : 'monitoring',
    // Of any length and of any account: two systems may give the same id.
    key:
      id === undefined
        ? undefined
        : `webhook ${createHash('sha256').update(`${account}\n${id}`).digest('hex')}`,
  }
}

function severityOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  return Object.entries(severities).find(([, names]) => names.includes(text.toLowerCase()))?.[0]
}

/** Seconds or milliseconds since 1970, or RFC 3339; anything else is left out, and the time of arrival counts. */
function instantIn(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const number = /^\d{9,13}$/.test(text) ? Number(text) * (text.length > 11 ? 1 : 1000) : Number.NaN
  const at = Number.isNaN(number) ? Date.parse(text) : number
  return at > 0 && at < 253_402_300_799_999 ? new Date(at).toISOString() : undefined
}
