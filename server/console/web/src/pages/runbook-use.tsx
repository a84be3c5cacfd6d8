import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { SeverityBadge } from '../parts/badges.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import type { RunbookUse } from '../search-types.ts'

/** Which alert rules leave people without a runbook, which runbooks nobody ever used, and the use of the others. */
export function RunbookUsePage() {
  const use = useSignal<RunbookUse | null>(null)
  const error = useSignal<unknown>(null)
  useEffect(() => {
    get<RunbookUse>('/api/v1/runbook-use')
      .then((read) => {
        use.value = read
      })
      .catch((problem: unknown) => {
        error.value = problem
      })
  }, [])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('runbook-use.title')}</PageTitle>
      </div>
      <p class="note silences-intro">{t('runbook-use.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      {use.value === null ? (
        error.value === null && <p class="empty">{t('loading')}</p>
      ) : (
        <Report use={use.value} />
      )}
    </>
  )
}

function Report({ use: { rulesWithoutRunbook, neverUsed, used } }: { use: RunbookUse }) {
  return (
    <>
      <Part name="without" count={rulesWithoutRunbook.length}>
        {rulesWithoutRunbook.map(({ rule, group, severity, elsewhere }) => (
          <li key={rule}>
            <code>{rule}</code>{' '}
            <span class="muted">
              {group} · {severity}
              {elsewhere !== null && ` · ${elsewhere}`}
            </span>
          </li>
        ))}
      </Part>
      <Part name="never" count={neverUsed.length}>
        {neverUsed.map(({ name, title, severity }) => (
          <li key={name}>
            <SeverityBadge severity={severity} /> <RunbookLink name={name} title={title} />
          </li>
        ))}
      </Part>
      <Part name="used" count={used.length}>
        {used.map(({ name, title, incidents, opened, lastUsedAt }) => (
          <li key={name}>
            {title === null ? name : <RunbookLink name={name} title={title} />}{' '}
            <span class="muted">
              {t('runbook-use.incidents', { count: incidents })},{' '}
              {t('runbook-use.opened', { count: opened })}, <FullTime at={lastUsedAt} />
            </span>
          </li>
        ))}
      </Part>
    </>
  )
}

function RunbookLink({ name, title }: { name: string; title: string }) {
  return (
    <a href={`/runbooks/${encodeURIComponent(name)}`} target="_blank" rel="noopener">
      {title}
    </a>
  )
}

interface PartProps {
  readonly name: 'without' | 'never' | 'used'
  readonly count: number
  readonly children: ComponentChildren
}

function Part({ name, count, children }: PartProps) {
  return (
    <section class="card runbook-use" aria-labelledby={`runbook-use-${name}`}>
      <h2 id={`runbook-use-${name}`}>{t(`runbook-use.${name}`, { count })}</h2>
      {count > 0 && <ul>{children}</ul>}
    </section>
  )
}
