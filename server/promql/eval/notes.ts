import { formatGeneral } from '../syntax/float.ts'
import { lineAndColumn, type Span } from '../syntax/position.ts'

interface Note {
  readonly level: 'warning' | 'info'
  readonly span: Span
  /** Detail that follows the text once it is shown. */
  readonly detail: () => string
}

interface Monotonicity {
  minTime: number
  maxTime: number
  minBucket: number
  maxBucket: number
  maxDifference: number
  count: number
}

const noDetail = (): string => ''

function forMetric(name: string): string {
  return name === '' ? '' : ` for metric name "${name}"`
}

function rfc3339Seconds(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Go's `%.2g`. */
function twoDigits(value: number): string {
  return formatGeneral(Number(value.toPrecision(2)))
}

/** Remarks on a query's data that stop nothing; the same text is kept once. */
export class Notes {
  private readonly notes = new Map<string, Note>()
  private readonly monotonicity = new Map<string, Monotonicity>()

  warn(text: string, span: Span): void {
    this.notes.set(`PromQL warning: ${text}`, { level: 'warning', span, detail: noDetail })
  }

  inform(text: string, span: Span): void {
    this.notes.set(`PromQL info: ${text}`, { level: 'info', span, detail: noDetail })
  }

  quantileOutOfRange(value: number, span: Span): void {
    this.warn(`quantile value should be between 0 and 1, got ${formatGeneral(value)}`, span)
  }

  ratioOutOfRange(value: number, limit: number, span: Span): void {
    const got = `got ${formatGeneral(value)}, capping to ${formatGeneral(limit)}`
    this.warn(`ratio value should be between -1 and 1, ${got}`, span)
  }

  badBucketLabel(name: string, label: string, span: Span): void {
    const text = `bucket label "le" is missing or has a malformed value of ${JSON.stringify(label)}`
    this.warn(`${text}${forMetric(name)}`, span)
  }

  possibleNonCounter(name: string, span: Span): void {
    const text = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket:'
    this.inform(`${text} "${name}"`, span)
  }

  /** Of windows roll-ups tell all but the first `rest` milliseconds. */
  windowsRounded(rest: number, span: Span): void {
    const text = `the range is rolled up, its first ${rest / 1000} s are taken to be as the rest`
    this.inform(`${text}; max_source_resolution=0s reads the samples`, span)
  }

  /** Bucket counts fell towards a higher bound; such notes about one metric become one. */
  forcedMonotonicity(name: string, span: Span, seen: Omit<Monotonicity, 'count'>): void {
    const page =
      'https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile'
    const text = `input to histogram_quantile needed to be fixed for monotonicity (see ${page})`
    const key = `PromQL info: ${text}${forMetric(name)}`
    const before = this.monotonicity.get(key)
    const merged: Monotonicity = {
      minTime: Math.min(seen.minTime, before?.minTime ?? seen.minTime),
      maxTime: Math.max(seen.maxTime, before?.maxTime ?? seen.maxTime),
      minBucket: Math.min(seen.minBucket, before?.minBucket ?? seen.minBucket),
      maxBucket: Math.max(seen.maxBucket, before?.maxBucket ?? seen.maxBucket),
      maxDifference: Math.max(seen.maxDifference, before?.maxDifference ?? 0),
      count: (before?.count ?? 0) + 1,
    }
    this.monotonicity.set(key, merged)
    const detail = (): string =>
      `, from buckets ${formatGeneral(merged.minBucket)} to ${formatGeneral(merged.maxBucket)}, ` +
      `with a max diff of ${twoDigits(merged.maxDifference)}, over ${merged.count} samples ` +
      `from ${rfc3339Seconds(merged.minTime)} to ${rfc3339Seconds(merged.maxTime)}`
    this.notes.set(key, { level: 'info', span, detail })
  }

  /** The notes with `(line:column)` in the query's text, in the order they arose. */
  render(text: string): { warnings: string[]; infos: string[] } {
    const warnings: string[] = []
    const infos: string[] = []
    for (const [key, note] of this.notes) {
      const shown = `${key}${note.detail()} (${lineAndColumn(text, note.span)})`
      ;(note.level === 'warning' ? warnings : infos).push(shown)
    }
    return { warnings, infos }
  }
}
