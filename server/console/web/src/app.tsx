import { useComputed, useSignalEffect } from '@preact/signals'
import { t } from './i18n/language.ts'
import { tabTitle } from './live-reducer.ts'
import { Account } from './pages/account.tsx'
import { Alerts } from './pages/alerts.tsx'
import { Approvals } from './pages/approvals.tsx'
import { BoardLazily } from './pages/board-lazily.tsx'
import { Boards } from './pages/boards.tsx'
import { ContactPoints } from './pages/contact-points.tsx'
import { Figures } from './pages/figures.tsx'
import { HostLazily } from './pages/host-lazily.tsx'
import { Incident } from './pages/incident.tsx'
import { NewIncident } from './pages/incident-new.tsx'
import { PostMortem } from './pages/incident-post-mortem.tsx'
import { Incidents } from './pages/incidents.tsx'
import { LedgerPage } from './pages/ledger.tsx'
import { NotFound } from './pages/not-found.tsx'
import { Oncall } from './pages/oncall.tsx'
import { Overview } from './pages/overview.tsx'
import { Page as PagePage } from './pages/page.tsx'
import { Pages } from './pages/pages.tsx'
import { People } from './pages/people.tsx'
import { RunbookUsePage } from './pages/runbook-use.tsx'
import { Search } from './pages/search.tsx'
import { SignIn } from './pages/sign-in.tsx'
import { Silences } from './pages/silences.tsx'
import { Teams } from './pages/teams.tsx'
import { Welcome } from './pages/welcome.tsx'
import { Work } from './pages/work.tsx'
import { Announcer } from './parts/announcer.tsx'
import { Header } from './parts/header.tsx'
import { KeptBand } from './parts/kept-band.tsx'
import { PageBanners } from './parts/page-banner.tsx'
import { SimulatedBand } from './parts/simulated-band.tsx'
import { route } from './router.ts'
import type { Route } from './routes.ts'
import { alerts, hostsByInstance, live } from './state.ts'

/** Landmarks around the page the address names. */
export function App() {
  const title = useComputed(() => tabTitle(alerts.value, pageName(route.value)))
  useSignalEffect(() => {
    document.title = title.value
  })
  if (route.value?.page === 'sign-in' || route.value?.page === 'welcome') {
    return <main id="content">{route.value.page === 'sign-in' ? <SignIn /> : <Welcome />}</main>
  }
  return (
    <>
      <a class="skip" href="#content">
        {t('nav.skip')}
      </a>
      <PageBanners />
      <Header />
      <SimulatedBand />
      <KeptBand />
      <Announcer />
      <main id="content" tabIndex={-1}>
        <Page route={route.value} />
      </main>
    </>
  )
}

function Page({ route: shown }: { route: Route | null }) {
  switch (shown?.page) {
    case 'overview':
      return <Overview />
    case 'alerts':
      return <Alerts state={shown.state} />
    case 'incidents':
      return <Incidents filter={shown} />
    case 'new-incident':
      return <NewIncident />
    case 'figures':
      return <Figures filter={shown} />
    case 'post-mortem':
      return <PostMortem key={shown.id} id={shown.id} />
    case 'work':
      return <Work />
    case 'incident':
      return <Incident key={shown.id} id={shown.id} />
    case 'oncall':
      return <Oncall />
    case 'host':
      return <HostLazily key={shown.instance} instance={shown.instance} />
    case 'contact-points':
      return <ContactPoints />
    case 'pages':
      return <Pages view={shown.view} />
    case 'page':
      return <PagePage key={shown.number} number={shown.number} />
    case 'silences':
      return <Silences matchers={shown.matchers} />
    case 'search':
      return <Search query={shown.query} />
    case 'boards':
      return <Boards />
    case 'board':
      return <BoardLazily key={shown.board} board={shown.board} query={shown.query} />
    case 'runbook-use':
      return <RunbookUsePage />
    case 'account':
      return <Account />
    case 'people':
      return <People />
    case 'teams':
      return <Teams />
    case 'approvals':
      return <Approvals />
    case 'ledger':
      return <LedgerPage />
    default:
      return <NotFound />
  }
}

function pageName(shown: Route | null): string {
  switch (shown?.page) {
    case 'overview':
      return ''
    case 'alerts':
      return t('alerts.title')
    case 'incidents':
      return t('incidents.title')
    case 'new-incident':
      return t('newIncident.title')
    case 'work':
      return t('work.title')
    case 'post-mortem':
    case 'incident': {
      const number = live.value.incidents.get(shown.id)?.number
      return number === undefined
        ? t('incidents.title')
        : t('incident.title', { number: String(number) })
    }
    case 'oncall':
      return t('oncall.title')
    case 'host':
      return hostsByInstance.value.get(shown.instance)?.server ?? shown.instance
    case 'contact-points':
      return t('contact.title')
    case 'pages':
      return t('pages.title')
    case 'page':
      return t('page.title', { number: shown.number })
    case 'silences':
      return t('silences.title')
    case 'board':
      return t('boards.title')
    case 'sign-in':
      return t('signIn.title')
    case 'welcome':
    case 'search':
    case 'runbook-use':
    case 'account':
    case 'people':
    case 'teams':
    case 'approvals':
    case 'ledger':
    case 'boards':
      return t(`${shown.page}.title`)
    default:
      return t('notFound.title')
  }
}
