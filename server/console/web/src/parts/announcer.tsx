import { t } from '../i18n/language.ts'
import { lastMessage } from '../live.ts'
import { alertServer, alertSummary } from './alert-card.tsx'

/** Says a new critical alert to a screen reader, wherever the reader is. */
export function Announcer() {
  const message = lastMessage.value
  const critical =
    message?.kind === 'alert' &&
    message.body.change === 'firing' &&
    message.body.alert.severity === 'critical'
      ? message.body.alert
      : null
  return (
    <div class="for-screen-readers" role="alert" aria-live="assertive">
      {critical && (
        <p key={message?.sequence}>
          {t('announce.critical', {
            summary: alertSummary(critical),
            server: alertServer(critical),
          })}
        </p>
      )}
    </div>
  )
}
