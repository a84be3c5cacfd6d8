import { createHash } from 'node:crypto'
import { parse } from 'yaml'

/** One step a person ticks off. */
export interface RunbookStep {
  readonly id: string
  readonly text: string
}

/** What to do when an alert fires, as the file says it now. */
export interface Runbook {
  /** File name without `.md`; what `/runbooks/NAME` takes. */
  readonly name: string
  readonly title: string
  /** The alert it belongs to. */
  readonly alert: string
  readonly severity: string
  /** Who may need to act. */
  readonly roles: readonly string[]
  /** Time a practised person needs, in minutes. */
  readonly estimatedMinutes: number
  readonly steps: readonly RunbookStep[]
  /** SHA-256 of the whole file text, hex: names this very version. */
  readonly hash: string
  /** The whole file, front matter included. */
  readonly text: string
  /** The Markdown after the front matter. */
  readonly body: string
}

/** A runbook file that cannot be used; the message says what to write. */
export class RunbookError extends Error {}

/** Names of runbooks: no dots, no slashes, so no way out of the folder. */
export const runbookName = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/

/** Reads one runbook file's text. Throws RunbookError. */
export function readRunbook(name: string, text: string): Runbook {
  const { front, body } = split(text)
  const at = (key: string, example: string) =>
    new RunbookError(`${key}: is missing or wrong; example: "${example}"`)
  const { title, alert, severity, roles, estimated_minutes: minutes, steps } = front
  if (typeof title !== 'string' || title === '') throw at('title', 'title: A disk is almost full')
  if (alert !== name) throw at('alert', `alert: ${name}`)
  if (severity !== 'critical' && severity !== 'warning' && severity !== 'info')
    throw at('severity', 'severity: critical')
  if (!Array.isArray(roles) || roles.length === 0 || roles.some((role) => typeof role !== 'string'))
    throw at('roles', 'roles: [on-call engineer]')
  if (typeof minutes !== 'number' || !(minutes > 0))
    throw at('estimated_minutes', 'estimated_minutes: 15')
  if (!isSteps(steps))
    throw at('steps', 'steps: [{id: see-room, text: See which folder grew}], every id once')
  return {
    name,
    title,
    alert,
    severity,
    roles: roles as string[],
    estimatedMinutes: minutes,
    steps: steps.map(({ id, text: line }) => ({ id, text: line })),
    hash: createHash('sha256').update(text).digest('hex'),
    text,
    body,
  }
}

function split(text: string): { front: Record<string, unknown>; body: string } {
  const match = /^---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/.exec(text)
  if (match === null)
    throw new RunbookError('front matter is missing; begin the file with "---", keys, "---"')
  let front: unknown
  try {
    front = parse(match[1]!)
  } catch (error) {
    throw new RunbookError(`front matter is not readable as YAML: ${(error as Error).message}`)
  }
  if (typeof front !== 'object' || front === null || Array.isArray(front))
    throw new RunbookError(
      'front matter must be keys and values; example: "title: A disk is almost full"',
    )
  // Checked above; its values are looked at one by one.
  return { front: front as Record<string, unknown>, body: match[2]!.trim() }
}

function isSteps(value: unknown): value is RunbookStep[] {
  if (!Array.isArray(value) || value.length === 0) return false
  const ids = new Set<unknown>()
  return value.every((step: unknown) => {
    if (typeof step !== 'object' || step === null) return false
    const { id, text } = step as Partial<RunbookStep>
    if (
      typeof id !== 'string' ||
      !/^[a-z][a-z0-9-]*$/.test(id) ||
      typeof text !== 'string' ||
      text === '' ||
      ids.has(id)
    )
      return false
    ids.add(id)
    return true
  })
}
