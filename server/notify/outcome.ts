import type { Millis } from '../clock.ts'
import { storableText } from '../records/bindings.ts'
import type { HttpAnswer } from './http.ts'

/**
 * What became of one attempt. `accepted`: the provider has it; `delivered`: it said that it reached the person's device;
 * `retry`: try again with the same key (the outcome may be unknown); `refused`: trying again changes nothing until a
 * person does.
 */
export interface Outcome {
  readonly outcome: 'accepted' | 'delivered' | 'retry' | 'refused'
  /** One line for people; holds no secret, address or number. */
  readonly reason: string
  readonly retryAfterMillis?: number
  readonly providerReference?: string
}

const longestRetryMillis = 3_600_000

export const accepted = (reason = 'accepted', providerReference?: string): Outcome => ({
  outcome: 'accepted',
  reason,
  ...(providerReference === undefined ? {} : { providerReference: clean(providerReference, 200) }),
})

export const refused = (reason: string): Outcome => ({ outcome: 'refused', reason: clean(reason) })

/** `afterMillis` is a wish of the provider or of a limit; an hour at most. */
export const retry = (reason: string, afterMillis?: number): Outcome => ({
  outcome: 'retry',
  reason: clean(reason),
  ...(afterMillis === undefined || !Number.isFinite(afterMillis)
    ? {}
    : { retryAfterMillis: Math.min(Math.max(0, Math.ceil(afterMillis)), longestRetryMillis) }),
})

/** One line of at most `most` characters. */
export function clean(text: string, most = 300): string {
  const line = text.replace(/[\s\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return storableText(line.length > most ? `${line.slice(0, most - 1)}…` : line)
}

/** Milliseconds that a `Retry-After` header asks for, seconds or a date (RFC 9110 §10.2.3). */
export function retryAfter(header: string | undefined, now: Millis): number | undefined {
  if (header === undefined) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/** Judges a status that is not 2xx; undefined for 2xx, whose body decides. */
export function statusOutcome(answer: HttpAnswer, now: Millis): Outcome | undefined {
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  const said = `HTTP ${status}${answer.body === '' ? '' : `: ${clean(answer.body, 160)}`}`
  if (status >= 300 && status < 400)
    return refused(
      `HTTP ${status}: it points elsewhere, and redirects are not followed; enter the final address`,
    )
  if (status === 408 || status === 425 || status === 429 || status >= 500 || status < 200)
    return retry(said, retryAfter(answer.headers['retry-after'], now))
  return refused(said)
}

/** The JSON object of a body; undefined when it is none. */
export function jsonObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** What a chat robot's table says of an error code; codes that are not listed are refused. */
export interface CodeTable {
  readonly [code: number]: { readonly retryAfterMillis?: number; readonly means: string }
}

/** Judges an answer whose JSON carries a code: 200 with a code other than 0 is a failure. */
export function codeOutcome(
  answer: HttpAnswer,
  now: Millis,
  keys: { readonly codes: readonly string[]; readonly texts: readonly string[] },
  retryable: CodeTable,
): Outcome {
  const body = jsonObject(answer.body)
  const code = keys.codes.map((key) => body?.[key]).find((value) => typeof value === 'number')
  if (typeof code !== 'number')
    return (
      statusOutcome(answer, now) ??
      retry(`HTTP ${answer.status} without the code that its answers carry`)
    )
  if (code === 0) return statusOutcome(answer, now) ?? accepted()
  const text = keys.texts.map((key) => body?.[key]).find((value) => typeof value === 'string')
  const known = retryable[code]
  if (known !== undefined) return retry(`${known.means} (${code})`, known.retryAfterMillis)
  if (answer.status >= 500) return retry(`code ${code}: ${text ?? ''}`)
  return refused(`code ${code}: ${clean(String(text ?? 'without a text'), 160)}`)
}
