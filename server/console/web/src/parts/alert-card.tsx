import type { ComponentChild } from 'preact'
import type { Alert } from '../api-types.ts'
import { decimal } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { alertInstance, alertSince } from '../live-reducer.ts'
import { hostPath, incidentPath, silencePath } from '../routes.ts'
import { matchersOf } from '../silence-types.ts'
import { acknowledgeAlert, canAct, hostsByInstance } from '../state.ts'
import { ActionButton } from './action-button.tsx'
import { SeverityBadge, SimulatedMark } from './badges.tsx'
import { Age } from './times.tsx'
import { WhoWasTold } from './who-was-told.tsx'

interface Props {
  readonly alert: Alert
  readonly showState?: boolean
  /** Of an incident that recovers without this alert. */
  readonly related?: boolean
  /** Rank of the card's heading, one below the heading over it. */
  readonly level?: 2 | 3
}

/** One alert with what a woken engineer needs: what, where, since when, what to do. */
export function AlertCard({ alert, showState = false, related = false, level = 3 }: Props) {
  const Heading = `h${level}` as const
  const summary = alertSummary(alert)
  const server = alertServer(alert)
  const instance = alertInstance(alert)
  return (
    <article class={`card alert-card edge-${alert.state === 'firing' ? alert.severity : 'silent'}`}>
      <header>
        <SeverityBadge severity={alert.severity} />
        {showState && <span class="badge boxed">{t(`alertState.${alert.state}`)}</span>}
        {related && <span class="badge boxed">{t('alert.related')}</span>}
        {isSimulated(alert) && <SimulatedMark />}
        <span class="muted push">{splitAge(t('alert.since'), <Age at={alertSince(alert)} />)}</span>
      </header>
      <Heading class="card-title">{summary}</Heading>
      <p class="where">
        {instance ? <a href={hostPath(instance)}>{server}</a> : <span>{server}</span>}
        <span class="muted">{alert.rule}</span>
        {alert.value !== '' && (
          <span class="muted">{t('alert.value', { value: shownValue(alert.value) })}</span>
        )}
      </p>
      {alert.annotations['description'] && (
        <p class="description">{alert.annotations['description']}</p>
      )}
      <AlertFoot alert={alert} summary={summary} server={server} />
      <WhoWasTold alertId={alert.id} summary={summary} />
    </article>
  )
}

function AlertFoot({ alert, summary, server }: { alert: Alert; summary: string; server: string }) {
  const may = canAct.value && alert.state === 'firing' && !alert.acknowledgedAt
  return (
    <footer>
      {may && (
        <ActionButton
          kind={alert.severity === 'critical' ? 'primary' : 'plain'}
          label={t('alert.acknowledge')}
          accessibleLabel={t('alert.acknowledgeThis', { summary, server })}
          act={() => acknowledgeAlert(alert.fingerprint)}
        />
      )}
      {alert.acknowledgedAt && (
        <span class="acknowledged">
          {splitAge(
            t('alert.acknowledgedBy', { name: alert.acknowledgedBy ?? t('unknown') }),
            <Age at={alert.acknowledgedAt} />,
          )}
        </span>
      )}
      <span class="links">
        {canAct.value && alert.state === 'firing' && (
          <a
            href={silencePath(matchersOf(alert.labels))}
            aria-label={t('alert.silenceThis', { summary, server })}
          >
            {t('alert.silence')}
          </a>
        )}
        {alert.runbook && (
          <a href={alert.runbook} target="_blank" rel="noopener">
            {t('alert.runbook')}
          </a>
        )}
        {alert.incident && (
          <a href={incidentPath(alert.incident.id)}>
            {t('alert.incident', { number: String(alert.incident.number) })}
          </a>
        )}
      </span>
    </footer>
  )
}

/** Puts a moving age where the sentence has `{age}`. */
export function splitAge(sentence: string, age: ComponentChild) {
  const [before = '', after = ''] = sentence.split('{age}')
  return (
    <>
      {before}
      {age}
      {after}
    </>
  )
}

export function alertSummary(alert: Alert): string {
  return alert.annotations['summary'] ?? alert.rule
}

export function alertServer(alert: Alert): string {
  return alert.labels['server'] ?? alertInstance(alert) ?? t('unknown')
}

function isSimulated(alert: Alert): boolean {
  if (alert.labels['simulated'] === 'true') return true
  return hostsByInstance.value.get(alertInstance(alert) ?? '')?.simulated === true
}

function shownValue(value: string): string {
  const number = Number(value)
  return Number.isFinite(number) ? decimal(language.value, number, 3) : value
}
