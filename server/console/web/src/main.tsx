import { render } from 'preact'
import { ApiError } from './api.ts'
import { App } from './app.tsx'
import { startLive } from './live.ts'
import { startSound } from './live-ring.ts'
import { startOffline } from './offline.ts'
import { startOutbox } from './outbox.ts'
import { startSearchKey } from './parts/search-key.ts'
import { navigate, route, startRouter } from './router.ts'
import { loadAll, loadError, loadMe, me, startState } from './state.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/header.css'
import './styles/cards.css'
import './styles/pages.css'
import './styles/incident.css'
import './styles/oncall.css'
import './styles/account.css'
import './styles/page-banner.css'
import './styles/silences.css'
import './styles/search.css'
import './styles/workflow.css'
import './styles/incident-cards.css'
import './styles/figures.css'
import './styles/boards.css'
import './styles/touch.css'

startState()
startRouter()
startSound()
startSearchKey()
startOutbox()
startOffline()
render(<App />, document.querySelector('#app')!)
if (route.value?.page !== 'sign-in' && route.value?.page !== 'welcome') void enter()

/** With a session: push line and data. Without one the first 401 leads to the sign-in page. */
async function enter(): Promise<void> {
  try {
    await loadMe()
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return
    loadError.value = error // the hub is away: the push line keeps trying and loads everything when it is back
  }
  if (me.peek()?.needsSecondFactor === true) {
    navigate('/account', 'replace')
    return
  }
  startLive()
  void loadAll()
}
