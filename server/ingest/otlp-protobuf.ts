import { isUtf8 } from 'node:buffer'
import {
  type ExponentialBuckets,
  type OtlpAttribute,
  OtlpCounts,
  type OtlpData,
  type OtlpMetric,
  type OtlpPoint,
  type OtlpRequest,
  type OtlpResource,
  type OtlpScope,
  otlpLimits,
  type SummaryPoint,
} from './otlp-message.ts'
import { millisOf, type OtlpValue, valueText } from './otlp-value.ts'
import { FieldReader } from './protobuf-reader.ts'

/** Decodes the protobuf message ExportMetricsServiceRequest; unknown fields are passed over. Throws WriteRefused. */
export function decodeOtlpProtobuf(body: Buffer): OtlpRequest {
  return new Decoder(body).request()
}

/** Stands for text that is not UTF-8. */
const notText = '\ud800'
const staleBits = 0x7ff0_0000_0000_0002n
/** DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK. */
const noRecordedValue = 1

/** A point while its fields come. */
type Draft<T extends OtlpPoint> = { -readonly [K in keyof T]: T[K] }

interface PointFields {
  readonly attributes: number
  readonly time: number
  readonly flags: number
  readonly exemplars: number
}

const numberFields = { attributes: 7, time: 3, flags: 8, exemplars: 5 }
const histogramFields = { attributes: 9, time: 3, flags: 10, exemplars: 8 }
const exponentialFields = { attributes: 1, time: 3, flags: 10, exemplars: 11 }
const summaryFields = { attributes: 7, time: 3, flags: 8, exemplars: 0 }

/** The numbers of the fields are those of opentelemetry/proto/metrics/v1, common/v1 and resource/v1. */
class Decoder {
  readonly #in: FieldReader
  readonly #counts = new OtlpCounts()

  constructor(body: Buffer) {
    this.#in = new FieldReader(body, 'an OTLP metrics request')
  }

  request(): OtlpRequest {
    const resources: OtlpResource[] = []
    for (let field = this.#in.next(); field !== 0; field = this.#in.next()) {
      if (field === 1) resources.push(this.#resource())
      else this.#in.skip()
    }
    return { resources, exemplars: this.#counts.exemplars }
  }

  #resource(): OtlpResource {
    this.#counts.group()
    const attributes: OtlpAttribute[] = []
    const scopes: OtlpScope[] = []
    this.#in.message('the metrics of a resource', (field) => {
      if (field === 1)
        this.#in.message('a resource', (inner) => {
          if (inner === 1) attributes.push(this.#attribute())
          else this.#in.skip()
        })
      else if (field === 2) scopes.push(this.#scope())
      else this.#in.skip()
    })
    return { attributes, scopes }
  }

  #scope(): OtlpScope {
    this.#counts.group()
    const scope = { name: '', version: '', schemaUrl: '' }
    const attributes: OtlpAttribute[] = []
    const metrics: OtlpMetric[] = []
    this.#in.message('the metrics of a scope', (field) => {
      if (field === 1)
        this.#in.message('a scope', (inner) => {
          if (inner === 1) scope.name = this.#text('the name of a scope')
          else if (inner === 2) scope.version = this.#text('the version of a scope')
          else if (inner === 3) attributes.push(this.#attribute())
          else this.#in.skip()
        })
      else if (field === 2) metrics.push(this.#metric())
      else if (field === 3) scope.schemaUrl = this.#text('a schema URL')
      else this.#in.skip()
    })
    return { ...scope, attributes, metrics }
  }

  #metric(): OtlpMetric {
    this.#counts.group()
    let name = ''
    let unit = ''
    let data: OtlpData | undefined
    this.#in.message('a metric', (field) => {
      if (field === 1) name = this.#text('the name of a metric')
      else if (field === 3) unit = this.#text('the unit of a metric')
      else data = this.#data(field) ?? data
    })
    return { name, unit, data }
  }

  /** The data in a field of a metric; undefined, and the field skipped, when it is something else. */
  #data(field: number): OtlpData | undefined {
    switch (field) {
      case 5: {
        const { points } = this.#points('a gauge', () => this.#number())
        return { kind: 'gauge', points }
      }
      case 7:
        return { kind: 'sum', ...this.#points('a sum', () => this.#number()) }
      case 9: {
        const { points, temporality } = this.#points('a histogram', () => this.#histogram())
        return { kind: 'histogram', points, temporality }
      }
      case 10: {
        const what = 'an exponential histogram'
        const { points, temporality } = this.#points(what, () => this.#exponential())
        return { kind: 'exponential', points, temporality }
      }
      case 11: {
        const { points } = this.#points('a summary', () => this.#summary())
        return { kind: 'summary', points }
      }
      default:
        this.#in.skip()
        return undefined
    }
  }

  #points<T>(what: string, read: () => T) {
    const points: T[] = []
    let temporality = 0
    let monotonic = false
    this.#in.message(what, (field) => {
      if (field === 1) points.push(read())
      else if (field === 2) temporality = this.#in.whole('a temporality')
      else if (field === 3) monotonic = this.#in.whole('is_monotonic') !== 0
      else this.#in.skip()
    })
    return { points, temporality, monotonic }
  }

  /** Reads a point into its draft: what all kinds have, and by `own` (true: taken) what this kind has. */
  #point<T extends OtlpPoint>(
    what: string,
    fields: PointFields,
    draft: Draft<T>,
    own: (field: number) => boolean,
  ): T {
    this.#counts.point()
    const attributes: OtlpAttribute[] = []
    let ended = false
    this.#in.message(what, (field) => {
      if (field === fields.attributes) attributes.push(this.#attribute())
      else if (field === fields.time) draft.t = this.#time()
      else if (field === fields.flags)
        ended = (this.#in.whole('flags') & noRecordedValue) !== 0 || ended
      else if (field === fields.exemplars) {
        this.#counts.exemplars++
        this.#in.skip()
      } else if (!own(field)) this.#in.skip()
    })
    draft.attributes = attributes
    draft.ended ||= ended
    return draft
  }

  #number() {
    const draft = { ...blank(), value: undefined as number | undefined }
    return this.#point('a data point', numberFields, draft, (field) => {
      if (field === 4) {
        draft.value = this.#double('a value')
        // Some senders keep Prometheus' mark as the number it is.
        draft.ended = this.#isStaleMark()
      } else if (field === 6) draft.value = this.#signed64('a value')
      else return false
      return true
    })
  }

  #histogram() {
    const draft = { ...counted(), counts: [] as number[], bounds: [] as number[] }
    return this.#point('a histogram point', histogramFields, draft, (field) => {
      if (field === 6) this.#repeat(draft.counts, 8, () => this.#unsigned64('a bucket'))
      else if (field === 7) this.#repeat(draft.bounds, 8, () => this.#double('a bound'))
      else return this.#countOrSum(draft, field)
      return true
    })
  }

  #exponential() {
    const none: ExponentialBuckets = { offset: 0, counts: [] }
    const own = { scale: 0, zeroCount: 0, zeroThreshold: 0, positive: none, negative: none }
    const draft = { ...counted(), ...own }
    return this.#point('an exponential histogram point', exponentialFields, draft, (field) => {
      if (field === 6) draft.scale = this.#zigzag('a scale')
      else if (field === 7) draft.zeroCount = this.#unsigned64('a zero count')
      else if (field === 8) draft.positive = this.#buckets()
      else if (field === 9) draft.negative = this.#buckets()
      else if (field === 14) draft.zeroThreshold = this.#double('a zero threshold')
      else return this.#countOrSum(draft, field)
      return true
    })
  }

  #buckets(): ExponentialBuckets {
    let offset = 0
    const counts: number[] = []
    this.#in.message('buckets', (field) => {
      if (field === 1) offset = this.#zigzag('an offset')
      else if (field === 2) this.#repeat(counts, 0, () => unsigned(this.#varint('a bucket')))
      else this.#in.skip()
    })
    return { offset, counts }
  }

  #summary(): SummaryPoint {
    const quantiles: { quantile: number; value: number }[] = []
    const draft = { ...counted(), quantiles }
    return this.#point<SummaryPoint>('a summary point', summaryFields, draft, (field) => {
      if (field !== 6) return this.#countOrSum(draft, field)
      this.#counts.element()
      const one = { quantile: 0, value: 0 }
      this.#in.message('a quantile', (inner) => {
        if (inner === 1) one.quantile = this.#double('a quantile')
        else if (inner === 2) one.value = this.#double('a quantile')
        else this.#in.skip()
      })
      quantiles.push(one)
      return true
    })
  }

  #countOrSum(draft: { count: number; sum: number | undefined }, field: number): boolean {
    if (field === 4) draft.count = this.#unsigned64('a count')
    else if (field === 5) draft.sum = this.#double('a sum')
    else return false
    return true
  }

  /** Reads a repeated number, packed or one by one; `width` is its bytes, 0 for a varint. */
  #repeat(into: number[], width: number, read: () => number): void {
    if (!this.#in.lengthDelimited) {
      this.#counts.element()
      into.push(read())
      return
    }
    const outer = this.#in.end
    this.#in.end = this.#in.fieldEnd('a list of numbers')
    this.#packed = width === 0 ? 'varint' : 'fixed'
    while (this.#in.at < this.#in.end) {
      this.#counts.element()
      into.push(read())
    }
    this.#packed = undefined
    this.#in.end = outer
  }

  /** Numbers in a packed list have no wire type of their own. */
  #packed: 'varint' | 'fixed' | undefined
  #lastFixed = 0

  #fixed(what: string): number {
    const at = this.#packed === 'fixed' ? this.#in.eightBytes(what) : this.#in.fixed64(what)
    this.#lastFixed = at
    return at
  }

  #varint(what: string): number {
    return this.#packed === 'varint' ? this.#in.varint() : this.#in.whole(what)
  }

  #double(what: string): number {
    return this.#in.view.getFloat64(this.#fixed(what), true)
  }

  #isStaleMark(): boolean {
    return this.#in.view.getBigUint64(this.#lastFixed, true) === staleBits
  }

  #signed64(what: string): number {
    return Number(this.#in.view.getBigInt64(this.#fixed(what), true))
  }

  #unsigned64(what: string): number {
    return Number(this.#in.view.getBigUint64(this.#fixed(what), true))
  }

  #time(): number {
    const at = this.#fixed('a time')
    return millisOf(this.#in.view.getUint32(at + 4, true), this.#in.view.getUint32(at, true))
  }

  #zigzag(what: string): number {
    const bits = this.#in.whole(what) >>> 0
    return (bits >>> 1) ^ -(bits & 1)
  }

  #text(what: string): string {
    const bytes = this.#bytes(what)
    const text = bytes.toString('utf8')
    return text.includes('\ufffd') && !isUtf8(bytes) ? notText : text
  }

  #attribute(): OtlpAttribute {
    const [key, value] = this.#keyValue(0)
    return { key, text: valueText(value) }
  }

  #keyValue(depth: number): [string, OtlpValue] {
    this.#counts.element()
    let key = ''
    let value: OtlpValue = null
    this.#in.message('an attribute', (field) => {
      if (field === 1) key = this.#text('the key of an attribute')
      else if (field === 2) value = this.#value(depth)
      else this.#in.skip()
    })
    return [key, value]
  }

  #value(depth: number): OtlpValue {
    this.#counts.element()
    if (depth > otlpLimits.attributeDepth) {
      this.#in.skip()
      return undefined
    }
    let value: OtlpValue = null
    this.#in.message('a value', (field) => {
      if (field === 1) value = this.#text('a text')
      else if (field === 2) value = this.#in.whole('a truth value') !== 0
      else if (field === 3) value = this.#exactWhole()
      else if (field === 4) value = this.#double('a number')
      else if (field === 5) value = this.#list(depth + 1)
      else if (field === 6) value = this.#map(depth + 1)
      else if (field === 7) value = this.#bytes('bytes')
      else this.#in.skip()
    })
    return value
  }

  #list(depth: number): OtlpValue {
    const list: OtlpValue[] = []
    this.#in.message('a list', (field) => {
      if (field === 1) list.push(this.#value(depth))
      else this.#in.skip()
    })
    return list
  }

  #map(depth: number): OtlpValue {
    const map = new Map<string, OtlpValue>()
    this.#in.message('a map', (field) => {
      if (field === 1) map.set(...this.#keyValue(depth))
      else this.#in.skip()
    })
    return map
  }

  #bytes(what: string): Buffer {
    const end = this.#in.fieldEnd(what)
    const bytes = this.#in.bytes.subarray(this.#in.at, end)
    this.#in.at = end
    return bytes
  }

  /** A signed 64-bit number; every digit counts where it becomes a label. */
  #exactWhole(): bigint {
    const from = this.#in.at
    this.#in.whole('a whole number')
    let value = 0n
    for (let at = this.#in.at - 1; at >= from; at--)
      value = (value << 7n) | BigInt(this.#in.bytes[at]! & 0x7f)
    return BigInt.asIntN(64, value)
  }
}

function blank() {
  const attributes: readonly OtlpAttribute[] = []
  return { attributes, t: 0, ended: false }
}

function counted() {
  return { ...blank(), count: 0, sum: undefined as number | undefined }
}

/** An unsigned 64-bit number that was read as a signed one. */
function unsigned(value: number): number {
  return value < 0 ? value + 2 ** 64 : value
}
