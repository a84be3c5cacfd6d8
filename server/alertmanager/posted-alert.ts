import { fingerprint, type Labels } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import { storableText } from '../records/bindings.ts'

/** One alert as somebody posted it, read and within the limits. */
export interface PostedAlert {
  readonly fingerprint: string
  readonly labels: Labels
  readonly annotations: Labels
  readonly startsAt: Millis | undefined
  /** In the past: it is over. Absent: it lasts until nobody posts it any more. */
  readonly endsAt: Millis | undefined
  readonly generatorUrl: string
}

/** What one alert may be. Its labels are its name, so they are refused when too long; texts are cut. */
export const alertLimits = {
  labels: 64,
  labelNameLength: 200,
  labelValueLength: 2_048,
  labelsLength: 16_384,
  annotations: 64,
  annotationLength: 8_192,
  urlLength: 2_048,
  /** How far ahead an alert may say that it began, for senders whose clock is ahead. */
  aheadMillis: 86_400_000,
  lastsMillis: 366 * 86_400_000,
} as const

/** Why one alert of a post is not taken; the others are. */
export class PostFault extends Error {}

/** Reads one alert of a post to Alertmanager's API v2. Throws PostFault with what to do. */
export function readPostedAlert(given: unknown, now: Millis): PostedAlert {
  if (!isMapping(given)) throw new PostFault('an alert must be an object with "labels"')
  const labels = readLabels(given['labels'])
  const startsAt = readTime(given['startsAt'], 'startsAt')
  const endsAt = readTime(given['endsAt'], 'endsAt')
  if (startsAt !== undefined && startsAt > now + alertLimits.aheadMillis)
    throw new PostFault('startsAt: more than a day ahead; set the clock of the sender')
  if (endsAt !== undefined && endsAt > now + alertLimits.lastsMillis)
    throw new PostFault('endsAt: more than 366 days ahead; leave it out and post again each minute')
  if (startsAt !== undefined && endsAt !== undefined && endsAt < startsAt)
    throw new PostFault('endsAt: before startsAt')
  return {
    fingerprint: fingerprint(labels),
    labels,
    annotations: readAnnotations(given['annotations']),
    startsAt,
    endsAt,
    generatorUrl: readUrl(given['generatorURL']),
  }
}

function readLabels(given: unknown): Labels {
  if (!isMapping(given)) throw new PostFault('labels: must be an object of texts')
  const labels: [string, string][] = []
  let length = 0
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== 'string')
      throw new PostFault(`labels: ${shown(name)} must be a text; put it in quotes`)
    if (value === '') continue
    length += name.length + value.length
    if (name.length > alertLimits.labelNameLength || !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
      throw new PostFault(`labels: ${shown(name)} is no label name; letters, digits, underscores`)
    if (value.length > alertLimits.labelValueLength)
      throw new PostFault(
        `labels: ${name} is longer than ${alertLimits.labelValueLength} characters; make it an annotation`,
      )
    if (value.includes('\0')) throw new PostFault(`labels: ${name} holds a NUL character`)
    labels.push([name, storableText(value)])
  }
  if (labels.length === 0)
    throw new PostFault('labels: at least one that is not empty; example: alertname')
  if (labels.length > alertLimits.labels || length > alertLimits.labelsLength)
    throw new PostFault(
      `labels: more than ${alertLimits.labels}, or ${alertLimits.labelsLength} characters together; make some of them annotations`,
    )
  return Object.fromEntries(labels.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function readAnnotations(given: unknown): Labels {
  if (!isMapping(given)) return {}
  const texts = Object.entries(given)
    .map(([name, value]) => [storableText(name), textOf(value)] as const)
    .filter(([name, text]) => text !== '' && name.length <= alertLimits.labelNameLength)
    .slice(0, alertLimits.annotations)
    .map(([name, text]) => [name, cut(text)] as const)
  return Object.fromEntries(texts)
}

function textOf(value: unknown): string {
  return typeof value === 'object' || value === undefined ? '' : String(value)
}

function cut(text: string): string {
  const max = alertLimits.annotationLength
  return storableText(text.length <= max ? text : `${text.slice(0, max - 1)}…`)
}

/** Only web addresses: the link is shown to people. */
function readUrl(given: unknown): string {
  if (typeof given !== 'string' || given.length > alertLimits.urlLength) return ''
  return /^https?:\/\/[^\s\0]+$/.test(given) ? given : ''
}

const rfc3339Form = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/

/**
 * An RFC 3339 time to the millisecond; undefined for none, for Go's zero time and for anything before 1970.
 * Throws PostFault.
 */
export function readTime(given: unknown, key: string): Millis | undefined {
  if (given === undefined || given === null || given === '') return undefined
  if (typeof given !== 'string' || !rfc3339Form.test(given))
    throw new PostFault(`${key}: not a time of RFC 3339; example: "2026-11-22T08:15:00.000Z"`)
  const fraction = /\.\d+/.exec(given)?.[0] ?? ''
  const at = Date.parse(given.replace(fraction, fraction.slice(0, 4)).toUpperCase())
  if (Number.isNaN(at)) throw new PostFault(`${key}: there is no such day or hour`)
  return at <= 0 ? undefined : at
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 60))
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
