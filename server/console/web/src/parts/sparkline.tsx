import { sparkSegments } from '../curves.ts'

/** The last 15 minutes of one figure, without axes; decoration beside the number. */
export function Sparkline({
  values,
  top,
}: {
  values: readonly (number | null)[] | undefined
  top?: number
}) {
  const segments = values ? sparkSegments(values, 96, 20, top) : []
  return (
    <svg class="sparkline" viewBox="0 -1 96 22" preserveAspectRatio="none" aria-hidden="true">
      {segments.map((points) => (
        <polyline key={points} points={points} />
      ))}
    </svg>
  )
}
