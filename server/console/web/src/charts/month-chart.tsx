import type { ComponentChildren } from 'preact'
import { monthName } from '../i18n/format.ts'
import { language } from '../i18n/language.ts'
import { type Axis, drawing, heightOf, isNamed, middleOf, widthOf } from './month-scale.ts'

interface FrameProps {
  readonly title: string
  /** What it shows, in a sentence. */
  readonly label: string
  readonly months: readonly string[]
  readonly axis: Axis
  readonly tick: (value: number) => string
  /** Names the marks. */
  readonly legend?: ComponentChildren
  readonly children: ComponentChildren
}

/** A drawing over months: its heading, axes and names; what is drawn comes inside. */
export function MonthChart({ title, label, months, axis, tick, legend, children }: FrameProps) {
  const { width, height, left, right, bottom } = drawing
  return (
    <article class="card month-chart" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {legend}
      </header>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
        {axis.ticks.map((value) => (
          <g key={value}>
            <path class="chart-grid" d={`M${left} ${heightOf(value, axis)}H${width - right}`} />
            <text class="chart-tick" x={left - 5} y={heightOf(value, axis) + 3.5}>
              {tick(value)}
            </text>
          </g>
        ))}
        {children}
        {months.map((month, index) =>
          isNamed(index, months.length) ? (
            <text
              key={month}
              class="chart-month"
              x={middleOf(index, months.length)}
              y={height - bottom + 15}
            >
              {monthName(language.value, month, true)}
            </text>
          ) : null,
        )}
      </svg>
    </article>
  )
}

interface BarsProps {
  /** One a month; undefined where it is not known. */
  readonly values: readonly (number | undefined)[]
  readonly axis: Axis
  /** What is said of a month when it is pointed at. */
  readonly say: (index: number) => string
  /** Which bar of how many beside each other. */
  readonly place?: readonly [number, number]
  readonly tone: 1 | 2
}

/** One bar a month. */
export function MonthBars({ values, axis, say, place: [nth, of] = [0, 1], tone }: BarsProps) {
  const room = Math.min(22, widthOf(values.length) * 0.7)
  const wide = room / of
  return (
    <>
      {values.map((value, index) => {
        if (value === undefined) return null
        const y = heightOf(value, axis)
        const x = middleOf(index, values.length) - room / 2 + nth * wide
        return (
          <g key={index}>
            <title>{say(index)}</title>
            <rect
              class={`chart-bar chart-tone-${tone}`}
              {...{ x, y, width: wide, height: heightOf(0, axis) - y }}
            />
          </g>
        )
      })}
    </>
  )
}

interface SpreadProps {
  readonly medians: readonly (number | undefined)[]
  readonly p90s: readonly (number | undefined)[]
  readonly axis: Axis
  readonly target: number
  readonly say: (index: number) => string
}

/** Median and 90th percentile of each month, and the target they are held against. */
export function MonthSpreads({ medians, p90s, axis, target, say }: SpreadProps) {
  const of = medians.length
  return (
    <>
      {target <= axis.top && (
        <path
          class="chart-target"
          d={`M${drawing.left} ${heightOf(target, axis)}H${drawing.width - drawing.right}`}
        />
      )}
      {medians.map((median, index) => {
        const p90 = p90s[index]
        if (median === undefined || p90 === undefined) return null
        const x = middleOf(index, of)
        const [low, high] = [heightOf(median, axis), heightOf(p90, axis)]
        return (
          <g key={index}>
            <title>{say(index)}</title>
            <path class="chart-span" d={`M${x} ${low}V${high}`} />
            <path class="chart-p90" d={`M${x - 5} ${high}h10`} />
            <circle class="chart-median" cx={x} cy={low} r="4" />
          </g>
        )
      })}
    </>
  )
}
