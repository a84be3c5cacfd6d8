import { checkText } from './bindings.ts'

/** What the port must know of a statement before an engine sees it. */
export interface ScannedSql {
  /** How many `?` it has. */
  readonly parameters: number
  /** Its first word, lower case. */
  readonly verb: string
  /** True when it changes rows and gives them back. */
  readonly returning: boolean
}

/** Comment, quoted text or name, word, or one character; in SQLite's own order (tokenize.c). */
const token =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$\u0080-\uffff]+|\s+|[\s\S]/g

/**
 * Counts the parameters of one SQLite statement. Throws TypeError on an empty text, a second statement (engines
 * silently ignore it) and named or numbered parameters (engines bind them differently).
 */
export function scanSql(sql: string): ScannedSql {
  if (typeof sql !== 'string') throw new TypeError('SQL must be a string.')
  checkText(sql, 'SQL')
  let parameters = 0
  let verb = ''
  let returning = false
  let ended = false
  let afterMark = false
  for (const [text] of sql.matchAll(token)) {
    if (isGap(text)) continue
    if (text === ';') {
      ended = true
      continue
    }
    if (ended && verb !== '') throw new TypeError('Give one SQL statement at a time.')
    if ((afterMark && /^\d/.test(text)) || /^[:@#$]/.test(text)) {
      throw new TypeError('Use "?" for parameters, not named or numbered ones.')
    }
    afterMark = text === '?'
    if (afterMark) parameters += 1
    if (verb === '') verb = text.toLowerCase()
    else if (text.toLowerCase() === 'returning') returning = true
  }
  if (verb === '') throw new TypeError('The SQL holds no statement.')
  return { parameters, verb, returning }
}

function isGap(text: string): boolean {
  return text.startsWith('--') || text.startsWith('/*') || text.trim() === ''
}
