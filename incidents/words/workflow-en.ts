import { additionalCodes, rootCauseCodes, rootCauses } from '../root-causes.ts'
import type { WorkflowWords } from '../words.ts'
import { cancelReasons, guards, noPlanReasons } from '../workflow.ts'

const titles = Object.entries(rootCauses).map(([group, { title }]) => [group, title] as const)
const reasons = Object.entries({ ...cancelReasons, ...noPlanReasons })

/** English is the language of the published table itself. */
export const workflowEn: WorkflowWords = {
  roles: {
    hub: 'hub',
    commander: 'commander',
    deputy: 'deputy',
    scribe: 'scribe',
    technician: 'technician',
    expert: 'expert',
    verifier: 'verifier',
    customer_liaison: 'customer liaison',
    internal_liaison: 'internal liaison',
    regulatory_liaison: 'regulatory liaison',
    reviewer: 'reviewer',
  },
  guards,
  causes: Object.fromEntries([...titles, ...rootCauseCodes, ...additionalCodes]),
  codes: {
    ...Object.fromEntries(reasons.map(([reason, means]) => [`reason.${reason}`, means])),
    'confidence.unknown': 'unknown',
    'confidence.low': 'low',
    'confidence.medium': 'medium',
    'confidence.high': 'high',
    'mode.on_site': 'on site',
    'mode.remote': 'from afar',
    'outcome.done': 'done',
    'outcome.skipped': 'skipped',
    'outcome.failed': 'failed',
  },
}
