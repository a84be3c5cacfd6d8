import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { post } from '../api.ts'
import { duration } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { SeverityBadge } from '../parts/badges.tsx'
import type { HiddenAlert, SilencePreview } from '../silence-types.ts'
import { me } from '../state.ts'

const lengths = [30, 60, 120, 240, 480, 1440, 4320, 10_080] as const
const previewDelayMs = 300

/** A new silence; what it would hide is shown while it is written. */
export function SilenceForm({
  matchers: given,
  calendars,
  onSet,
}: {
  matchers: string
  calendars: readonly string[]
  onSet: () => Promise<void>
}) {
  const matchers = useSignal(given)
  const reason = useSignal('')
  const minutes = useSignal<number>(120)
  const untilResolved = useSignal(true)
  const during = useSignal('')
  const force = useSignal(false)
  const saved = useSignal(false)
  const preview = usePreview(matchers)
  const tooBroad = preview.value.answer?.tooBroad ?? null
  const save = async () => {
    saved.value = false
    if (matchers.value.trim() === '' || reason.value.trim() === '')
      throw new Error(t('silences.fillAll'))
    await post('/api/v1/silences', {
      matchers: matchers.value,
      reason: reason.value.trim(),
      minutes: minutes.value,
      untilResolved: untilResolved.value && during.value === '',
      ...(during.value === '' ? {} : { during: during.value }),
      ...(tooBroad !== null && force.value ? { force: true } : {}),
    })
    reason.value = ''
    force.value = false
    saved.value = true
    await onSet()
  }
  return (
    <div class="silence-add">
      <div class="link-form silence-form">
        <label for="silence-matchers">{t('silences.matchers')}</label>
        <textarea
          id="silence-matchers"
          rows={3}
          spellcheck={false}
          maxLength={10_000}
          placeholder={'instance="pbx-1", alertname=~"Disk.*"'}
          value={matchers.value}
          onInput={(event) => {
            matchers.value = event.currentTarget.value
          }}
        />
        <label for="silence-reason">{t('silences.reason')}</label>
        <input
          id="silence-reason"
          maxLength={2_000}
          value={reason.value}
          onInput={(event) => {
            reason.value = event.currentTarget.value
          }}
        />
        <label for="silence-length">{t('silences.length')}</label>
        <LengthChoice id="silence-length" minutes={minutes} />
        {calendars.length > 0 && <CalendarChoice calendars={calendars} during={during} />}
        {during.value === '' && <Check value={untilResolved} label={t('silences.untilResolved')} />}
        {tooBroad !== null && me.value?.role === 'admin' && (
          <Check value={force} label={t('silences.force')} />
        )}
        <ActionButton kind="primary" label={t('silences.set')} act={save} />
        <p role="status">{saved.value && t('silences.saved')}</p>
      </div>
      <Preview preview={preview.value} />
    </div>
  )
}

interface PreviewState {
  readonly answer: SilencePreview | null
  readonly error: unknown
}

/** Asks what the matchers would hide, once the writer pauses. */
function usePreview(matchers: Signal<string>): Signal<PreviewState> {
  const state = useSignal<PreviewState>({ answer: null, error: null })
  const text = matchers.value.trim()
  useEffect(() => {
    if (text === '') {
      state.value = { answer: null, error: null }
      return
    }
    let current = true
    const timer = setTimeout(() => {
      post<SilencePreview>('/api/v1/silences/preview', { matchers: text })
        .then((answer) => {
          if (current) state.value = { answer, error: null }
        })
        .catch((error: unknown) => {
          if (current) state.value = { answer: null, error }
        })
    }, previewDelayMs)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [text])
  return state
}

function Preview({ preview: { answer, error } }: { preview: PreviewState }) {
  return (
    <section class="silence-preview" aria-labelledby="silence-preview">
      <h3 id="silence-preview">{t('silences.preview')}</h3>
      <div role="status">
        {error !== null && <Problem error={error} />}
        {answer === null && error === null && <p class="muted">{t('silences.previewEmpty')}</p>}
        {answer !== null && (
          <>
            <p>
              {t('silences.wouldHide', { count: answer.hidesCount })}
              {answer.critical > 0 && (
                <strong class="tone-critical">
                  {' '}
                  {t('silences.critical', { count: answer.critical })}
                </strong>
              )}
            </p>
            {answer.tooBroad !== null && (
              <p class="problem">{t('silences.tooBroad', { why: answer.tooBroad })}</p>
            )}
          </>
        )}
      </div>
      {answer !== null && <HiddenList alerts={answer.hides} count={answer.hidesCount} />}
    </section>
  )
}

const shownAtOnce = 8

/** Alerts in one line each; the rest is counted. */
export function HiddenList({ alerts, count }: { alerts: readonly HiddenAlert[]; count: number }) {
  const shown = alerts.slice(0, shownAtOnce)
  const more = count - shown.length
  if (shown.length === 0) return null
  return (
    <ul class="silence-hides">
      {shown.map((alert) => (
        <li key={alert.fingerprint}>
          <SeverityBadge severity={alert.severity} /> <strong>{alert.rule}</strong>{' '}
          <span class="muted">
            {[alert.instance, alert.summary].filter((text) => text).join(' · ')}
          </span>
        </li>
      ))}
      {more > 0 && <li class="muted">{t('silences.more', { count: more })}</li>}
    </ul>
  )
}

/** How long, in words of the language. */
export function LengthChoice({ id, minutes }: { id: string; minutes: Signal<number> }) {
  return (
    <select
      id={id}
      value={String(minutes.value)}
      onChange={(event) => {
        minutes.value = Number(event.currentTarget.value)
      }}
    >
      {lengths.map((length) => (
        <option key={length} value={String(length)}>
          {duration(language.value, length * 60)}
        </option>
      ))}
    </select>
  )
}

function CalendarChoice({
  calendars,
  during,
}: {
  calendars: readonly string[]
  during: Signal<string>
}) {
  return (
    <>
      <label for="silence-during">{t('silences.during')}</label>
      <select
        id="silence-during"
        value={during.value}
        onChange={(event) => {
          during.value = event.currentTarget.value
        }}
      >
        <option value="">{t('silences.always')}</option>
        {calendars.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </>
  )
}

function Check({ value, label }: { value: Signal<boolean>; label: string }) {
  return (
    <label class="contact-check">
      <input
        type="checkbox"
        checked={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.checked
        }}
      />{' '}
      {label}
    </label>
  )
}
