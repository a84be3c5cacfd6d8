import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { ApiError, post } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { changes } from '../state.ts'

interface Props {
  readonly incident: IncidentDetail
  /** Receives the incident as the hub answered. */
  readonly took: (incident: IncidentDetail) => void
}

/** Acknowledge, note, resolve: each a REST call whose answer is shown at once. */
export function IncidentActions({ incident, took }: Props) {
  const act = async (action: string, body: unknown) => {
    const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/${action}`
    try {
      took((await post<{ incident: IncidentDetail }>(path, body)).incident)
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) changes.incidents.value++ // read what is there now
      throw error
    }
  }
  return (
    <div class="actions">
      {incident.state === 'open' && (
        <div class="action-group">
          <ActionButton
            kind="primary"
            label={t('incident.acknowledge')}
            act={() => act('acknowledge', {})}
          />
          <p class="muted note">{t('incident.acknowledgeHelp')}</p>
        </div>
      )}
      <TextAction
        label={t('incident.note')}
        help={t('incident.noteHelp')}
        button={t('incident.addNote')}
        send={(text) => act('notes', { text })}
      />
      {incident.state !== 'resolved' && (
        <details>
          <summary>{t('incident.resolve')}</summary>
          {incident.firing > 0 && (
            <p class="problem">{t('incident.resolveFiring', { count: incident.firing })}</p>
          )}
          <TextAction
            label={t('incident.resolveText')}
            help={t('incident.resolveHelp')}
            button={t('incident.resolve')}
            send={(text) => act('resolve', { text })}
          />
        </details>
      )}
    </div>
  )
}

interface TextActionProps {
  readonly label: string
  readonly help: string
  readonly button: string
  readonly send: (text: string) => Promise<void>
}

/** A text that is sent by its button or Ctrl+Enter, and kept when sending fails. */
function TextAction({ label, help, button, send }: TextActionProps) {
  const id = useId()
  const text = useSignal('')
  const busy = useSignal(false)
  const saved = useSignal(false)
  const error = useSignal<unknown>(null)
  const submit = async () => {
    if (text.value.trim() === '' || busy.value) return
    busy.value = true
    error.value = null
    try {
      await send(text.value.trim())
      text.value = ''
      saved.value = true
    } catch (problem) {
      error.value = problem
    } finally {
      busy.value = false
    }
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        required
        maxLength={10_000}
        aria-describedby={`${id}-help`}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value
          saved.value = false
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit()
        }}
      />
      <p id={`${id}-help`} class="muted note">
        {help}
      </p>
      <button type="submit" class="plain" aria-disabled={busy.value}>
        {button}
      </button>
      <span role="status" class="saved">
        {saved.value ? t('incident.saved') : ''}
      </span>
      {error.value !== null && <Problem error={error.value} />}
    </form>
  )
}
