import { FactBook } from '../../clocks/fact.ts'
import { caseFacts } from '../../deadlines/case.ts'
import type { Fact, FactOf, Millis } from '../../incidents/facts.ts'
import { current, type Picture, recovery, said } from '../../incidents/picture.ts'
import { figuresOf } from '../../incidents/replay.ts'
import { type FormField, fieldsOf, type Stage } from './dora-form.ts'

export type DraftValue = string | number | boolean | readonly string[]

/** What the facts say of a field. */
interface Found {
  readonly value?: DraftValue
  readonly facts: readonly Pick<Fact, 'id' | 'certainty'>[]
  readonly estimated?: boolean
  readonly note?: string
}

/** A field with what is known of it. */
export interface DraftField {
  readonly number: string
  readonly title: string
  /** `conditional`: nothing is known, and it is wanted only if what `note` says. */
  readonly state: 'known' | 'estimated' | 'missing' | 'conditional'
  readonly value: DraftValue | null
  readonly note: string | null
  readonly facts: readonly string[]
}

type Reader = (
  picture: Picture,
  incident: { readonly number: number },
  stage: Stage,
) => Found | undefined

const time = (at: Millis) => `${new Date(at).toISOString().slice(0, 19)}Z`

const instant =
  (kind: 'detected' | 'occurred' | 'root_cause_addressed'): Reader =>
  (picture) => {
    const fact = current(picture, kind)
    return fact && { value: time(fact.occurredAt), facts: [fact] }
  }

/** `DD:HH:MM`, as the glossary wants durations. */
function duration(millis: number): string {
  const minutes = Math.floor(millis / 60_000)
  const two = (figure: number) => String(figure).padStart(2, '0')
  return [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60]
    .map(two)
    .join(':')
}

const span =
  (name: 'durationMillis' | 'downtimeMillis'): Reader =>
  (picture) => {
    const { [name]: millis, estimated } = figuresOf(picture)
    const facts = [
      current(picture, 'occurred') ?? current(picture, 'detected'),
      recovery(picture),
      name === 'downtimeMillis' ? current(picture, 'backlog_cleared') : undefined,
    ].filter((fact) => fact !== undefined)
    return millis === undefined ? undefined : { value: duration(millis), facts, estimated }
  }

const impactOf = (picture: Picture) => current(picture, 'impact')

const texts =
  (kind: 'temporary_measure' | 'permanent_measure'): Reader =>
  (picture) => {
    const facts = said(picture, kind)
    if (facts.length === 0) return undefined
    return { value: facts.map(({ value }) => value.text).join('\n'), facts }
  }

function money(facts: readonly (FactOf<'cost'> | FactOf<'recovery'>)[]): Found | undefined {
  const currencies = [...new Set(facts.map(({ value }) => value.currency))]
  if (facts.length === 0) return undefined
  if (currencies.length > 1)
    return { facts, note: `stated in ${currencies.join(', ')}: state them in one currency` }
  const sum = facts.reduce((total, { value }) => total + Math.round(value.amount * 100), 0) / 100
  return { value: `${sum} ${currencies[0]}`, facts }
}

const rootCause = (picture: Picture) => said(picture, 'root_cause').at(-1)

const submissions = {
  initial: 'initial notification',
  intermediate: 'intermediate report',
  final: 'final report',
} as const

/** Where each field comes from; a field that is not here no fact of an incident holds. */
const readers: Readonly<Record<string, Reader>> = {
  '1.1': (picture, _incident, stage) => {
    const major = said(picture, 'major').at(-1)
    const back = major?.value.major === false && picture.supersededBy.size > 0
    return {
      value: back ? 'major incident reclassified as non-major' : submissions[stage],
      facts: major === undefined ? [] : [major],
    }
  },
  '1.15': (picture) => {
    const costs = said(picture, 'cost')
    const currencies = [...new Set(costs.map(({ value }) => value.currency))]
    return currencies.length === 1 ? { value: currencies[0] ?? '', facts: costs } : undefined
  },
  '2.1': (picture, { number }) => ({ value: String(number), facts: picture.facts.slice(0, 1) }),
  '2.2': instant('detected'),
  '2.3': (picture) => {
    const at = new FactBook(caseFacts(picture, [])).pick('classified', 'latest')
    const source = picture.facts.find(({ id }) => at?.id.startsWith(`${id} `))
    return at && source && { value: time(at.at), facts: [source] }
  },
  '2.4': (picture) => {
    const facts = [current(picture, 'phenomenon'), impactOf(picture)].filter(
      (one) => one !== undefined,
    )
    return facts.length === 0
      ? undefined
      : { value: facts.map(({ value }) => value.text).join('\n'), facts }
  },
  '2.7': (picture) => {
    const opened = said(picture, 'opened').at(-1)
    return opened && { value: opened.value.discovery, facts: [opened] }
  },
  '2.9': (picture) => {
    const plan = said(picture, 'plan_activated').at(-1)
    if (plan?.value.runbook === undefined) return undefined
    const note = `runbook ${plan.value.runbook} is followed since ${time(plan.occurredAt)}; nobody said whether that is the business continuity plan`
    return { facts: [plan], note }
  },
  '2.10': (picture) => {
    const major = said(picture, 'major').at(-1)
    return major?.value.major === false ? { value: major.value.text, facts: [major] } : undefined
  },
  '3.2': instant('occurred'),
  '3.3': (picture) => {
    const fact = recovery(picture)
    return fact && { value: time(fact.occurredAt), facts: [fact] }
  },
  '3.4': (picture) => {
    const fact = impactOf(picture)
    const clients = fact?.value.customersAffected
    return fact === undefined || clients === undefined
      ? undefined
      : { value: clients, facts: [fact] }
  },
  '3.12': (picture) => {
    const fact = impactOf(picture)
    if (fact?.value.customersAffected === undefined) return undefined
    const none = fact.value.customersAffected === 0
    const sure = fact.certainty === 'actual' ? 'actual figures' : 'estimates'
    return {
      value: [none ? 'no impact on clients' : `${sure} for clients affected`],
      facts: [fact],
    }
  },
  '3.15': span('durationMillis'),
  '3.16': span('downtimeMillis'),
  '3.17': (picture) => {
    const { durationMillis, estimated } = figuresOf(picture)
    const facts = [current(picture, 'occurred'), recovery(picture)].filter(
      (one) => one !== undefined,
    )
    if (durationMillis === undefined) return undefined
    return { value: estimated ? 'Estimates' : 'Actual figures', facts, estimated: false }
  },
  '3.27': (picture) => {
    const fact = impactOf(picture)
    const areas = [...(fact?.value.departments ?? []), ...(fact?.value.services ?? [])]
    return fact === undefined || areas.length === 0 ? undefined : { value: areas, facts: [fact] }
  },
  '3.28': (picture) => {
    const fact = impactOf(picture)
    return (fact?.value.hosts?.length ?? 0) === 0 || fact === undefined
      ? undefined
      : { value: true, facts: [fact] }
  },
  '3.29': (picture) => {
    const fact = impactOf(picture)
    const hosts = fact?.value.hosts ?? []
    return fact === undefined || hosts.length === 0 ? undefined : { value: hosts, facts: [fact] }
  },
  '3.30': (picture) => {
    const facts = said(picture, 'duty_owed').filter(({ value }) => value.duty === 'dora.clients')
    return facts.length === 0 ? undefined : { value: true, facts }
  },
  '3.33': (picture) => {
    const facts = said(picture, 'temporary_measure')
    const some = facts.some(({ value }) => value.none !== true)
    return facts.length === 0 ? undefined : { value: some, facts }
  },
  '3.34': texts('temporary_measure'),
  '4.1': (picture) => {
    const fact = rootCause(picture)
    const first = [...new Set(fact?.value.codes.map((code) => code.split('/')[0] ?? code))]
    return fact && { value: first, facts: [fact] }
  },
  '4.2': (picture) => {
    const fact = rootCause(picture)
    return fact && { value: fact.value.codes, facts: [fact] }
  },
  '4.3': (picture) => {
    const fact = rootCause(picture)
    return fact?.value.additional && { value: fact.value.additional, facts: [fact] }
  },
  '4.4': (picture) => {
    const fact = rootCause(picture)
    return fact?.value.other === undefined ? undefined : { value: fact.value.other, facts: [fact] }
  },
  '4.5': (picture) => {
    const whys = said(picture, 'five_whys').at(-1)
    const fact = rootCause(picture)
    if (fact === undefined) return undefined
    const lines = [fact.value.text, ...(whys?.value.whys ?? [])]
    return { value: lines.join('\n'), facts: whys === undefined ? [fact] : [fact, whys] }
  },
  '4.6': texts('permanent_measure'),
  '4.7': instant('root_cause_addressed'),
  '4.8': (picture) => {
    const facts = [recovery(picture), current(picture, 'root_cause_addressed')]
    const both = facts.filter((one) => one !== undefined)
    if (both.length < 2) return undefined
    return { value: time(Math.max(...both.map(({ occurredAt }) => occurredAt))), facts: both }
  },
  '4.9': (picture) => {
    const done = current(picture, 'root_cause_addressed')
    const planned = said(picture, 'permanent_measure').findLast(({ value }) => value.plannedFor)
    if (done === undefined || planned?.value.plannedFor === undefined) return undefined
    if (time(done.occurredAt).slice(0, 10) === time(planned.value.plannedFor).slice(0, 10))
      return undefined
    const text = `planned for ${time(planned.value.plannedFor)}, addressed ${time(done.occurredAt)}`
    return { value: text, facts: [planned, done] }
  },
  '4.13': (picture) => money(said(picture, 'cost')),
  '4.14': (picture) => money(said(picture, 'recovery')),
  '4.15': (picture) => {
    const facts = said(picture, 'recurrence_of')
    return facts.length === 0
      ? undefined
      : { value: facts.map(({ value }) => value.text).join('\n'), facts }
  },
}

/** The form of a stage with what the facts say: known, estimated or missing; nothing is made up. */
export function doraDraft(
  picture: Picture,
  incident: { readonly number: number },
  stage: Stage,
): DraftField[] {
  return fieldsOf(stage).map((field) =>
    filled(field, readers[field.number]?.(picture, incident, stage)),
  )
}

function filled({ number, title, wantedIf }: FormField, found: Found | undefined): DraftField {
  const facts = (found?.facts ?? []).map(({ id }) => id)
  if (found?.value === undefined) {
    const note = found?.note ?? wantedIf ?? null
    return { number, title, state: wantedIf ? 'conditional' : 'missing', value: null, note, facts }
  }
  const estimated = found.estimated ?? found.facts.some(({ certainty }) => certainty !== 'actual')
  const state = estimated ? 'estimated' : 'known'
  return { number, title, state, value: found.value, note: found.note ?? null, facts }
}
