import { useSignal } from '@preact/signals'
import type { Address } from '../../../../../dashboards/drawing/address.ts'
import { momentOf, spanSeconds } from '../../../../../dashboards/drawing/time.ts'
import { languageTags } from '../i18n/catalogue.ts'
import { language, t } from '../i18n/language.ts'

const ranges = ['1h', '6h', '24h', '7d', '14d', '30d', '90d']
const rhythms = ['10s', '30s', '1m', '5m', '15m']

interface Props {
  readonly address: Address
  readonly choose: (change: Partial<Address>) => void
  readonly again: () => void
}

const spanUnits = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** A span as people say it; a day is 24 hours here. */
function spanText(span: string): string {
  const seconds = spanSeconds(span) ?? 0
  const fits = ([, length]: (typeof spanUnits)[number]) =>
    seconds % length === 0 && seconds > length - 1 && seconds !== 86_400
  const [unit, length] = spanUnits.find(fits) ?? (['hour', 3600] as const)
  const form = { style: 'unit', unit, unitDisplay: 'long' } as const
  return new Intl.NumberFormat(languageTags[language.value], form).format(seconds / length)
}

/** Which time the board shows, and how often it looks again. */
export function TimeChoice({ address, choose, again }: Props) {
  const { from, to, refresh } = address
  const own = useSignal(false)
  const chosen = to === 'now' ? /^now-(.+)$/.exec(from)?.[1] : undefined
  const isOwn = own.value || chosen === undefined || spanSeconds(chosen) === undefined
  const offeredRanges = isOwn || ranges.includes(chosen) ? ranges : [chosen, ...ranges]
  const offered = refresh === '' || rhythms.includes(refresh) ? rhythms : [refresh, ...rhythms]
  return (
    <>
      <label class="board-choice">
        <span>{t('boards.range')}</span>
        <select
          value={isOwn ? 'own' : chosen}
          onChange={({ currentTarget: { value } }) => {
            own.value = value === 'own'
            if (value !== 'own') choose({ from: `now-${value}`, to: 'now' })
          }}
        >
          {offeredRanges.map((range) => (
            <option key={range} value={range}>
              {spanText(range)}
            </option>
          ))}
          <option value="own">{t('boards.own')}</option>
        </select>
      </label>
      {isOwn && <OwnRange from={from} to={to} choose={choose} />}
      <label class="board-choice">
        <span>{t('boards.refresh')}</span>
        <select
          value={refresh}
          onChange={({ currentTarget: { value } }) => choose({ refresh: value })}
        >
          <option value="">{t('boards.never')}</option>
          {offered.map((rhythm) => (
            <option key={rhythm} value={rhythm}>
              {spanText(rhythm)}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={again}>
        {t('boards.refreshNow')}
      </button>
    </>
  )
}

/** In the form a datetime field has: the reader's own clock. */
function local(moment: string): string {
  const at = momentOf(moment, Date.now())
  if (at === undefined) return ''
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

function OwnRange({ from, to, choose }: { from: string; to: string; choose: Props['choose'] }) {
  return (
    <form
      class="board-own"
      onSubmit={(event) => {
        event.preventDefault()
        const fields = new FormData(event.currentTarget)
        const [first, last] = ['from', 'to'].map((name) => Date.parse(String(fields.get(name))))
        if (first === undefined || last === undefined) return
        choose({ from: String(first), to: String(last) })
      }}
    >
      <label class="board-choice">
        <span>{t('boards.from')}</span>
        <input type="datetime-local" name="from" required defaultValue={local(from)} />
      </label>
      <label class="board-choice">
        <span>{t('boards.to')}</span>
        <input type="datetime-local" name="to" required defaultValue={local(to)} />
      </label>
      <button type="submit">{t('boards.show')}</button>
    </form>
  )
}
