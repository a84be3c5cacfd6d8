import type { Field } from './definition.ts'
import { inUnit } from './units.ts'

/** What a colour of the boards means; whoever draws has a paint for each. */
export type Tone = 'good' | 'attention' | 'bad' | 'unknown' | 'silent' | 'note' | 'plain'

const tones: Readonly<Record<string, Tone>> = {
  green: 'good',
  orange: 'attention',
  yellow: 'attention',
  red: 'bad',
  purple: 'silent',
  blue: 'note',
  '#888888': 'unknown',
}

/** The meaning of a colour in a board; `plain` for one that has none. */
export function toneOf(color: string | undefined): Tone {
  return tones[color ?? ''] ?? 'plain'
}

/** A value in words or figures, and what it means. */
export interface Judged {
  readonly text: string
  readonly tone: Tone
}

/** `language` is a BCP 47 tag, `now` milliseconds. */
export interface Reader {
  readonly language: string
  readonly now: number
}

/** A value by its mappings, unit and thresholds. Absence is the field's `noValue`, in grey: never a zero. */
export function judge(value: number | null | undefined, field: Field, reader: Reader): Judged {
  if (value === null || value === undefined || Number.isNaN(value))
    return { text: field.noValue ?? '–', tone: 'unknown' }
  const word = wordOf(String(value), value, field)
  const tone = toneOf(word?.color ?? stepOf(value, field))
  const text = word?.text ?? inUnit(value, field.unit, { ...reader, decimals: field.decimals })
  return { text, tone }
}

/** A label's text by its mappings. */
export function judgeText(text: string | undefined, field: Field): Judged {
  if (text === undefined || text === '') return { text: field.noValue ?? '–', tone: 'unknown' }
  const word = wordOf(text, Number.NaN, field)
  return { text: word?.text ?? text, tone: toneOf(word?.color) }
}

function wordOf(text: string, value: number, { mappings = [] }: Field) {
  for (const mapping of mappings) {
    if (mapping.type === 'value' && mapping.options[text] !== undefined)
      return mapping.options[text]
    if (mapping.type === 'range') {
      const { from, to, result } = mapping.options
      if (value >= (from ?? Number.NEGATIVE_INFINITY) && value <= (to ?? Number.POSITIVE_INFINITY))
        return result
    }
  }
  return undefined
}

function stepOf(value: number, { thresholds }: Field): string | undefined {
  return thresholds?.steps.findLast((step) => value >= (step.value ?? Number.NEGATIVE_INFINITY))
    ?.color
}

/** The limits that are drawn as lines, lowest first: every step with a value, where the panel asks for lines. */
export function limitLines(field: Field): readonly { readonly at: number; readonly tone: Tone }[] {
  if ((field.custom?.thresholdsStyle?.mode ?? 'off') === 'off') return []
  return (field.thresholds?.steps ?? []).flatMap(({ value, color }) =>
    value === null || value === undefined ? [] : [{ at: value, tone: toneOf(color) }],
  )
}
