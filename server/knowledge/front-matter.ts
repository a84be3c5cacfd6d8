/** One step a person ticks off, or one check. */
export interface RunbookStep {
  readonly id: string
  readonly text: string
  /** PromQL whose answer is shown beside it; `$instance` in a quoted value is the host's. */
  readonly query?: string
}

/** Who helps. */
export interface Contact {
  readonly who: string
  readonly how: string
}

/** Steps, checks and contacts of one runbook, each. */
const entriesMax = 50
const textCharactersMax = 2000

const isText = (value: unknown): value is string =>
  typeof value === 'string' && /\S/.test(value) && value.length <= textCharactersMax

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hasOnly = (value: object, keys: readonly string[]) =>
  Object.keys(value).every((key) => keys.includes(key))

/** Reads a list of steps or checks; undefined when it cannot be used. */
export function stepsOf(value: unknown): RunbookStep[] | undefined {
  if (!Array.isArray(value) || value.length > entriesMax) return undefined
  const ids = new Set<string>()
  const steps: RunbookStep[] = []
  for (const step of value as unknown[]) {
    if (!isObject(step) || !hasOnly(step, ['id', 'text', 'query'])) return undefined
    const { id, text, query } = step
    if (typeof id !== 'string' || !/^[a-z][a-z0-9-]{0,99}$/.test(id) || ids.has(id))
      return undefined
    if (!isText(text) || (query !== undefined && !isText(query))) return undefined
    ids.add(id)
    steps.push(query === undefined ? { id, text } : { id, text, query })
  }
  return steps
}

/** Reads the contacts; undefined when they cannot be used. */
export function contactsOf(value: unknown): Contact[] | undefined {
  if (!Array.isArray(value) || value.length > entriesMax) return undefined
  const contacts: Contact[] = []
  for (const contact of value as unknown[]) {
    if (!isObject(contact) || !hasOnly(contact, ['who', 'how'])) return undefined
    const { who, how } = contact
    if (!isText(who) || !isText(how)) return undefined
    contacts.push({ who, how })
  }
  return contacts
}

const languages = ['en', 'zh', 'vi', 'ru']

/** Reads the text for customers, by language; undefined when it cannot be used. */
export function customerTextOf(value: unknown): Record<string, string> | undefined {
  if (!isObject(value) || !hasOnly(value, languages)) return undefined
  const texts = Object.entries(value)
  return texts.every(([, text]) => isText(text))
    ? (Object.fromEntries(texts) as Record<string, string>)
    : undefined
}
