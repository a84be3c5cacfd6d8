import { createHash } from 'node:crypto'
import type { Millis } from '../clock.ts'

export const messageKinds = [
  'firing',
  'resolved',
  'acknowledged',
  'escalated',
  'test',
  'canary',
  'notice',
] as const
export type MessageKind = (typeof messageKinds)[number]

export const languages = ['en', 'zh', 'vi', 'ru'] as const
export type Language = (typeof languages)[number]

export const severities = ['critical', 'warning', 'info'] as const

/** One alert of a group. */
export interface MessageAlert {
  readonly title: string
  readonly server?: string
  readonly severity?: (typeof severities)[number]
  readonly startedAt?: Millis
}

/** What there is to say; text of any origin, it is cleaned before a template sees it. */
export interface Message {
  readonly kind: MessageKind
  /** Absent: the contact point's language. */
  readonly language?: Language
  /** What is wrong, in one line. */
  readonly title: string
  readonly severity?: (typeof severities)[number]
  readonly description?: string
  readonly impact?: string
  readonly server?: string
  readonly site?: string
  readonly customer?: string
  readonly startedAt?: Millis
  readonly endedAt?: Millis
  readonly acknowledgedBy?: string
  readonly incident?: number
  /** Which step of the escalation this is, from 1. */
  readonly step?: number
  /** Why it comes to this person now. */
  readonly reason?: string
  /** Every alert of the group, worst first. */
  readonly alerts?: readonly MessageAlert[]
  /** Says more of what is known there already: it waits while a storm fills what the contact point takes. */
  readonly further?: boolean
  /** Absolute addresses. */
  readonly url?: string
  readonly runbookUrl?: string
}

/** Longest texts a template is given, in characters. */
export const textLimits = { line: 300, description: 2000, alerts: 20, url: 1000 } as const

// Control characters, and what turns the direction of the text around it.
const unfit = /[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/gu

/** One line without control characters. */
export function oneLine(text: string, most: number = textLimits.line): string {
  return cut(text.replace(/\s/g, ' ').replace(unfit, ' ').replace(/ {2,}/g, ' ').trim(), most)
}

/** Lines without other control characters. */
export function manyLines(text: string, most: number = textLimits.description): string {
  const lines = text
    .split(/\r\n|[\r\n\u2028\u2029]/)
    .map((line) => line.replace(unfit, ' ').trimEnd())
  return cut(
    lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim(),
    most,
  )
}

/** The first `most` characters, the last of them an ellipsis when something is missing; never half a character. */
function cut(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

/** What a receiver tells repeats of one message by: the first 8 hex digits of the key's SHA-256. */
export function referenceOf(idempotencyKey: string): string {
  return createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 8)
}

/** Whether this machine knows a time zone by that name. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** `2026-11-22 17:45:04 +07:00`. Throws RangeError for a zone that does not exist. */
export function zonedTime(at: Millis, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  }).formatToParts(at)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00'
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${offset}`
}

/** Only what a browser opens: http and https. */
export function safeUrl(text: string | undefined): string | undefined {
  if (text === undefined || text.length > textLimits.url) return undefined
  try {
    const url = new URL(text)
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined
  } catch {
    return undefined
  }
}
