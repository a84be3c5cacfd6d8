import type { MessageKey } from '../i18n/catalogue.ts'
import { duration } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { hubText, listComma, roleName } from '../i18n/workflow-text.ts'
import { FullTime } from '../parts/times.tsx'
import type { PartProps } from './incident-steps.tsx'

const shown = [
  'toAcknowledgeMillis',
  'toRespondMillis',
  'toRestoreMillis',
  'downtimeMillis',
  'durationMillis',
] as const

/** Who owes it: those who hold a part, or a person. */
function owing(what: string, by: string): string {
  if (what !== 'action') return by.split(', ').map(roleName).join(listComma())
  return by === 'nobody' ? t('clocks.noOwner') : by
}

/** How long it took so far, what is owed, and what contradicts itself; all worked out by the hub. */
export function IncidentStanding({ workflow: { figures, owed, violations } }: PartProps) {
  return (
    <section class="card" aria-labelledby="standing-heading">
      <h2 id="standing-heading">
        {t('standing.title')}{' '}
        {figures.estimated && (
          <span class="badge boxed certainty-estimate">{t('certainty.estimate')}</span>
        )}
      </h2>
      <dl class="pairs">
        {shown.map((name) => (
          <div key={name}>
            <dt>{t(`standing.${name}` as MessageKey)}</dt>
            <dd>
              {figures[name] === undefined
                ? '–'
                : duration(language.value, (figures[name] ?? 0) / 1000)}
            </dd>
          </div>
        ))}
        <div>
          <dt>{t('standing.relapses')}</dt>
          <dd>{figures.relapses}</dd>
        </div>
      </dl>
      {owed.length > 0 && (
        <>
          <h3>{t('standing.owed')}</h3>
          <ul class="reasons">
            {owed.map(({ what, id, by, dueAt, ...said }) => (
              <li key={`${what} ${id} ${said.text}`}>
                {hubText(said)} <span class="muted">{owing(what, by)}</span>
                {dueAt !== undefined && (
                  <span class="muted">
                    {' '}
                    · <FullTime at={dueAt} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
      {violations.length > 0 && (
        <div class="problem">
          <p>{t('standing.violations')}</p>
          <ul class="reasons">
            {violations.map((said) => (
              <li key={said.text}>{hubText(said)}</li>
            ))}
          </ul>
        </div>
      )}
    </section>
  )
}
