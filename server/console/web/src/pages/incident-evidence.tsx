import { useSignal } from '@preact/signals'
import type { Evidence } from '../../../../../incidents/evidence.ts'
import { get } from '../api.ts'
import type { Fact } from '../api-types.ts'
import { standing } from '../fact-forms.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { bytes } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { aboutName, codeName, kindName } from '../i18n/workflow-text.ts'
import type { EvidenceAnswer } from '../incident-card-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { useRead } from '../parts/read.ts'
import { FullTime } from '../parts/times.tsx'
import { FrozenEvidence } from './incident-evidence-parts.tsx'
import { factText } from './incident-facts.tsx'
import type { PartProps } from './incident-steps.tsx'

/** What the hub froze of its own data, by hash, and what its rules suggest from it. */
export function IncidentEvidence({ incident }: PartProps) {
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/evidence`
  const { answer, error } = useRead<EvidenceAnswer>(path)
  const suggested = standing(incident.facts).filter(({ certainty }) => certainty === 'suggestion')
  return (
    <section aria-labelledby="evidence-heading" class="card evidence">
      <h2 id="evidence-heading">{t('evidence.title')}</h2>
      {error.value !== null && <Problem error={error.value} />}
      {answer.value === null && error.value === null && <p class="muted">{t('loading')}</p>}
      {answer.value?.evidence.length === 0 && <p class="empty">{t('evidence.none')}</p>}
      <ul class="rows">
        {answer.value?.evidence.map((one) => (
          <li key={one.hash}>
            <OneEvidence {...one} path={`${path}/${one.hash}`} number={incident.number} />
          </li>
        ))}
      </ul>
      {answer.value?.owed.map(({ stage, dueAt }) => (
        <p key={stage} class="muted note">
          {t('evidence.owed', { stage: stageName(stage) })} <FullTime at={dueAt} />
        </p>
      ))}
      <Suggestions facts={suggested} />
    </section>
  )
}

/** `detection`, or `recovery 12`: the number tells recoveries apart. */
const stageName = (stage: string) => t(`evidence.stage.${stage.split(' ')[0]}` as MessageKey)

type OneProps = EvidenceAnswer['evidence'][number] & {
  readonly path: string
  readonly number: number | string
}

function OneEvidence({ hash, about, stage, at, bytes: size, path, number }: OneProps) {
  const read = useSignal<Evidence | null>(null)
  const error = useSignal<unknown>(null)
  const open = async (isOpen: boolean) => {
    if (!isOpen || read.value !== null) return
    try {
      read.value = await get<Evidence>(path)
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  return (
    <>
      <p class="row-head">
        <strong>{stageName(stage)}</strong> <FullTime at={at} />
        <span class="muted">{bytes(language.value, size)}</span>
        <a
          href={path}
          download={`evidence-${number}-${stage.split(' ')[0]}-${hash.slice(0, 12)}.json`}
        >
          {t('evidence.download')} <span class="for-screen-readers">{aboutName(about)}</span>
        </a>
      </p>
      <p class="muted hash">
        SHA-256 <code>{hash}</code>
      </p>
      <details onToggle={(event) => void open(event.currentTarget.open)}>
        <summary>{t('evidence.open', { about: aboutName(about) })}</summary>
        {error.value !== null && <Problem error={error.value} />}
        {read.value === null && error.value === null && <p class="muted">{t('loading')}</p>}
        {read.value !== null && <FrozenEvidence evidence={read.value} />}
      </details>
    </>
  )
}

/** What programs think; nobody has said so. */
function Suggestions({ facts }: { facts: readonly Fact[] }) {
  if (facts.length === 0) return null
  return (
    <>
      <h3>{t('evidence.suggestions')}</h3>
      <p class="muted note">{t('evidence.suggestionsHelp')}</p>
      <ul class="rows">
        {facts.map((fact) => {
          const { confidence } = fact.value as { confidence?: string }
          return (
            <li key={fact.id}>
              <p class="row-head">
                <span class="badge boxed certainty-suggestion">{t('certainty.suggestion')}</span>
                <strong>{kindName(fact.kind)}</strong>
                {confidence !== undefined && (
                  <span class="muted">{codeName('confidence', confidence)}</span>
                )}
              </p>
              <p class="fact-text">{factText(fact)}</p>
            </li>
          )
        })}
      </ul>
    </>
  )
}
