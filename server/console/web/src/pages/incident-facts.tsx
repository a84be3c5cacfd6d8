import type { Fact, FactKind } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { FullTime } from '../parts/times.tsx'

const known: readonly FactKind[] = [
  'phenomenon',
  'occurred',
  'detected',
  'impact',
  'preliminary_cause',
]

/** The five things every incident records, each by its latest fact that nothing replaced. */
export function KnownFacts({ facts }: { facts: readonly Fact[] }) {
  const standing = standingFacts(facts)
  return (
    <section aria-labelledby="known-heading" class="card">
      <h2 id="known-heading">{t('incident.summary')}</h2>
      <dl class="known">
        {known.map((kind) => {
          const fact = standing.filter((candidate) => candidate.kind === kind).at(-1)
          return (
            <div key={kind}>
              <dt>{t(`fact.${kind}`)}</dt>
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

/** Facts by sequence, without those a later fact replaced. */
export function standingFacts(facts: readonly Fact[]): Fact[] {
  const replaced = new Set(facts.map((fact) => fact.supersedes))
  return facts.filter((fact) => !replaced.has(fact.id)).sort((a, b) => a.sequence - b.sequence)
}

/** The fact's own words. */
export function factText(fact: Fact): string {
  if (fact.text !== '') return fact.text
  return typeof fact.value === 'string' ? fact.value : JSON.stringify(fact.value)
}
