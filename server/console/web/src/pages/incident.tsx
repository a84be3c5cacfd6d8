import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { IncidentDetail } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { stateName } from '../i18n/workflow-text.ts'
import { getKept } from '../kept.ts'
import { Problem } from '../parts/action-button.tsx'
import { AlertCard } from '../parts/alert-card.tsx'
import { IncidentSeverityBadge, SimulatedMark, WorkflowStateBadge } from '../parts/badges.tsx'
import { OutboxList } from '../parts/outbox-list.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { PeopleKnown } from '../parts/people-known.tsx'
import { FullTime, Lasting } from '../parts/times.tsx'
import { boardAround, postMortemPath } from '../routes.ts'
import { canAct, changes, hosts, live, takeIncident } from '../state.ts'
import type { WorkflowView } from '../workflow-types.ts'
import { IncidentActions } from './incident-actions.tsx'
import { KnownFacts } from './incident-facts.tsx'
import { incidentParts } from './incident-parts.tsx'
import { PinnedRunbook } from './incident-runbook.tsx'
import { Stepper, Steps } from './incident-steps.tsx'
import { Timeline } from './incident-timeline.tsx'
import { IncidentWrite } from './incident-write.tsx'

/** One incident: what is known, what was done, what to do. */
export function Incident({ id }: { id: string }) {
  const incident = useSignal<IncidentDetail | null>(null)
  const error = useSignal<unknown>(null)
  const workflow = useSignal<WorkflowView | null>(null)
  useIncident(id, incident, workflow, error)
  if (incident.value === null) {
    return error.value === null ? (
      <p class="empty">{t('loading')}</p>
    ) : (
      <Problem error={error.value} />
    )
  }
  // What was pushed is newer than what was read.
  const shown = { ...incident.value, ...live.value.incidents.get(id) }
  const parts = {
    incident: shown,
    took: (next: IncidentDetail) => {
      incident.value = next
      takeIncident(next) // which also reads the workflow again
    },
  }
  return (
    <>
      <IncidentHead incident={shown} />
      <PeopleKnown facts={shown.facts} />
      {error.value !== null && <Problem error={error.value} />}
      <div class="incident">
        <div class="incident-main">
          {workflow.value !== null && <Steps {...parts} workflow={workflow.value} />}
          <KnownFacts facts={shown.facts} />
          <Timeline {...parts} />
        </div>
        <div class="incident-side">
          <OutboxList incident={shown.id} />
          <section aria-labelledby="actions-heading" class="card quick">
            <h2 id="actions-heading">{t('incident.actions')}</h2>
            {canAct.value ? (
              <IncidentActions {...parts} />
            ) : (
              <p class="muted">{t('incident.readOnly')}</p>
            )}
          </section>
          {workflow.value !== null && canAct.value && (
            <IncidentWrite {...parts} workflow={workflow.value} />
          )}
          {workflow.value !== null &&
            incidentParts.map(([name, Part]) => (
              // Of another incident it begins anew: no draft goes to the wrong one.
              <Part
                key={`${shown.id} ${name}`}
                {...parts}
                workflow={workflow.value as WorkflowView}
              />
            ))}
          <PinnedRunbook {...parts} />
          <JoinedAlerts incident={shown} />
        </div>
      </div>
    </>
  )
}

/** Reads the incident, keeps it for where there is no network, and reads it again whenever an incident or an alert changed. */
function useIncident(
  id: string,
  incident: Signal<IncidentDetail | null>,
  workflow: Signal<WorkflowView | null>,
  error: Signal<unknown>,
): void {
  const version = changes.incidents.value + changes.alerts.value
  // The version is the reason to read again.
  useEffect(() => {
    let current = true
    const path = `/api/v1/incidents/${encodeURIComponent(id)}`
    Promise.all([
      getKept<{ incident: IncidentDetail }>(path),
      getKept<{ workflow: WorkflowView }>(`${path}/workflow`),
    ])
      .then(([answer, stands]) => {
        if (!current) return
        incident.value = answer.incident
        workflow.value = stands.workflow
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [id, version])
}

function IncidentHead({ incident }: { incident: IncidentDetail }) {
  return (
    <header class="card incident-head">
      <p class="where">
        <span class="number">{t('incident.title', { number: String(incident.number) })}</span>
        <IncidentSeverityBadge severity={incident.severity} />
        <WorkflowStateBadge incident={incident} />
        {incident.major && <span class="badge boxed tone-critical">{t('incident.major')}</span>}
        {incident.simulated && <SimulatedMark />}
        {incident.server && <span>{incident.server}</span>}
        <a href={boardAround(incident, hosts.value?.map(({ server }) => server) ?? [])}>
          {t('boards.atThatTime')}
        </a>
        {incident.firing > 0 && (
          <span class="firing">{t('incident.firingCount', { count: incident.firing })}</span>
        )}
      </p>
      <PageTitle>{incident.title}</PageTitle>
      <dl class="moments">
        <div>
          <dt>{t('incident.openedAt')}</dt>
          <dd>
            <FullTime at={incident.openedAt} />
          </dd>
        </div>
        <Moment
          name={t('incident.acknowledgedAt')}
          at={incident.acknowledgedAt}
          by={incident.acknowledgedBy}
          over={incident.resolvedAt !== null}
        />
        <Moment
          name={t('incident.resolvedAt')}
          at={incident.resolvedAt}
          over={incident.closedAt !== null}
        />
        <Moment name={stateName('closed')} at={incident.closedAt} over={false} />
        <div>
          <dt>{t(incident.resolvedAt ? 'incident.duration' : 'incident.openFor')}</dt>
          <dd>
            <Lasting from={incident.openedAt} to={incident.resolvedAt} />
          </dd>
        </div>
      </dl>
      <Stepper incident={incident} />
      <p class="incident-links">
        <a href={postMortemPath(incident.id)}>{t('postMortem.title')}</a>
      </p>
    </header>
  )
}

interface MomentProps {
  readonly name: string
  readonly at: string | null
  readonly by?: string | null
  /** What has not happened by now never will. */
  readonly over: boolean
}

function Moment({ name, at, by, over }: MomentProps) {
  const missing = t(over ? 'incident.never' : 'incident.notYet')
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {at ? <FullTime at={at} /> : <span class="muted">{missing}</span>}
        {at && by && <span class="muted"> {t('incident.by', { name: by })}</span>}
      </dd>
    </div>
  )
}

function JoinedAlerts({ incident }: { incident: IncidentDetail }) {
  return (
    <section aria-labelledby="joined-heading" class="joined">
      <h2 id="joined-heading">{t('incident.alerts')}</h2>
      {incident.alerts.length === 0 && <p class="empty">{t('incident.noAlerts')}</p>}
      <div class="stack">
        {incident.alerts.map((alert) => (
          // The pushed form of an alert is newer than the one in the record.
          <AlertCard key={alert.id} alert={pushed(alert)} related={alert.related} showState />
        ))}
      </div>
    </section>
  )
}

function pushed(alert: IncidentDetail['alerts'][number]) {
  const newer = live.value.alerts.get(alert.fingerprint)
  return newer?.id === alert.id ? newer : alert
}
