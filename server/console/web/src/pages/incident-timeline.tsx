import type { Fact } from '../api-types.ts'
import { duration, fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { FullTime } from '../parts/times.tsx'
import { CertaintyMark, factText } from './incident-facts.tsx'

/** A difference between happening and recording worth showing. */
const laterMs = 2_000

/** Every stamped fact, oldest first: when it happened, when it was recorded, by whom. */
export function Timeline({ facts }: { facts: readonly Fact[] }) {
  const replaced = new Set(facts.map((fact) => fact.supersedes))
  const ordered = [...facts].sort(
    (a, b) => Date.parse(a.occurredAt) - Date.parse(b.occurredAt) || a.sequence - b.sequence,
  )
  return (
    <section aria-labelledby="timeline-heading" class="card">
      <h2 id="timeline-heading">{t('incident.timeline')}</h2>
      <p class="muted note">{t('incident.timelineNote')}</p>
      <ol class="timeline">
        {ordered.map((fact) => (
          <TimelineFact key={fact.id} fact={fact} superseded={replaced.has(fact.id)} />
        ))}
      </ol>
    </section>
  )
}

function TimelineFact({ fact, superseded }: { fact: Fact; superseded: boolean }) {
  const laterBy = Date.parse(fact.recordedAt) - Date.parse(fact.occurredAt)
  const text = factText(fact)
  return (
    <li class={`fact fact-${fact.kind}`}>
      <p class="fact-when muted">
        <FullTime at={fact.occurredAt} />
      </p>
      <p class="fact-what">
        <strong>{t(`fact.${fact.kind}`)}</strong>
        {superseded && <span class="badge boxed">{t('incident.superseded')}</span>}
        {fact.supersedes !== null && <span class="badge boxed">{t('incident.correction')}</span>}
        <CertaintyMark fact={fact} />
      </p>
      <p class="fact-text">{superseded ? <s>{text}</s> : text}</p>
      <p class="fact-stamp muted">
        {t('incident.recordedBy', { name: fact.recordedBy })}
        {laterBy > laterMs &&
          ` · ${t('incident.recordedLater', {
            delay: duration(language.value, laterBy / 1000),
            time: fullTime(language.value, fact.recordedAt),
          })}`}
      </p>
    </li>
  )
}
