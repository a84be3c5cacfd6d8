import { fit, plain } from './render.ts'

/** A stretch of a layer or of the final schedule, as the hub shows it. */
export interface SegmentAnswer {
  readonly from: string
  readonly to: string
  readonly person: { readonly id: string; readonly name: string } | null
  readonly layer: string
  readonly overrideId: string | null
  readonly reason: string
}

export interface ExpansionAnswer {
  readonly from: string
  readonly to: string
  readonly days: readonly { readonly date: string; readonly from: string; readonly to: string }[]
  readonly layers: readonly { readonly name: string; readonly segments: readonly SegmentAnswer[] }[]
  readonly final: readonly SegmentAnswer[]
}

const cellsOfDay = 8
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const nameColumns = 14

/**
 * A schedule as text: a row a layer and one for the outcome, eight cells a day, a letter a person. `.` is nobody in a layer,
 * `!` nobody at all; a cell shows who is on call at its middle.
 */
export function drawWeek(expansion: ExpansionAnswer): string[] {
  const marks = new Map<string, { letter: string; name: string }>()
  for (const segment of [
    ...expansion.layers.flatMap(({ segments }) => segments),
    ...expansion.final,
  ])
    if (segment.person !== null && !marks.has(segment.person.id)) {
      const letter = letters[marks.size] ?? '#'
      marks.set(segment.person.id, { letter, name: plain(segment.person.name) })
    }
  const days = expansion.days.map(dayOf)
  const row = (name: string, segments: readonly SegmentAnswer[], nobody: string) =>
    label(name) + days.map((day) => cells(day, segments, marks, nobody)).join(' ')
  const head = label('') + days.map(({ name }) => name.padEnd(cellsOfDay)).join(' ')
  return [
    head.trimEnd(),
    ...expansion.layers.map(({ name, segments }) => row(name, segments, '.')),
    row('ON CALL', expansion.final, '!'),
    '',
    ...[...marks.values()].map(({ letter, name }) => `  ${letter}  ${name}`),
    ...(expansion.final.some(({ person }) => person === null) ? ['  !  nobody'] : []),
  ]
}

function label(name: string): string {
  return fit(plain(name), nameColumns - 1).padEnd(nameColumns)
}

interface Day {
  readonly name: string
  readonly from: number
  readonly to: number
}

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const

/** `Mon 02`, and the instants it lies between. */
function dayOf({ date, from, to }: ExpansionAnswer['days'][number]): Day {
  const name = `${dayNames[new Date(`${date}T00:00:00Z`).getUTCDay()]} ${date.slice(8, 10)}`
  return { name, from: Date.parse(from), to: Date.parse(to) }
}

function cells(
  { from, to }: Day,
  segments: readonly SegmentAnswer[],
  marks: ReadonlyMap<string, { letter: string }>,
  nobody: string,
): string {
  let text = ''
  for (let cell = 0; cell < cellsOfDay; cell += 1) {
    const at = from + ((to - from) * (cell + 0.5)) / cellsOfDay
    const segment = segments.find((one) => Date.parse(one.from) <= at && at < Date.parse(one.to))
    const person = segment?.person
    text += segment === undefined ? ' ' : person ? (marks.get(person.id)?.letter ?? '#') : nobody
  }
  return text
}
