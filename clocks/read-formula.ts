import type { DocumentReader, Mapping, Path } from './document.ts'
import type { Pick } from './fact.ts'
import { type Duration, type Formula, units } from './formula.ts'

const depthMax = 8
const operandsMax = 10
/** Far beyond any time limit, and short enough to be walked day by day. */
const amountMax = 2000

const example = '{ after: classified, plus: { hours: 4 } }'

/** Reads a formula: `after`/`plus`, `before`/`minus`, `min`, `max` or `if`/`then`/`else`. */
export function readFormula(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  depth = 0,
): Formula | undefined {
  if (depth > depthMax) return reader.fault(path, `is nested more than ${depthMax} deep`)
  const known = ['after', 'plus', 'before', 'minus', 'pick', 'min', 'max', 'if', 'then', 'else']
  const item = reader.mapping(value, path, known, example)
  if (item === undefined) return undefined
  const kinds = ['after', 'before', 'min', 'max', 'if'].filter((key) => key in item)
  if (kinds.length !== 1)
    return reader.fault(
      path,
      `needs exactly one of after, before, min, max, if; example: ${example}`,
    )
  const kind = kinds[0] as Formula['kind']
  const belonging = {
    after: ['plus', 'pick'],
    before: ['minus', 'pick'],
    min: [],
    max: [],
    if: ['then', 'else'],
  }
  for (const key of Object.keys(item))
    if (
      known.includes(key) &&
      key !== kind &&
      !(belonging[kind] as readonly string[]).includes(key)
    )
      reader.fault([...path, key], `does not belong to "${kind}"`)
  if (kind === 'min' || kind === 'max') {
    const operands = reader.list(item[kind], [...path, kind], operandsMax, `[${example}, …]`)
    if (operands.length < 2) return reader.fault([...path, kind], 'needs at least two formulas')
    const of = operands.map((one, i) => readFormula(reader, one, [...path, kind, i], depth + 1))
    return of.every((one) => one !== undefined) ? { kind, of } : undefined
  }
  if (kind === 'if') return readChoice(reader, item, path, depth)
  const fact = reader.name(item[kind], [...path, kind], `${kind}: aware`)
  const pick = readPick(reader, item['pick'], [...path, 'pick'])
  const key = kind === 'after' ? 'plus' : 'minus'
  const by = readDuration(reader, item[key], [...path, key])
  return fact === undefined || by === undefined ? undefined : { kind, fact, pick, by }
}

function readChoice(
  reader: DocumentReader,
  item: Mapping,
  path: Path,
  depth: number,
): Formula | undefined {
  const shown = `if: { fact: classified, later_than: ${example} }`
  const at = [...path, 'if']
  const condition = reader.mapping(item['if'], at, ['fact', 'pick', 'later_than'], shown)
  const read = (value: unknown, place: Path) => readFormula(reader, value, place, depth + 1)
  const then = read(item['then'], [...path, 'then'])
  const otherwise = read(item['else'], [...path, 'else'])
  if (condition === undefined) return undefined
  const fact = reader.name(condition['fact'], [...at, 'fact'], 'fact: classified')
  const pick = readPick(reader, condition['pick'], [...at, 'pick'])
  const laterThan = read(condition['later_than'], [...at, 'later_than'])
  if (fact === undefined || !laterThan || !then || !otherwise) return undefined
  return { kind: 'if', fact, pick, laterThan, then, otherwise }
}

/** `first` when nothing is said. */
export function readPick(reader: DocumentReader, value: unknown, path: Path): Pick {
  if (value === undefined) return 'first'
  return reader.oneOf(value, path, ['first', 'latest'] as const) ?? 'first'
}

/** `{ hours: 4 }`: one unit, a whole number over 0. */
export function readDuration(
  reader: DocumentReader,
  value: unknown,
  path: Path,
): Duration | undefined {
  const item = reader.mapping(value, path, units, '{ hours: 4 }')
  if (item === undefined) return undefined
  const given = units.filter((unit) => unit in item)
  const unit = given[0]
  if (unit === undefined || given.length > 1)
    return reader.fault(path, `needs exactly one of ${units.join(', ')}; example: { hours: 4 }`)
  const amount = item[unit]
  if (typeof amount === 'number' && Number.isInteger(amount) && amount > 0 && amount <= amountMax)
    return { unit, amount }
  return reader.fault([...path, unit], `must be a whole number from 1 to ${amountMax}`)
}
