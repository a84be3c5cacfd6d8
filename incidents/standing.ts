import { hubActor, type Millis } from './facts.ts'
import { guardCode } from './guards.ts'
import { current, type Picture, recovery, relapseRules, simpleState } from './picture.ts'
import { type SimpleState, type State, states } from './workflow.ts'

/** What lists show of an incident. All of it follows from its facts, so that a copy beside them can be checked. */
export interface Standing {
  readonly state: SimpleState
  readonly workflowState: State
  readonly severity: string
  readonly major: boolean
  readonly acknowledgedAt: Millis | undefined
  readonly acknowledgedBy: string | undefined
  /** When it worked again, or ended otherwise. */
  readonly resolvedAt: Millis | undefined
  readonly closedAt: Millis | undefined
  /** Somebody acted in it, or it is grave: the program never closes it alone. */
  readonly attended: boolean
}

export function standingOf(picture: Picture): Standing {
  const state = simpleState(picture)
  const relapsed =
    picture.steps.findLast(({ rule }) => (relapseRules as readonly string[]).includes(rule))
      ?.position ?? 0
  const taken = picture.facts.slice(relapsed).find(({ kind }) => kind === 'acknowledged')
  return {
    state,
    workflowState: picture.state,
    severity: current(picture, 'severity')?.value.severity ?? 'sev2',
    major: current(picture, 'major')?.value.major === true,
    acknowledgedAt: taken?.occurredAt,
    acknowledgedBy: taken?.recordedBy,
    resolvedAt: state === 'resolved' ? endOf(picture) : undefined,
    closedAt: states[picture.state].open ? undefined : picture.steps.at(-1)?.at,
    attended: isAttended(picture),
  }
}

function endOf(picture: Picture): Millis | undefined {
  const last = picture.steps.at(-1)
  if (picture.state === 'cancelled' || picture.state === 'merged') return last?.at
  return recovery(picture)?.occurredAt ?? picture.steps.findLast(({ to }) => to === 'restored')?.at
}

function isAttended(picture: Picture): boolean {
  const move = { to: 'closed', by: hubActor, role: 'hub', at: 0 } as const
  return (
    [...guardCode.nobody_acted(picture, move), ...guardCode.not_grave(picture, move)].length > 0
  )
}
