import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { t } from '../i18n/language.ts'
import { route } from '../router.ts'
import type { LiveAnswer } from '../search-types.ts'
import { changes } from '../state.ts'
import { ActionButton } from './action-button.tsx'
import { FullTime } from './times.tsx'

/** What the queries of a runbook's steps and checks say now of the host of the incident that is shown. */
export function LiveAnswers({ name }: { name: string }) {
  const answers = useSignal<readonly LiveAnswer[]>([])
  const shown = route.value
  const incident = shown?.page === 'incident' ? shown.id : null
  const version = changes.alerts.value
  const ask = async () => {
    if (incident === null) return
    const path = `/api/v1/runbooks/${encodeURIComponent(name)}/answers`
    const answer = await get<{ answers: LiveAnswer[] }>(
      `${path}?incident=${encodeURIComponent(incident)}`,
    )
    answers.value = answer.answers
  }
  // A change of alerts is a reason to ask again; what fails is told when somebody asks by the button.
  useEffect(() => {
    ask().catch(() => {})
  }, [name, incident, version])
  const [first] = answers.value
  if (first === undefined) return null
  return (
    <section class="live-answers" aria-labelledby="live-answers-heading">
      <h3 id="live-answers-heading">{t('runbook.now')}</h3>
      <dl>
        {answers.value.map((answer) => (
          <div key={answer.id}>
            <dt>{answer.text}</dt>
            <dd>
              <Values answer={answer} />
            </dd>
          </div>
        ))}
      </dl>
      <p class="muted note">
        <FullTime at={first.at} /> <ActionButton label={t('runbook.askAgain')} act={ask} />
      </p>
    </section>
  )
}

function Values({ answer }: { answer: LiveAnswer }) {
  if (answer.state === 'failed') return <>{t('runbook.failed', { message: answer.fault ?? '' })}</>
  if (answer.state === 'nothing') return <>{t('runbook.nothing')}</>
  return (
    <ul>
      {answer.values.map(({ labels, value }) => (
        <li key={JSON.stringify(labels)}>
          <strong>{value}</strong> <span class="muted">{told(labels)}</span>
        </li>
      ))}
      {answer.more > 0 && <li class="muted">{t('runbook.more', { count: answer.more })}</li>}
    </ul>
  )
}

/** Labels every series of the host has say nothing here. */
const ofHost = ['__name__', 'job', 'instance', 'customer', 'site', 'server', 'role', 'env']

function told(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .filter(([label]) => !ofHost.includes(label))
    .map(([label, value]) => `${label}=${value}`)
    .join(' ')
}
