import { MonthBars, MonthChart, MonthSpreads } from '../charts/month-chart.tsx'
import { countAxis, shareAxis, timeAxis } from '../charts/month-scale.ts'
import type { FiguresAnswer, Spread } from '../figures-types.ts'
import { decimal, duration, monthName, percent } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'

/** A length of time in the reader's words; a dash where it is not known. */
export const time = (millis: number | undefined) =>
  duration(language.value, millis === undefined ? undefined : millis / 1000)
export const share = (ratio: number | undefined) => percent(language.value, ratio)

/** The figures of each month, drawn. */
export function FigureCharts({ answer }: { answer: FiguresAnswer }) {
  return (
    <div class="figure-charts">
      <Incidents answer={answer} />
      <Times name="toAcknowledge" answer={answer} target={answer.targets.acknowledgeMillis} />
      <Times name="toRestore" answer={answer} target={answer.targets.restoreMillis} />
      <Shares answer={answer} />
    </div>
  )
}

interface Props {
  readonly answer: FiguresAnswer
}

const named = (month: string) => monthName(language.value, month)

/** What a screen reader says of a drawing. */
function said(title: string, { months }: FiguresAnswer, what: string): string {
  const [first = '', last = ''] = [months[0]?.month, months.at(-1)?.month]
  return t('figures.chart', { title, from: named(first), to: named(last), what })
}

function Incidents({ answer }: Props) {
  const { months, whole } = answer
  const counts = months.map((one) => one.whole.incidents)
  const most = Math.max(...counts)
  const axis = countAxis(Math.max(1, most))
  const title = t('figures.incidents')
  return (
    <MonthChart
      {...{ title, axis }}
      label={said(title, answer, t('figures.incidentsSaid', { count: whole.incidents, most }))}
      months={months.map(({ month }) => month)}
      tick={(count) => decimal(language.value, count)}
    >
      <MonthBars
        {...{ axis, values: counts, tone: 1 }}
        say={(index) => `${named(months[index]?.month ?? '')}: ${counts[index]}`}
      />
    </MonthChart>
  )
}

interface TimesProps extends Props {
  readonly name: 'toAcknowledge' | 'toRestore'
  readonly target: number
}

function Times({ answer, name, target }: TimesProps) {
  const { months, whole } = answer
  const spreads = months.map((one) => one.whole[name])
  const largest = Math.max(target, ...spreads.map(({ p90Millis = 0 }) => p90Millis))
  const axis = timeAxis(largest)
  const title = t(`figures.${name}`)
  return (
    <MonthChart
      {...{ title, axis }}
      label={said(title, answer, spreadSaid(whole[name]))}
      months={months.map(({ month }) => month)}
      tick={(millis) => (millis === 0 ? '0' : time(millis))}
      legend={<SpreadKey target={target} />}
    >
      <MonthSpreads
        {...{ axis, target }}
        medians={spreads.map(({ medianMillis }) => medianMillis)}
        p90s={spreads.map(({ p90Millis }) => p90Millis)}
        say={(index) => {
          const { medianMillis, p90Millis } = spreads[index] ?? {}
          return `${named(months[index]?.month ?? '')}: ${t('figures.median')} ${time(medianMillis)}, ${t('figures.p90')} ${time(p90Millis)}`
        }}
      />
    </MonthChart>
  )
}

function spreadSaid({ medianMillis, p90Millis }: Spread): string {
  return medianMillis === undefined
    ? t('figures.noneKnown')
    : t('figures.spreadSaid', { median: time(medianMillis), p90: time(p90Millis) })
}

function SpreadKey({ target }: { target: number }) {
  return (
    <p class="chart-key">
      <span>
        <svg viewBox="0 0 14 12" aria-hidden="true">
          <circle class="chart-median" cx="7" cy="6" r="4" />
        </svg>
        {t('figures.median')}
      </span>
      <span>
        <svg viewBox="0 0 14 12" aria-hidden="true">
          <path class="chart-p90" d="M1 6h12" />
        </svg>
        {t('figures.p90')}
      </span>
      <span>
        <svg viewBox="0 0 14 12" aria-hidden="true">
          <path class="chart-target" d="M0 6h14" />
        </svg>
        {t('figures.target', { time: time(target) })}
      </span>
    </p>
  )
}

function Shares({ answer }: Props) {
  const { months, whole } = answer
  const of = (name: 'toAcknowledge' | 'toRestore') =>
    months.map((one) => one.whole[name].withinTargetShare)
  const [acknowledged, restored] = [of('toAcknowledge'), of('toRestore')]
  const words = (first: number | undefined, second: number | undefined) =>
    t('figures.shareSaid', { acknowledged: share(first), restored: share(second) })
  const title = t('figures.share')
  const say = (index: number) =>
    `${named(months[index]?.month ?? '')}: ${words(acknowledged[index], restored[index])}`
  return (
    <MonthChart
      title={title}
      axis={shareAxis}
      label={said(
        title,
        answer,
        words(whole.toAcknowledge.withinTargetShare, whole.toRestore.withinTargetShare),
      )}
      months={months.map(({ month }) => month)}
      tick={(ratio) => share(ratio)}
      legend={<ShareKey />}
    >
      <MonthBars {...{ axis: shareAxis, values: acknowledged, say, tone: 1, place: [0, 2] }} />
      <MonthBars {...{ axis: shareAxis, values: restored, say, tone: 2, place: [1, 2] }} />
    </MonthChart>
  )
}

function ShareKey() {
  return (
    <p class="chart-key">
      {([1, 2] as const).map((tone) => (
        <span key={tone}>
          <svg viewBox="0 0 14 12" aria-hidden="true">
            <rect class={`chart-tone-${tone}`} x="1" y="1" width="11" height="10" />
          </svg>
          {t(tone === 1 ? 'figures.acknowledged' : 'figures.restored')}
        </span>
      ))}
    </p>
  )
}
