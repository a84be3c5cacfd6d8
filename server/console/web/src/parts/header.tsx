import { post } from '../api.ts'
import { languageNames, languages, languageTags } from '../i18n/catalogue.ts'
import { duration } from '../i18n/format.ts'
import { language, setLanguage, t } from '../i18n/language.ts'
import { forgetKept } from '../kept.ts'
import { lastFrameAt, liveStatus, stopLive } from '../live.ts'
import { navigate, route } from '../router.ts'
import { me, now } from '../state.ts'
import { MorePages } from './more-pages.tsx'
import { Clock } from './times.tsx'

/** Hub, pages, live state, clock, language, person. */
export function Header() {
  const page = route.value?.page
  return (
    <header class="top">
      <Brand />
      <span class="hub muted">
        {location.host}
        {me.value && ` · ${me.value.hub.version}`}
      </span>
      <nav class="pages" aria-label={t('nav.label')}>
        <PageLink
          href="/"
          label={t('nav.overview')}
          chosen={page === 'overview' || page === 'host'}
        />
        <PageLink href="/alerts" label={t('nav.alerts')} chosen={page === 'alerts'} />
        <PageLink
          href="/incidents"
          label={t('nav.incidents')}
          chosen={['incidents', 'incident', 'new-incident', 'post-mortem', 'figures'].includes(
            page ?? '',
          )}
        />
        <PageLink
          href="/pages"
          label={t('pages.title')}
          chosen={page === 'pages' || page === 'page'}
        />
        <PageLink
          href="/boards"
          label={t('boards.title')}
          chosen={page === 'boards' || page === 'board'}
        />
        <PageLink href="/oncall" label={t('nav.oncall')} chosen={page === 'oncall'} />
        <MorePages />
      </nav>
      <div class="status">
        <LiveState />
        <Clock />
        <LanguageChoice />
        {me.value && <Person />}
      </div>
    </header>
  )
}

export function Brand() {
  return (
    <a class="brand" href="/" aria-label="Callward">
      <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
        <rect class="brand-box" width="32" height="32" rx="7" />
        <path class="brand-line" d="M6 18h5l3-9 4 14 3-8h5" />
      </svg>
      <span class="brand-name">Callward</span>
    </a>
  )
}

function PageLink({ href, label, chosen }: { href: string; label: string; chosen: boolean }) {
  return (
    <a href={href} aria-current={chosen ? 'page' : undefined}>
      {label}
    </a>
  )
}

function LiveState() {
  const status = liveStatus.value
  return (
    <span class={`live live-${status}`} role="status">
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        {status === 'connected' ? <circle cx="6" cy="6" r="5" /> : <path d="M1 1h10v10H1z" />}
      </svg>
      <span>
        {status === 'connected' ? (
          t('live.connected')
        ) : status === 'connecting' ? (
          t('live.connecting')
        ) : (
          <Reconnecting />
        )}
      </span>
    </span>
  )
}

/** The moving seconds stay out of what a screen reader announces. */
function Reconnecting() {
  const heard = lastFrameAt.value
  if (heard === null) return <>{t('live.reconnectingNever')}</>
  const age = duration(language.value, (now.value - heard) / 1000)
  return <span aria-live="off">{t('live.reconnecting', { age })}</span>
}

export function LanguageChoice() {
  return (
    <select
      class="language"
      aria-label={t('header.language')}
      value={language.value}
      onChange={(event) => {
        const next = languages.find((name) => name === event.currentTarget.value)
        if (next) setLanguage(next)
      }}
    >
      {languages.map((name) => (
        <option key={name} value={name} lang={languageTags[name]}>
          {languageNames[name]}
        </option>
      ))}
    </select>
  )
}

function Person() {
  const person = me.value!
  const leave = async () => {
    await post('/api/v1/sign-out').catch(() => {}) // signing out of an unreachable hub still leaves the page
    stopLive()
    me.value = null
    await forgetKept()
    navigate('/sign-in')
  }
  return (
    <span class="person">
      <a
        class="name"
        href="/account"
        title={t('header.signedInAs', { name: person.name, role: t(`role.${person.role}`) })}
      >
        {person.name}
      </a>
      <button type="button" class="plain small" onClick={leave}>
        {t('header.signOut')}
      </button>
    </span>
  )
}
