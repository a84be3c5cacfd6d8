import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { type FactKind, isFactKind, specOf } from '../../../../../incidents/facts.ts'
import { isOpen, writableKinds } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { kindName } from '../i18n/workflow-text.ts'
import { FactForm } from '../parts/fact-form.tsx'
import type { PartProps } from './incident-steps.tsx'

/** Everything a person may write of this incident: choose what, fill in, save. */
export function IncidentWrite({ incident, workflow, took }: PartProps) {
  const id = useId()
  const kind = useSignal<FactKind | null>(null)
  const open = isOpen(workflow.state)
  const taken = (one: FactKind) => open || specOf(one).afterEnd === true
  return (
    <section class="card write-card" aria-labelledby="write-heading">
      <h2 id="write-heading">{t('write.title')}</h2>
      <label for={id}>{t('write.what')}</label>
      <select
        id={id}
        class="wide"
        value={kind.value ?? ''}
        onChange={(event) => {
          const { value } = event.currentTarget
          kind.value = isFactKind(value) ? value : null
        }}
      >
        <option value="" />
        {writableKinds().map(([group, kinds]) => (
          <optgroup key={group} label={t(`write.${group}`)}>
            {kinds.filter(taken).map((one) => (
              <option key={one} value={one}>
                {kindName(one)}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
      {kind.value !== null && taken(kind.value) && (
        <FactForm key={kind.value} {...{ incident, took }} kind={kind.value} />
      )}
    </section>
  )
}
