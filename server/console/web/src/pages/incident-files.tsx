import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, get, post, postFile } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { FullTime } from '../parts/times.tsx'
import { canAct, changes } from '../state.ts'

interface FileRow {
  readonly id: string
  readonly name: string
  readonly bytes: number
  readonly sha256: string | null
  readonly addedAt: string
  readonly addedBy: string
  readonly erasedAt: string | null
}

interface HoldRow {
  readonly id: string
  readonly reason: string
  readonly until: string | null
  readonly setAt: string
  readonly setBy: string
}

interface Props {
  readonly incident: Pick<IncidentDetail, 'id' | 'number' | 'facts'>
}

/** Files of an incident, its legal holds, and what may be asked for: erasure, release. */
export function IncidentFiles({ incident }: Props) {
  const files = useSignal<readonly FileRow[] | null>(null)
  const holds = useSignal<readonly HoldRow[]>([])
  const error = useSignal<unknown>(null)
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/attachments`
  const read = async () => {
    try {
      files.value = (await get<{ attachments: FileRow[] }>(path)).attachments
      holds.value = (await get<{ holds: HoldRow[] }>(`/api/v1/holds?incident=${incident.id}`)).holds
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  const seen = changes.incidents.value
  useEffect(() => {
    void read()
  }, [incident.id, seen])
  const away = error.value instanceof ApiError && error.value.status === 0
  return (
    <section aria-labelledby="files-heading" class="card">
      <h2 id="files-heading">{t('files.title')}</h2>
      {away ? (
        <p class="muted note">{t('files.needNetwork')}</p>
      ) : (
        error.value !== null && <Problem error={error.value} />
      )}
      {files.value?.length === 0 && <p class="empty">{t('files.none')}</p>}
      <ul class="stack">
        {(files.value ?? []).map((file) => (
          <li key={file.id}>
            <OneFile file={file} path={path} />
          </li>
        ))}
      </ul>
      {canAct.value && !away && <Attach path={path} onAttached={read} />}
      <Holds holds={holds.value} />
      {canAct.value && !away && (
        <>
          <SetHold incident={incident} onSet={read} />
          {holds.value.length === 0 && <Erase incident={incident} files={files.value ?? []} />}
        </>
      )}
    </section>
  )
}

function OneFile({ file, path }: { file: FileRow; path: string }) {
  const size = t('files.bytes', { count: file.bytes })
  return (
    <>
      {file.erasedAt === null ? (
        <a href={`${path}/${encodeURIComponent(file.id)}`} download={file.name}>
          {file.name}
        </a>
      ) : (
        <span>
          {t('files.erased')} <FullTime at={file.erasedAt} />
        </span>
      )}
      <span class="muted note">
        {' '}
        {size} · <FullTime at={file.addedAt} /> · {file.addedBy}
        {file.sha256 !== null && ` · ${file.sha256.slice(0, 12)}`}
      </span>
    </>
  )
}

function Attach({ path, onAttached }: { path: string; onAttached: () => Promise<void> }) {
  const chosen = useSignal<File | null>(null)
  return (
    <Form
      submit={t('files.attach')}
      act={async () => {
        if (chosen.value === null) return
        await postFile(`${path}?name=${encodeURIComponent(chosen.value.name)}`, chosen.value)
        chosen.value = null
        await onAttached()
      }}
    >
      <label for="attach-file">{t('files.choose')}</label>
      <input
        id="attach-file"
        type="file"
        required
        onChange={(event) => {
          chosen.value = event.currentTarget.files?.[0] ?? null
        }}
      />
    </Form>
  )
}

function Holds({ holds }: { holds: readonly HoldRow[] }) {
  return (
    <>
      {holds.map((hold) => (
        <div key={hold.id}>
          <p>
            <strong>{t('hold.held')}</strong> {hold.reason}
          </p>
          <p class="muted note">
            <FullTime at={hold.setAt} /> · {hold.setBy}
            {hold.until !== null && (
              <>
                {' · '}
                {t('hold.until')} <FullTime at={hold.until} />
              </>
            )}
          </p>
          {canAct.value && (
            <Ask
              id={`release-${hold.id}`}
              title={t('hold.release')}
              ask={(reason) => post(`/api/v1/holds/${hold.id}/release`, { reason })}
            />
          )}
        </div>
      ))}
    </>
  )
}

interface AskProps {
  readonly id: string
  readonly title: string
  readonly ask: (reason: string) => Promise<unknown>
  readonly children?: preact.ComponentChildren
}

/** What a second person has to agree to, with the reason. */
function Ask({ id, title, ask, children }: AskProps) {
  const reason = useSignal('')
  const asked = useSignal(false)
  return (
    <details>
      <summary>{title}</summary>
      <Form
        submit={t('hold.ask')}
        act={async () => {
          await ask(reason.value.trim())
          asked.value = true
        }}
      >
        {children}
        <Field id={id} label={t('hold.reason')} value={reason} maxLength={2000} required />
      </Form>
      <p role="status" class="note">
        {asked.value ? t('hold.asked') : t('hold.two')}
      </p>
    </details>
  )
}

function SetHold({ incident, onSet }: Props & { onSet: () => Promise<void> }) {
  const reason = useSignal('')
  return (
    <details>
      <summary>{t('hold.set')}</summary>
      <Form
        submit={t('hold.set')}
        act={async () => {
          await post('/api/v1/holds', { incident: incident.id, reason: reason.value.trim() })
          reason.value = ''
          await onSet()
        }}
      >
        <Field
          id="hold-reason"
          label={t('hold.reason')}
          help={t('hold.help')}
          value={reason}
          maxLength={2000}
          required
        />
      </Form>
    </details>
  )
}

const erasedText = '[erased]'

function Erase({ incident, files }: Props & { files: readonly FileRow[] }) {
  const chosen = useSignal('')
  const facts = incident.facts.filter(({ text }) => text !== erasedText)
  const left = files.filter(({ erasedAt }) => erasedAt === null)
  return (
    <Ask
      id="erase-reason"
      title={t('erase.title')}
      ask={(reason) => {
        const [kind, id] = chosen.value.split(' ')
        return post('/api/v1/erasures', { incident: incident.id, kind, id, reason })
      }}
    >
      <label for="erase-what">{t('erase.what')}</label>
      <select
        id="erase-what"
        required
        value={chosen.value}
        onChange={(event) => {
          chosen.value = event.currentTarget.value
        }}
      >
        <option value="" />
        {left.map(({ id, name }) => (
          <option key={id} value={`attachment ${id}`}>
            {name}
          </option>
        ))}
        {facts.map(({ id, sequence, text }) => (
          <option key={id} value={`fact ${id}`}>
            {`${sequence}. ${text.slice(0, 80)}`}
          </option>
        ))}
      </select>
    </Ask>
  )
}
