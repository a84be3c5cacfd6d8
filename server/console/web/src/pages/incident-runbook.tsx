import type { FrozenRunbook } from '../api-types.ts'
import { t } from '../i18n/language.ts'

/** The runbook as it was that day, with the hash that proves it. */
export function PinnedRunbook({ runbook }: { runbook: FrozenRunbook | null }) {
  return (
    <section aria-labelledby="runbook-heading" class="card runbook">
      <h2 id="runbook-heading">{t('incident.runbook')}</h2>
      {runbook === null ? (
        <p class="muted">{t('incident.noRunbook')}</p>
      ) : (
        <>
          <p class="muted note">
            {t('incident.runbookFrozen', { hash: '' })}
            <code>{runbook.hash}</code>{' '}
            <a
              href={`/runbooks/${encodeURIComponent(runbook.name)}`}
              target="_blank"
              rel="noopener"
            >
              {t('incident.runbookToday')}
            </a>
          </p>
          <div
            class="prose"
            // Made by the hub from Markdown with raw HTML escaped; the page's policy allows no inline script.
            dangerouslySetInnerHTML={{ __html: runbook.html }}
          />
        </>
      )}
    </section>
  )
}
