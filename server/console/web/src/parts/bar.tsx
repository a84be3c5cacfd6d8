/** A level from 0 to 1 under its figure; the figure beside it says the same in words. */
export function Bar({ ratio, high }: { ratio: number | null; high: readonly [number, number] }) {
  const level = ratio === null ? 0 : Math.min(1, Math.max(0, ratio))
  const tone = level >= high[1] ? 'critical' : level >= high[0] ? 'warning' : 'calm'
  return (
    <svg
      class={`bar tone-${tone}`}
      viewBox="0 0 100 4"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <rect class="bar-back" width="100" height="4" />
      <rect class="bar-level" width={level * 100} height="4" />
    </svg>
  )
}
