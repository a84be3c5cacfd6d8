import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post } from '../api.ts'
import { t } from '../i18n/language.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import type { Silence, SilenceList } from '../silence-types.ts'
import { canAct, changes } from '../state.ts'
import { HiddenList, LengthChoice, SilenceForm } from './silence-form.tsx'

/** Who silenced what, why and until when, and what nobody is told of because of it. */
export function Silences({ matchers }: { matchers: string }) {
  const list = useSignal<SilenceList | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.alerts.value
  const read = async () => {
    try {
      list.value = await get<SilenceList>('/api/v1/silences')
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    read()
  }, [version])
  const silences = list.value?.silences ?? []
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('silences.title')}</PageTitle>
      </div>
      <p class="note silences-intro">{t('silences.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      <section aria-labelledby="silences-standing">
        <h2 id="silences-standing">{t('silences.standing')}</h2>
        {silences.length === 0 ? (
          <p class="empty">{t(list.value === null ? 'loading' : 'silences.none')}</p>
        ) : (
          <ul class="stack">
            {silences.map((silence) => (
              <li key={silence.id} class="card silence">
                <OneSilence silence={silence} onChanged={read} />
              </li>
            ))}
          </ul>
        )}
      </section>
      {canAct.value && (
        <section class="card" aria-labelledby="silences-add">
          <h2 id="silences-add">{t('silences.add')}</h2>
          <SilenceForm
            key={matchers}
            matchers={matchers}
            calendars={list.value?.calendars ?? []}
            onSet={read}
          />
        </section>
      )}
    </>
  )
}

const tones = { active: 'warning', pending: 'info', paused: 'info', expired: 'unknown' } as const

function OneSilence({ silence, onChanged }: { silence: Silence; onChanged: () => Promise<void> }) {
  const minutes = useSignal<number>(60)
  const { id, text } = silence
  const path = `/api/v1/silences/${encodeURIComponent(id)}`
  const extend = async () => {
    await post(`${path}/extend`, { minutes: minutes.value })
    await onChanged()
  }
  const end = async () => {
    if (!confirm(t('silences.endSure', { text }))) return
    await post(`${path}/end`)
    await onChanged()
  }
  return (
    <>
      <p class="silence-head">
        <span class={`badge boxed outline tone-${tones[silence.state]}`}>
          {t(`silences.state.${silence.state}`)}
        </span>{' '}
        <code>{text}</code>
      </p>
      <p>{silence.reason}</p>
      <p class="muted">
        {silence.createdBy} ·{' '}
        {silence.state === 'pending' && (
          <>
            {t('silences.from')} <FullTime at={silence.startsAt} /> ·{' '}
          </>
        )}
        {t('silences.until')} <FullTime at={silence.endsAt} />
        {silence.untilResolved && ` ${t('silences.orRecovery')}`}
        {silence.during !== null && ` · ${t('silences.onlyDuring', { name: silence.during })}`}
      </p>
      <p>{t('silences.hides', { count: silence.hidesCount })}</p>
      <HiddenList alerts={silence.hides} count={silence.hidesCount} />
      {canAct.value && silence.state !== 'expired' && (
        <div class="silence-actions">
          <label for={`extend-${id}`}>{t('silences.extendBy')}</label>
          <LengthChoice id={`extend-${id}`} minutes={minutes} />
          <ActionButton
            label={t('silences.extend')}
            accessibleLabel={t('silences.extendThis', { text })}
            act={extend}
          />
          <ActionButton
            label={t('silences.end')}
            accessibleLabel={t('silences.endThis', { text })}
            act={end}
          />
        </div>
      )}
    </>
  )
}
