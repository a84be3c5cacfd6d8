import { ApiError, explain } from '../api.ts'
import { byGuard } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { guardName, hubText } from '../i18n/workflow-text.ts'

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
        {byGuard(missing).map(([guard, lacks]) => (
          <li key={guard ?? lacks[0]?.text}>
            {lacks.map(hubText).join('; ')}
            {guardName(guard) !== undefined && (
              <span class="muted note"> {t('refusal.rule', { rule: guardName(guard) ?? '' })}</span>
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}
