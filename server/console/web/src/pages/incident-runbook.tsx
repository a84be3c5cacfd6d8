import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import type { Fact, FrozenRunbook, IncidentDetail } from '../api-types.ts'
import { standing } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { codeName } from '../i18n/workflow-text.ts'
import { write } from '../outbox.ts'
import { HubAction } from '../parts/hub-action.tsx'
import { LiveAnswers } from '../parts/live-answers.tsx'
import { FullTime } from '../parts/times.tsx'
import { canAct } from '../state.ts'

interface Props {
  readonly incident: IncidentDetail
  readonly took: (incident: IncidentDetail) => void
}

/** The runbook as it was that day, with the hash that proves it and its checklist. */
export function PinnedRunbook({ incident, took }: Props) {
  const { runbook } = incident
  return (
    <section aria-labelledby="runbook-heading" class="card runbook">
      <h2 id="runbook-heading">{t('incident.runbook')}</h2>
      {runbook === null ? (
        <p class="muted">{t('incident.noRunbook')}</p>
      ) : (
        <>
          <Checklist {...{ incident, took, runbook }} />
          <LiveAnswers name={runbook.name} />
          <details open>
            <summary>{t('runbook.text', { name: runbook.name })}</summary>
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
          </details>
        </>
      )}
    </section>
  )
}

interface StepValue {
  readonly hash: string
  readonly step: number
  readonly outcome: 'done' | 'skipped' | 'failed'
  readonly output?: string
}

function Checklist({ runbook, ...props }: Props & { runbook: FrozenRunbook }) {
  const went = new Map<number, Fact>()
  for (const fact of standing(props.incident.facts)) {
    const value = fact.value as StepValue
    if (fact.kind === 'runbook_step' && value.hash === runbook.hash) went.set(value.step, fact)
  }
  if (runbook.steps.length === 0) return <p class="muted note">{t('runbook.noSteps')}</p>
  return (
    <ol class="checklist">
      {runbook.steps.map(({ id, text }, index) => (
        <Step
          key={id}
          {...props}
          {...{ runbook, text }}
          number={index + 1}
          fact={went.get(index + 1)}
        />
      ))}
    </ol>
  )
}

const tones = { done: 'ok', skipped: 'silent', failed: 'critical' } as const

interface StepProps extends Props {
  readonly runbook: FrozenRunbook
  readonly number: number
  readonly text: string
  readonly fact: Fact | undefined
}

function Step({ incident, took, runbook, number, text, fact }: StepProps) {
  const id = useId()
  const output = useSignal('')
  const value = fact?.value as StepValue | undefined
  const say = async (outcome: StepValue['outcome']) => {
    const said = output.value.trim()
    const answer = await write(incident, [
      {
        kind: 'runbook_step',
        value: {
          text: `${number}. ${text}: ${codeName('outcome', outcome)}`,
          ...{ hash: runbook.hash, step: number, outcome },
          ...(said === '' ? {} : { output: said }),
        },
        ...(fact === undefined ? {} : { supersedes: fact.id }),
      },
    ])
    output.value = ''
    if (answer !== undefined) took(answer)
  }
  return (
    <li>
      <p>
        {text}{' '}
        {value !== undefined && (
          <span class={`badge boxed tone-${tones[value.outcome]}`}>
            {codeName('outcome', value.outcome)}
          </span>
        )}
      </p>
      {fact !== undefined && (
        <p class="muted note">
          {fact.recordedBy} · <FullTime at={fact.occurredAt} />
        </p>
      )}
      {value?.output !== undefined && <pre class="step-output">{value.output}</pre>}
      {canAct.value && (
        <details>
          <summary>{t('runbook.say', { number })}</summary>
          <label for={id}>{t('runbook.output')}</label>
          <textarea
            id={id}
            rows={2}
            maxLength={10_000}
            value={output.value}
            onInput={(event) => {
              output.value = event.currentTarget.value
            }}
          />
          <div class="supply">
            {(['done', 'skipped', 'failed'] as const).map((outcome) => (
              <HubAction
                key={outcome}
                label={codeName('outcome', outcome)}
                accessibleLabel={`${number}. ${codeName('outcome', outcome)}`}
                act={() => say(outcome)}
              />
            ))}
          </div>
        </details>
      )}
    </li>
  )
}
