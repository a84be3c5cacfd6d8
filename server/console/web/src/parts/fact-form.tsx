import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import {
  type FactKind,
  faultsOfFact,
  type NewFact,
  specOf,
} from '../../../../../incidents/facts.ts'
import type { Fact, IncidentDetail } from '../api-types.ts'
import {
  corrected,
  type Draft,
  draftOf,
  type FormScene,
  fieldsOf,
  localInput,
  valueFrom,
} from '../fact-forms.ts'
import { language, t } from '../i18n/language.ts'
import { causeName, codeName, fieldName, kindName } from '../i18n/workflow-text.ts'
import { write } from '../outbox.ts'
import { me } from '../state.ts'
import type { SentFact } from '../workflow-types.ts'
import { FactField } from './fact-field.tsx'
import { Refusal } from './refusal.tsx'

interface Props {
  readonly incident: IncidentDetail
  readonly kind: FactKind
  /** The fact to correct; without it the one that must be, if there is one. */
  readonly correct?: Fact | undefined
  /** Receives the incident as the hub answered. */
  readonly took: (incident: IncidentDetail) => void
  readonly done?: () => void
  /** Sends it another way: with a step. */
  readonly send?: (fact: SentFact) => Promise<void>
  readonly submit?: string
}

/** What a form needs to know of its incident. */
export function sceneOf(incident: IncidentDetail): FormScene {
  return { me: me.value?.name ?? '', facts: incident.facts, runbook: incident.runbook }
}

/** A form for one kind of fact, made from the published table. */
export function FactForm(props: Props) {
  const { incident, kind, correct, took, done, send, submit } = props
  const id = useId()
  const scene = sceneOf(incident)
  // What the form was filled from stays what it corrects: if somebody was quicker, the hub refuses and nothing is overwritten unseen.
  const basis = useSignal(correct ?? corrected(kind, {}, incident.facts))
  const draft = useSignal<Draft>(draftOf(kind, scene, basis.value))
  const when = useSignal(whenOf(correct))
  const estimate = useSignal(correct?.certainty === 'estimate')
  const state = useSignal<{ busy: boolean; error: unknown; told: string }>({
    ...{ busy: false, error: null, told: '' },
  })
  const save = async () => {
    const fact = factOf(props, draft.value, scene, basis.value, when.value, estimate.value)
    if (send !== undefined) await send(fact)
    else {
      const answer = await write(incident, [fact])
      state.value = { ...state.value, told: t(answer ? 'incident.saved' : 'outbox.kept') }
      const after = answer ?? incident
      basis.value = corrected(kind, {}, after.facts)
      draft.value = draftOf(kind, sceneOf(after), basis.value)
      if (answer !== undefined) took(answer)
    }
    when.value = ''
    done?.()
  }
  const onSubmit = (event: Event) => {
    event.preventDefault()
    if (state.value.busy) return
    state.value = { busy: true, error: null, told: '' }
    save()
      .catch((error: unknown) => {
        state.value = { ...state.value, error }
      })
      .finally(() => {
        state.value = { ...state.value, busy: false }
      })
  }
  return (
    <form class="fact-form" aria-label={kindName(kind)} onSubmit={onSubmit}>
      {basis.value !== undefined && <p class="muted note">{t('factForm.corrects')}</p>}
      {kind === 'recovered' && <p class="muted note">{t('factForm.recoveredHelp')}</p>}
      {kind === 'attestation' && <p class="muted note">{t('factForm.attestationHelp')}</p>}
      {fieldsOf(kind).map((field) => (
        <FactField key={field} {...{ kind, field, draft, scene }} id={`${id}-${field}`} />
      ))}
      <label for={`${id}-when`}>
        {t('factForm.when')} <span class="muted note">{t('factForm.whenEmpty')}</span>
      </label>
      <input
        id={`${id}-when`}
        type="datetime-local"
        value={when.value}
        onInput={(event) => {
          when.value = event.currentTarget.value
        }}
      />
      <label class="contact-check">
        <input
          type="checkbox"
          checked={estimate.value}
          onChange={(event) => {
            estimate.value = event.currentTarget.checked
          }}
        />{' '}
        {t('factForm.estimate')}
      </label>
      {state.value.error !== null && <Refusal error={state.value.error} />}
      <div class="form-end">
        <button type="submit" class="primary" aria-disabled={state.value.busy}>
          {submit ?? t('factForm.save', { kind: kindName(kind) })}
        </button>
        <span role="status" class="saved">
          {state.value.told}
        </span>
      </div>
    </form>
  )
}

/** For the field: when the fact to correct happened. */
function whenOf(correct: Fact | undefined): string {
  return correct === undefined ? '' : localInput(Date.parse(correct.occurredAt))
}

/** Throws with the faults that the published table finds. */
function factOf(
  { kind, incident, correct }: Props,
  draft: Draft,
  scene: FormScene,
  basis: Fact | undefined,
  when: string,
  estimate: boolean,
): SentFact {
  const filled = valueFrom(kind, draft, scene)
  const value = { ...filled, text: filled['text'] ?? summary(kind, filled) }
  const old =
    basis ?? (specOf(kind).per === 'one' ? undefined : corrected(kind, value, incident.facts))
  // The field shows minutes: what was not touched keeps its seconds.
  const kept = correct !== undefined && when === whenOf(correct)
  const given = kept ? correct.occurredAt : when
  const occurredAt = given === '' ? Date.now() : Date.parse(given)
  const certainty = estimate ? 'estimate' : 'actual'
  const faults = faultsOfFact({
    ...{ kind, value, certainty, occurredAt, recordedBy: scene.me, supersedes: old?.id ?? null },
  } as NewFact)
  if (faults.length > 0) throw new Error(faultWords(kind, value, faults).join('\n'))
  return {
    ...{ kind, value, certainty },
    ...(given === '' ? {} : { occurredAt: new Date(occurredAt).toISOString() }),
    ...(old === undefined ? {} : { supersedes: old.id }),
  }
}

/** The fields to mend, by their names in the reader's language; English readers get the published table's own words. */
function faultWords(
  kind: FactKind,
  value: Readonly<Record<string, unknown>>,
  faults: readonly string[],
): readonly string[] {
  if (language.value === 'en') return faults
  const fields = Object.entries(specOf(kind).fields).filter(
    ([name, field]) => field.faultsOf(value[name], name).length > 0,
  )
  return fields.length === 0
    ? faults
    : fields.map(([name]) => t('factForm.mend', { field: fieldName(name) }))
}

/** The line a person reads, where nobody wrote one: what the fields say, in the writer's language. */
function summary(kind: FactKind, value: Readonly<Record<string, unknown>>): string {
  const said = Object.entries(value).flatMap(([field, content]) =>
    specOf(kind).fields[field] === undefined || field === 'hash'
      ? []
      : [`${fieldName(field)}: ${words(field, content)}`],
  )
  return said.length === 0 ? `${kindName(kind)}.` : said.join('; ')
}

function words(field: string, content: unknown): string {
  if (Array.isArray(content)) return content.map((one) => words(field, one)).join(', ')
  if (typeof content === 'boolean') return t(content ? 'factForm.yes' : 'factForm.no')
  const code = String(content)
  if (field === 'codes' || field === 'additional' || field === 'code') return causeName(code)
  return field === 'dueAt' || field === 'plannedFor'
    ? new Date(Number(content)).toISOString()
    : codeName(field, code)
}
