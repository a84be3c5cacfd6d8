import type { Fact } from '../api-types.ts'
import { standing } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { kindName, saidName } from '../i18n/workflow-text.ts'
import { FullTime } from '../parts/times.tsx'

const known: readonly string[] = [
  'phenomenon',
  'occurred',
  'detected',
  'impact',
  'preliminary_cause',
  'root_cause',
]

/** The things every incident records, each by its latest fact that nothing replaced. */
export function KnownFacts({ facts }: { facts: readonly Fact[] }) {
  const stands = standing(facts)
  return (
    <section aria-labelledby="known-heading" class="card known-card">
      <h2 id="known-heading">{t('incident.summary')}</h2>
      <dl class="known">
        {known.map((kind) => {
          const of = stands.filter((candidate) => candidate.kind === kind)
          const fact = of.findLast(({ certainty }) => certainty !== 'suggestion') ?? of.at(-1)
          return (
            <div key={kind}>
              <dt>{kindName(kind)}</dt>
              <dd>
                {fact ? (
                  <>
                    <FactWords fact={fact} /> <CertaintyMark fact={fact} />
                  </>
                ) : (
                  <span class="muted">{t('incident.notRecorded')}</span>
                )}
              </dd>
            </div>
          )
        })}
      </dl>
    </section>
  )
}

/** A moment is written in the reader's language and zone, before its words. */
function FactWords({ fact }: { fact: Fact }) {
  if (fact.kind !== 'occurred' && fact.kind !== 'detected') return <>{factText(fact)}</>
  return (
    <>
      <FullTime at={fact.occurredAt} /> <span class="muted">{factText(fact)}</span>
    </>
  )
}

/** An estimate or a suggestion never looks like a finding. */
export function CertaintyMark({ fact }: { fact: Fact }) {
  if (fact.certainty === 'actual') return null
  return (
    <span class={`badge boxed certainty-${fact.certainty}`}>
      {t(`certainty.${fact.certainty}`)}
    </span>
  )
}

/** The fact's own words; fixed sentences of the hub in the reader's language. */
export function factText(fact: Fact): string {
  if (fact.text !== '') return saidName(fact, fact.text)
  return typeof fact.value === 'string' ? fact.value : JSON.stringify(fact.value)
}
