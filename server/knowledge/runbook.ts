import { createHash } from 'node:crypto'
import { parse } from 'yaml'
import {
  type Contact,
  contactsOf,
  customerTextOf,
  type RunbookStep,
  stepsOf,
} from './front-matter.ts'

export type { Contact, RunbookStep } from './front-matter.ts'

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
  /** How to see that the fault is gone; written like steps. */
  readonly checks: readonly RunbookStep[]
  /** Who helps, and how they are reached. */
  readonly contacts: readonly Contact[]
  /** What customers may be told, by language (`en`, `zh`, `vi`, `ru`). */
  readonly customerText: Readonly<Record<string, string>>
  /** SHA-256 of the file's bytes, hex: names this very version. */
  readonly hash: string
  /** The whole file, front matter included. */
  readonly text: string
  /** The Markdown after the front matter. */
  readonly body: string
}

/** A runbook file that cannot be used; the message says what to write. */
export class RunbookError extends Error {}

/** Longest file of a runbook. */
export const runbookBytesMax = 256 * 1024

/** Names of runbooks: no dots, no slashes, so no way out of the folder. */
export const runbookName = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/

const known = [
  'title',
  'alert',
  'severity',
  'roles',
  'estimated_minutes',
  'steps',
  'checks',
  'contacts',
  'customer_text',
]

/** Reads the bytes of one runbook file. Throws RunbookError. */
export function readRunbookFile(name: string, bytes: Buffer): Runbook {
  if (bytes.length > runbookBytesMax)
    throw new RunbookError(
      `the file is over ${runbookBytesMax} bytes; move what is not needed at night to docs`,
    )
  try {
    // What decodes encodes to the same bytes again: the hash of the text is that of the file.
    return readRunbook(
      name,
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    )
  } catch (error) {
    if (error instanceof TypeError)
      throw new RunbookError('the file is not UTF-8; save it as UTF-8')
    throw error
  }
}

/** Reads one runbook file's text. Throws RunbookError. */
export function readRunbook(name: string, text: string): Runbook {
  const { front, body } = split(text)
  const at = (key: string, example: string) =>
    new RunbookError(`${key}: is missing or wrong; example: "${example}"`)
  const { title, alert, severity, roles, estimated_minutes: minutes } = front
  const strange = Object.keys(front).find((key) => !known.includes(key))
  if (strange !== undefined)
    throw new RunbookError(`${strange}: is not known; the keys are ${known.join(', ')}`)
  if (typeof title !== 'string' || title === '') throw at('title', 'title: A disk is almost full')
  if (alert !== name) throw at('alert', `alert: ${name}`)
  if (severity !== 'critical' && severity !== 'warning' && severity !== 'info')
    throw at('severity', 'severity: critical')
  if (!Array.isArray(roles) || roles.length === 0 || roles.some((role) => typeof role !== 'string'))
    throw at('roles', 'roles: [on-call engineer]')
  if (typeof minutes !== 'number' || !(minutes > 0))
    throw at('estimated_minutes', 'estimated_minutes: 15')
  const steps = stepsOf(front['steps'])
  if (steps === undefined || steps.length === 0)
    throw at('steps', 'steps: [{id: see-room, text: See which folder grew}], every id once')
  const checks = stepsOf(front['checks'] ?? [])
  if (checks === undefined || checks.some(({ id }) => steps.some((step) => step.id === id)))
    throw at('checks', 'checks: [{id: room, text: A fifth is free}], no id of a step')
  const contacts = contactsOf(front['contacts'] ?? [])
  if (contacts === undefined)
    throw at('contacts', 'contacts: [{who: Carrier desk, how: "+84 24 555 0100, contract 17"}]')
  const customerText = customerTextOf(front['customer_text'] ?? {})
  if (customerText === undefined)
    throw at('customer_text', 'customer_text: {en: Calls may fail. We work on it.}')
  return {
    name,
    title,
    alert,
    severity,
    roles: roles as string[],
    estimatedMinutes: minutes,
    steps,
    checks,
    contacts,
    customerText,
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
