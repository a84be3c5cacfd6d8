import { type FactKind, hubActor } from './facts.ts'
import { hubEn, suggestionsEn } from './words/hub-en.ts'
import type { Words } from './words.ts'

export type HubSentence = keyof typeof hubEn
export type HubWords = Readonly<Record<HubSentence, string>>
export type SuggestionSentence = keyof typeof suggestionsEn
export type SuggestionWords = Readonly<Record<SuggestionSentence, string>>

type Values = Readonly<Record<string, string | number>>

/** A sentence of the hub as the record keeps it: in English, so that it reads back into any language. */
export function hubSays(name: HubSentence, values: Values = {}): string {
  return filled(hubEn[name], values)
}

/** What a rule of suggestion says of a host, as the record keeps it. */
export function suggests(name: SuggestionSentence, values: Values = {}): string {
  return filled(suggestionsEn[name], values)
}

/** What a frozen piece of evidence shows, in the reader's words. */
export function evidenceAbout(about: string, words: Words): string {
  return frozenOf(about, { words, at: (instant) => instant })
}

interface Said {
  readonly kind: FactKind
  readonly recordedBy: string
}

/** How it is said to a reader: in whose words, and with whose clock. */
interface Hearing {
  readonly words: Words
  readonly at: (instant: string) => string
}

type Say = (value: string, hearing: Hearing) => string

/** A sentence of the record: by which kinds of facts it is said, its optional ends, and how its places are said. */
interface Form {
  readonly name: HubSentence
  readonly kinds?: readonly FactKind[]
  readonly ends?: readonly HubSentence[]
  readonly say?: Readonly<Record<string, Say>>
}

const instant: Say = (time, { at }) => at(time)
const listed: Say = (list, { words }) => list.split(', ').join(words.comma)
const why: Say = (text, hearing) =>
  nested(text, ['declined', 'noAnswer'], hearing, { time: instant })

/** By the hub alone. */
const ofHub: readonly Form[] = [
  { name: 'openedFromAlert' },
  { name: 'firstSeen', say: { time: instant } },
  { name: 'lastHeard', say: { time: instant } },
  { name: 'alertFired' },
  { name: 'notKnown' },
  { name: 'severityAsCritical' },
  { name: 'severityByRule' },
  { name: 'majorByRule' },
  { name: 'runbookAttached' },
  { name: 'sameAlert' },
  { name: 'fired', kinds: ['alert_fired'], ends: ['related', 'recordedLate'] },
  { name: 'ended', kinds: ['alert_resolved'], ends: ['recordedLate'] },
  { name: 'cameBack', kinds: ['relapse'] },
  { name: 'greenAgain', ends: ['relatedFiring'] },
  { name: 'frozen', kinds: ['evidence'], ends: ['notFrozen'], say: { about: frozenOf } },
  { name: 'passedOn', kinds: ['assigned'], say: { why } },
  { name: 'nobodyLeft', kinds: ['note'], say: { why } },
  { name: 'suggested', kinds: ['preliminary_cause'], say: { causes: causesOf } },
  { name: 'callsCounted', kinds: ['impact'], say: { calls: callsOf } },
]

/** Written for a person by the program; `{name}` is that person. */
const forPeople: readonly Form[] = [
  { name: 'openedByHand', kinds: ['opened'] },
  { name: 'openedByImport', kinds: ['opened'] },
  { name: 'asImported' },
  { name: 'saidAtRecording', kinds: ['occurred', 'detected'] },
  { name: 'severityAtRecording', kinds: ['severity'] },
  { name: 'servicesNamed', kinds: ['impact'], say: { services: listed } },
  { name: 'notKnown', kinds: ['preliminary_cause'] },
  { name: 'unknown', kinds: ['preliminary_cause'] },
  { name: 'acknowledged', kinds: ['acknowledged'] },
  { name: 'acknowledgedWith', kinds: ['acknowledged'] },
  { name: 'taken', kinds: ['acknowledged'] },
  { name: 'closed', kinds: ['closed'] },
]

/**
 * A sentence of the hub in the reader's words; undefined for all that is none, as what people wrote. The record keeps the English
 * sentence: it is read back from there, so that incidents recorded before are shown so too. `at` writes the instants in it.
 */
export function hubSentence(
  fact: Said,
  written: string,
  words: Words,
  at: (instant: string) => string = (one) => one,
): string | undefined {
  const hearing = { words, at }
  if (fact.recordedBy === hubActor) {
    for (const form of ofHub) {
      const said = saidAs(form, fact, written, hearing)
      if (said !== undefined) return said
    }
  }
  for (const form of forPeople) {
    const said = saidAs(form, fact, written, hearing, { name: fact.recordedBy })
    if (said !== undefined) return said
  }
  return undefined
}

function saidAs(
  { name, kinds, ends = [], say = {} }: Form,
  { kind }: Said,
  written: string,
  hearing: Hearing,
  must: Values = {},
): string | undefined {
  if (kinds !== undefined && !kinds.includes(kind)) return undefined
  const [text, tail] = withoutEnds(written, ends, hearing)
  const values = valuesOf(hubEn[name], text)
  if (values === undefined) return undefined
  for (const [slot, value] of Object.entries(must))
    if (slot in values && values[slot] !== value) return undefined
  return spoken(hearing.words.hub[name], values, hearing, say) + tail
}

/** The sentence without its optional ends, and those in the reader's words. */
function withoutEnds(
  written: string,
  ends: readonly HubSentence[],
  hearing: Hearing,
): readonly [string, string] {
  let text = written
  let tail = ''
  for (const end of ends) {
    const split = text.lastIndexOf(hubEn[end].split('{')[0] ?? '')
    const values = split < 0 ? undefined : valuesOf(hubEn[end], text.slice(split))
    if (values === undefined) continue
    const say = end === 'notFrozen' ? { parts: partsOf } : { rules: listed }
    tail = spoken(hearing.words.hub[end], values, hearing, say) + tail
    text = text.slice(0, split)
  }
  return [text, tail]
}

/** The first of some sentences that a text is, in the reader's words; the text itself when it is none. */
function nested(
  text: string,
  names: readonly HubSentence[],
  hearing: Hearing,
  say: Readonly<Record<string, Say>>,
): string {
  for (const name of names) {
    const values = valuesOf(hubEn[name], text)
    if (values !== undefined) return spoken(hearing.words.hub[name], values, hearing, say)
  }
  return text
}

function frozenOf(about: string, hearing: Hearing): string {
  const hosts: Say = (text) => nested(text, ['hubRecords', 'andMore'], hearing, { some: listed })
  return nested(about, ['atDetection', 'afterRecovery'], hearing, { hosts })
}

/** As `metrics of pbx-1, drift of pbx-1`: the host comes first, which reads in every language. */
function partsOf(parts: string, { words }: Hearing): string {
  return parts
    .split(', ')
    .map((part) => part.replace(/^(\w+) of (.+)$/, '$2 ($1)'))
    .join(words.comma)
}

function callsOf(calls: string, hearing: Hearing): string {
  const names = ['callsAttempted', 'callsFailed', 'callsAbandoned'] as const
  return calls
    .split(', ')
    .map((one) => nested(one, names, hearing, {}))
    .join(hearing.words.comma)
}

const confidences = /^(.*) \((high|medium|low)\)$/s

function causesOf(causes: string, hearing: Hearing): string {
  const more = /; and (\d+) more$/.exec(causes)
  const list = causes.slice(0, more?.index).split(/(?<=\((?:high|medium|low)\)); /)
  const said = list.map((one) => {
    const [, text = one, confidence] = confidences.exec(one) ?? []
    const level = hearing.words.workflow.codes[`confidence.${confidence}`]
    return `${suggestionOf(text, hearing)}${level === undefined ? '' : ` (${level})`}`
  })
  const rest = more === null ? '' : filled(hearing.words.hub.moreCauses, { count: more[1] ?? '' })
  return said.join('; ') + rest
}

const suggestionSay: Readonly<Record<string, Say>> = {
  time: instant,
  expected: (text, hearing) => sentenceIn(text, ['anyVersion'], hearing) ?? text,
  change: (change, hearing) => {
    const more = valuesOf(hubEn.andMore, change)
    if (more !== undefined)
      return spoken(hearing.words.hub.andMore, more, hearing, { some: oneChange })
    return oneChange(change, hearing)
  },
  posture: (name, { words }) => words.suggestions[name as SuggestionSentence] ?? name,
  codes: (list, { words }) =>
    list
      .split(', ')
      .map((code) => words.workflow.causes[code] ?? code)
      .join(words.comma),
}

const oneChange: Say = (change, hearing) =>
  sentenceIn(change, ['something', 'appeared', 'vanished'], hearing) ?? change

/** Of those that read alike the narrower first. */
const suggestionForms = [
  ...(['certificateEnded', 'filesFull', 'diskFull', 'wentDown', 'arrayFailed'] as const),
  ...(['diskFailed', 'changed', 'memoryShort', 'workPlanned', 'seenBefore', 'backup'] as const),
  ...(['isMissing', 'isForbidden', 'drifted'] as const),
]

/** One suggestion, with or without the host it is about. */
function suggestionOf(text: string, hearing: Hearing): string {
  const [, host = '', rest = text] = /^(\S+: )(.+)$/s.exec(text) ?? []
  const said = sentenceIn(rest, suggestionForms, hearing)
  return said === undefined ? text : host + said
}

function sentenceIn(
  text: string,
  names: readonly SuggestionSentence[],
  hearing: Hearing,
): string | undefined {
  for (const name of names) {
    const values = valuesOf(suggestionsEn[name], text)
    if (values !== undefined)
      return spoken(hearing.words.suggestions[name], values, hearing, suggestionSay)
  }
  return undefined
}

function spoken(
  sentence: string,
  values: Values,
  hearing: Hearing,
  say: Readonly<Record<string, Say>>,
): string {
  const said = Object.entries(values).map(([slot, value]) => [
    slot,
    say[slot]?.(String(value), hearing) ?? value,
  ])
  return filled(sentence, Object.fromEntries(said))
}

function filled(sentence: string, values: Values): string {
  return sentence.replace(/\{(\w+)\}/g, (place, slot: string) => String(values[slot] ?? place))
}

const patterns = new Map<string, { readonly test: RegExp; readonly slots: readonly string[] }>()

/** What stands in the places of a sentence; undefined when the text is another. */
function valuesOf(sentence: string, text: string): Readonly<Record<string, string>> | undefined {
  const pattern = patterns.get(sentence) ?? patternOf(sentence)
  patterns.set(sentence, pattern)
  const found = pattern.test.exec(text)
  if (found === null) return undefined
  return Object.fromEntries(pattern.slots.map((slot, index) => [slot, found[index + 1] ?? '']))
}

function patternOf(sentence: string) {
  const parts = sentence.split(/\{(\w+)\}/)
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const source = parts.map((part, index) => (index % 2 === 0 ? literal(part) : '(.*?)')).join('')
  return { test: new RegExp(`^${source}$`, 's'), slots: parts.filter((_, index) => index % 2 > 0) }
}
