import { post } from '../api.ts'
import { moment } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import type { OncallHandover } from '../oncall-types.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { changes, me } from '../state.ts'

/** The last hand-overs: what was open, notes, and whether the taker has read it. */
export function Handovers({ list }: { list: readonly OncallHandover[] }) {
  if (list.length === 0) return null
  return (
    <section aria-label={t('oncall.handovers')}>
      <h2>{t('oncall.handovers')}</h2>
      <div class="card">
        <ol class="version-changes">
          {list.map((one) => (
            <li key={one.id}>
              <Handover one={one} />
            </li>
          ))}
        </ol>
      </div>
    </section>
  )
}

function Handover({ one }: { one: OncallHandover }) {
  const nobody = t('oncall.nobody')
  const open = [...one.incidents, ...one.alerts]
  const acknowledge = async () => {
    await post(`/api/v1/oncall/handovers/${encodeURIComponent(one.id)}/acknowledge`)
    changes.oncall.value++
  }
  return (
    <>
      <p>
        <strong>
          {one.from?.name ?? nobody} → {one.to?.name ?? nobody}
        </strong>{' '}
        <span class="muted">
          {one.schedule}, {moment(language.value, one.at)}
        </span>{' '}
        <span class={`badge boxed outline tone-${one.acknowledgedAt === null ? 'warning' : 'ok'}`}>
          {t(one.acknowledgedAt === null ? 'oncall.notRead' : 'oncall.read')}
        </span>
      </p>
      <ul class="reasons">
        {open.map(({ id, text }) => (
          <li key={id}>{text}</li>
        ))}
        {one.notes.map(({ text, by }) => (
          <li key={`${by} ${text}`}>
            {by}: {text}
          </li>
        ))}
      </ul>
      {one.acknowledgedAt === null && one.to !== null && one.to.name === me.value?.name && (
        <ActionButton label={t('oncall.acknowledgeHandover')} act={acknowledge} />
      )}
    </>
  )
}
