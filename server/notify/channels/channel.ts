import Type, { type Static, type TObject } from 'typebox'
import type { Millis } from '../../clock.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { Language, Message } from '../message.ts'
import type { Outcome } from '../outcome.ts'
import type { Limit } from '../rate-limit.ts'
import type { Rendered } from '../templates.ts'
import { fit } from '../truncate.ts'
import { words } from '../words.ts'

/** One message on its way to one contact point. */
export interface Delivery {
  readonly message: Message
  readonly rendered: Rendered
  readonly language: Language
  /** The same for every attempt. */
  readonly idempotencyKey: string
  readonly reference: string
}

/** What a channel may do to the outside; everything goes past the guard. */
export interface Tools {
  readonly signal: AbortSignal
  readonly now: Millis
  request(request: HttpRequest): Promise<HttpAnswer>
  /** Checked addresses of a host: connect to these and resolve nothing again. */
  addressesOf(host: string, port: number): Promise<readonly string[]>
}

interface ChannelOf<Settings> {
  readonly name: string
  /** Schema of the settings; unknown keys are refused. */
  readonly settings: TObject
  /** Keys that are never shown again. */
  readonly secrets: readonly string[]
  /** What a person enters where a shared contact point of this channel lends the rest; empty: nothing is lent. */
  readonly personal: readonly string[]
  /** Documented limits of the provider, counted by `target`. */
  readonly limits: readonly Limit[]
  /** An attempt ends after this. */
  readonly timeoutMillis: number
  /** What the provider counts by: a webhook, a relay. Never logged. */
  target(settings: Settings): string
  /** What the schema cannot say; a fault in words, or undefined. */
  fault?(settings: Settings): string | undefined
  send(delivery: Delivery, settings: Settings, tools: Tools): Promise<Outcome>
}

/** A channel whose settings its own schema has checked. */
// biome-ignore lint/suspicious/noExplicitAny: each channel gets back the settings that its own schema let through
export type Channel = ChannelOf<any>

/** Ties a channel's code to the type of its settings. */
export function channel<T extends TObject>(
  definition: Omit<ChannelOf<Static<T>>, 'settings'> & { readonly settings: T },
): Channel {
  return definition
}

/** A secret address of a provider. */
export const WebUrl = Type.String({ pattern: '^https?://[^\\s\\u0000-\\u001f]+$', maxLength: 2000 })

/** PEM of the authority that signed the receiver's certificate, where it is none of the public ones. */
export const Authority = Type.String({
  pattern: '^\\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s-]+-----END CERTIFICATE-----\\s*$',
  maxLength: 20_000,
})

/** Settings object of these keys and no others. */
export function settingsOf<P extends Record<string, import('typebox').TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false })
}

/** What is wrong with an address that people entered; a name and password in it would end up in logs on the way. */
export function urlFault(text: string): string | undefined {
  try {
    const url = new URL(text)
    return url.username === '' && url.password === ''
      ? undefined
      : 'url: take the user name and password out of the address'
  } catch {
    return 'url: this is no address. Example: https://hooks.bank.example/callward'
  }
}

/** Text that fits, with a note in the reader's language where it was cut. */
export function fitted(
  text: string,
  most: number,
  language: Language,
  size?: (text: string) => number,
): string {
  const note = (missing: number) =>
    `\n${words[language].truncated.replace('{count}', String(missing))}`
  return fit(text, most, note, size)
}

/** One line that fits. */
export function fittedLine(text: string, most: number, size?: (text: string) => number): string {
  return fit(text, most, () => '…', size)
}

/** A request with a JSON body and the key as `Idempotency-Key`. */
export function jsonPost(url: string, body: unknown, idempotencyKey: string): HttpRequest {
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'idempotency-key': headerSafe(idempotencyKey),
    },
    body: JSON.stringify(body),
  }
}

/** Printable ASCII of at most 200 characters. */
export function headerSafe(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, 200)
}
