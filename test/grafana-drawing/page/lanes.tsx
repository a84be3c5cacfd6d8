import {
  type DataFrame,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  type TimeRange,
} from '@grafana/data'

const nameWidth = 150
const laneHeight = 22

/**
 * States over time. Their names, words and colours are Grafana's; the rectangles are ours, for Grafana's drawing of them is
 * not among its packages.
 */
export function Lanes({
  frames,
  width,
  height,
  timeRange,
}: {
  frames: DataFrame[]
  width: number
  height: number
  timeRange: TimeRange
}) {
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()]
  const x = (time: number) => nameWidth + ((time - from) / (to - from)) * (width - nameWidth)
  return (
    <svg width={width} height={height} role="img" style={{ font: '12px sans-serif' }}>
      <title>States</title>
      {frames.map((frame, lane) => {
        const times = frame.fields.find(({ type }) => type === FieldType.time)?.values ?? []
        const step = frame.fields[0]?.config.interval ?? 60_000
        const field = frame.fields.find(({ type }) => type === FieldType.number)
        if (field === undefined) return null
        const name = getFieldDisplayName(field, frame, frames)
        const top = lane * laneHeight
        return (
          <g key={name + String(lane)}>
            <text x={nameWidth - 8} y={top + 15} textAnchor="end">
              {name.slice(0, 22)}
            </text>
            {stretchesOf(times, field.values, step).map(({ start, end, value }) => {
              const shown = field.display!(value)
              return (
                <g key={start}>
                  <rect
                    x={x(start)}
                    y={top + 1}
                    width={Math.max(x(end) - x(start), 0)}
                    height={laneHeight - 3}
                    fill={shown.color}
                    fillOpacity={0.7}
                  />
                  {x(end) - x(start) > 60 && (
                    <text x={x(start) + 4} y={top + 15}>
                      {formattedValueToString(shown)}
                    </text>
                  )}
                </g>
              )
            })}
          </g>
        )
      })}
    </svg>
  )
}

/** Equal values that follow each other, in one. Milliseconds. */
function stretchesOf(times: readonly number[], values: readonly number[], step: number) {
  const found: { start: number; end: number; value: number }[] = []
  for (const [at, value] of values.entries()) {
    const start = times[at]!
    const last = found.at(-1)
    if (last !== undefined && last.value === value && last.end === start) last.end = start + step
    else found.push({ start, end: start + step, value })
  }
  return found
}
