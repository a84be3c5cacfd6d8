import { CallwardError } from '../errors.ts'

/** What stands where a text was erased. */
export const marker = '[erased]'

/**
 * Fields of a fact's value in which people write about people. Codes, numbers, instants and the names of accounts stay: they say what
 * was done and by whom, and the course of the incident is worked out from them.
 */
const personal: Readonly<Record<string, readonly string[]>> = {
  impact: ['text', 'customers', 'departments'],
  five_whys: ['text', 'whys'],
  root_cause: ['text', 'other'],
  attachment: ['text', 'name', 'hash'],
}
const everywhere = ['text'] as const

type Value = Readonly<Record<string, unknown>>

/** A fact's value after an erasure, and what went. */
export interface Left {
  readonly value: Value
  readonly fields: readonly string[]
}

/** Erases fields of a fact's value, all that may hold personal data when none are named. Throws unprocessable, conflict when nothing is left to erase. */
export function erased(kind: string, value: Value, wanted: readonly string[] | undefined): Left {
  const known = personal[kind] ?? everywhere
  const strange = wanted?.find((field) => !known.includes(field))
  if (strange !== undefined)
    throw new CallwardError(
      'unprocessable',
      `"${strange}" of a fact of the kind ${kind} is not erased; what may be: ${known.join(', ')}.`,
    )
  const fields = (wanted ?? known).filter(
    (field) => value[field] !== undefined && !isErased(value[field]),
  )
  if (fields.length === 0)
    throw new CallwardError('conflict', 'Nothing is left there that could be erased.')
  return {
    value: Object.fromEntries(
      Object.entries(value).map(([field, one]) => [
        field,
        fields.includes(field) ? markerOf(one) : one,
      ]),
    ),
    fields,
  }
}

const noHash = '0'.repeat(64)

/** Something of the same form, so that the fact stays one that can be read. */
function markerOf(value: unknown): unknown {
  if (Array.isArray(value))
    return value.length > 1 ? value.map((_, index) => `${marker} ${index + 1}`) : [marker]
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? noHash : marker
}

function isErased(value: unknown): boolean {
  const texts = Array.isArray(value) ? value : [value]
  return texts.every((text) => text === noHash || /^\[erased\](?: \d+)?$/.test(String(text)))
}
