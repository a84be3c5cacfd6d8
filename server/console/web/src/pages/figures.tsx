import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { FiguresAnswer } from '../figures-types.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { navigate } from '../router.ts'
import { type FiguresFilter, figureMonths, figuresPath } from '../routes.ts'
import { changes } from '../state.ts'
import { FigureCharts } from './figures-charts.tsx'
import { MonthTable, ServiceTable } from './figures-tables.tsx'

/** How often incidents happen and how long they take, by month and by service: drawn, as tables, and as CSV. */
export function Figures({ filter: wanted }: { filter: FiguresFilter }) {
  const { months, service, acknowledgeMinutes, restoreMinutes } = wanted
  const filter = { months, service, acknowledgeMinutes, restoreMinutes }
  const answer = useSignal<FiguresAnswer | null>(null)
  const names = useSignal<readonly string[]>([])
  const error = useSignal<unknown>(null)
  const path = apiPath(filter, 'month')
  const version = changes.incidents.value
  // A change of incidents is the reason to read again.
  useEffect(() => {
    let current = true
    get<FiguresAnswer>(path)
      .then((read) => {
        if (!current) return
        answer.value = read
        error.value = null
        if (service === '') names.value = read.services.map(({ service }) => service)
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [path, version])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('figures.title')}</PageTitle>
        <a href="/incidents">{t('incidents.title')}</a>
        <a href={`${path}&format=csv`} download="incident-figures-by-month.csv">
          {t('figures.csvMonths')}
        </a>
        <a
          href={`${apiPath(filter, 'service')}&format=csv`}
          download="incident-figures-by-service.csv"
        >
          {t('figures.csvServices')}
        </a>
      </div>
      <Choices filter={filter} services={names.value} />
      {error.value !== null && <Problem error={error.value} />}
      {answer.value === null ? (
        error.value === null && <p class="empty">{t('loading')}</p>
      ) : (
        <Report answer={answer.value} service={service} />
      )}
    </>
  )
}

/** Whole calendar months, UTC, the running one among them. The hub's clock says when it ends. */
function apiPath({ months, service, ...targets }: FiguresFilter, by: 'month' | 'service'): string {
  const now = new Date()
  const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1 - months, 1))
  const query = new URLSearchParams({ by, from: from.toISOString() })
  for (const [name, minutes] of Object.entries(targets)) query.set(name, String(minutes))
  if (service !== '') query.set('service', service)
  return `/api/v1/incidents/figures?${query}`
}

function Report({ answer, service }: { answer: FiguresAnswer; service: string }) {
  if (answer.whole.incidents === 0) return <p class="empty">{t('figures.none')}</p>
  return (
    <>
      <FigureCharts answer={answer} />
      <MonthTable answer={answer} />
      {service === '' && <ServiceTable services={answer.services} />}
      <p class="muted note">{t('figures.help')}</p>
    </>
  )
}

interface ChoicesProps {
  readonly filter: FiguresFilter
  readonly services: readonly string[]
}

/** The address holds the choice, so it can be sent to somebody. */
function Choices({ filter, services }: ChoicesProps) {
  const go = (change: Partial<FiguresFilter>) => navigate(figuresPath({ ...filter, ...change }))
  const known = [...new Set([...services, ...(filter.service === '' ? [] : [filter.service])])]
  return (
    <div class="filters">
      <label>
        {t('figures.months')}{' '}
        <select
          value={String(filter.months)}
          onChange={(event) => go({ months: Number(event.currentTarget.value) })}
        >
          {figureMonths.map((count) => (
            <option key={count} value={String(count)}>
              {t('figures.lastMonths', { count })}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('figures.service')}{' '}
        <select
          value={filter.service}
          onChange={(event) => go({ service: event.currentTarget.value })}
        >
          <option value="">{t('figures.allServices')}</option>
          {known.sort().map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {(['acknowledge', 'restore'] as const).map((what) => (
        <label key={what}>
          {t(`figures.${what}Target`)}{' '}
          <input
            type="number"
            class="minutes"
            min={1}
            max={525_600}
            value={filter[`${what}Minutes`]}
            onChange={(event) => go({ [`${what}Minutes`]: Number(event.currentTarget.value) })}
          />
        </label>
      ))}
    </div>
  )
}
