import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post } from '../api.ts'
import { dayName, moment } from '../i18n/format.ts'
import { language, reasonText, t } from '../i18n/language.ts'
import type {
  OncallExpansion,
  OncallNow,
  OncallOverride,
  OncallPerson,
  OncallScheduleDetail,
  OncallSegment,
} from '../oncall-types.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { canAct, changes, me, now } from '../state.ts'
import { OverrideForm } from './oncall-override.tsx'

const weekMillis = 7 * 86_400_000

/** A schedule's week: a row of bars a layer, one for the outcome, the same as a list, overrides and their form. */
export function ScheduleWeek({
  id,
  now: current,
  people,
}: {
  id: string
  now: OncallNow
  people: readonly OncallPerson[]
}) {
  const from = useSignal<string | null>(null)
  const read = useSignal<OncallScheduleDetail | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.oncall.value
  const start = from.value
  useEffect(() => {
    let isCurrent = true
    const query = start === null ? '' : `?from=${encodeURIComponent(start)}`
    get<OncallScheduleDetail>(`/api/v1/oncall/schedules/${encodeURIComponent(id)}${query}`)
      .then((answer) => {
        if (!isCurrent) return
        read.value = answer
        error.value = null
      })
      .catch((problem: unknown) => {
        if (isCurrent) error.value = problem
      })
    return () => {
      isCurrent = false
    }
  }, [id, start, version])
  const detail = read.value
  const move = (millis: number) => {
    if (detail === null) return
    from.value = new Date(Date.parse(detail.expansion.from) + millis).toISOString()
  }
  return (
    <section aria-label={current.name}>
      <div class="column-head">
        <h2>{current.name}</h2>
        <span class="tabs">
          <button type="button" onClick={() => move(-weekMillis)}>
            {t('oncall.weekBefore')}
          </button>
          <button
            type="button"
            aria-pressed={start === null}
            onClick={() => {
              from.value = null
            }}
          >
            {t('oncall.thisWeek')}
          </button>
          <button type="button" onClick={() => move(weekMillis)}>
            {t('oncall.weekAfter')}
          </button>
        </span>
      </div>
      {error.value !== null && <Problem error={error.value} />}
      {detail === null ? (
        <p class="empty">{t('loading')}</p>
      ) : (
        <div class="card">
          <Week detail={detail} zone={current.timeZone} />
          <Overrides list={detail.overrides} zone={current.timeZone} />
          {canAct.value && <OverrideForm scheduleId={id} people={people} />}
        </div>
      )}
    </section>
  )
}

/** A colour a person, in the order they come. */
function coloursOf({ layers, final }: OncallExpansion): ReadonlyMap<string, number> {
  const colours = new Map<string, number>()
  for (const { person } of [...layers.flatMap(({ segments }) => segments), ...final])
    if (person !== null && !colours.has(person.id)) colours.set(person.id, (colours.size % 8) + 1)
  return colours
}

function Week({ detail, zone }: { detail: OncallScheduleDetail; zone: string }) {
  const { expansion, schedule } = detail
  const colours = coloursOf(expansion)
  const rows = expansion.layers.map(({ name, segments }) => ({ name, segments, isFinal: false }))
  rows.push({ name: t('oncall.onCall'), segments: expansion.final, isFinal: true })
  return (
    <>
      {/* A region that scrolls has to be reachable by keyboard. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls on a phone */}
      <section class="week-scroll" tabIndex={0} aria-label={t('oncall.weekOf')}>
        <div class="week">
          <div class="week-days" aria-hidden="true">
            {expansion.days.map((day) => (
              <span key={day.date} style={place(expansion, day)}>
                {dayName(language.value, day.date)}
              </span>
            ))}
          </div>
          {rows.map(({ name, segments, isFinal }) => (
            <div key={name} class={`week-row${isFinal ? ' week-final' : ''}`}>
              <span class="week-name">{name}</span>
              <ol class="week-bars" aria-label={name}>
                {segments.map((one) => (
                  <Segment
                    key={one.from}
                    one={one}
                    expansion={expansion}
                    colour={colours.get(one.person?.id ?? '')}
                    isFault={isFinal && !schedule.plannedGaps}
                    zone={zone}
                  />
                ))}
                {isFinal && <NowLine expansion={expansion} />}
              </ol>
            </div>
          ))}
        </div>
      </section>
      <ShiftList expansion={expansion} zone={zone} />
    </>
  )
}

interface SegmentProps {
  readonly one: OncallSegment
  readonly expansion: OncallExpansion
  readonly colour: number | undefined
  readonly isFault: boolean
  readonly zone: string
}

function Segment({ one, expansion, colour, isFault, zone }: SegmentProps) {
  const who = one.person?.name ?? t('oncall.nobody')
  const span = `${moment(language.value, one.from, zone)} – ${moment(language.value, one.to, zone)}`
  const gap = isFault ? 'week-gap week-fault' : 'week-gap'
  const kind = one.person === null ? gap : `week-shift person-${colour}`
  const why = one.reason === '' ? '' : `, ${reasonText(one.reason)}`
  const isOverride = one.overrideId !== null
  return (
    <li class={kind} style={place(expansion, one)} title={`${who}: ${span}${why}`}>
      <span class="week-text" aria-hidden="true">
        {one.person === null && !isFault ? '' : who}
        {isOverride && ` (${t('oncall.override')})`}
      </span>
      <span class="for-screen-readers">{`${who}: ${span}${why}`}</span>
    </li>
  )
}

function NowLine({ expansion }: { expansion: OncallExpansion }) {
  const at = now.value
  if (at < Date.parse(expansion.from) || at >= Date.parse(expansion.to)) return null
  const time = new Date(at).toISOString()
  return (
    <li class="week-now" aria-hidden="true" style={place(expansion, { from: time, to: time })} />
  )
}

/** Where a stretch lies in the week, set through the style object: the page's policy allows no style attribute. */
function place(
  { from, to }: OncallExpansion,
  one: { readonly from: string; readonly to: string },
): { left: string; width: string } {
  const [start, end] = [Date.parse(from), Date.parse(to)]
  const share = (at: string) => Math.min(1, Math.max(0, (Date.parse(at) - start) / (end - start)))
  const left = share(one.from)
  return { left: `${left * 100}%`, width: `${(share(one.to) - left) * 100}%` }
}

function ShiftList({ expansion, zone }: { expansion: OncallExpansion; zone: string }) {
  return (
    <details>
      <summary>{t('oncall.asList')}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('oncall.from')}</th>
            <th scope="col">{t('oncall.to')}</th>
            <th scope="col">{t('oncall.who')}</th>
            <th scope="col">{t('oncall.by')}</th>
          </tr>
        </thead>
        <tbody>
          {expansion.final.map((one) => (
            <tr key={one.from}>
              <td>{moment(language.value, one.from, zone)}</td>
              <td>{moment(language.value, one.to, zone)}</td>
              <td>{one.person?.name ?? t('oncall.nobody')}</td>
              <td>
                {one.overrideId !== null
                  ? t('oncall.override')
                  : one.layer || reasonText(one.reason)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  )
}

function Overrides({ list, zone }: { list: readonly OncallOverride[]; zone: string }) {
  if (list.length === 0) return null
  const mayCancel = ({ createdBy, to }: OncallOverride) =>
    canAct.value &&
    Date.parse(to) > now.value &&
    (me.value?.role === 'admin' || me.value?.name === createdBy)
  const cancel = async (id: string) => {
    await post(`/api/v1/oncall/overrides/${encodeURIComponent(id)}/cancel`)
    changes.oncall.value++
  }
  return (
    <>
      <h3>{t('oncall.overrides')}</h3>
      <ul class="overrides">
        {list.map((one) => (
          <li key={one.id}>
            <span>
              <strong>{one.person.name}</strong> {moment(language.value, one.from, zone)} –{' '}
              {moment(language.value, one.to, zone)}{' '}
              <span class="muted">
                {one.reason} ({one.createdBy})
              </span>
            </span>
            {mayCancel(one) && (
              <ActionButton
                label={t('oncall.cancel')}
                accessibleLabel={t('oncall.cancelThis', { name: one.person.name })}
                act={() => cancel(one.id)}
              />
            )}
          </li>
        ))}
      </ul>
    </>
  )
}
