import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { ApiError, post } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { write } from '../outbox.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { Refusal } from '../parts/refusal.tsx'
import { changes } from '../state.ts'

interface Props {
  readonly incident: IncidentDetail
  /** Receives the incident as the hub answered. */
  readonly took: (incident: IncidentDetail) => void
}

/** What is done in a hurry: say that one has it, write a line. */
export function IncidentActions({ incident, took }: Props) {
  const acknowledge = async () => {
    const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/acknowledge`
    try {
      took((await post<{ incident: IncidentDetail }>(path, {})).incident)
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) changes.incidents.value++ // read what is there now
      throw error
    }
  }
  return (
    <div class="actions">
      {incident.state === 'open' && (
        <div class="action-group">
          <ActionButton kind="primary" label={t('incident.acknowledge')} act={acknowledge} />
          <p class="muted note">{t('incident.acknowledgeHelp')}</p>
        </div>
      )}
      <NoteForm {...{ incident, took }} />
    </div>
  )
}

/** A text that is sent by its button or Ctrl+Enter, and kept until it can be sent. */
export function NoteForm({
  incident,
  took,
}: {
  readonly incident: Pick<IncidentDetail, 'id' | 'number'>
  readonly took: (incident: IncidentDetail) => void
}) {
  const id = useId()
  const text = useSignal('')
  const state = useSignal<{ busy: boolean; told: string; error: unknown }>({
    ...{ busy: false, told: '', error: null },
  })
  const send = async () => {
    const facts = [{ kind: 'note', value: { text: text.value.trim() } }]
    const answer = await write(incident, facts)
    text.value = ''
    state.value = { ...state.value, told: t(answer ? 'incident.saved' : 'outbox.kept') }
    if (answer !== undefined) took(answer)
  }
  const submit = () => {
    if (text.value.trim() === '' || state.value.busy) return
    state.value = { busy: true, told: '', error: null }
    send()
      .catch((error: unknown) => {
        state.value = { ...state.value, error }
      })
      .finally(() => {
        state.value = { ...state.value, busy: false }
      })
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <label for={id}>{t('incident.note')}</label>
      <textarea
        id={id}
        rows={3}
        required
        maxLength={10_000}
        aria-describedby={`${id}-help`}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit()
        }}
      />
      <p id={`${id}-help`} class="muted note">
        {t('incident.noteHelp')}
      </p>
      <button type="submit" class="plain" aria-disabled={state.value.busy}>
        {t('incident.addNote')}
      </button>
      <span role="status" class="saved">
        {state.value.told}
      </span>
      {state.value.error !== null && <Refusal error={state.value.error} />}
    </form>
  )
}
