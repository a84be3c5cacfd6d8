import type { Millis } from '../../alerts/alert.ts'
import { type Matcher, matcherFault, matchersMax } from '../../alerts/matchers.ts'
import type { Silence, SilencePhase } from '../../alerts/silence.ts'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { storableText } from '../records/bindings.ts'
import { PostFault, readTime } from './posted-alert.ts'

/** A silence in the shape of Alertmanager's API v2 (`gettableSilence`). */
export interface GettableSilence {
  readonly id: string
  readonly status: { readonly state: 'active' | 'pending' | 'expired' }
  readonly updatedAt: string
  readonly comment: string
  readonly createdBy: string
  readonly endsAt: string
  readonly matchers: readonly Matcher[]
  readonly startsAt: string
}

/** What a client posts: a new silence, or other values for the one of `id`. */
export interface PostedSilence {
  readonly id: string | undefined
  readonly matchers: readonly Matcher[]
  readonly startsAt: Millis | undefined
  readonly endsAt: Millis
  readonly createdBy: string
  readonly comment: string
}

const textMax = 2_000
const valueMax = 2_000

/** A recurring silence outside its window counts as pending: it hides nothing now, and will again. */
export function gettableSilence(silence: Silence, phase: SilencePhase['phase']): GettableSilence {
  return {
    id: silence.id,
    status: { state: phase === 'paused' ? 'pending' : phase },
    updatedAt: rfc3339(silence.createdAt),
    comment: silence.reason,
    createdBy: silence.createdBy,
    endsAt: rfc3339(silence.endsAt),
    matchers: silence.matchers.map(({ name, value, isRegex, isEqual }) => ({
      isEqual,
      isRegex,
      name,
      value,
    })),
    startsAt: rfc3339(silence.startsAt),
  }
}

/** Whether a silence has each of these very matchers, as Alertmanager filters silences. */
export function silenceFiltered(
  filters: readonly Matcher[],
  { matchers }: Pick<GettableSilence, 'matchers'>,
): boolean {
  return filters.every((filter) => matchers.some((made) => sameMatcher(filter, made)))
}

/** Active first, by end; then pending, by begin; then expired, the newest first. */
export function silenceOrder(a: GettableSilence, b: GettableSilence): number {
  const rank = { active: 0, pending: 1, expired: 2 } as const
  const [first, second] = [rank[a.status.state], rank[b.status.state]]
  if (first !== second) return first - second
  const key = a.status.state === 'pending' ? 'startsAt' : 'endsAt'
  const order = a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0
  return a.status.state === 'expired' ? -order : order
}

/** Whether two lists hold the same matchers, in any order. */
export function sameMatchers(a: readonly Matcher[], b: readonly Matcher[]): boolean {
  return a.length === b.length && a.every((made) => b.some((other) => sameMatcher(made, other)))
}

function sameMatcher(a: Matcher, b: Matcher): boolean {
  return (
    a.name === b.name && a.value === b.value && a.isRegex === b.isRegex && a.isEqual === b.isEqual
  )
}

/** Reads a `postableSilence`. Throws bad_request with what to do. */
export function readPostedSilence(given: unknown): PostedSilence {
  if (!isMapping(given)) throw fault('the body must be a silence with matchers, endsAt and comment')
  const [startsAt, endsAt] = times(given)
  if (endsAt === undefined) throw fault('endsAt: say until when; what lasts forever is a route')
  const id = text(given['id'], 'id')
  return {
    id: id === '' ? undefined : id,
    matchers: readMatchers(given['matchers']),
    startsAt,
    endsAt,
    createdBy: text(given['createdBy'], 'createdBy').trim(),
    comment: text(given['comment'], 'comment').trim(),
  }
}

function times(given: Readonly<Record<string, unknown>>): (Millis | undefined)[] {
  try {
    return [readTime(given['startsAt'], 'startsAt'), readTime(given['endsAt'], 'endsAt')]
  } catch (error) {
    if (error instanceof PostFault) throw fault(error.message)
    throw error
  }
}

/** Reads matchers given as data. Throws bad_request. */
export function readMatchers(given: unknown): readonly Matcher[] {
  if (!Array.isArray(given) || given.length === 0) throw fault('matchers: at least one')
  if (given.length > matchersMax) throw fault(`matchers: more than ${matchersMax}`)
  return given.map((one: unknown, i) => {
    if (!isMapping(one)) throw fault(`matchers[${i}]: must be an object`)
    const { isRegex = false, isEqual = true } = one
    if (typeof isRegex !== 'boolean' || typeof isEqual !== 'boolean')
      throw fault(`matchers[${i}]: isRegex and isEqual are true or false`)
    const made = {
      name: text(one['name'], `matchers[${i}].name`),
      value: text(one['value'], `matchers[${i}].value`),
      isRegex,
      isEqual,
    }
    if (made.name === '') throw fault(`matchers[${i}].name: must not be empty`)
    if (made.value.length > valueMax)
      throw fault(`matchers[${i}].value: more than ${valueMax} characters`)
    const wrong = matcherFault(made)
    if (wrong !== undefined) throw fault(`matchers[${i}]: ${wrong}`)
    return made
  })
}

function text(given: unknown, key: string): string {
  if (given === undefined || given === null) return ''
  if (typeof given !== 'string') throw fault(`${key}: must be a text`)
  if (given.length > textMax) throw fault(`${key}: more than ${textMax} characters`)
  return storableText(given)
}

function fault(message: string): CallwardError {
  return new CallwardError('bad_request', message)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
