import { useSignal } from '@preact/signals'
import { get } from '../api.ts'
import { reasonText, t } from '../i18n/language.ts'
import type { PageSummary } from '../paging-types.ts'
import { pagePath } from '../routes.ts'
import { Problem } from './action-button.tsx'

interface Why {
  readonly answer: string
  readonly pages: readonly PageSummary[]
}

/** Why people were or were not told of an alert; read when it is opened. */
export function WhoWasTold({ alertId, summary }: { alertId: string; summary: string }) {
  const why = useSignal<Why | null>(null)
  const error = useSignal<unknown>(null)
  const read = async () => {
    try {
      why.value = await get<Why>(`/api/v1/why/${encodeURIComponent(alertId)}`)
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  return (
    <details
      class="who-was-told"
      onToggle={(event) => {
        if (event.currentTarget.open) void read()
      }}
    >
      <summary aria-label={t('alert.whoWasToldOf', { summary })}>{t('alert.whoWasTold')}</summary>
      {error.value !== null && <Problem error={error.value} />}
      {why.value !== null && (
        <p>
          {reasonText(why.value.answer)}{' '}
          {why.value.pages.map(({ number }) => (
            <a key={number} href={pagePath(number)}>
              {t('page.title', { number: String(number) })}
            </a>
          ))}
        </p>
      )}
    </details>
  )
}
