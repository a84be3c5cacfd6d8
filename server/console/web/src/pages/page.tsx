import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post } from '../api.ts'
import { reasonText, t } from '../i18n/language.ts'
import type { PageAsk, PageDetail, PageRung } from '../paging-types.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { PageStateBadge, SeverityBadge } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { TellingRows, tellingColumns } from '../parts/telling-rows.tsx'
import { FullTime, Lasting } from '../parts/times.tsx'
import { incidentPath } from '../routes.ts'
import { alerts, canAct, changes } from '../state.ts'

const readEveryMs = 5_000

/** One page: each rung of its policy, each person, each way, each receipt. */
export function Page({ number }: { number: string }) {
  const page = useSignal<PageDetail | null>(null)
  const error = useSignal<unknown>(null)
  const path = `/api/v1/pages/${encodeURIComponent(number)}`
  const version = changes.alerts.value
  useEffect(() => {
    let current = true
    const read = async () => {
      try {
        const answer = await get<{ page: PageDetail }>(path)
        if (!current) return
        page.value = answer.page
        error.value = null
      } catch (problem) {
        if (current) error.value = problem
      }
    }
    void read()
    const timer = setInterval(() => {
      if (page.peek()?.state !== 'closed') void read()
    }, readEveryMs)
    return () => {
      current = false
      clearInterval(timer)
    }
  }, [path, version])
  const shown = page.value
  if (shown === null)
    return error.value === null ? (
      <p class="empty">{t('loading')}</p>
    ) : (
      <Problem error={error.value} />
    )
  return (
    <>
      <Head
        page={shown}
        take={async () => {
          page.value = (await post<{ page: PageDetail }>(`${path}/acknowledge`)).page
        }}
      />
      {error.value !== null && <Problem error={error.value} />}
      {shown.asks.length > 0 && <Asks asks={shown.asks} />}
      <Climb rungs={shown.climb} />
      <Tellings page={shown} />
    </>
  )
}

function Head({ page, take }: { page: PageDetail; take: () => Promise<void> }) {
  const number = String(page.number)
  const incident = alerts.value.find(
    (alert) => alert.incident && page.alerts.includes(alert.id),
  )?.incident
  return (
    <header class="card incident-head one-page">
      <p class="incident-badges">
        <SeverityBadge severity={page.severity} /> <PageStateBadge page={page} />
      </p>
      <PageTitle>{`${t('page.title', { number })} ${page.title}`}</PageTitle>
      <dl class="pairs">
        <div>
          <dt>{t('incidents.opened')}</dt>
          <dd>
            <FullTime at={page.openedAt} />
          </dd>
        </div>
        <div>
          <dt>{t('incidents.duration')}</dt>
          <dd>
            <Lasting from={page.openedAt} to={page.closedAt} />
          </dd>
        </div>
        <div>
          <dt>{t('pages.policy')}</dt>
          <dd>{page.policy}</dd>
        </div>
        {page.acknowledgedAt !== null && (
          <div>
            <dt>{t('pages.takenBy')}</dt>
            <dd>
              {page.acknowledgedBy} · <FullTime at={page.acknowledgedAt} />
            </dd>
          </div>
        )}
        {page.nextStepAt !== null && page.state === 'open' && (
          <div>
            <dt>{t('pages.nextStep')}</dt>
            <dd>
              <FullTime at={page.nextStepAt} />
            </dd>
          </div>
        )}
      </dl>
      <p class="page-actions">
        {canAct.value && page.state === 'open' && (
          <ActionButton
            kind="primary"
            label={t('page.take')}
            accessibleLabel={t('page.takeThis', { number, title: page.title })}
            act={take}
          />
        )}
        {incident && (
          <a class="button" href={incidentPath(incident.id)}>
            {t('alert.incident', { number: String(incident.number) })}
          </a>
        )}
      </p>
    </header>
  )
}

const rungTones: Readonly<Record<PageRung['state'], string>> = {
  told: 'ok',
  empty: 'warning',
  next: 'info',
  later: 'silent',
  spared: 'silent',
}

/** Time limits that ask for somebody on this page. */
function Asks({ asks }: { asks: readonly PageAsk[] }) {
  return (
    <section aria-labelledby="asks-heading" class="card">
      <h2 id="asks-heading">{t('pages.asks')}</h2>
      <ul class="asks">
        {asks.map((ask) => (
          <li key={`${ask.askedAt} ${ask.title}`}>
            <a href={incidentPath(ask.incident)}>{ask.title}</a>{' '}
            <span class="muted">
              <FullTime at={ask.askedAt} />
              {ask.endedAt !== null && (
                <>
                  {' – '}
                  <FullTime at={ask.endedAt} />
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Climb({ rungs }: { rungs: readonly PageRung[] }) {
  return (
    <section aria-labelledby="climb-heading" class="card">
      <h2 id="climb-heading">{t('pages.climb')}</h2>
      <ol class="climb">
        {rungs.map((rung) => (
          <li key={rung.step} class={`rung rung-${rung.state}`}>
            <p>
              <strong>
                {rung.kind === 'catch-all'
                  ? t('pages.catchAll')
                  : t('pages.step', { number: String(rung.step) })}
              </strong>{' '}
              <span class={`badge boxed outline tone-${rungTones[rung.state]}`}>
                {t(`rung.${rung.state}`)}
                {rung.times > 1 && ` × ${rung.times}`}
              </span>{' '}
              {rung.at !== null && (
                <span class="muted">
                  <FullTime at={rung.at} />
                </span>
              )}
            </p>
            <p>{rung.targets.map(({ name }) => name).join(', ') || '–'}</p>
            <p class="muted">{reasonText(rung.because)}</p>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Tellings({ page }: { page: PageDetail }) {
  return (
    <section aria-labelledby="told-heading" class="card">
      <h2 id="told-heading">{t('pages.told')}</h2>
      {page.tellings.length === 0 ? (
        <p class="empty">{t('pages.nobodyYet')}</p>
      ) : (
        <table class="list">
          <thead>
            <tr>
              {tellingColumns.map((key) => (
                <th key={key} scope="col">
                  {t(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {page.tellings.map((telling) => (
              <TellingRows
                key={`${telling.kind} ${telling.place} ${telling.recipient.id}`}
                telling={telling}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
