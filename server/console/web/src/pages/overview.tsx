import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Host, HostState } from '../api-types.ts'
import { watchSparks } from '../charts/sparks.ts'
import { t } from '../i18n/language.ts'
import { sortAlerts, sortIncidents } from '../live-reducer.ts'
import { Problem } from '../parts/action-button.tsx'
import { AlertCard } from '../parts/alert-card.tsx'
import { HostCard } from '../parts/host-card.tsx'
import { IncidentCard } from '../parts/incident-card.tsx'
import { PageSettings } from '../parts/page-settings.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { alerts, hosts, loadError, loaded, openIncidents } from '../state.ts'

const filterFrom = 7

/** The page that is open all day: what fires, what is open, how every host stands. */
export function Overview() {
  useEffect(watchSparks, [])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('overview.title')}</PageTitle>
        <Counts />
        <PageSettings />
      </div>
      {loadError.value !== null && <Problem error={loadError.value} />}
      <div class="overview">
        <section class="column" aria-labelledby="alerts-heading">
          <h2 id="alerts-heading">{t('overview.alerts')}</h2>
          <AlertList />
        </section>
        <section class="column" aria-labelledby="incidents-heading">
          <h2 id="incidents-heading">{t('overview.incidents')}</h2>
          <IncidentList />
        </section>
        <section class="column" aria-labelledby="hosts-heading">
          <HostList />
        </section>
      </div>
    </>
  )
}

function Counts() {
  if (!loaded.value) return null
  const critical = alerts.value.filter((alert) => alert.severity === 'critical').length
  const warning = alerts.value.filter((alert) => alert.severity === 'warning').length
  const all = hosts.value ?? []
  const reporting = all.filter(
    (host) => host.state !== 'silent' && host.lastReportAt !== null,
  ).length
  return (
    <ul class="counts">
      <li class={critical > 0 ? 'tone-critical' : 'muted'}>
        {t('overview.criticalCount', { count: critical })}
      </li>
      <li class={warning > 0 ? 'tone-warning' : 'muted'}>
        {t('overview.warningCount', { count: warning })}
      </li>
      <li class={openIncidents.value.length > 0 ? 'strong' : 'muted'}>
        {t('overview.incidentCount', { count: openIncidents.value.length })}
      </li>
      <li class={reporting < all.length ? 'tone-critical' : 'muted'}>
        {t('overview.hostCount', { count: all.length, reporting })}
      </li>
    </ul>
  )
}

function AlertList() {
  const list = sortAlerts(alerts.value)
  if (list.length === 0)
    return <p class="empty">{t(loaded.value ? 'overview.noAlerts' : 'loading')}</p>
  return (
    <div class="stack">
      {list.map((alert) => (
        <AlertCard key={alert.fingerprint} alert={alert} />
      ))}
    </div>
  )
}

function IncidentList() {
  const list = sortIncidents(openIncidents.value)
  if (list.length === 0)
    return <p class="empty">{t(loaded.value ? 'overview.noIncidents' : 'loading')}</p>
  return (
    <div class="stack">
      {list.map((incident) => (
        <IncidentCard key={incident.id} incident={incident} />
      ))}
    </div>
  )
}

const stateOrder: Readonly<Record<HostState, number>> = {
  critical: 0,
  silent: 1,
  attention: 2,
  unknown: 3,
  ok: 4,
}

function HostList() {
  const wanted = useSignal('')
  const all = hosts.value
  const text = wanted.value.trim().toLowerCase()
  const shown = (all ?? [])
    .filter((host) => text === '' || haystack(host).includes(text))
    .sort(worstFirst)
  return (
    <>
      <div class="column-head">
        <h2 id="hosts-heading">{t('overview.hosts')}</h2>
        {(all?.length ?? 0) >= filterFrom && (
          <input
            type="search"
            class="push"
            aria-label={t('overview.filterHosts')}
            placeholder={t('overview.filterHosts')}
            value={wanted.value}
            onInput={(event) => {
              wanted.value = event.currentTarget.value
            }}
          />
        )}
      </div>
      {all === null && <p class="empty">{t('loading')}</p>}
      {all?.length === 0 && <p class="empty">{t('overview.noHosts')}</p>}
      {text !== '' && shown.length === 0 && (
        <p class="empty">{t('overview.noMatch', { text: wanted.value })}</p>
      )}
      <div class="host-grid">
        {shown.map((host) => (
          <HostCard key={host.instance} host={host} />
        ))}
      </div>
    </>
  )
}

function haystack(host: Host): string {
  return [host.server, host.instance, host.role, host.site, host.customer, host.env]
    .join(' ')
    .toLowerCase()
}

function worstFirst(a: Host, b: Host): number {
  return (stateOrder[a.state] ?? 3) - (stateOrder[b.state] ?? 3) || a.server.localeCompare(b.server)
}
