/** Milliseconds since the epoch, UTC. */
export type Millis = number

export type Labels = Readonly<Record<string, string>>

/** `critical` pages now, `warning` pages in working hours, `info` is a ticket. */
export type Severity = 'critical' | 'warning' | 'info'

/** One life of an alert as everybody outside the engine sees it. */
export interface AlertView {
  /** Names this life; the next life of the same label set has another id. */
  readonly id: string
  /** Names the label set; see `fingerprint`. */
  readonly fingerprint: string
  readonly rule: string
  readonly group: string
  readonly severity: Severity
  /** The host, when the alert's labels name one. */
  readonly instance?: string | undefined
  readonly labels: Labels
  /** Expanded at the newest evaluation. */
  readonly annotations: Labels
  readonly state: 'pending' | 'firing' | 'resolved'
  /** The expression's newest value, as Prometheus writes a sample value. */
  readonly value: string
  /** When the condition was first seen. */
  readonly activeAt: Millis
  readonly firedAt?: Millis | undefined
  readonly resolvedAt?: Millis | undefined
  readonly acknowledgedAt?: Millis | undefined
  readonly acknowledgedBy?: string | undefined
}

/** What incidents and the people on duty are told. */
export interface AlertChange {
  readonly kind: 'firing' | 'resolved' | 'acknowledged'
  readonly alert: AlertView
  /** When it happened; the record may be written later, then `late` is set. */
  readonly at: Millis
  /** Name of the person, for `acknowledged`. */
  readonly by?: string | undefined
  /** The records refused the change at first and got it afterwards. */
  readonly late?: true | undefined
  /** It fires on, but its value passed another tier's threshold: news for the routing only. */
  readonly revalued?: true | undefined
}

const severities: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  page: 'critical',
  error: 'critical',
  disaster: 'critical',
  high: 'critical',
  warning: 'warning',
  warn: 'warning',
  average: 'warning',
  info: 'info',
  information: 'info',
  ticket: 'info',
  none: 'info',
}

/** Severity of a label set; foreign words are mapped, an unknown or missing one counts as `warning`. */
export function severityOf(labels: Labels): Severity {
  const word = labels['severity']?.toLowerCase() ?? ''
  return Object.hasOwn(severities, word) ? severities[word]! : 'warning'
}

const separator = 0xff

/**
 * Stable name of a label set: 16 hex digits, order of labels irrelevant, empty values as good as absent.
 * FNV-1a 64 over `name 0xff value 0xff` of the sorted labels: equal to Alertmanager's fingerprint
 * (prometheus/common, model/fingerprinting.go).
 */
export function fingerprint(labels: Labels): string {
  const bytes: number[] = []
  for (const name of Object.keys(labels).sort(byCodePoint)) {
    const value = labels[name]!
    if (value === '') continue
    append(bytes, name)
    append(bytes, value)
  }
  return fnv1a64(bytes)
}

const encoder = new TextEncoder()

/** Appends a text in UTF-8 and the separator. */
function append(bytes: number[], text: string): void {
  const length = bytes.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 128) bytes.push(code)
    else {
      bytes.length = length
      for (const byte of encoder.encode(text)) bytes.push(byte)
      break
    }
  }
  bytes.push(separator)
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** FNV-1a with 64 bits in two halves; the prime is 2^40 + 435. */
function fnv1a64(bytes: readonly number[]): string {
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0
    const product = low * 435
    const carry = Math.floor(product / 2 ** 32)
    high = (high * 435 + carry + ((low << 8) >>> 0)) % 2 ** 32
    low = product % 2 ** 32
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}
