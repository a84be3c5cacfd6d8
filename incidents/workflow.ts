import { rootCauseSource } from './root-causes.ts'

/** Where an incident stands. `draft`: its first facts are being written, in the same transaction as `recorded`. */
export const states = {
  draft: { open: true, title: 'Being recorded', next: 'recorded' },
  recorded: { open: true, title: 'Recorded', next: 'plan_active' },
  plan_active: { open: true, title: 'Plan active', next: 'dispatched' },
  dispatched: { open: true, title: 'Dispatched', next: 'investigating' },
  investigating: { open: true, title: 'Investigating', next: 'restored' },
  restored: { open: true, title: 'Restored', next: 'root_cause' },
  root_cause: { open: true, title: 'Root cause', next: 'review' },
  review: { open: true, title: 'Review', next: 'closed' },
  closed: { open: false, title: 'Closed', next: undefined },
  cancelled: { open: false, title: 'Cancelled', next: undefined },
  merged: { open: false, title: 'Merged', next: undefined },
} as const
export type State = keyof typeof states
export const stateNames = Object.keys(states) as readonly State[]

/** In whose part somebody acts on one incident; a person may have several. `hub` is the program itself. */
export const roles = {
  hub: 'the program itself, on machine evidence',
  commander: 'leads the handling of the incident',
  deputy: 'stands in for the commander',
  scribe: 'writes down',
  technician: 'goes there or connects, finds and fixes',
  expert: 'knows the subject',
  verifier: 'confirms that it works again; never who fixed it',
  customer_liaison: 'speaks with customers',
  internal_liaison: 'speaks with management and departments',
  regulatory_liaison: 'speaks with authorities',
  reviewer: 'reviews the analysis; never its author',
} as const
export type Role = keyof typeof roles
export const roleNames = Object.keys(roles) as readonly Role[]

/** Times the guards use. They are part of the published table and no setting: who replays must get the same. */
export const times = {
  /** How long it is green before a machine says that it works again. */
  greenMillis: 5 * 60_000,
  /** A fault that comes back this soon after the recovery is the same incident. */
  stabilityMillis: 10 * 60_000,
  /** After so long the hub closes what recovered by itself and nobody took up. */
  unattendedMillis: 24 * 3_600_000,
} as const

/** What each guard asks for; without it the step is refused and the refusal names what is missing. */
export const guards = {
  phenomenon: 'what was seen is written down',
  detected_at: 'it is known when it was detected',
  affected_service: 'at least one affected service is named',
  preliminary_cause: 'a preliminary cause is written down, which may be "unknown"',
  plan_pinned: 'a runbook is pinned by its SHA-256, or it is said why no plan applies',
  technician_accepted: 'a technician accepted; being assigned is not enough',
  arrived: 'a technician who accepted is there, or connected from afar',
  recovered_at: 'it is known when it recovered, after the last relapse',
  recovery_proven:
    'a machine saw it green for 5 minutes, or a verifier who did not fix it confirms it',
  machine_evidence: 'a machine saw it green for 5 minutes',
  instants_in_order:
    'occurred <= detected <= recorded, aware <= classified, mitigated <= recovered (asked of people, not of the hub)',
  relapse_seen: 'the relapse is written down',
  inside_stability: 'the relapse came within 10 minutes of the recovery',
  was_investigated: 'somebody investigated before it recovered',
  was_not_investigated: 'it had recovered before anybody investigated',
  temporary_measures: 'temporary measures are listed, or it is said why there are none',
  root_cause_coded: 'the root cause has a code of the published list',
  cause_evidence: 'the root cause links to its evidence',
  permanent_measures: 'permanent measures are listed apart, or it is said why there are none',
  reviewer_not_author: 'the reviewer wrote none of the analysis',
  four_questions: 'promptness, quality of analysis, escalation and communication are answered',
  actions_owned: 'each action has an owner and a due date',
  duties_settled: 'each regulatory duty is met or waived with a reason; a major incident has some',
  customers_told: 'the closing notice went to customers, or it is said why none is needed',
  attested: 'the reviewer attested, and nothing that was attested changed since',
  sent_back_reason: 'a note of the reviewer since the review began says what is missing',
  nobody_acted: 'nobody moved or classified it, wrote a cause or holds a duty in it',
  not_grave: 'it is not major, and nobody called it sev1 or sev2',
  quiet_long_enough: 'it stayed well for 24 hours',
  cancel_reason: 'a coded reason is given',
  merge_target: 'the incident it goes into is named, and is another one',
} as const
export type GuardName = keyof typeof guards

/** One allowed step. */
export interface Transition {
  readonly rule: string
  readonly from: readonly State[]
  readonly to: State
  readonly roles: readonly Role[]
  readonly guards: readonly GuardName[]
  /** Facts the step writes by itself, besides the step. */
  readonly adds: readonly 'closed'[]
  readonly because: string
}

const leading: readonly Role[] = ['commander', 'deputy']
/** Roles of people. */
export const staffRoles: readonly Role[] = roleNames.filter((role) => role !== 'hub')
const beforeRestored: readonly State[] = ['recorded', 'plan_active', 'dispatched', 'investigating']

/** Every allowed step; there are no others. One rule at most leads from a state to another. */
export const transitions: readonly Transition[] = [
  {
    rule: 'record',
    from: ['draft'],
    to: 'recorded',
    roles: roleNames,
    guards: ['phenomenon', 'detected_at', 'affected_service', 'preliminary_cause'],
    adds: [],
    because: 'Regulation (EU) 2022/2554 Art. 17(2): all incidents are recorded',
  },
  {
    rule: 'activate_plan',
    from: ['recorded'],
    to: 'plan_active',
    roles: leading,
    guards: ['plan_pinned'],
    adds: [],
    because: 'Implementing Regulation (EU) 2025/302, field 2.9',
  },
  {
    rule: 'dispatch',
    from: ['plan_active'],
    to: 'dispatched',
    roles: leading,
    guards: ['detected_at', 'technician_accepted'],
    adds: [],
    because: 'an assignment nobody accepted is nobody; the response clock runs from detection',
  },
  {
    rule: 'investigate',
    from: ['dispatched'],
    to: 'investigating',
    roles: [...leading, 'technician', 'expert'],
    guards: ['arrived'],
    adds: [],
    because: 'the response ends when somebody is at it',
  },
  {
    rule: 'restore',
    from: ['investigating'],
    to: 'restored',
    roles: ['hub', ...leading, 'verifier'],
    guards: ['recovered_at', 'recovery_proven', 'instants_in_order'],
    adds: [],
    because: 'two people; Delegated Regulation (EU) 2024/1772 Art. 3(2): prior level of service',
  },
  {
    rule: 'recover_early',
    from: ['recorded', 'plan_active', 'dispatched'],
    to: 'restored',
    roles: ['hub', ...leading],
    guards: ['recovered_at', 'machine_evidence', 'instants_in_order'],
    adds: [],
    because: 'what recovers before anybody is at it needs no invented arrival',
  },
  {
    rule: 'relapse',
    from: ['restored', 'root_cause'],
    to: 'investigating',
    roles: ['hub', ...leading, 'technician'],
    guards: ['relapse_seen', 'inside_stability', 'was_investigated'],
    adds: [],
    because: 'the same fault: downtime goes on',
  },
  {
    rule: 'relapse_unattended',
    from: ['restored', 'root_cause'],
    to: 'recorded',
    roles: ['hub', ...leading],
    guards: ['relapse_seen', 'inside_stability', 'was_not_investigated'],
    adds: [],
    because: 'the same fault, and nobody has been at it',
  },
  {
    rule: 'find_cause',
    from: ['restored'],
    to: 'root_cause',
    roles: [...leading, 'technician', 'expert'],
    guards: ['temporary_measures'],
    adds: [],
    because: 'fields 3.33 and 3.34',
  },
  {
    rule: 'submit',
    from: ['root_cause'],
    to: 'review',
    roles: [...leading, 'technician', 'expert', 'scribe'],
    guards: ['root_cause_coded', 'cause_evidence', 'permanent_measures'],
    adds: [],
    because: 'fields 4.1 to 4.9',
  },
  {
    rule: 'send_back',
    from: ['review'],
    to: 'root_cause',
    roles: ['reviewer'],
    guards: ['sent_back_reason'],
    adds: [],
    because: 'a review may find the analysis wanting',
  },
  {
    rule: 'close',
    from: ['review'],
    to: 'closed',
    roles: ['reviewer'],
    guards: [
      'reviewer_not_author',
      'four_questions',
      'actions_owned',
      'duties_settled',
      'customers_told',
      'attested',
      'instants_in_order',
    ],
    adds: ['closed'],
    because: 'Regulation (EU) 2022/2554 Art. 13(2): four questions; two people',
  },
  {
    rule: 'close_unattended',
    from: ['restored'],
    to: 'closed',
    roles: ['hub'],
    guards: ['nobody_acted', 'not_grave', 'quiet_long_enough'],
    adds: ['closed'],
    because: 'an alert that fired and recovered while nobody acted ends by itself, and is counted',
  },
  {
    rule: 'cancel',
    from: beforeRestored,
    to: 'cancelled',
    roles: leading,
    guards: ['cancel_reason'],
    adds: [],
    because: 'clocks and notices stay on file',
  },
  {
    rule: 'merge',
    from: [...beforeRestored, 'restored', 'root_cause', 'review'],
    to: 'merged',
    roles: ['hub', ...leading],
    guards: ['merge_target'],
    adds: [],
    because: 'timelines interleave, nothing moves',
  },
]

/** Why an incident may be cancelled. */
export const cancelReasons = {
  false_alarm: 'there was no fault',
  planned_work: 'announced work was the cause',
  test: 'it was a test or a drill',
  recorded_twice: 'the same incident is on file under another number',
  recorded_by_mistake: 'it should not have been recorded',
  other: 'another reason, which the text says',
} as const

/** Why no plan applies. */
export const noPlanReasons = {
  none_exists: 'there is no runbook for this yet',
  does_not_apply: 'the runbook does not fit this case',
} as const

/** The whole published table: print it, or put it into an evidence bundle. Its JSON is the same for the same version. */
export const workflow = {
  version: 1,
  states,
  roles,
  staff: staffRoles,
  times,
  guards,
  transitions,
  cancelReasons,
  noPlanReasons,
  rootCauseSource,
} as const

/** The rule that leads from one state to another, if there is one. */
export function ruleFor(from: State, to: State): Transition | undefined {
  return transitions.find((one) => one.to === to && one.from.includes(from))
}

/** What was shown of an incident before there was a workflow, and lists still show. */
export type SimpleState = 'open' | 'acknowledged' | 'resolved'

/** Which simple state a state is; the four at the top are open until somebody acknowledges. */
export const simpleStates: Readonly<Record<State, 'open' | 'resolved'>> = {
  draft: 'open',
  recorded: 'open',
  plan_active: 'open',
  dispatched: 'open',
  investigating: 'open',
  restored: 'resolved',
  root_cause: 'resolved',
  review: 'resolved',
  closed: 'resolved',
  cancelled: 'resolved',
  merged: 'resolved',
}
