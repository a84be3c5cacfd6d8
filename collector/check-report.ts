import type { Grant } from './grants.ts'
import type { UnprovenParser } from './unproven.ts'
import type { Section, SectionState } from './wire/frames.ts'

/** One section as the check found it. */
export interface CheckedSection extends Section {
  /** Figures of this reading; undefined for a part of a survey, whose figures are counted as a whole. */
  readonly figures?: number
  /** Names of facts documents. */
  readonly documents?: readonly string[]
  /** What could be had, where the state is `absent`. */
  readonly hint?: string
  /** Only where the state is `denied`. */
  readonly grant?: Grant
}

/** Something about the whole host that bends what the sections say. */
export interface Notice {
  readonly text: string
  readonly commands: readonly string[]
}

/** All that a check found out. */
export interface Check {
  readonly host: string
  readonly os: string
  readonly version: string
  readonly user: { readonly id: number; readonly name: string }
  readonly sections: readonly CheckedSection[]
  /** Sections that the configuration switches off. */
  readonly switchedOff: readonly string[]
  readonly notices: readonly Notice[]
  readonly unproven: readonly UnprovenParser[]
  /** The posture of each backup as a table; empty where none is configured. */
  readonly backups: string
}

export interface Verdict {
  readonly line: string
  /** 0 nothing is in error; 1 a section is, or what every host has is not seen. */
  readonly exitCode: 0 | 1
}

/** How the text is laid out. */
export interface Layout {
  /** Columns of the terminal; undefined where lines are not to be folded, such as in a pipe. */
  readonly columns: number | undefined
  readonly colour: boolean
}

const titles: Readonly<Record<SectionState, string>> = {
  ok: 'Seen',
  absent: 'Absent here: not on this host, not offered by its kernel, or not set up',
  denied: 'Denied: it is there, but not for this user',
  error: 'Error: it could not be read',
}

const unprovenTitle = 'Unproven: written from documents alone; check by hand what they say'

const colours: Readonly<Record<SectionState, string>> = {
  ok: '32',
  absent: '36',
  denied: '33',
  error: '31',
}

/** Sections that every Linux host offers: where they are absent, something stands before /proc. */
const everywhere: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'load',
  'vmstat',
  'time',
  'uname',
])

const groupOrder: readonly SectionState[] = ['ok', 'absent', 'denied', 'error']

/** One line and the exit code. What is denied is told, but it is no fault of the collector’s: code 0. */
export function verdictOf({ sections }: Check): Verdict {
  const of = (state: SectionState) => sections.filter((one) => one.state === state).length
  const [ok, denied, error] = [of('ok'), of('denied'), of('error')]
  if (ok === 0) {
    const line =
      'Verdict: the collector sees nothing on this host. Check procRoot and sysRoot, then its user.'
    return { line, exitCode: 1 }
  }
  const hidden = sections.filter(({ name, state }) => state === 'absent' && everywhere.has(name))
  if (hidden.length > 0) {
    const names = hidden.map(({ name }) => name).join(', ')
    const line = `Verdict: not all well: every Linux host has ${names}, so something hides them: procRoot, a container, or ProcSubset=pid in the service.`
    return { line, exitCode: 1 }
  }
  const parts = [`${of('absent')} absent here`, `${denied} denied`, `${error} in error`]
  const counts = `${ok} of ${sections.length} sections seen, ${parts.join(', ')}`
  if (error > 0) return { line: `Verdict: not all well: ${counts}. See "Error".`, exitCode: 1 }
  const advice = denied > 0 ? ' "Denied" says how to grant the rest.' : ''
  return { line: `Verdict: good: ${counts}.${advice}`, exitCode: 0 }
}

/** For programs. Keys stay; further ones may come. */
export function checkJson(check: Check): string {
  const { line, exitCode } = verdictOf(check)
  return `${JSON.stringify({ ...check, verdict: line, exitCode }, undefined, 2)}\n`
}

/** For people: groups by state, the verdict last. Commands are never folded, so that they can be pasted. */
export function checkText(check: Check, layout: Layout): string {
  const { host, os, version, user } = check
  const nameWidth = Math.max(0, ...check.sections.map(({ name }) => name.length))
  const who = user.name === '' ? `user id ${user.id}` : `user ${user.name} (id ${user.id})`
  const blocks = [
    folded(`callward-collector ${version} on ${host} (${os}), as ${who}`, 0, 2, layout),
    ...check.notices.map((notice) => noticeLines(notice, layout)),
    ...groupOrder.map((state) => groupLines(check, state, nameWidth, layout)),
    offLines(check.switchedOff, layout),
    check.backups === '' ? [] : check.backups.split('\n').map(unsteered),
    unprovenLines(check.unproven, layout),
    folded(verdictOf(check).line, 0, 2, layout),
  ]
  const lines = blocks.filter((block) => block.length > 0).map((block) => block.join('\n'))
  return `${lines.join('\n\n')}\n`
}

function noticeLines({ text, commands }: Notice, layout: Layout): string[] {
  return [...folded(`Note: ${text}`, 0, 2, layout), ...commandLines(commands, 4)]
}

function groupLines(
  { sections }: Check,
  state: SectionState,
  nameWidth: number,
  layout: Layout,
): string[] {
  const own = sections.filter((section) => section.state === state)
  if (own.length === 0) return []
  const title = folded(`${titles[state]} (${own.length})`, 0, 2, layout).map((line) =>
    painted(line, colours[state], layout),
  )
  return [...title, ...own.flatMap((section) => sectionLines(section, nameWidth, layout))]
}

function sectionLines(section: CheckedSection, nameWidth: number, layout: Layout): string[] {
  const { name, detail, hint, grant } = section
  const indent = nameWidth + 4
  const said = [seenText(section), printable(detail)].filter((text) => text !== '').join('; ')
  const line = `  ${printable(name).padEnd(nameWidth)}  ${said}`.trimEnd()
  return [
    ...folded(line, 0, indent, layout),
    ...(hint === undefined ? [] : folded(`to have it: ${hint}`, indent, indent, layout)),
    ...(grant === undefined
      ? []
      : folded(`to grant it: ${printable(grant.note)}`, indent, indent, layout)),
    ...commandLines(grant?.commands ?? [], indent + 2),
  ]
}

function seenText({ state, figures, documents }: CheckedSection): string {
  const parts: string[] = []
  if (figures !== undefined && figures > 0) parts.push(counted(figures, 'figure'))
  if (documents !== undefined && documents.length > 0)
    parts.push(`${counted(documents.length, 'document')} (${documents.join(', ')})`)
  // Seen, and there was nothing to count: an empty line would look like a fault of the check's.
  return parts.length === 0 && state === 'ok' && figures === 0 ? 'no figures' : parts.join(', ')
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function commandLines(commands: readonly string[], indent: number): string[] {
  return commands.map((command) => `${' '.repeat(indent)}${printable(command)}`)
}

function offLines(names: readonly string[], layout: Layout): string[] {
  if (names.length === 0) return []
  return folded(`Switched off by the configuration: ${names.join(', ')}`, 0, 2, layout)
}

function unprovenLines(parsers: readonly UnprovenParser[], layout: Layout): string[] {
  if (parsers.length === 0) return []
  const rows = parsers.flatMap(({ name, why }) => folded(`  ${name}: ${why}`, 0, 4, layout))
  return [...folded(`${unprovenTitle} (${parsers.length})`, 0, 2, layout), ...rows]
}

function painted(text: string, colour: string, { colour: wanted }: Layout): string {
  return wanted ? `\x1b[1;${colour}m${text}\x1b[0m` : text
}

/** Takes out what could steer a terminal: names of files and devices come from the host. */
function printable(text: string): string {
  return unsteered(text).trim()
}

function unsteered(line: string): string {
  return line.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
}

/** Folds at blanks; a word longer than the line stays whole. The first line is indented by `first`, the others by `rest`. */
function folded(text: string, first: number, rest: number, { columns }: Layout): string[] {
  const start = `${' '.repeat(first)}${text}`
  if (columns === undefined || start.length <= columns) return [start]
  const margin = Math.min(rest, Math.max(0, columns - 20))
  const lines: string[] = []
  let line = start
  while (line.length > columns) {
    const lowest = line.length - line.trimStart().length
    const before = line.lastIndexOf(' ', columns)
    const at = before > lowest ? before : line.indexOf(' ', Math.max(columns, lowest))
    if (at < 0) break
    lines.push(line.slice(0, at).trimEnd())
    line = `${' '.repeat(margin)}${line.slice(at + 1).trimStart()}`
  }
  return [...lines, line]
}
