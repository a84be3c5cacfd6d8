import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { HostDetail, Host as HostRow, Section } from '../api-types.ts'
import { CurveCard } from '../charts/curve-card.tsx'
import { hostCurves, type Range, ranges } from '../curves.ts'
import { decimal, duration, offsetSeconds, percent } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { alertInstance, sortAlerts } from '../live-reducer.ts'
import { Problem } from '../parts/action-button.tsx'
import { AlertCard, splitAge } from '../parts/alert-card.tsx'
import { HostStateBadge, SimulatedMark } from '../parts/badges.tsx'
import { FactDocument } from '../parts/fact-document.tsx'
import { cannotSee, LastReport } from '../parts/host-card.tsx'
import { SectionStateIcon } from '../parts/icons.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Age } from '../parts/times.tsx'
import { serverBoardPath } from '../routes.ts'
import { alerts, changes, hostsByInstance } from '../state.ts'
import { Backups } from './host-backups.tsx'
import { SoftwareVersions } from './host-software.tsx'

/** One host: figures, curves, alerts, facts, and what its collector cannot see. */
export function Host({ instance }: { instance: string }) {
  const detail = useSignal<HostDetail | null>(null)
  const error = useSignal<unknown>(null)
  useHost(instance, detail, error)
  // The list is refreshed by every report, the detail only when it is asked for.
  const host = hostsByInstance.value.get(instance) ?? detail.value?.host
  if (host === undefined) {
    return error.value === null ? (
      <p class="empty">{t('loading')}</p>
    ) : (
      <Problem error={error.value} />
    )
  }
  return (
    <>
      <HostHead host={host} />
      {error.value !== null && <Problem error={error.value} />}
      <HostAlerts instance={instance} />
      <Curves instance={instance} />
      {detail.value && <Backups facts={detail.value.facts} />}
      {detail.value && <SoftwareVersions instance={instance} facts={detail.value.facts} />}
      <div class="host-lower">
        <Sections sections={detail.value?.sections ?? host.sections} />
        <Facts facts={detail.value?.facts ?? null} />
      </div>
    </>
  )
}

const detailEveryMs = 30_000

function useHost(
  instance: string,
  detail: Signal<HostDetail | null>,
  error: Signal<unknown>,
): void {
  useEffect(() => {
    let current = true
    let readAt = 0
    const read = () => {
      readAt = Date.now()
      get<HostDetail>(`/api/v1/hosts/${encodeURIComponent(instance)}`)
        .then((answer) => {
          if (!current) return
          detail.value = answer
          error.value = null
        })
        .catch((problem: unknown) => {
          if (current) error.value = problem
        })
    }
    detail.value = null
    const stop = changes.hosts.subscribe(() => {
      if (Date.now() - readAt > detailEveryMs) read()
    })
    return () => {
      current = false
      stop()
    }
  }, [instance, detail, error])
}

function HostHead({ host }: { host: HostRow }) {
  const words = language.value
  const { figures } = host
  const rows: readonly (readonly [string, string])[] = [
    [t('host.cpu'), percent(words, figures.cpuUsedRatio)],
    [t('host.memory'), percent(words, figures.memoryUsedRatio)],
    [t('host.disk'), percent(words, figures.fullestFilesystemRatio)],
    [t('host.load'), decimal(words, figures.load1)],
    [t('host.uptime'), duration(words, figures.uptimeSeconds)],
    [t('host.clock'), offsetSeconds(words, figures.clockOffsetSeconds)],
  ]
  const places: readonly (readonly [string, string])[] = [
    [t('host.role'), host.role],
    [t('host.site'), host.site],
    [t('host.customer'), host.customer],
    [t('host.env'), host.env],
    [t('host.version'), host.version ?? ''],
  ]
  return (
    <header class="card host-head">
      <div class="page-head">
        <PageTitle>{host.server}</PageTitle>
        <HostStateBadge state={host.state} />
        {host.simulated && <SimulatedMark />}
        <a href={serverBoardPath(host.server)}>{t('boards.ofHost')}</a>
        <span class="muted push">
          <LastReport host={host} /> · {t('host.interval', { seconds: host.intervalSeconds })} ·{' '}
          {t(host.connected ? 'host.connected' : 'host.notConnected')}
        </span>
      </div>
      <Pairs class="big" rows={rows} label={t('host.figures')} />
      <Pairs
        class="places"
        rows={places.filter(([, value]) => value !== '')}
        label={t('host.facts')}
      />
    </header>
  )
}

function Pairs({
  rows,
  label,
  ...rest
}: {
  rows: readonly (readonly [string, string])[]
  label: string
  class: string
}) {
  return (
    <dl class={`pairs ${rest.class}`} aria-label={label}>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function HostAlerts({ instance }: { instance: string }) {
  const list = sortAlerts(alerts.value.filter((alert) => alertInstance(alert) === instance))
  if (list.length === 0) return null
  return (
    <section aria-labelledby="host-alerts-heading">
      <h2 id="host-alerts-heading">{t('host.alerts')}</h2>
      <div class="alert-grid">
        {list.map((alert) => (
          <AlertCard key={alert.fingerprint} alert={alert} />
        ))}
      </div>
    </section>
  )
}

function Curves({ instance }: { instance: string }) {
  const range = useSignal<Range>(ranges[0]!)
  return (
    <section aria-labelledby="curves-heading">
      <div class="column-head">
        <h2 id="curves-heading">{t('host.curves')}</h2>
        <fieldset class="tabs push">
          <legend class="for-screen-readers">{t('range.label')}</legend>
          {ranges.map((choice) => (
            <button
              key={choice.name}
              type="button"
              aria-pressed={choice === range.value}
              onClick={() => {
                range.value = choice
              }}
            >
              {t(`range.${choice.name}`)}
            </button>
          ))}
        </fieldset>
      </div>
      <div class="curve-grid">
        {hostCurves(instance, range.value).map((curve) => (
          <CurveCard key={curve.name} curve={curve} range={range.value} />
        ))}
      </div>
    </section>
  )
}

const sectionOrder = { denied: 0, error: 1, ok: 2, absent: 3 } as const

function Sections({ sections }: { sections: readonly Section[] }) {
  const ordered = [...sections].sort(
    (a, b) =>
      (sectionOrder[a.state] ?? 1) - (sectionOrder[b.state] ?? 1) || a.name.localeCompare(b.name),
  )
  return (
    <section aria-labelledby="sections-heading" class="card">
      <h2 id="sections-heading">{t('host.sections')}</h2>
      {ordered.length === 0 && <p class="muted">{t('host.noSections')}</p>}
      {cannotSee(sections).some((section) => section.state === 'denied') && (
        <p class="note">{t('host.sectionDenied')}</p>
      )}
      <ul class="sections">
        {ordered.map((section) => (
          <li key={section.name}>
            <SectionStateIcon state={section.state} />
            <span class="section-name">{section.name}</span>
            <span class="section-state">{t(`sectionState.${section.state}`)}</span>
            {section.detail && <span class="section-why">{section.detail}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Thousands of packages have their own list, with a search. */
const shownElsewhere: ReadonlySet<string> = new Set(['packages'])
/** The others have sections of their own above; here they stand whole. */
const opened: ReadonlySet<string> = new Set(['hardware', 'os'])

function Facts({ facts }: { facts: HostDetail['facts'] | null }) {
  const entries = Object.entries(facts ?? {})
    .filter(([name]) => !shownElsewhere.has(name))
    .sort(([a], [b]) => a.localeCompare(b))
  return (
    <section aria-labelledby="facts-heading" class="card">
      <h2 id="facts-heading">{t('host.facts')}</h2>
      {facts !== null && entries.length === 0 && <p class="muted">{t('host.noFacts')}</p>}
      {facts === null && <p class="muted">{t('loading')}</p>}
      {entries.map(([name, fact]) => (
        <details key={name} open={opened.has(name)}>
          <summary>
            {name}{' '}
            <span class="muted">
              {splitAge(t('host.factReceived'), <Age at={fact.receivedAt} />)}
            </span>
          </summary>
          <FactDocument document={fact.document} />
        </details>
      ))}
    </section>
  )
}
