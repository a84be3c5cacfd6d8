import type {
  Alert,
  Drift,
  HostState,
  IncidentSeverity,
  IncidentState,
  IncidentSummary,
} from '../api-types.ts'
import type { Posture } from '../host-documents.ts'
import { t } from '../i18n/language.ts'
import { stateName } from '../i18n/workflow-text.ts'
import type { PageSummary } from '../paging-types.ts'
import { HostStateIcon, PostureIcon, SeverityIcon } from './icons.tsx'

/** Severity of an alert: shape, colour and word. */
export function SeverityBadge({ severity }: { severity: Alert['severity'] }) {
  return (
    <span class={`badge tone-${severity}`}>
      <SeverityIcon severity={severity} />
      {t(`severity.${severity}`)}
    </span>
  )
}

export function HostStateBadge({ state }: { state: HostState }) {
  const tone = {
    ok: 'ok',
    attention: 'warning',
    critical: 'critical',
    silent: 'critical',
    unknown: 'silent',
  }[state]
  return (
    <span class={`badge tone-${tone}`}>
      <HostStateIcon state={state} />
      {t(`hostState.${state}`)}
    </span>
  )
}

const severityTones: Readonly<Record<IncidentSeverity, string>> = {
  sev1: 'critical',
  sev2: 'critical',
  sev3: 'warning',
  sev4: 'info',
}

export function IncidentSeverityBadge({ severity }: { severity: IncidentSeverity }) {
  return (
    <span class={`badge boxed tone-${severityTones[severity]}`}>
      {t(`incidentSeverity.${severity}`)}
    </span>
  )
}

export function IncidentStateBadge({ state }: { state: IncidentState }) {
  const tone = { open: 'critical', acknowledged: 'warning', resolved: 'ok' }[state]
  return <span class={`badge boxed outline tone-${tone}`}>{t(`incidentState.${state}`)}</span>
}

/** Where it stands in the workflow; one that nobody took yet is said loudly. */
export function WorkflowStateBadge({
  incident: { state, workflowState },
}: {
  incident: Pick<IncidentSummary, 'state' | 'workflowState'>
}) {
  const tone =
    workflowState === 'closed'
      ? 'ok'
      : workflowState === 'cancelled' || workflowState === 'merged'
        ? 'silent'
        : { open: 'critical', acknowledged: 'warning', resolved: 'info' }[state]
  return <span class={`badge boxed outline tone-${tone}`}>{stateName(workflowState)}</span>
}

const postureTones: Readonly<Record<Posture, string>> = {
  protected: 'ok',
  attention: 'warning',
  unprotected: 'critical',
  unknown: 'silent',
}

/** How far a backup can be relied on: shape, colour and word. */
export function PostureBadge({ posture }: { posture: Posture }) {
  return (
    <span class={`badge tone-${postureTones[posture]}`}>
      <PostureIcon posture={posture} />
      {t(`posture.${posture}`)}
    </span>
  )
}

/** Whether a host is as its baseline says. */
export function DriftBadge({ state }: { state: Drift['state'] }) {
  const tone = { ok: 'ok', drift: 'warning', unknown: 'silent' }[state]
  return <span class={`badge boxed outline tone-${tone}`}>{t(`drift.${state}`)}</span>
}

/** Marks what does not come from a real server. */
export function SimulatedMark() {
  return <span class="badge boxed tone-simulated">{t('simulated.mark')}</span>
}

/** Whether anybody has taken a page; one that nobody takes is said loudly. */
export function PageStateBadge({ page }: { page: Pick<PageSummary, 'state' | 'phase'> }) {
  const name = page.state === 'open' && page.phase === 'shouting' ? 'shouting' : page.state
  const tone = { open: 'critical', shouting: 'critical', acknowledged: 'warning', closed: 'ok' }[
    name
  ]
  return (
    <span class={`badge boxed ${name === 'shouting' ? '' : 'outline '}tone-${tone}`}>
      {t(`pageState.${name}`)}
    </span>
  )
}
