import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { IncidentSummary } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { IncidentSeverityBadge, IncidentStateBadge, SimulatedMark } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { FullTime, Lasting } from '../parts/times.tsx'
import { incidentPath } from '../routes.ts'
import { changes, live } from '../state.ts'

type State = 'open' | 'resolved' | 'all'
const states: readonly State[] = ['open', 'resolved', 'all']

export function Incidents({ state }: { state: State }) {
  const read = useSignal<readonly IncidentSummary[] | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.incidents.value
  // A change of incidents is the reason to read again.
  useEffect(() => {
    let current = true
    get<{ incidents: IncidentSummary[] }>(`/api/v1/incidents?state=${state}&limit=200`)
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
  }, [state, version])
  const list = merged(state, live.value.incidents, read.value ?? [])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('incidents.title')}</PageTitle>
        <Tabs
          label={t('incidents.filter')}
          choices={states.map((name) => ({
            href: `/incidents?state=${name}`,
            label: t(`incidents.${name}`),
            chosen: name === state,
          }))}
        />
      </div>
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
  state: State,
  known: ReadonlyMap<string, IncidentSummary>,
  read: readonly IncidentSummary[],
): IncidentSummary[] {
  const all = new Map(read.map((incident) => [incident.id, incident]))
  for (const [id, incident] of known) all.set(id, incident)
  return [...all.values()]
    .filter(
      (incident) => state === 'all' || (incident.state === 'resolved') === (state === 'resolved'),
    )
    .sort((a, b) => b.openedAt.localeCompare(a.openedAt))
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
                <IncidentStateBadge state={incident.state} />
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
