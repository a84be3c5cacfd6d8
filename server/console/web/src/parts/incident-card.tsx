import type { IncidentSummary } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { incidentPath } from '../routes.ts'
import { splitAge } from './alert-card.tsx'
import {
  IncidentSeverityBadge,
  IncidentStateBadge,
  SimulatedMark,
  WorkflowStateBadge,
} from './badges.tsx'
import { Age } from './times.tsx'

export function IncidentCard({ incident }: { incident: IncidentSummary }) {
  return (
    <article class={`card incident-card edge-${incident.state === 'open' ? 'critical' : 'silent'}`}>
      <header>
        <IncidentSeverityBadge severity={incident.severity} />
        <IncidentStateBadge state={incident.state} />
        <WorkflowStateBadge incident={incident} />
        {incident.simulated && <SimulatedMark />}
        <span class="muted push">
          <Age at={incident.openedAt} />
        </span>
      </header>
      <h3>
        <a class="cover" href={incidentPath(incident.id)}>
          <span class="number">{incident.number}</span> {incident.title}
        </a>
      </h3>
      <p class="where">
        {incident.server && <span>{incident.server}</span>}
        <span class="muted">{t('incident.firingCount', { count: incident.firing })}</span>
        {incident.acknowledgedAt && (
          <span class="acknowledged">
            {splitAge(
              t('alert.acknowledgedBy', { name: incident.acknowledgedBy ?? t('unknown') }),
              <Age at={incident.acknowledgedAt} />,
            )}
          </span>
        )}
      </p>
    </article>
  )
}
