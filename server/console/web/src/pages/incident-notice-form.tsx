import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useId, useRef } from 'preact/hooks'
import { post } from '../api.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { type Language, languageNames, languages } from '../i18n/catalogue.ts'
import { language, t } from '../i18n/language.ts'
import type { NoticePreview, NoticeShown } from '../incident-card-types.ts'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { FullTime } from '../parts/times.tsx'

const audiences = ['management', 'departments', 'customers'] as const
const opening = ['opening', 'update'] as const
const ending = ['restored', 'closing'] as const
/** As the hub takes them (docs/communication.md). */
const titleMost = 300
const textMost = 2000

interface Props {
  /** Of the incident's routes. */
  readonly path: string
  /** State of the workflow. */
  readonly state: string
  readonly audiencesTold: readonly string[]
  readonly sent: () => void
}

/** The states in which it still waits to be restored. */
const waits = ['recorded', 'plan_active', 'dispatched', 'investigating']

/** Whom, what and in which language; then the draft of the hub, to be changed; then it goes out. */
export function NoticeForm({ path, state, audiencesTold, sent }: Props) {
  const id = useId()
  const forms: readonly string[] = waits.includes(state) ? opening : ending
  const audience = useSignal<string>('management')
  const form = useSignal<string>('')
  const spoken = useSignal<string>(language.value)
  const points = useSignal('')
  const draft = useSignal<Draft | null>(null)
  const told = useSignal('')
  const usual = forms === opening && audiencesTold.includes(audience.value) ? 1 : 0
  const chosen = forms.includes(form.value) ? form.value : (forms[usual] ?? '')
  const wanted = () => ({
    ...{ audience: audience.value, form: chosen, language: spoken.value },
    ...(points.value.trim() === '' ? {} : { contactPoints: named(points.value) }),
  })
  const changed = () => {
    draft.value = null
    told.value = ''
  }
  const pick = (signal: Signal<string>) => (event: { currentTarget: HTMLSelectElement }) => {
    signal.value = event.currentTarget.value
    changed()
  }
  return (
    <details class="notice-form">
      <summary>{t('notices.write')}</summary>
      <Form
        submit={t('notices.preview')}
        act={async () => {
          told.value = ''
          const preview = await post<NoticePreview>(`${path}/notices/preview`, wanted())
          const made = (draft.value?.made ?? 0) + 1
          draft.value = { preview, wanted: wanted(), made, key: crypto.randomUUID?.() }
        }}
      >
        <label for={`${id}-audience`}>{t('notices.audience')}</label>
        <select id={`${id}-audience`} value={audience.value} onChange={pick(audience)}>
          {audiences.map((name) => (
            <option key={name} value={name}>
              {t(`notices.audience.${name}`)}
            </option>
          ))}
        </select>
        {audience.value === 'customers' && (
          <p class="note">
            {t('notices.two')} <a href="/approvals">{t('nav.approvals')}</a>
          </p>
        )}
        <label for={`${id}-form`}>{t('notices.form')}</label>
        <select id={`${id}-form`} value={chosen} onChange={pick(form)}>
          {forms.map((name) => (
            <option key={name} value={name}>
              {t(`notices.form.${name}` as MessageKey)}
            </option>
          ))}
        </select>
        <label for={`${id}-language`}>{t('notices.language')}</label>
        <select id={`${id}-language`} value={spoken.value} onChange={pick(spoken)}>
          {languages.map((name: Language) => (
            <option key={name} value={name}>
              {languageNames[name]}
            </option>
          ))}
        </select>
        <label for={`${id}-points`}>{t('notices.points')}</label>
        <input
          id={`${id}-points`}
          aria-describedby={`${id}-points-help`}
          maxLength={2000}
          value={points.value}
          onInput={(event) => {
            points.value = event.currentTarget.value
            changed()
          }}
        />
        <p class="muted note" id={`${id}-points-help`}>
          {t('notices.pointsHelp')}
        </p>
      </Form>
      {draft.value !== null && (
        <Preview
          key={draft.value.made}
          path={path}
          draft={draft.value}
          done={(notice) => {
            draft.value = null
            told.value = t(notice.state === 'sent' ? 'notices.sent' : 'notices.asked')
            sent()
          }}
        />
      )}
      <p role="status" class="saved">
        {told.value}
      </p>
    </details>
  )
}

interface CorrectionProps {
  readonly path: string
  readonly notice: NoticeShown
  readonly sent: () => void
}

/** What went out, to be put right: the draft of the hub names what it replaces, and goes to whom that went. */
export function NoticeCorrection({ path, notice, sent }: CorrectionProps) {
  const draft = useSignal<Draft | null>(null)
  const told = useSignal('')
  const { audience, form, language, id } = notice
  const begin = async () => {
    told.value = ''
    const wanted = { audience, form, language, corrects: id }
    const preview = await post<NoticePreview>(`${path}/notices/preview`, wanted)
    draft.value = {
      preview,
      wanted,
      made: (draft.value?.made ?? 0) + 1,
      key: crypto.randomUUID?.(),
    }
  }
  return (
    <>
      <HubAction
        label={t('notices.correct')}
        accessibleLabel={`${t('notices.correct')}: ${notice.title}`}
        act={begin}
      />
      {draft.value !== null && (
        <>
          <p class="note">{t('notices.correctNote')}</p>
          <Preview
            key={draft.value.made}
            path={path}
            draft={draft.value}
            done={({ state }) => {
              draft.value = null
              told.value = t(state === 'sent' ? 'notices.sent' : 'notices.asked')
              sent()
            }}
          />
        </>
      )}
      <p role="status" class="saved">
        {told.value}
      </p>
    </>
  )
}

interface Draft {
  readonly preview: NoticePreview
  readonly wanted: Readonly<Record<string, unknown>>
  /** Counts the previews, so that a new one is shown anew. */
  readonly made: number
  /** Sent twice with it, it is one notice. */
  readonly key: string | undefined
}

const named = (text: string) =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

interface PreviewProps {
  readonly path: string
  readonly draft: Draft
  readonly done: (notice: NoticeShown) => void
}

function Preview({ path, draft, done }: PreviewProps) {
  const id = useId()
  const { preview, wanted, key } = draft
  const title = useSignal(preview.title)
  const text = useSignal(preview.text)
  const first = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  return (
    <section class="fact-form" aria-label={t('notices.draft')}>
      {preview.missing.length > 0 && (
        <p class="note missing-words">
          <strong>{t('notices.missing')}</strong>{' '}
          {preview.missing.map((name) => t(`notices.missing.${name}` as MessageKey)).join(', ')}
        </p>
      )}
      {preview.faults.map((fault) => (
        <p key={fault} class="problem">
          {fault}
        </p>
      ))}
      <p class="note">
        {preview.contactPoints.length === 0 ? (
          <strong>{t('notices.nobody')}</strong>
        ) : (
          t('notices.to', { names: preview.contactPoints.map(({ label }) => label).join(', ') })
        )}
        {preview.nextUpdateAt !== null && (
          <>
            {' · '}
            {t('notices.next')} <FullTime at={preview.nextUpdateAt} />
          </>
        )}
      </p>
      <Form
        submit={t(preview.needsApproval ? 'notices.ask' : 'notices.send')}
        act={async () => {
          const body = { ...wanted, title: title.value, text: text.value, ...(key ? { key } : {}) }
          done((await post<{ notice: NoticeShown }>(`${path}/notices`, body)).notice)
        }}
      >
        <label for={`${id}-title`}>{t('notices.subject')}</label>
        <input
          id={`${id}-title`}
          ref={first}
          required
          maxLength={titleMost}
          value={title.value}
          onInput={(event) => {
            title.value = event.currentTarget.value
          }}
        />
        <label for={`${id}-text`}>{t('notices.text')}</label>
        <textarea
          id={`${id}-text`}
          rows={10}
          required
          maxLength={textMost}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value
          }}
        />
      </Form>
    </section>
  )
}
