import {
  type Matcher,
  MatcherFault,
  matcher,
  matches,
  parseMatcher,
  parseMatchers,
} from '../../alerts/matchers.ts'
import { CallwardError } from '../errors.ts'

/** What a client of the API v2 wants to see of the alerts. */
export interface AlertWishes {
  readonly active: boolean
  readonly silenced: boolean
  readonly inhibited: boolean
  readonly unprocessed: boolean
  readonly matchers: readonly Matcher[]
  readonly receiver: Matcher | undefined
}

/** Filters one request may hold. */
export const filtersMax = 100

const yes = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const no = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** Reads the query of `/alerts` and `/alerts/groups`; what is not asked for is shown. Throws bad_request. */
export function readAlertWishes(query: Readonly<Record<string, unknown>>): AlertWishes {
  const receiver = textOf(query['receiver'])
  return {
    active: flag(query, 'active'),
    silenced: flag(query, 'silenced'),
    inhibited: flag(query, 'inhibited'),
    unprocessed: flag(query, 'unprocessed'),
    matchers: readFilters(query['filter']),
    receiver:
      receiver === undefined ? undefined : understood(() => matcher('receiver', '=~', receiver)),
  }
}

/** Matchers of `filter=`, which may be given several times. Throws bad_request. */
export function readFilters(given: unknown): readonly Matcher[] {
  const texts = (Array.isArray(given) ? given : given === undefined ? [] : [given]).map(String)
  if (texts.length > filtersMax)
    throw new CallwardError('bad_request', `filter: more than ${filtersMax}`)
  return texts.flatMap((text) =>
    understood(() =>
      text.trimStart().startsWith('{') ? parseMatchers(text) : [parseMatcher(text)],
    ),
  )
}

/** Whether one of the receivers is meant. */
export function receiverWished(
  { receiver }: AlertWishes,
  names: readonly { readonly name: string }[],
): boolean {
  return receiver === undefined || names.some(({ name }) => matches(receiver, { receiver: name }))
}

function understood<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MatcherFault)) throw error
    throw new CallwardError('bad_request', `filter: ${error.message}`)
  }
}

function flag(query: Readonly<Record<string, unknown>>, name: string): boolean {
  const text = textOf(query[name])
  if (text === undefined || yes.has(text)) return true
  if (no.has(text)) return false
  throw new CallwardError('bad_request', `${name}: must be true or false`)
}

/** Of a parameter given several times the last counts. */
function textOf(given: unknown): string | undefined {
  const one: unknown = Array.isArray(given) ? given.at(-1) : given
  return one === undefined || one === '' ? undefined : String(one)
}
