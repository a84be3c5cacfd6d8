import { type FactKind, isFactKind, type NewFact, specOf } from '../../incidents/facts.ts'
import { writtenBySteps } from '../../incidents/judge.ts'
import { holders, type Picture } from '../../incidents/picture.ts'
import { type Refusal, refusal } from '../../incidents/refusals.ts'
import type { Role } from '../../incidents/workflow.ts'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'

/** A fact as somebody sends it; everything else of its stamp is the hub's to say. */
export interface SentFact {
  readonly kind: string
  readonly value: unknown
  readonly certainty?: 'actual' | 'estimate'
  /** RFC 3339; now, when it is left out. */
  readonly occurredAt?: string
  readonly supersedes?: string
}

/** Clocks of people's machines differ; later than this is no time of anything that happened. */
const futureMillis = 5 * 60_000
/** Older than this is a slip of the pen. */
const earliest = Date.UTC(2000, 0, 1)

/** Kinds that only the hub writes, each with the way to them. */
const ways: Readonly<Partial<Record<FactKind, string>>> = {
  opened: 'it is written when an incident is recorded',
  alert_fired: 'alerts write it',
  alert_resolved: 'alerts write it',
  evidence: 'the hub freezes it at detection',
  attachment: 'send the file to /api/v1/incidents/:id/attachments',
  notice: 'send it with /api/v1/incidents/:id/notices',
  restored: 'it is of the time before the workflow: take the step to restored',
  resolved: 'it is of the time before the workflow: take the step to restored',
}

/** Parts that need a second person, who signs in as such. */
const secondPerson: ReadonlySet<Role> = new Set(['verifier', 'reviewer'])

/** A sent fact with its stamp. Throws unprocessable with what to write instead. */
export function stamped(sent: SentFact, by: Principal, now: Millis): NewFact {
  const { kind } = sent
  if (!isFactKind(kind))
    throw refused(`kind: "${kind.slice(0, 40)}" is not known; GET /api/v1/workflow lists what is.`)
  const way = writtenBySteps.has(kind) ? 'ask for the step' : ways[kind]
  if (way !== undefined) throw refused(`${kind} is not written by people: ${way}.`)
  const occurredAt = sent.occurredAt === undefined ? now : Date.parse(sent.occurredAt)
  if (!(occurredAt >= earliest && occurredAt <= now + futureMillis))
    throw refused(
      `${kind}.occurredAt: write an instant with its zone, between 2000 and now; example: 2026-03-06T09:00:00+01:00.`,
    )
  return {
    ...{ kind, value: withInstants(kind, sent.value), certainty: sent.certainty ?? 'actual' },
    ...{ occurredAt, recordedBy: by.name, supersedes: sent.supersedes ?? null },
    // The value is judged by the workflow.
  } as NewFact
}

/** Instants inside a value may be sent as people write them. */
function withInstants(kind: FactKind, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const { fields } = specOf(kind)
  return Object.fromEntries(
    Object.entries(value).map(([name, content]) => {
      const isInstant = fields[name]?.wants.startsWith('an instant') === true
      const at = isInstant && typeof content === 'string' ? Date.parse(content) : Number.NaN
      return [name, Number.isNaN(at) ? content : at]
    }),
  )
}

/** Why somebody may not act in a part; nothing when they may. `picture` has the facts that come with the step. */
export function partFaults(picture: Picture, by: Principal, role: Role): Refusal[] {
  if (role === 'hub') return [refusal('hub_part')]
  if (secondPerson.has(role) && by.name === 'bootstrap')
    return [refusal('bootstrap_is_nobody', { role })]
  if (holders(picture, role).has(by.name)) return []
  return [refusal('part_not_held', { person: by.name, role })]
}

function refused(message: string): CallwardError {
  return new CallwardError('unprocessable', message, { missing: [{ text: message }] })
}
