import type { Line } from './import-row.ts'

/** Incidents of one request. */
export const mostLines = 2000

/** A line with its number as editors count; `fault` where it could not be read at all. */
export interface ReadLine {
  readonly line: number
  readonly fields: Line
  readonly fault?: string
}

/** JSON Lines: one object a line; empty lines are passed over. */
export function jsonLines(text: string): ReadLine[] {
  return text.split('\n').flatMap((one, index): ReadLine[] => {
    const line = index + 1
    if (one.trim() === '') return []
    try {
      const fields: unknown = JSON.parse(one)
      if (typeof fields === 'object' && fields !== null && !Array.isArray(fields))
        return [{ line, fields: fields as Line }]
      return [{ line, fields: {}, fault: 'write one JSON object a line' }]
    } catch (error) {
      return [{ line, fields: {}, fault: `is no JSON: ${(error as Error).message.slice(0, 200)}` }]
    }
  })
}

/** CSV as RFC 4180 has it, with a line of column names; a byte order mark is passed over. `line` is where the record begins. */
export function csvLines(text: string): ReadLine[] {
  const records = recordsOf(text.replace(/^\ufeff/, ''))
  const [head, ...rest] = records
  if (head === undefined) return []
  const names = head.cells.map((cell) => cell.trim())
  return rest
    .filter(({ cells }) => cells.length > 1 || cells[0] !== '')
    .map(({ line, cells, open }) => {
      const fault = open
        ? 'a quote is not closed'
        : cells.length !== names.length
          ? `has ${cells.length} cells, and the first line ${names.length}`
          : undefined
      const fields = Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']))
      return { line, fields, ...(fault === undefined ? {} : { fault }) }
    })
}

interface CsvRecord {
  readonly line: number
  readonly cells: readonly string[]
  /** The text ended within quotes. */
  readonly open: boolean
}

function recordsOf(text: string): CsvRecord[] {
  const records: CsvRecord[] = []
  let cells: string[] = []
  let cell = ''
  let quoted = false
  let line = 1
  let begins = 1
  const end = (open = false) => {
    records.push({ line: begins, cells: [...cells, cell], open })
    cells = []
    cell = ''
  }
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '\n') line += 1
    if (quoted) {
      if (character !== '"') cell += character
      else if (text[index + 1] === '"') {
        cell += '"'
        index += 1
      } else quoted = false
    } else if (character === '"' && cell === '') quoted = true
    else if (character === ',') {
      cells.push(cell)
      cell = ''
    } else if (character === '\n') {
      end()
      begins = line
    } else if (character !== '\r' || text[index + 1] !== '\n') cell += character
  }
  if (quoted || cell !== '' || cells.length > 0) end(quoted)
  return records
}
