import { UsageError } from './command.ts'

/** The published kinds of facts, as GET /api/v1/workflow tells them. */
export interface PublishedKinds {
  readonly kinds: Readonly<
    Record<string, { readonly holds: string; readonly fields: Readonly<Record<string, string>> }>
  >
  /** Codes of root causes and what they mean. */
  readonly rootCauses: Readonly<Record<string, string>>
}

/**
 * The value of a fact from its text and `field=value` words: lists by commas, numbers, true and false as the published kind wants
 * them; an instant as RFC 3339. Throws UsageError.
 */
export function factValue(
  { kinds }: PublishedKinds,
  kind: string,
  text: string,
  words: readonly string[],
): Record<string, unknown> {
  const spec = kinds[kind]
  if (spec === undefined)
    throw new UsageError(
      `There is no kind "${kind}" of facts. List them with: callward incident kinds`,
    )
  const value: Record<string, unknown> = { text }
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(0, equals))
    const wants = spec.fields[name]
    if (wants === undefined)
      throw new UsageError(
        `"${word}" names no field of ${kind}; it takes ${Object.keys(spec.fields).join(', ')}. Example: services=hotline,ivr`,
      )
    value[name] = fieldValue(word.slice(equals + 1), wants)
  }
  return value
}

function fieldValue(text: string, wants: string): unknown {
  // A value that carries commas of its own is written as JSON.
  if (/^[[{"]/.test(text)) return parsed(text)
  if (wants.startsWith('a list of'))
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  if (wants.startsWith('a whole number') || wants.startsWith('an amount')) return Number(text)
  if (wants.startsWith('true or false'))
    return text === 'true' ? true : text === 'false' ? false : text
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
