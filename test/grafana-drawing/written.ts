/** Units as either side writes them, and what one of them is in its family's base. */
const families: readonly (readonly [family: string, Readonly<Record<string, number>>])[] = [
  ['ratio', { '%': 1 }],
  [
    'time',
    {
      ...{ ns: 1e-9, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, sec: 1, second: 1, seconds: 1 },
      ...{
        m: 60,
        min: 60,
        mins: 60,
        minute: 60,
        minutes: 60,
        h: 3600,
        hr: 3600,
        hour: 3600,
        hours: 3600,
      },
      ...{
        d: 86_400,
        day: 86_400,
        days: 86_400,
        w: 604_800,
        wk: 604_800,
        week: 604_800,
        weeks: 604_800,
      },
      ...{ wks: 604_800, y: 31_536_000, yr: 31_536_000, year: 31_536_000, years: 31_536_000 },
      ...{ month: 2_629_800, months: 2_629_800, yrs: 31_536_000 },
    },
  ],
  [
    'bytes',
    {
      B: 1,
      KiB: 1024,
      MiB: 1024 ** 2,
      GiB: 1024 ** 3,
      TiB: 1024 ** 4,
      kB: 1e3,
      MB: 1e6,
      GB: 1e9,
      TB: 1e12,
    },
  ],
  ['bytes per second', { 'mB/s': 1e-3, 'B/s': 1, 'kB/s': 1e3, 'MB/s': 1e6, 'GB/s': 1e9 }],
  ['watt', { mW: 1e-3, W: 1, kW: 1e3 }],
  ['count', { '': 1, K: 1e3, k: 1e3, M: 1e6, Mil: 1e6, B: 1e9, Bil: 1e9 }],
]

interface Read {
  readonly value: number
  /** What one unit of the last digit written is worth. */
  readonly grain: number
  readonly family: string
}

/** A figure as it is written, read back; undefined for a text that is none. */
function read(text: string): Read | undefined {
  const parts = [
    ...text
      .replace(/,(?=\d{3})/g, '')
      .replace(/^in | ago$/g, '')
      .replace(/−/g, '-')
      .matchAll(/(-?\d+(?:\.(\d+))?)\s*([^\d\s,-][^\d,-]*)?/g),
  ]
  if (parts.length === 0 || !/^[-−\d]/.test(text.trim())) return undefined
  let [value, grain, family] = [0, Number.POSITIVE_INFINITY, '']
  for (const [, digits = '', decimals = '', unit = ''] of parts) {
    const known = families.find(([, units]) => units[unit.trim()] !== undefined)
    const factor = known?.[1][unit.trim()] ?? 1
    family = known?.[0] ?? unit.trim()
    value += Number(digits) * factor
    grain = Math.min(grain, factor / 10 ** decimals.length)
  }
  return { value, grain, family }
}

/** The family of the unit of a text, such as `time` for `1.5 hours`. A zero has no unit of its own. */
export function unitOf(text: string): string {
  const found = read(text)
  return found === undefined ? text : found.value === 0 ? '' : found.family
}

/** Whether two texts say the same figure, as far as either is rounded, whatever their units are called. */
export function sameFigure(one: string, other: string): boolean {
  if (one === other) return true
  const [a, b] = [read(one), read(other)]
  if (a === undefined || b === undefined) return false
  const isSameUnit = a.family === b.family || a.value === 0 || b.value === 0
  return isSameUnit && Math.abs(a.value - b.value) <= (a.grain + b.grain) * 0.51
}
