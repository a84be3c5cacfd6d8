import { t } from '../i18n/language.ts'
import { kindName } from '../i18n/workflow-text.ts'
import { discard, sendWaiting, waiting } from '../outbox.ts'
import { incidentPath } from '../routes.ts'
import { ActionButton } from './action-button.tsx'
import { FullTime } from './times.tsx'

/** What was written without the network and waits, and what the hub refused afterwards; of one incident or of all. */
export function OutboxList({ incident }: { incident?: string }) {
  const shown = waiting.value.filter((one) => incident === undefined || one.incident === incident)
  if (shown.length === 0) return null
  return (
    <section class="card outbox" aria-labelledby="outbox-heading">
      <h2 id="outbox-heading">{t('outbox.title', { count: shown.length })}</h2>
      <p class="muted note">{t('outbox.intro')}</p>
      <ul>
        {shown.map((entry) => (
          <li key={entry.key}>
            <p>
              <span class={`badge boxed tone-${entry.refused === null ? 'warning' : 'critical'}`}>
                {t(entry.refused === null ? 'outbox.waits' : 'outbox.refused')}
              </span>{' '}
              <a href={incidentPath(entry.incident)}>
                {t('incident.title', { number: String(entry.number) })}
              </a>{' '}
              <span class="muted">
                <FullTime at={entry.writtenAt} />
              </span>
            </p>
            {entry.facts.map(({ kind, value }) => (
              <p key={kind} class="fact-text">
                <strong>{kindName(kind)}:</strong> {String(value['text'] ?? '')}
              </p>
            ))}
            {entry.refused !== null && <p class="problem">{entry.refused}</p>}
            {entry.refused !== null && (
              <button type="button" class="small" onClick={() => discard(entry.key)}>
                {t('outbox.discard')}
              </button>
            )}
          </li>
        ))}
      </ul>
      <ActionButton label={t('outbox.send')} act={sendWaiting} />
    </section>
  )
}
