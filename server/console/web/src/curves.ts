/** What the host page asks of /prom/api/v1/query_range, and how the answer becomes columns. Pure. */

export type CurveName = 'cpu' | 'load' | 'memory' | 'filesystems' | 'network' | 'disk'
export type Unit = 'ratio' | 'number' | 'bytesPerSecond'

export interface Range {
  readonly name: '15m' | '1h' | '6h' | '24h'
  readonly seconds: number
  readonly stepSeconds: number
  readonly refreshSeconds: number
}

/** Steps keep a curve under 400 points. */
export const ranges: readonly Range[] = [
  { name: '15m', seconds: 900, stepSeconds: 10, refreshSeconds: 10 },
  { name: '1h', seconds: 3600, stepSeconds: 15, refreshSeconds: 15 },
  { name: '6h', seconds: 21_600, stepSeconds: 60, refreshSeconds: 30 },
  { name: '24h', seconds: 86_400, stepSeconds: 240, refreshSeconds: 60 },
]

/** One expression of a curve; `label` names the series label that tells its lines apart, or a catalogue key. */
export interface CurveQuery {
  readonly expression: string
  readonly label:
    | { readonly series: string }
    | { readonly key: 'busy' | 'iowait' | 'used' | 'swap' | '1 min' | '5 min' | '15 min' }
  readonly direction?: 'in' | 'out'
}

export interface Curve {
  readonly name: CurveName
  readonly unit: Unit
  /** Fixed top of the scale, where there is one. */
  readonly top?: number
  readonly queries: readonly CurveQuery[]
}

/** A PromQL string literal. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`
}

/** Window for rate(): no gap between steps, and two reports even of a host that reports once a minute. */
export function rateWindow(stepSeconds: number): string {
  return `${Math.max(120, stepSeconds * 2)}s`
}

/** The six curves of one host. */
export function hostCurves(instance: string, range: Range): readonly Curve[] {
  const w = rateWindow(range.stepSeconds)
  const s = `instance=${quote(instance)}`
  const real = `${s},fstype!~"tmpfs|overlay|squashfs|ramfs"`
  // A share of the counted time, so that a window with few reports errs in both terms alike.
  const cpu = (mode: string) =>
    `sum by (instance) (rate(node_cpu_seconds_total{${s},mode="${mode}"}[${w}])) / sum by (instance) (rate(node_cpu_seconds_total{${s}}[${w}]))`
  const traffic = (way: string) => `rate(node_network_${way}_bytes_total{${s},device!="lo"}[${w}])`
  return [
    {
      name: 'cpu',
      unit: 'ratio',
      top: 1,
      queries: [
        { expression: `1 - ${cpu('idle')}`, label: { key: 'busy' } },
        { expression: cpu('iowait'), label: { key: 'iowait' } },
      ],
    },
    {
      name: 'load',
      unit: 'number',
      queries: [
        { expression: `node_load1{${s}}`, label: { key: '1 min' } },
        { expression: `node_load5{${s}}`, label: { key: '5 min' } },
        { expression: `node_load15{${s}}`, label: { key: '15 min' } },
      ],
    },
    {
      name: 'memory',
      unit: 'ratio',
      top: 1,
      queries: [
        {
          expression: `1 - node_memory_MemAvailable_bytes{${s}} / node_memory_MemTotal_bytes{${s}}`,
          label: { key: 'used' },
        },
        {
          expression: `1 - node_memory_SwapFree_bytes{${s}} / (node_memory_SwapTotal_bytes{${s}} > 0)`,
          label: { key: 'swap' },
        },
      ],
    },
    {
      name: 'filesystems',
      unit: 'ratio',
      top: 1,
      queries: [
        {
          expression: `1 - node_filesystem_avail_bytes{${real}} / (node_filesystem_size_bytes{${real}} - node_filesystem_free_bytes{${real}} + node_filesystem_avail_bytes{${real}})`,
          label: { series: 'mountpoint' },
        },
      ],
    },
    {
      name: 'network',
      unit: 'bytesPerSecond',
      queries: [
        { expression: traffic('receive'), label: { series: 'device' }, direction: 'in' },
        { expression: `-${traffic('transmit')}`, label: { series: 'device' }, direction: 'out' },
      ],
    },
    {
      name: 'disk',
      unit: 'ratio',
      top: 1,
      queries: [
        {
          expression: `rate(node_disk_io_time_seconds_total{${s}}[${w}])`,
          label: { series: 'device' },
        },
      ],
    },
  ]
}

/** Sparklines of every host at once: CPU, memory, load over 15 minutes. */
export const sparkQueries = {
  cpu: '1 - sum by (instance) (rate(node_cpu_seconds_total{mode="idle"}[120s])) / sum by (instance) (rate(node_cpu_seconds_total[120s]))',
  memory: '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes',
  load: 'node_load1',
} as const

export interface MatrixSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [number, string])[]
}

/** Start and end on whole steps, in seconds, so that points do not move from one refresh to the next. */
export function window(
  nowMs: number,
  seconds: number,
  stepSeconds: number,
): { start: number; end: number } {
  const end = Math.floor(nowMs / 1000 / stepSeconds) * stepSeconds
  return { start: end - seconds, end }
}

/** The times of a window, seconds, ascending, both ends included. */
export function timesOf(start: number, end: number, stepSeconds: number): number[] {
  const times: number[] = []
  for (let at = start; at <= end; at += stepSeconds) times.push(at)
  return times
}

/** Values of one series on `times`; null where it has none or is not a finite number. */
export function align(series: MatrixSeries, times: readonly number[]): (number | null)[] {
  const known = new Map(series.values.map(([at, text]) => [Math.round(at), Number(text)]))
  return times.map((at) => {
    const value = known.get(Math.round(at))
    return value !== undefined && Number.isFinite(value) ? value : null
  })
}

/** SVG points for a polyline in a box; gaps split the line. `top` fixes the scale, else the largest value does. */
export function sparkSegments(
  values: readonly (number | null)[],
  width: number,
  height: number,
  top?: number,
): string[] {
  const largest = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
  const scale = top ?? (largest > 0 ? largest * 1.1 : 1)
  const across = values.length > 1 ? width / (values.length - 1) : width
  const segments: string[][] = [[]]
  values.forEach((value, index) => {
    if (value === null) segments.push([])
    else {
      const y = height - (Math.min(scale, Math.max(0, value)) / scale) * height
      segments.at(-1)!.push(`${round(index * across)},${round(y)}`)
    }
  })
  return segments.filter((points) => points.length > 1).map((points) => points.join(' '))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
