import type { MessageKey } from '../i18n/catalogue.ts'
import { moment } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import type { OncallReadiness, ReadinessState, UnreadyReason } from '../oncall-types.ts'

const tones: Readonly<Record<ReadinessState, string>> = {
  ready: 'ok',
  unready: 'critical',
  unknown: 'warning',
}

const reasons: Readonly<Record<UnreadyReason, MessageKey>> = {
  'nobody on call': 'oncall.nobody',
  'person unknown': 'oncall.personUnknown',
  'person disabled': 'oncall.personDisabled',
  'contact points unknown': 'oncall.contactsUnknown',
  'too few tested channels': 'oncall.tooFewChannels',
}

const shown = 20

/** Whether the coming shifts will reach people; what is not known is never green. */
export function Readiness({ readiness }: { readiness: OncallReadiness }) {
  const { state, counts, days } = readiness
  const bad = readiness.shifts.filter((shift) => shift.state !== 'ready')
  const more = bad.length - Math.min(bad.length, shown) + readiness.omitted
  return (
    <section aria-label={t('oncall.readiness')}>
      <h2>{t('oncall.readiness')}</h2>
      <div class="card">
        <p>
          <span class={`badge boxed outline tone-${tones[state]}`}>{t(`oncall.${state}`)}</span>{' '}
          {t('oncall.readinessCounts', {
            days,
            ready: counts.ready,
            unready: counts.unready,
            unknown: counts.unknown,
          })}
        </p>
        {bad.length > 0 && (
          <ul class="reasons">
            {bad.slice(0, shown).map((one) => (
              <li key={`${one.schedule} ${one.from}`}>
                <strong>{one.schedule}</strong> {moment(language.value, one.from)} –{' '}
                {moment(language.value, one.to)}
                {one.person !== null && `, ${one.person}`}:{' '}
                {one.reason !== null && t(reasons[one.reason])}
              </li>
            ))}
          </ul>
        )}
        {more > 0 && <p class="muted">{t('drift.omitted', { count: more })}</p>}
      </div>
    </section>
  )
}
