import { type Dirent, readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import type { AlertView } from '../../alerts/alert.ts'
import type { Calendar } from '../../alerts/calendar.ts'
import {
  type AlertingRule,
  parseRuleFile,
  type RuleFault,
  type RuleGroup,
} from '../../alerts/rule.ts'
import {
  type ExtrasFile,
  extrasFromAnnotations,
  extrasReader,
  parseExtrasFile,
  type RuleExtras,
} from '../../alerts/rule-extras.ts'
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

/** Rule files with what their siblings `<name>.callward.yaml` and their annotations add. */
export interface RuleFolders extends RuleFiles {
  /** The sibling file's for the alert's rule, else the annotations'; also for alerts no rule of these files raised. */
  readonly extrasOf: (alert: AlertView) => RuleExtras
  /** The same before there is an alert. */
  readonly extrasOfRule: (rule: Pick<AlertingRule, 'name' | 'group' | 'annotations'>) => RuleExtras
  /** Calendars the sibling files define; of two with one name the later. */
  readonly calendars: ReadonlyMap<string, Calendar>
}

/** Folder of the rules that ship with the program. */
export const ownRulesFolder = join(packageRoot, 'alerts', 'rules')

const maxFileBytes = 1024 * 1024

/** Says what is wrong with a PromQL text, or undefined. */
export type CheckExpression = (text: string) => string | undefined

/**
 * Reads every `*.yaml` and `*.yml` of the folders, in order of name, and their siblings `<name>.callward.yaml`. A file
 * that cannot be used never stops the others: it is named in `faults` with file, line and what to do. A sibling whose
 * rule file is not in its own folder belongs to that of an earlier one, so that what ships can be given calendars.
 * `isWatched` tells whether an expression has a value to compare with a recovery threshold.
 */
export function readRuleFiles(
  folders: readonly string[],
  checkExpression: CheckExpression,
  isWatched: (expr: string) => boolean = () => true,
): RuleFolders {
  const groups: RuleGroup[] = []
  const faults: RuleFileFault[] = []
  const siblings: { path: string; file: ExtrasFile; lineOf: (path: DocumentPath) => number }[] = []
  const groupsOf = new Map<string, readonly RuleGroup[]>()
  for (const folder of folders) {
    for (const path of ruleFilesIn(folder, faults)) {
      const text = readText(path, faults)
      if (text === undefined) continue
      if (siblingPattern.test(path)) {
        const read = readExtrasText(text, shownPath(path), checkExpression, faults)
        if (read !== undefined) siblings.push({ path, ...read })
        continue
      }
      const read = readRuleText(text, shownPath(path), checkExpression, isWatched)
      groups.push(...read.groups)
      faults.push(...read.faults)
      groupsOf.set(stemOf(path), read.groups)
    }
  }
  return assembled({ groups, faults, siblings, groupsOf }, isWatched)
}

/** One rule file and its sibling, as texts that are not saved yet. */
export function readRulePair(
  text: string,
  sibling: string | undefined,
  file: string,
  checkExpression: CheckExpression,
  isWatched: (expr: string) => boolean,
): RuleFolders {
  const { groups, faults } = readRuleText(text, file, checkExpression, isWatched)
  const all = [...faults]
  const path = file.replace(/\.ya?ml$/, '.callward.yaml')
  const read =
    sibling === undefined ? undefined : readExtrasText(sibling, path, checkExpression, all)
  const siblings = read === undefined ? [] : [{ path, ...read }]
  const groupsOf = new Map([[stemOf(file), groups]])
  return assembled({ groups, faults: all, siblings, groupsOf }, isWatched)
}

interface ReadFiles {
  readonly groups: readonly RuleGroup[]
  readonly faults: RuleFileFault[]
  readonly siblings: readonly {
    readonly path: string
    readonly file: ExtrasFile
    readonly lineOf: (path: DocumentPath) => number
  }[]
  /** By path without its ending. */
  readonly groupsOf: ReadonlyMap<string, readonly RuleGroup[]>
}

/** Gives each rule what its sibling file says of it. */
function assembled(
  { groups, faults, siblings, groupsOf }: ReadFiles,
  isWatched: (expr: string) => boolean,
): RuleFolders {
  const byRule = new Map<string, RuleExtras>()
  const calendars = new Map<string, Calendar>()
  for (const { path, file, lineOf } of siblings) {
    for (const calendar of file.calendars) calendars.set(calendar.name, calendar)
    const stem = stemOf(path)
    const own = groupsOf.get(stem) ?? groupsOf.get(earlierStem(groupsOf, stem) ?? '')
    for (const [name, extras] of file.byRule) {
      const concerned = (own ?? []).filter(({ rules }) => rules.some((rule) => isAlert(rule, name)))
      for (const group of concerned) {
        byRule.set(ruleKey(group.name, name), extras)
        const unwatched = group.rules.some((rule) => isAlert(rule, name) && !isWatched(rule.expr))
        if (unwatched && extras.recovery !== undefined)
          faults.push(faultAt(shownPath(path), lineOf(['rules', name, 'recovery']), noValue))
      }
      if (concerned.length > 0) continue
      const message =
        own === undefined
          ? `there is no rule file ${basename(stem)}.yaml it could belong to; name it after one`
          : `no alert "${name}" in ${basename(stem)}.yaml; the name is that behind "alert:"`
      faults.push(faultAt(shownPath(path), lineOf(['rules', name]), message))
    }
  }
  return { groups, faults, ...extrasBook(byRule), calendars }
}

const siblingPattern = /\.callward\.ya?ml$/

type DocumentPath = RuleFault['path']

function isAlert(rule: RuleGroup['rules'][number], name: string): boolean {
  return rule.kind === 'alert' && rule.name === name
}

const noValue =
  'the expression compares no value with a number, so there is none to recover; write it as "value > number"'

function stemOf(path: string): string {
  return path.replace(siblingPattern, '').replace(/\.ya?ml$/, '')
}

function earlierStem(known: ReadonlyMap<string, unknown>, stem: string): string | undefined {
  return [...known.keys()].find((one) => basename(one) === basename(stem))
}

function ruleKey(group: string, rule: string): string {
  return JSON.stringify([group, rule])
}

function faultAt(file: string, line: number, message: string): RuleFileFault {
  return { file, line, message, leavesOut: 'nothing' }
}

/** Answers for the extras of rules and of alerts; `byRule` holds what sibling files say. */
function extrasBook(
  byRule: ReadonlyMap<string, RuleExtras>,
): Pick<RuleFolders, 'extrasOf' | 'extrasOfRule'> {
  const fromAnnotations = extrasReader(new Map())
  return {
    extrasOf: (alert) => byRule.get(ruleKey(alert.group, alert.rule)) ?? fromAnnotations(alert),
    extrasOfRule: ({ group, name, annotations }) =>
      byRule.get(ruleKey(group, name)) ?? extrasFromAnnotations(annotations).extras,
  }
}

/** The YAML text of one sibling file; undefined when it is no YAML. */
export function readExtrasText(
  text: string,
  file: string,
  checkExpression: CheckExpression,
  faults: RuleFileFault[],
): { readonly file: ExtrasFile; readonly lineOf: (path: DocumentPath) => number } | undefined {
  const read = readYaml(text, file)
  if ('fault' in read) {
    faults.push(...read.fault)
    return undefined
  }
  const parsed = parseExtrasFile(read.content)
  for (const { path, message } of parsed.faults)
    faults.push(faultAt(file, read.lineOf(path), message))
  for (const [name, { minimumTraffic }] of parsed.byRule) {
    const fault = minimumTraffic === undefined ? undefined : checkExpression(minimumTraffic.expr)
    if (fault === undefined) continue
    const place = read.lineOf(['rules', name, 'minimum_traffic'])
    faults.push(faultAt(file, place, `rule "${name}", minimum_traffic: ${fault}`))
  }
  return { file: parsed, lineOf: read.lineOf }
}

/** Reads the YAML text of one rule file; never throws. */
export function readRuleText(
  text: string,
  file: string,
  checkExpression: CheckExpression,
  isWatched: (expr: string) => boolean = () => true,
): RuleFiles {
  const read = readYaml(text, file)
  if ('fault' in read) return { groups: [], faults: read.fault }
  const parsed = parseRuleFile(read.content, file, checkExpression)
  const faults = parsed.faults.map(({ path, message, leavesOut }) => ({
    file,
    line: read.lineOf(path),
    message,
    leavesOut,
  }))
  const inAnnotations = parsed.groups.flatMap(({ rules }) =>
    rules.flatMap((rule) =>
      rule.kind === 'alert' ? annotationFaults(rule, checkExpression, isWatched) : [],
    ),
  )
  for (const { rule, key, message } of inAnnotations)
    faults.push(faultAt(file, read.lineOf(placeOf(read.content, rule, key)), message))
  return { groups: parsed.groups, faults }
}

/** What is wrong in a rule's annotations `callward_*`. */
function annotationFaults(
  rule: AlertingRule,
  checkExpression: CheckExpression,
  isWatched: (expr: string) => boolean,
) {
  const { extras, faults } = extrasFromAnnotations(rule.annotations)
  const where = `group "${rule.group}", rule "${rule.name}"`
  const found = faults.map(({ path, message }) => ({
    rule,
    key: String(path.at(-1)),
    message: `${where}, ${message}`,
  }))
  if (extras.recovery !== undefined && !isWatched(rule.expr)) {
    const message = `${where}, callward_recovery: ${noValue}`
    found.push({ rule, key: 'callward_recovery', message })
  }
  const traffic = extras.minimumTraffic && checkExpression(extras.minimumTraffic.expr)
  if (traffic !== undefined)
    found.push({
      rule,
      key: 'callward_minimum_traffic',
      message: `${where}, callward_minimum_traffic: ${traffic}`,
    })
  return found
}

/** Where an annotation of a rule stands in its document. */
function placeOf(content: unknown, rule: AlertingRule, key: string): DocumentPath {
  const groups = (content as { groups: { name?: unknown; rules?: unknown[] }[] }).groups
  const group = groups.findIndex((one) => one?.name === rule.group)
  const number = (groups[group]?.rules ?? []).findIndex((one) => {
    const { alert, annotations } = (one ?? {}) as { alert?: unknown; annotations?: object }
    return alert === rule.name && annotations != null && Object.hasOwn(annotations, key)
  })
  return ['groups', group, 'rules', number, 'annotations', key]
}

type YamlRead =
  | { readonly content: unknown; readonly lineOf: (path: DocumentPath) => number }
  | { readonly fault: readonly RuleFileFault[] }

function readYaml(text: string, file: string): YamlRead {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const leavesOut = 'file'
  if (document.errors.length > 0) {
    const check = siblingPattern.test(file) ? '' : `, "promtool check rules ${file}" checks it`
    const fault = document.errors.map((error) => ({
      file,
      line: lines.linePos(error.pos[0]).line,
      message: `not readable as YAML: ${error.message}; mend it and restart${check}`,
      leavesOut: leavesOut as 'file',
    }))
    return { fault }
  }
  try {
    const content: unknown = document.toJS({ maxAliasCount: 100 })
    return { content, lineOf: (path) => lineOf(document, lines, path) }
  } catch (error) {
    const message = `not readable as YAML: ${(error as Error).message}; write it without that many aliases`
    return { fault: [{ file, line: 1, message, leavesOut }] }
  }
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
