import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { t } from '../i18n/language.ts'
import type { PageSummary } from '../paging-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageStateBadge, SeverityBadge } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Tabs } from '../parts/tabs.tsx'
import { FullTime, Lasting } from '../parts/times.tsx'
import { pagePath } from '../routes.ts'
import { changes } from '../state.ts'
import { Told } from './told.tsx'

export type PagesView = 'open' | 'all' | 'told'
const views: readonly PagesView[] = ['open', 'all', 'told']
const readEveryMs = 10_000

/** What people were asked to act on, and everybody who was told. */
export function Pages({ view }: { view: PagesView }) {
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('pages.title')}</PageTitle>
        <Tabs
          label={t('pages.filter')}
          choices={views.map((name) => ({
            href: `/pages?state=${name}`,
            label: t(`pages.${name}`),
            chosen: name === view,
          }))}
        />
      </div>
      <p class="note muted">{t('pages.intro')}</p>
      {view === 'told' ? <Told /> : <PageList state={view} />}
    </>
  )
}

function PageList({ state }: { state: 'open' | 'all' }) {
  const list = useSignal<readonly PageSummary[] | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.alerts.value
  // A change of alerts is a reason to read again; steps of an escalation come without one.
  useEffect(() => {
    let current = true
    const read = async () => {
      try {
        const answer = await get<{ pages: PageSummary[] }>(`/api/v1/pages?state=${state}&limit=200`)
        if (!current) return
        list.value = answer.pages
        error.value = null
      } catch (problem) {
        if (current) error.value = problem
      }
    }
    void read()
    const timer = setInterval(read, readEveryMs)
    return () => {
      current = false
      clearInterval(timer)
    }
  }, [state, version])
  const rows = list.value ?? []
  return (
    <>
      {error.value !== null && <Problem error={error.value} />}
      {rows.length === 0 ? (
        <p class="empty">{t(list.value === null ? 'loading' : 'pages.none')}</p>
      ) : (
        <div class="card table-card">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">{t('incidents.number')}</th>
                <th scope="col">{t('incidents.what')}</th>
                <th scope="col">{t('incidents.severity')}</th>
                <th scope="col">{t('incidents.state')}</th>
                <th scope="col">{t('pages.policy')}</th>
                <th scope="col">{t('incidents.opened')}</th>
                <th scope="col">{t('incidents.duration')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((page) => (
                <PageRow key={page.id} page={page} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}

function PageRow({ page }: { page: PageSummary }) {
  return (
    <tr>
      <td class="number">{page.number}</td>
      <td class="what">
        <a href={pagePath(page.number)}>{page.title}</a>
      </td>
      <td>
        <SeverityBadge severity={page.severity} />
      </td>
      <td>
        <PageStateBadge page={page} />
      </td>
      <td>{page.policy}</td>
      <td>
        <FullTime at={page.openedAt} />
      </td>
      <td>
        <Lasting from={page.openedAt} to={page.closedAt} />
      </td>
    </tr>
  )
}
