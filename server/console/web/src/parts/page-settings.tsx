import { useEffect } from 'preact/hooks'
import { t } from '../i18n/language.ts'
import { peopleConnected, watchPresence } from '../live-presence.ts'
import {
  askForNotifications,
  notifications,
  setSound,
  soundReady,
  soundWanted,
} from '../live-ring.ts'

/** Who follows, and how this browser tells of a page. */
export function PageSettings() {
  useEffect(watchPresence, [])
  const people = peopleConnected.value
  return (
    <ul class="page-settings">
      {people !== null && <li class="muted people">{t('overview.people', { count: people })}</li>}
      <li>
        <button
          type="button"
          class="plain small"
          aria-pressed={soundWanted.value}
          onClick={() => setSound(!soundWanted.value)}
        >
          {t(soundText())}
        </button>
      </li>
      <li>
        {notifications.value === 'default' ? (
          <button type="button" class="plain small" onClick={askForNotifications}>
            {t('page.notifyAsk')}
          </button>
        ) : (
          <span class="muted">{t(`page.notify.${notifications.value}`)}</span>
        )}
      </li>
    </ul>
  )
}

function soundText() {
  if (!soundWanted.value) return 'page.soundOff'
  return soundReady.value ? 'page.soundOn' : 'page.soundAfterClick'
}
