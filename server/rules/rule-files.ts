import { type Dirent, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { parseRuleFile, type RuleFault, type RuleGroup } from '../../alerts/rule.ts'
import { packageRoot } from '../assets.ts'

/** A fault of a rule file with its place. */
export interface RuleFileFault {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly message: string
  readonly leavesOut: RuleFault['leavesOut']
}

export interface RuleFiles {
  readonly groups: readonly RuleGroup[]
  readonly faults: readonly RuleFileFault[]
}

/** Folder of the rules that ship with the program. */
export const ownRulesFolder = join(packageRoot, 'alerts', 'rules')

const maxFileBytes = 1024 * 1024

/**
 * Reads every `*.yaml` and `*.yml` of the folders, in order of name. A file that cannot be used never stops the
 * others: it is named in `faults` with file, line and what to do. `checkExpression` says what is wrong with a
 * PromQL text.
 */
export function readRuleFiles(
  folders: readonly string[],
  checkExpression: (text: string) => string | undefined,
): RuleFiles {
  const groups: RuleGroup[] = []
  const faults: RuleFileFault[] = []
  for (const folder of folders) {
    for (const path of ruleFilesIn(folder, faults)) {
      const text = readText(path, faults)
      if (text === undefined) continue
      const read = readRuleText(text, shownPath(path), checkExpression)
      groups.push(...read.groups)
      faults.push(...read.faults)
    }
  }
  return { groups, faults }
}

/** Reads the YAML text of one rule file; never throws. */
export function readRuleText(
  text: string,
  file: string,
  checkExpression: (text: string) => string | undefined,
): RuleFiles {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      file,
      line: lines.linePos(error.pos[0]).line,
      message: `not readable as YAML: ${error.message}; mend it and restart, "promtool check rules ${file}" checks it`,
      leavesOut: 'file' as const,
    }))
    return { groups: [], faults }
  }
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    const message = `not readable as YAML: ${(error as Error).message}; write it without that many aliases`
    return { groups: [], faults: [{ file, line: 1, message, leavesOut: 'file' }] }
  }
  const parsed = parseRuleFile(content, file, checkExpression)
  const faults = parsed.faults.map(({ path, message, leavesOut }) => ({
    file,
    line: lineOf(document, lines, path),
    message,
    leavesOut,
  }))
  return { groups: parsed.groups, faults }
}

/** One line for a log or a screen: `file:line: message (the rule is left out)`. */
export function faultText(fault: RuleFileFault): string {
  const effect =
    fault.leavesOut === 'nothing'
      ? 'the rule runs nevertheless'
      : `the ${fault.leavesOut} is left out`
  return `${fault.file}:${fault.line}: ${fault.message} (${effect})`
}

/** Line of the deepest part of `path` the document holds. */
function lineOf(document: Document, lines: LineCounter, path: RuleFault['path']): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

function ruleFilesIn(folder: string, faults: RuleFileFault[]): string[] {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    const message = `the folder cannot be read (${(error as NodeJS.ErrnoException).code}); make it readable for the hub, or change hub.rulesFolder`
    faults.push({ file: folder, line: 1, message, leavesOut: 'file' })
    return []
  }
  return entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*\.ya?ml$/.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .sort()
}

function readText(path: string, faults: RuleFileFault[]): string | undefined {
  const fault = (message: string) => {
    faults.push({ file: shownPath(path), line: 1, message, leavesOut: 'file' })
    return undefined
  }
  try {
    const bytes = readFileSync(path)
    if (bytes.length > maxFileBytes)
      return fault(`the file is over ${maxFileBytes} bytes; split it`)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return fault('the file is not UTF-8; save it as UTF-8')
    return fault(`the file cannot be read (${code}); make it readable for the hub`)
  }
}

function shownPath(path: string): string {
  const inside = relative(packageRoot, path)
  return inside.startsWith('..') ? path : inside
}
