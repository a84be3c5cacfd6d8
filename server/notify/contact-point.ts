import Value from 'typebox/value'
import type { Millis } from '../clock.ts'
import { channelOf, channels } from './channels/all.ts'
import type { Channel } from './channels/channel.ts'
import type { Language } from './message.ts'
import { clean } from './outcome.ts'

export type ChannelName =
  | 'live'
  | 'email'
  | 'webhook'
  | 'slack'
  | 'teams'
  | 'feishu'
  | 'dingtalk'
  | 'wecom'
  | 'sms'

export interface Owner {
  readonly kind: 'person' | 'team' | 'shared'
  /** A principal's or a team's id; empty for `shared`. */
  readonly id: string
}

/** Where somebody can be reached. `settings` are without secrets: what is sealed never leaves this part. */
export interface ContactPoint {
  readonly id: string
  readonly owner: Owner
  readonly channel: ChannelName
  readonly label: string
  readonly language: Language
  readonly timeZone: string
  readonly settings: Readonly<Record<string, unknown>>
  /** Keys of `settings` that are set and not shown. */
  readonly secrets: readonly string[]
  /** When a test message was last accepted or delivered; null: never, or not since its settings changed. */
  readonly testedAt: Millis | null
  readonly testOutcome: string | null
  readonly testReason: string | null
  readonly disabledAt: Millis | null
  readonly createdAt: Millis
}

export type Settings = Readonly<Record<string, unknown>>

/** One setting of a channel, as a form shows it. */
export interface SettingField {
  readonly key: string
  readonly required: boolean
  readonly secret: boolean
  /** `lines`: one entry a line. `text`: several lines. */
  readonly input: 'line' | 'number' | 'choice' | 'lines' | 'text'
  readonly choices: readonly string[]
}

const severalLines = new Set(['authority', 'body'])

interface FieldSchema {
  readonly type?: string
  readonly enum?: readonly string[]
}

/** The settings of a channel in the order they are asked for. */
export function fieldsOf(channel: Channel): SettingField[] {
  const required = new Set(channel.settings.required)
  return Object.entries(channel.settings.properties).map(([key, schema]) => {
    const { type, enum: choices } = schema as FieldSchema
    return {
      key,
      required: required.has(key),
      secret: channel.secrets.includes(key),
      input:
        choices !== undefined
          ? 'choice'
          : type === 'integer'
            ? 'number'
            : type === 'array'
              ? 'lines'
              : severalLines.has(key)
                ? 'text'
                : 'line',
      choices: choices ?? [],
    }
  })
}

const examples: Readonly<Record<string, string>> = {
  url: 'https://hooks.bank.example/callward',
  to: 'anna@bank.example (e-mail), +84901234567 (SMS)',
  from: 'callward@bank.example',
  host: 'mail.bank.example',
  secret: 'at least 16 characters for a webhook; `openssl rand -hex 32` makes one',
  headers: 'Authorization: Bearer …',
}

/** Every fault of a channel's settings, each with its key and what to do; never with the value. */
export function settingsFaults(channel: Channel, settings: Settings): string[] {
  const faults: string[] = []
  for (const error of Value.Errors(channel.settings, settings)) {
    if (error.keyword === 'boolean') continue
    if (error.keyword === 'additionalProperties') {
      const { additionalProperties: names } = error.params as { additionalProperties: string[] }
      const known = Object.keys(channel.settings.properties).join(', ')
      faults.push(`${clean(names.join(', '), 80)}: unknown for ${channel.name}; known are ${known}`)
      continue
    }
    const key =
      error.keyword === 'required'
        ? (error.params as { requiredProperties: string[] }).requiredProperties.join(', ')
        : (error.instancePath.split('/')[1] ?? '')
    const example = examples[key.split(',')[0] ?? '']
    const what =
      error.keyword === 'required'
        ? 'is needed'
        : error.keyword === 'pattern'
          ? 'does not look right'
          : error.message
    faults.push(`${key}: ${what}${example === undefined ? '' : `. Example: ${example}`}`)
  }
  if (faults.length > 0) return faults
  const fault = channel.fault?.(settings)
  return fault === undefined ? [] : [fault]
}

/** Settings without what is never shown. */
export function visible(
  channel: Channel | undefined,
  settings: Settings,
): { settings: Settings; secrets: string[] } {
  const hidden = new Set(channel?.secrets ?? [])
  const entries = Object.entries(settings)
  return {
    settings: Object.fromEntries(entries.filter(([key]) => !hidden.has(key))),
    secrets: entries.map(([key]) => key).filter((key) => hidden.has(key)),
  }
}

/**
 * Takes every value of the settings out of a text: a provider's answer may repeat an address, a number or a token, and
 * reasons are logged.
 */
export function withoutSettings(text: string, settings: Settings): string {
  const values = Object.entries(settings)
    .filter(([key]) => !plainKeys.has(key))
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
    .filter((value): value is string => typeof value === 'string' && value.length >= 4)
  return (
    [...new Set(values.flatMap((value) => [value, ...partsOf(value)]))]
      .sort((a, b) => b.length - a.length)
      .reduce((rest, value) => rest.replaceAll(value, '[hidden]'), text)
      // An e-mail address or a phone number that is spelt in another way.
      .replace(/[^\s<>"'()[\],;:]+@[^\s<>"'()[\],;:]+/g, '[hidden]')
      .replace(/\+?\d[\d ]{8,18}\d/g, '[hidden]')
  )
}

/** What a reason may name: people need it to mend the fault. */
const plainKeys = new Set(['host', 'security', 'method', 'contentType', 'success'])

/** Long pieces of a value, such as the token in an address; not the address's host. */
function partsOf(value: string): string[] {
  const rest = value.replace(/^https?:\/\/[^/?#]*/i, '')
  return rest.split(/[/?&=:@#\s]+/).filter((part) => part.length >= 12)
}

/** Whether these are only what a person enters where a shared contact point lends the rest. */
export function needsLending(channel: Channel, settings: Settings): boolean {
  const keys = Object.keys(settings)
  return (
    channel.personal.length > 0 &&
    keys.length > 0 &&
    keys.every((key) => channel.personal.includes(key))
  )
}

/** Names of all channels, the built-in one first. */
export const channelNames: readonly string[] = ['live', ...channels.map(({ name }) => name)]

export function isChannelName(name: string): name is ChannelName {
  return name === 'live' || channelOf(name) !== undefined
}
