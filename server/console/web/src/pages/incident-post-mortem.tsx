import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import { type Language, languageNames, languages } from '../i18n/catalogue.ts'
import { language, t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { WorkflowStateBadge } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { incidentPath } from '../routes.ts'
import type { WorkflowView } from '../workflow-types.ts'
import { IncidentPanels } from './incident-panels.tsx'
import { IncidentStanding } from './incident-standing.tsx'

interface Read {
  readonly incident: IncidentDetail
  readonly workflow: WorkflowView
}

/** The incident as a document: read, printed, downloaded; what it still lacks is said beforehand. */
export function PostMortem({ id }: { id: string }) {
  const read = useSignal<Read | null>(null)
  const error = useSignal<unknown>(null)
  useEffect(() => {
    const path = `/api/v1/incidents/${encodeURIComponent(id)}`
    Promise.all([
      get<{ incident: IncidentDetail }>(path),
      get<{ workflow: WorkflowView }>(`${path}/workflow`),
    ])
      .then(([{ incident }, { workflow }]) => {
        read.value = { incident, workflow }
      })
      .catch((problem: unknown) => {
        error.value = problem
      })
  }, [id])
  if (error.value !== null) return <Problem error={error.value} />
  if (read.value === null) return <p class="empty">{t('loading')}</p>
  const { incident } = read.value
  return (
    <>
      <div class="page-head">
        <PageTitle>
          {t('postMortem.of', { number: String(incident.number), title: incident.title })}
        </PageTitle>
        <WorkflowStateBadge incident={incident} />
        <a href={incidentPath(incident.id)}>{t('postMortem.back')}</a>
      </div>
      <div class="stack">
        <Documents id={incident.id} />
        <IncidentPanels id={incident.id} />
        {incident.workflowState !== 'closed' && (
          <p class="card muted">{t('postMortem.notClosed')}</p>
        )}
        <IncidentStanding {...read.value} took={() => {}} />
      </div>
    </>
  )
}

const zones = [
  Intl.DateTimeFormat().resolvedOptions().timeZone,
  ...['UTC', 'Europe/Berlin', 'Europe/Moscow', 'Asia/Shanghai', 'Asia/Ho_Chi_Minh'],
]

/** In whose language and zone, and in which form. */
function Documents({ id }: { id: string }) {
  const chosen = useSignal<Language>(language.value)
  const zone = useSignal(zones[0] ?? 'UTC')
  const address = (format: string, download: boolean) =>
    `/api/v1/incidents/${encodeURIComponent(id)}/post-mortem?${new URLSearchParams({
      ...{ format, language: chosen.value, zone: zone.value },
      ...(download ? { download: 'true' } : {}),
    })}`
  return (
    <section class="card" aria-labelledby="documents-heading">
      <h2 id="documents-heading">{t('postMortem.documents')}</h2>
      <p class="muted note">{t('postMortem.intro')}</p>
      <div class="filters">
        <label>
          {t('header.language')}{' '}
          <select
            value={chosen.value}
            onChange={(event) => {
              const next = languages.find((name) => name === event.currentTarget.value)
              if (next) chosen.value = next
            }}
          >
            {languages.map((name) => (
              <option key={name} value={name}>
                {languageNames[name]}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t('postMortem.zone')}{' '}
          <select
            value={zone.value}
            onChange={(event) => {
              zone.value = event.currentTarget.value
            }}
          >
            {[...new Set(zones)].map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="documents">
        <a class="button primary-link" href={address('html', false)} target="_blank" rel="noopener">
          {t('postMortem.open')}
        </a>
        <a class="button" href={address('html', true)} download>
          {t('postMortem.download', { format: 'HTML' })}
        </a>
        <a class="button" href={address('markdown', true)} download>
          {t('postMortem.download', { format: 'Markdown' })}
        </a>
        <a class="button" href={address('pdf', false)} target="_blank" rel="noopener">
          {t('postMortem.pdf')}
        </a>
      </p>
    </section>
  )
}
