import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { post } from '../api.ts'
import { t } from '../i18n/language.ts'
import type { OncallPerson } from '../oncall-types.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { changes } from '../state.ts'

/** Puts somebody else on call for a while; times are in the browser's own zone. */
export function OverrideForm({
  scheduleId,
  people,
}: {
  scheduleId: string
  people: readonly OncallPerson[]
}) {
  const id = useId()
  const person = useSignal('')
  const from = useSignal('')
  const to = useSignal('')
  const reason = useSignal('')
  const saved = useSignal(false)
  const send = async () => {
    saved.value = false
    if (person.value === '' || to.value === '' || reason.value.trim() === '')
      throw new Error(t('oncall.fillAll'))
    await post(`/api/v1/oncall/schedules/${encodeURIComponent(scheduleId)}/overrides`, {
      person: person.value,
      from: (from.value === '' ? new Date() : new Date(from.value)).toISOString(),
      to: new Date(to.value).toISOString(),
      reason: reason.value.trim(),
    })
    reason.value = ''
    saved.value = true
    changes.oncall.value++
  }
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return (
    <details>
      <summary>{t('oncall.addOverride')}</summary>
      <div class="override-form">
        <label for={`${id}-person`}>{t('oncall.who')}</label>
        <select
          id={`${id}-person`}
          value={person.value}
          onChange={(event) => {
            person.value = event.currentTarget.value
          }}
        >
          <option value="" />
          {people
            .filter(({ enabled }) => enabled)
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
        </select>
        <label for={`${id}-from`}>{t('oncall.fromOrNow')}</label>
        <input
          id={`${id}-from`}
          type="datetime-local"
          value={from.value}
          onInput={(event) => {
            from.value = event.currentTarget.value
          }}
        />
        <label for={`${id}-to`}>{t('oncall.to')}</label>
        <input
          id={`${id}-to`}
          type="datetime-local"
          value={to.value}
          onInput={(event) => {
            to.value = event.currentTarget.value
          }}
        />
        <label for={`${id}-reason`}>{t('oncall.reason')}</label>
        <input
          id={`${id}-reason`}
          maxLength={500}
          value={reason.value}
          onInput={(event) => {
            reason.value = event.currentTarget.value
          }}
        />
        <p class="muted note">{t('oncall.overrideHelp', { zone })}</p>
        <ActionButton kind="primary" label={t('oncall.addOverride')} act={send} />
        <span role="status" class="saved">
          {saved.value ? t('incident.saved') : ''}
        </span>
      </div>
    </details>
  )
}
