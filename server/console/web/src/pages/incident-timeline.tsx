import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import type { Fact, IncidentDetail } from '../api-types.ts'
import { mayCorrect } from '../fact-forms.ts'
import { dayHeading, duration, fullTime, shortTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { kindName, roleName, stateName, writerName } from '../i18n/workflow-text.ts'
import { FactForm } from '../parts/fact-form.tsx'
import { canAct } from '../state.ts'
import { CertaintyMark, factText } from './incident-facts.tsx'

/** A difference between happening and recording worth showing, and one where memory speaks. */
const laterMs = 2_000
const lateMs = 15 * 60_000
/** Drawn at once; a storm brings thousands. */
const shownAtOnce = 300

interface Props {
  readonly incident: IncidentDetail
  readonly took: (incident: IncidentDetail) => void
}

/** Every stamped fact by day, oldest first: when it happened, when it was recorded, by whom, how certain. */
export function Timeline({ incident, took }: Props) {
  const id = useId()
  const kind = useSignal('')
  const all = useSignal(false)
  const replaced = new Map(incident.facts.map((fact) => [fact.supersedes, fact]))
  const ordered = [...incident.facts].sort(
    (a, b) => Date.parse(a.occurredAt) - Date.parse(b.occurredAt) || a.sequence - b.sequence,
  )
  const wanted = ordered.filter((fact) => kind.value === '' || fact.kind === kind.value)
  const shown = all.value ? wanted : wanted.slice(-shownAtOnce)
  const kinds = [...new Set(ordered.map((fact) => fact.kind))]
  return (
    <section aria-labelledby="timeline-heading" class="card timeline-card">
      <header class="column-head">
        <h2 id="timeline-heading">{t('incident.timeline')}</h2>
        <label class="push note" for={id}>
          {t('timeline.filter')}
        </label>
        <select
          id={id}
          value={kind.value}
          onChange={(event) => {
            kind.value = event.currentTarget.value
          }}
        >
          <option value="">{t('timeline.everything', { count: ordered.length })}</option>
          {kinds.map((name) => (
            <option key={name} value={name}>
              {kindName(name)} ({ordered.filter((fact) => fact.kind === name).length})
            </option>
          ))}
        </select>
      </header>
      <p class="muted note">{t('incident.timelineNote')}</p>
      {shown.length < wanted.length && (
        <button
          type="button"
          class="small"
          onClick={() => {
            all.value = true
          }}
        >
          {t('timeline.earlier', { count: wanted.length - shown.length })}
        </button>
      )}
      {byDay(shown).map(([day, facts]) => (
        <section key={day} aria-label={day} class="day">
          <h3>{day}</h3>
          <ol class="timeline">
            {facts.map((fact) => (
              <TimelineFact
                key={fact.id}
                {...{ fact, incident, took }}
                correction={replaced.get(fact.id)}
              />
            ))}
          </ol>
        </section>
      ))}
    </section>
  )
}

function byDay(facts: readonly Fact[]): [string, Fact[]][] {
  const days = new Map<string, Fact[]>()
  for (const fact of facts) {
    const day = dayHeading(language.value, fact.occurredAt)
    days.set(day, [...(days.get(day) ?? []), fact])
  }
  return [...days]
}

interface FactProps extends Props {
  readonly fact: Fact
  readonly correction: Fact | undefined
}

function TimelineFact({ fact, correction, incident, took }: FactProps) {
  const correcting = useSignal(false)
  const laterBy = Date.parse(fact.recordedAt) - Date.parse(fact.occurredAt)
  const text = wordsOf(fact)
  const late = laterBy > lateMs
  return (
    <li class={`fact fact-${fact.kind}`}>
      <p class="fact-what">
        <time
          class="fact-clock"
          dateTime={fact.occurredAt}
          title={fullTime(language.value, fact.occurredAt)}
        >
          {shortTime(language.value, Date.parse(fact.occurredAt))}
        </time>
        <strong>{kindName(fact.kind)}</strong>
        {correction !== undefined && <span class="badge boxed">{t('incident.superseded')}</span>}
        {fact.supersedes !== null && <span class="badge boxed">{t('incident.correction')}</span>}
        <CertaintyMark fact={fact} />
        {late && <span class="badge boxed tone-warning">{t('timeline.late')}</span>}
      </p>
      <p class="fact-text">{correction !== undefined ? <s>{text}</s> : text}</p>
      <p class="fact-stamp muted">
        {t('incident.recordedBy', { name: writerName(fact.recordedBy) })}
        {laterBy > laterMs &&
          ` · ${t('incident.recordedLater', {
            delay: duration(language.value, laterBy / 1000),
            time: fullTime(language.value, fact.recordedAt),
          })}`}
        {correction !== undefined &&
          ` · ${t('timeline.correctedBy', {
            name: correction.recordedBy,
            time: fullTime(language.value, correction.recordedAt),
          })}`}
        {canAct.value &&
          correction === undefined &&
          mayCorrect(fact.kind, incident.workflowState) && (
            <>
              {' '}
              <button
                type="button"
                class="link"
                aria-expanded={correcting.value}
                aria-label={t('timeline.correctThis', { kind: kindName(fact.kind), text })}
                onClick={() => {
                  correcting.value = !correcting.value
                }}
              >
                {t('timeline.correct')}
              </button>
            </>
          )}
      </p>
      {correcting.value && mayCorrect(fact.kind, incident.workflowState) && (
        <FactForm
          {...{ incident, took }}
          kind={fact.kind}
          correct={fact}
          done={() => {
            correcting.value = false
          }}
        />
      )}
    </li>
  )
}

/** A step in the reader's words; all else as it was written. */
function wordsOf(fact: Fact): string {
  if (fact.kind !== 'transition') return factText(fact)
  const { from, to, role } = fact.value as { from: string; to: string; role: string }
  return t('timeline.step', {
    ...{ from: stateName(from), to: stateName(to) },
    ...{ name: fact.recordedBy, role: roleName(role) },
  })
}
