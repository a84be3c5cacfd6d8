import { ApiError, explain } from '../api.ts'
import { t } from '../i18n/language.ts'
import { hubText } from '../i18n/workflow-text.ts'

/** Why the hub refused, thing by thing, where the reader looks; said aloud. */
export function Refusal({ error }: { error: unknown }) {
  const missing = error instanceof ApiError ? error.missing : []
  if (missing.length === 0)
    return (
      <p class="problem" role="alert">
        {error instanceof ApiError && error.status >= 400 && error.status < 500
          ? error.message
          : explain(error)}
      </p>
    )
  return (
    <div class="problem" role="alert">
      <p>{t('refusal.title')}</p>
      <ul class="reasons">
        {missing.map((one) => (
          <li key={one.text}>{hubText(one)}</li>
        ))}
      </ul>
    </div>
  )
}
