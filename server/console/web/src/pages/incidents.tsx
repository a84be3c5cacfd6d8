import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { stateNames } from '../../../../../incidents/workflow.ts'
import { get } from '../api.ts'
import type { IncidentSummary } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { stateName } from '../i18n/workflow-text.ts'
import { Problem } from '../parts/action-button.tsx'
import { IncidentSeverityBadge, SimulatedMark, WorkflowStateBadge } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { FullTime, Lasting } from '../parts/times.tsx'
import { navigate } from '../router.ts'
import { type IncidentFilter, incidentPath, incidentsPath } from '../routes.ts'
import { canAct, changes, live } from '../state.ts'

type State = IncidentFilter['state']
const states: readonly State[] = ['open', 'resolved', 'all']
const severities = ['sev1', 'sev2', 'sev3', 'sev4'] as const

export function Incidents({ filter: wanted }: { filter: IncidentFilter }) {
  const { state, severity, workflow, service } = wanted
  const filter: IncidentFilter = { state, severity, workflow, service }
  const read = useSignal<readonly IncidentSummary[] | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.incidents.value
  // A change of incidents is the reason to read again.
  useEffect(() => {
    let current = true
    get<{ incidents: IncidentSummary[] }>(`/api/v1${incidentsPath(filter)}&limit=200`)
      .then((answer) => {
        if (!current) return
        read.value = answer.incidents
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [state, severity, workflow, service, version])
  const list = merged(filter, live.value.incidents, read.value ?? [])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('incidents.title')}</PageTitle>
        <Tabs
          label={t('incidents.filter')}
          choices={states.map((name) => ({
            href: incidentsPath({ ...filter, state: name }),
            label: t(`incidents.${name}`),
            chosen: name === state,
          }))}
        />
        <a href="/incidents/figures">{t('figures.title')}</a>
        {canAct.value && (
          <a class="button push" href="/incidents/new">
            {t('newIncident.title')}
          </a>
        )}
      </div>
      <Filters filter={filter} />
      {error.value !== null && <Problem error={error.value} />}
      {list.length === 0 ? (
        <p class="empty">{t(read.value === null ? 'loading' : 'incidents.none')}</p>
      ) : (
        <IncidentTable list={list} />
      )}
    </>
  )
}

/** What was read, with every incident pushed since in its newest form; newest first. */
function merged(
  { state, severity, workflow, service }: IncidentFilter,
  known: ReadonlyMap<string, IncidentSummary>,
  read: readonly IncidentSummary[],
): IncidentSummary[] {
  const all = new Map(read.map((incident) => [incident.id, incident]))
  // Which services an incident touches only the hub knows: there nothing is added to what it answered.
  for (const [id, incident] of known) if (service === '' || all.has(id)) all.set(id, incident)
  return [...all.values()]
    .filter(
      (incident) => state === 'all' || (incident.state === 'resolved') === (state === 'resolved'),
    )
    .filter((incident) => severity === '' || incident.severity === severity)
    .filter((incident) => workflow === '' || incident.workflowState === workflow)
    .sort((a, b) => b.openedAt.localeCompare(a.openedAt))
}

/** Narrows the list; the address holds the choice. */
function Filters({ filter }: { filter: IncidentFilter }) {
  const go = (change: Partial<IncidentFilter>) => navigate(incidentsPath({ ...filter, ...change }))
  return (
    <div class="filters">
      <label>
        {t('incidents.severity')}{' '}
        <select
          value={filter.severity}
          onChange={(event) => go({ severity: event.currentTarget.value })}
        >
          <option value="">{t('incidents.all')}</option>
          {severities.map((name) => (
            <option key={name} value={name}>
              {t(`incidentSeverity.${name}`)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('incidents.workflow')}{' '}
        <select
          value={filter.workflow}
          onChange={(event) => go({ workflow: event.currentTarget.value })}
        >
          <option value="">{t('incidents.all')}</option>
          {stateNames.slice(1).map((name) => (
            <option key={name} value={name}>
              {stateName(name)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('incidents.service')}{' '}
        <input
          type="search"
          value={filter.service}
          maxLength={200}
          onChange={(event) => go({ service: event.currentTarget.value.trim() })}
        />
      </label>
    </div>
  )
}

function IncidentTable({ list }: { list: readonly IncidentSummary[] }) {
  return (
    <div class="card table-card">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">{t('incidents.number')}</th>
            <th scope="col">{t('incidents.what')}</th>
            <th scope="col">{t('incidents.severity')}</th>
            <th scope="col">{t('incidents.state')}</th>
            <th scope="col">{t('incidents.server')}</th>
            <th scope="col">{t('incidents.opened')}</th>
            <th scope="col">{t('incidents.duration')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((incident) => (
            <tr key={incident.id}>
              <td class="number">{incident.number}</td>
              <td class="what">
                <a href={incidentPath(incident.id)}>{incident.title}</a>{' '}
                {incident.simulated && <SimulatedMark />}
              </td>
              <td>
                <IncidentSeverityBadge severity={incident.severity} />
              </td>
              <td>
                <WorkflowStateBadge incident={incident} />{' '}
                {incident.major && (
                  <span class="badge boxed tone-critical">{t('incident.major')}</span>
                )}
              </td>
              <td>{incident.server ?? '–'}</td>
              <td>
                <FullTime at={incident.openedAt} />
              </td>
              <td>
                <Lasting from={incident.openedAt} to={incident.resolvedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
