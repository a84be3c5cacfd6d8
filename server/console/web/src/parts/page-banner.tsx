import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n/language.ts'
import { sayDisplayed } from '../live.ts'
import { type AskingPage, pagesShown } from '../live-pages.ts'
import { hidePage, pages, tabVisible, takePage, whenDrawn } from '../live-shown.ts'
import { incidentPath } from '../routes.ts'
import { alerts, canAct } from '../state.ts'
import { ActionButton } from './action-button.tsx'
import { SeverityBadge } from './badges.tsx'
import { Age } from './times.tsx'

/** More would cover what the person needs to work; the others follow when these are taken. */
const bannerLimit = 3

/** Pages that ask this person, over everything else. The empty region stays, so that a screen reader says what comes. */
export function PageBanners() {
  const shown = pagesShown(pages.value)
  const more = shown.length - bannerLimit
  return (
    <section class="page-banners" role="alert" aria-label={t('page.label')}>
      {shown.slice(0, bannerLimit).map((page) => (
        <PageBanner key={page.id} page={page} />
      ))}
      {more > 0 && <p class="page-more">{t('page.more', { count: more })}</p>}
    </section>
  )
}

function PageBanner({ page }: { page: AskingPage }) {
  const element = useRef<HTMLElement>(null)
  const visible = tabVisible.value
  // Each newer message of the page is drawn, and said, anew.
  useEffect(() => {
    if (element.current === null || !visible) return
    return whenDrawn(element.current, () => sayDisplayed(page.id))
  }, [page.id, page.sequence, visible])
  const number = String(page.number)
  return (
    <article ref={element} class={`page-banner tone-${page.severity}`}>
      <SeverityBadge severity={page.severity} />
      <p class="page-text">
        <strong>{t('page.title', { number })}</strong> {page.title}{' '}
        <span class="muted" aria-live="off">
          <Age at={page.at} />
        </span>
      </p>
      <p class="page-actions">
        {canAct.value && (
          <ActionButton
            kind="primary"
            label={t('page.take')}
            accessibleLabel={t('page.takeThis', { number, title: page.title })}
            act={() => takePage(page.id)}
          />
        )}
        <WhereTo page={page} />
        <button
          type="button"
          class="plain"
          aria-label={t('page.hideThis', { number })}
          onClick={() => hidePage(page.id)}
        >
          {t('page.hide')}
        </button>
      </p>
    </article>
  )
}

/** The incident of its alerts, where one is known. */
function WhereTo({ page }: { page: AskingPage }) {
  const incident = alerts.value.find(
    (alert) => alert.incident && page.alertIds.includes(alert.id),
  )?.incident
  return incident ? (
    <a class="button" href={incidentPath(incident.id)}>
      {t('alert.incident', { number: String(incident.number) })}
    </a>
  ) : (
    <a class="button" href="/alerts">
      {t('page.alerts')}
    </a>
  )
}
