import { useEffect, useRef } from 'preact/hooks'
import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import { route } from '../router.ts'
import type { Route } from '../routes.ts'
import { approvalsWaiting, me } from '../state.ts'

interface MorePage {
  readonly href: string
  readonly label: MessageKey
  readonly page: Route['page']
}

/** What is not needed in every shift. */
const morePages: readonly MorePage[] = [
  { href: '/search', label: 'search.title', page: 'search' },
  { href: '/runbook-use', label: 'runbook-use.title', page: 'runbook-use' },
  { href: '/work', label: 'work.title', page: 'work' },
  { href: '/silences', label: 'nav.silences', page: 'silences' },
  { href: '/contact-points', label: 'nav.contactPoints', page: 'contact-points' },
  { href: '/approvals', label: 'nav.approvals', page: 'approvals' },
  { href: '/people', label: 'nav.people', page: 'people' },
  { href: '/teams', label: 'teams.title', page: 'teams' },
  { href: '/ledger', label: 'ledger.title', page: 'ledger' },
]

/** A menu of further pages; closes with a choice, a click elsewhere or Escape. */
export function MorePages() {
  const menu = useRef<HTMLDetailsElement>(null)
  const shown = route.value?.page
  const chosen = morePages.find(({ page }) => page === shown)
  const close = () => {
    if (menu.current !== null) menu.current.open = false
  }
  useEffect(close, [shown])
  useEffect(() => {
    const elsewhere = ({ target }: Event) => {
      if (!menu.current?.contains(target as Node)) close()
    }
    document.addEventListener('click', elsewhere)
    return () => document.removeEventListener('click', elsewhere)
  }, [])
  return (
    <details
      ref={menu}
      class="more-pages"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        close()
        menu.current?.querySelector('summary')?.focus()
      }}
    >
      <summary aria-current={chosen === undefined ? undefined : 'page'}>
        {t(chosen?.label ?? 'nav.more')}
        <Waiting />
      </summary>
      <div class="more-list">
        {morePages.filter(isForReader).map(({ href, label, page }) => (
          <a key={href} href={href} aria-current={page === shown ? 'page' : undefined}>
            {t(label)}
            {page === 'approvals' && <Waiting />}
          </a>
        ))}
      </div>
    </details>
  )
}

/** Of people an operator sees the teams only, and nothing of the ledger. */
function isForReader({ page }: MorePage): boolean {
  return (page !== 'people' && page !== 'ledger') || me.value?.role !== 'operator'
}

/** How many requests wait for the reader to agree. */
function Waiting() {
  const count = approvalsWaiting.value
  return count === 0 ? null : (
    <span class="count">
      {count}
      <span class="for-screen-readers"> {t('nav.waiting')}</span>
    </span>
  )
}
