import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { alertListOf } from '../../../../../dashboards/drawing/alert-list.ts'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { explain, get } from '../api.ts'
import type { Alert } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { alertInstance, alertSince } from '../live-reducer.ts'
import { alertServer, alertSummary, splitAge } from '../parts/alert-card.tsx'
import { SeverityBadge } from '../parts/badges.tsx'
import { Age } from '../parts/times.tsx'
import { hostPath } from '../routes.ts'
import type { Scene } from './scene.ts'

interface Props {
  readonly panel: PanelDefinition
  readonly scene: Scene
}

/** Alerts of now that the panel is about, newest first; read again with each refresh of the board. */
export function AlertListPanel({ panel, scene }: Props) {
  const { variables, choices, now } = scene
  const wish = useMemo(() => alertListOf(panel, variables, choices), [panel, variables, choices])
  const alerts = useSignal<readonly Alert[] | null>(null)
  const error = useSignal<unknown>(null)
  useEffect(() => {
    let current = true
    const read = async () => {
      try {
        const lists = await Promise.all(
          wish.states.map((state) => get<{ alerts: Alert[] }>(`/api/v1/alerts?state=${state}`)),
        )
        if (!current) return
        alerts.value = lists.flatMap((list) => list.alerts)
        error.value = null
      } catch (problem) {
        if (current) error.value = problem
      }
    }
    void read()
    return () => {
      current = false
    }
  }, [wish, now])
  if (alerts.value === null) {
    const words = error.value === null ? t('loading') : explain(error.value)
    return <p class={`panel-nothing ${error.value === null ? 'muted' : 'problem'}`}>{words}</p>
  }
  const wanted = alerts.value
    .filter(({ labels }) => wish.isWanted(labels))
    .sort((a, b) => (alertSince(a) < alertSince(b) ? 1 : -1))
  return (
    <>
      {error.value !== null && (
        <p class="problem">{t('boards.stale', { reason: explain(error.value) })}</p>
      )}
      <List title={panel.title} alerts={wanted} most={wish.most} />
    </>
  )
}

interface ListProps {
  readonly title: string
  readonly alerts: readonly Alert[]
  readonly most: number
}

function List({ title, alerts, most }: ListProps) {
  if (alerts.length === 0) return <p class="panel-nothing muted">{t('alerts.none')}</p>
  const shown = alerts.slice(0, most)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="panel-body" tabIndex={0} aria-label={title}>
      <ul class="alert-list">
        {shown.map((alert) => (
          <li key={`${alert.fingerprint} ${alert.id}`}>
            <Listed alert={alert} />
          </li>
        ))}
      </ul>
      {alerts.length > shown.length && (
        <p class="muted">{t('runbook.more', { count: alerts.length - shown.length })}</p>
      )}
    </section>
  )
}

/** What, where, since when; the name leads to the runbook, the server to its page. */
function Listed({ alert }: { readonly alert: Alert }) {
  const instance = alertInstance(alert)
  const server = alertServer(alert)
  return (
    <>
      <SeverityBadge severity={alert.severity} />{' '}
      {alert.runbook ? (
        <a href={alert.runbook} target="_blank" rel="noopener">
          {alert.rule}
        </a>
      ) : (
        <strong>{alert.rule}</strong>
      )}{' '}
      {instance ? <a href={hostPath(instance)}>{server}</a> : null}
      <span class="muted"> {splitAge(t('alert.since'), <Age at={alertSince(alert)} />)}</span>
      <p>{alertSummary(alert)}</p>
    </>
  )
}
