import type { GuardName, Role } from '../../../../../../incidents/workflow.ts'

/** Words of the published workflow that its documents do not need. */
export interface WorkflowWords {
  readonly roles: Readonly<Record<Role, string>>
  /** What each guard asks for. */
  readonly guards: Readonly<Record<GuardName, string>>
  /** Root causes by code, of all three levels. */
  readonly causes: Readonly<Record<string, string>>
  /** Other codes, as `reason.false_alarm`. */
  readonly codes: Readonly<Record<string, string>>
}
