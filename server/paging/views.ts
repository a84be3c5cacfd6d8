import type { Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import type { Target } from '../oncall/plugin.ts'
import type {
  PageAskRow,
  PageAttemptRow,
  PageRow,
  PageStepRow,
  PageTellingRow,
} from '../records/schema.ts'
import { climbOf } from './climb.ts'
import { pageOf } from './paging-store.ts'
import type { PageDetail, PageView } from './schema.ts'

type Detail = Static<typeof PageDetail>['page']

const time = (at: Millis | null) => (at === null ? null : rfc3339(Number(at)))

export function pageView(row: PageRow): Static<typeof PageView> {
  const { policy, escalation } = pageOf(row)
  return {
    id: row.id,
    number: Number(row.number),
    title: row.title,
    severity: row.severity,
    state: row.state === 'open' || row.state === 'acknowledged' ? row.state : 'closed',
    policy: policy.name,
    phase: escalation.phase,
    nextStepAt: time(row.escalation_due_at),
    openedAt: rfc3339(Number(row.opened_at)),
    acknowledgedAt: time(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by,
    closedAt: time(row.closed_at),
  }
}

/** A page with everything that happened to it and whom it reached. */
export function pageDetail(
  row: PageRow,
  history: {
    readonly steps: readonly PageStepRow[]
    readonly tellings: readonly PageTellingRow[]
    readonly attempts: readonly PageAttemptRow[]
    readonly alertIds: readonly string[]
    readonly asks: readonly PageAskRow[]
  },
  nameOf: (target: Target) => string = ({ id }) => id,
): Detail {
  const attemptsOf = attemptsByTelling(history.attempts)
  const view = pageView(row)
  const steps = history.steps.map(({ sequence, at, kind, content }) => ({
    sequence: Number(sequence),
    at: rfc3339(Number(at)),
    kind,
    content: JSON.parse(content) as Record<string, unknown>,
  }))
  const climb = climbOf({ ...view, ...pageOf(row), steps }, nameOf)
  return {
    ...view,
    alerts: [...history.alertIds],
    asks: history.asks.map(({ title, incident_id, asked_at, ended_at }) => ({
      ...{ title, incident: incident_id },
      ...{ askedAt: rfc3339(Number(asked_at)), endedAt: time(ended_at) },
    })),
    steps,
    climb: climb.map((rung) => ({ ...rung, targets: [...rung.targets] })),
    tellings: history.tellings.map((one) => tellingView(one, attemptsOf.get(one.id) ?? [])),
  }
}

/** One recipient with every attempt. */
export function tellingView(
  telling: PageTellingRow,
  attempts: readonly PageAttemptRow[],
): Detail['tellings'][number] {
  return {
    kind: kindOf(telling.kind),
    recipient: {
      kind: telling.recipient_kind,
      id: telling.recipient_id,
      name: telling.name,
    },
    place: telling.place,
    state: telling.state === 'waiting' || telling.state === 'told' ? telling.state : 'over',
    reason: telling.reason,
    openedAt: rfc3339(Number(telling.opened_at)),
    endedAt: time(telling.ended_at),
    attempts: attempts.map((attempt) => ({
      channel: attempt.channel,
      contactPoint: attempt.contact_point_id,
      outcome: attempt.outcome,
      reason: attempt.reason,
      at: rfc3339(Number(attempt.at)),
      receivedAt: time(attempt.received_at),
      displayedAt: time(attempt.displayed_at),
    })),
  }
}

export function attemptsByTelling(
  attempts: readonly PageAttemptRow[],
): ReadonlyMap<string, readonly PageAttemptRow[]> {
  const found = new Map<string, PageAttemptRow[]>()
  for (const attempt of attempts) {
    const known = found.get(attempt.telling_id)
    if (known === undefined) found.set(attempt.telling_id, [attempt])
    else known.push(attempt)
  }
  return found
}

function kindOf(kind: string): Detail['tellings'][number]['kind'] {
  if (kind === 'notice') return 'notice'
  return kind === 'resolved' || kind === 'notice-over' ? 'resolved' : 'page'
}
