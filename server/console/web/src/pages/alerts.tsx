import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { Alert } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { sortAlerts } from '../live-reducer.ts'
import { Problem } from '../parts/action-button.tsx'
import { AlertCard } from '../parts/alert-card.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { alerts, changes, loaded } from '../state.ts'

type State = 'firing' | 'pending' | 'all'
const states: readonly State[] = ['firing', 'pending', 'all']

export function Alerts({ state }: { state: State }) {
  const others = useSignal<readonly Alert[] | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.alerts.value
  // A change of alerts is the reason to read again.
  useEffect(() => {
    if (state === 'firing') return
    let current = true
    get<{ alerts: Alert[] }>(`/api/v1/alerts?state=${state}`)
      .then((answer) => {
        if (!current) return
        others.value = answer.alerts
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [state, version])
  const list = shown(state, alerts.value, others.value ?? [])
  const known = state === 'firing' ? loaded.value : others.value !== null
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('alerts.title')}</PageTitle>
        <Tabs
          label={t('alerts.filter')}
          choices={states.map((name) => ({
            href: `/alerts?state=${name}`,
            label: t(`alerts.${name}`),
            chosen: name === state,
          }))}
        />
        {known && <span class="muted">{t('alerts.count', { count: list.length })}</span>}
      </div>
      {error.value !== null && <Problem error={error.value} />}
      {list.length === 0 && <p class="empty">{t(known ? 'alerts.none' : 'loading')}</p>}
      <div class="alert-grid">
        {list.map((alert) => (
          <AlertCard
            level={2}
            key={`${alert.fingerprint} ${alert.id}`}
            alert={alert}
            showState={state !== 'firing'}
          />
        ))}
      </div>
    </>
  )
}

/** Firing ones always as pushed, without waiting for the list that was asked for. */
function shown(state: State, firing: readonly Alert[], read: readonly Alert[]): Alert[] {
  if (state === 'firing') return sortAlerts(firing)
  if (state === 'pending') return sortAlerts(read.filter((alert) => alert.state === 'pending'))
  return [...sortAlerts(firing), ...sortAlerts(read.filter((alert) => alert.state !== 'firing'))]
}
