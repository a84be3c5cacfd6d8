import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { CallwardError } from '../../../server/errors.ts'
import { jsonWithin } from '../../../server/ingest/json-bounds.ts'
import { statusBody, successBody } from '../../../server/ingest/otlp-answers.ts'
import { decodeOtlpJson } from '../../../server/ingest/otlp-json.ts'
import { type OtlpRequest, otlpLimits } from '../../../server/ingest/otlp-message.ts'
import { labelName, labelNumber, metricName } from '../../../server/ingest/otlp-names.ts'
import { decodeOtlpProtobuf } from '../../../server/ingest/otlp-protobuf.ts'
import { OtlpSeries } from '../../../server/ingest/otlp-series.ts'
import { millisOf } from '../../../server/ingest/otlp-value.ts'
import { prepareWrite } from '../../../server/ingest/write-batch.ts'
import { WriteRefused } from '../../../server/ingest/write-refused.ts'
import fc from '../../helpers/property.ts'
import { block, double, whole } from '../../helpers/write-encoders.ts'

const fixture = (name: string) => readFileSync(join(packageRoot, 'test/fixtures/otlp', name))

/** When the points of the fixture are. */
const at = 1_700_000_000_123
const settings = { promote: ['site'], scopeLabels: false }

/** Series in the text format of Prometheus, and what was left out. */
function translated(request: OtlpRequest, own: Partial<typeof settings> = {}) {
  const lines: string[] = []
  const series = new OtlpSeries(request, { ...settings, ...own }, at, (labels) => {
    const { __name__: name, ...rest } = labels
    const text = Object.entries(rest)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    return lines.push(`${name}{${text.join(',')}}`) - 1
  })
  const { samples } = series
  for (let i = 0; i < series.series; i++) {
    const id = series.id(i)
    lines[id] += ` ${samples.marks[i] === 1 ? 'stale' : samples.values[i]} ${samples.times[i]}`
  }
  return { lines, rejections: series.rejections }
}

interface Json {
  readonly [key: string]: unknown
}

/** A request in JSON with one metric. */
function json(metric: Json, resource: Json = {}): OtlpRequest {
  const scopeMetrics = [{ metrics: [{ name: 'm', ...metric }] }]
  return decodeOtlpJson(
    Buffer.from(JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics }] })),
  )
}

const attribute = (key: string, value: Json | string) => ({
  key,
  value: typeof value === 'string' ? { stringValue: value } : value,
})

const gauge = (point: Json) => ({
  gauge: { dataPoints: [{ timeUnixNano: `${at}000000`, asDouble: 1, ...point }] },
})

/** The refusal that decoding must throw. */
function refusal(decode: () => unknown): WriteRefused | string {
  try {
    decode()
  } catch (error) {
    if (error instanceof WriteRefused) return error
    throw error
  }
  return 'not refused'
}

t.test('both encodings give the same message', async (t) => {
  const binary = decodeOtlpProtobuf(fixture('every-kind.bin'))
  t.same(decodeOtlpJson(fixture('every-kind.json')), binary)
  t.equal(binary.exemplars, 1)
  t.same(decodeOtlpJson(fixture('published.json')), decodeOtlpProtobuf(fixture('published.bin')))
  t.same(decodeOtlpProtobuf(Buffer.alloc(0)).resources, [], 'an empty message is a good one')
  const unknown = Buffer.concat([block(77, 'x'), whole(78, 1), fixture('every-kind.bin')])
  t.same(decodeOtlpProtobuf(unknown), binary, 'unknown fields are passed over')
})

t.test('every kind of metric becomes the series Prometheus makes of it', async (t) => {
  const { lines, rejections } = translated(decodeOtlpProtobuf(fixture('every-kind.bin')))
  const who = 'instance="pbx-7",job="bank/dialler"'
  const le = (bound: string) => `{${who},le="${bound}",site="hanoi"}`
  const base = `{${who},site="hanoi"}`
  t.same(lines, [
    `calls_active{bytes="AP8Q",empty="",${who},list="[\\"a\\",9007199254740993,false,null]",map="{\\"k\\":1.5}",number="0.1",site="hanoi",text="Đà Nẵng \\"x\\"",truth="true",whole="-9223372036854775808"} -9007199254740992 ${at}`,
    `cpu_load_ratio${base} 0 ${at}`,
    `cpu_load_ratio{cpu="gone",${who},site="hanoi"} stale ${at}`,
    `calls_offered_total${base} 41 ${at}`,
    `queue_size${base} -2.5 ${at}`,
    `setup_time_seconds_count{${who},site="hanoi",trunk="t1"} 6 ${at}`,
    `setup_time_seconds_sum{${who},site="hanoi",trunk="t1"} 9.75 ${at}`,
    `setup_time_seconds_bucket{${who},le="0.5",site="hanoi",trunk="t1"} 1 ${at}`,
    `setup_time_seconds_bucket{${who},le="2.5",site="hanoi",trunk="t1"} 3 ${at}`,
    `setup_time_seconds_bucket{${who},le="+Inf",site="hanoi",trunk="t1"} 6 ${at}`,
    `response_size_bytes_count${base} 11 ${at}`,
    `response_size_bytes_sum${base} 100.5 ${at}`,
    ...[
      ['-1.189207115002721', 0],
      ['-1', 3],
      ['0.001', 5],
      ['0.5', 6],
      ['0.5946035575013605', 8],
      ['0.7071067811865476', 8],
      ['0.8408964152537145', 8],
      ['1', 8],
      ['1.189207115002721', 11],
      ['+Inf', 11],
    ].map(([bound, count]) => `response_size_bytes_bucket${le(String(bound))} ${count} ${at}`),
    `old_latency_milliseconds_count${base} 10 ${at}`,
    `old_latency_milliseconds_sum${base} 55.5 ${at}`,
    `old_latency_milliseconds{${who},quantile="0.5",site="hanoi"} 4 ${at}`,
    `old_latency_milliseconds{${who},quantile="0.99",site="hanoi"} 9.5 ${at}`,
    `target_info{host_name="pbx-7.example",${who},site="hanoi"} 1 ${at}`,
  ])
  t.match(rejections, [
    { reason: 'delta', points: 2, why: /"calls.delta" has delta temporality; set OTEL_EXPORTER/ },
    { reason: 'no_data', points: 0, why: /"nothing" has no data/ },
  ])

  const scoped = translated(decodeOtlpProtobuf(fixture('every-kind.bin')), { scopeLabels: true })
  t.equal(
    scoped.lines[1],
    `cpu_load_ratio{${who},otel_scope_build="x1",otel_scope_name="io.example.lib",otel_scope_schema_url="https://opentelemetry.io/schemas/1.30.0",otel_scope_version="2.1.0",site="hanoi"} 0 ${at}`,
  )

  const published = translated(decodeOtlpJson(fixture('published.json')))
  t.same(published.lines, [
    'my_gauge_ratio{job="my.service",my_gauge_attr="some value"} 10 1544712660300',
  ])
  t.match(published.rejections, [{ reason: 'delta', points: 2 }])
})

t.test('names and units', async (t) => {
  const named = (name: string, unit: string, kind: 'counter' | 'gauge' | 'other', out?: string) =>
    t.equal(metricName(name, unit, kind), out, `${name} ${unit} ${kind}`)
  named('system.cpu.time', 's', 'counter', 'system_cpu_time_seconds_total')
  named('requests', '1/s', 'counter', 'requests_per_second_total')
  named('throughput', 'By/s', 'gauge', 'throughput_bytes_per_second')
  named('custom', 'By/{custom}', 'gauge', 'custom_bytes')
  named('custom', '{custom}', 'gauge', 'custom')
  named('response_time_seconds', 's', 'other', 'response_time_seconds')
  named('cpu_seconds_total', 's', 'counter', 'cpu_seconds_total')
  named('total.requests', '', 'counter', 'requests_total')
  named('cpu_usage_ratio', '1', 'gauge', 'cpu_usage_ratio')
  named('items', '1', 'counter', 'items_total')
  named('items', '1', 'other', 'items')
  named('m__a', 'u__b', 'gauge', 'm_a_u_b')
  named('custom', 'unit@with#special/chars', 'gauge', 'custom_unit_with_special_per_chars')
  named('a:b', '', 'gauge', 'a:b')
  named('1st', '', 'gauge', '_1st')
  named('@#$%', '', 'gauge')
  named('', '', 'counter')

  const labelled = (key: string, out?: string) => t.equal(labelName(key), out, key)
  labelled('http.method', 'http_method')
  labelled('label!with&special$chars)', 'label_with_special_chars_')
  labelled('label_with_foreign_characters_字符', 'label_with_foreign_characters___')
  labelled('label:with:colons', 'label_with_colons')
  labelled('123label', 'key_123label')
  labelled('_one', 'key_one')
  labelled('__two', '__two')
  labelled('ようこそ')
  labelled('')

  const number = (value: number, out: string) => t.equal(labelNumber(value), out)
  number(1e21, '1000000000000000000000')
  number(-1.5e-7, '-0.00000015')
  number(1.25e22, '12500000000000000000000')
  number(0.005, '0.005')
  number(Infinity, '+Inf')
})

t.test('who a resource is', async (t) => {
  const labels = (...attributes: object[]) =>
    translated(json(gauge({}), { attributes })).lines.map((line) => line.replace(/ .*/, ''))
  t.same(labels(), ['m{}'])
  t.same(labels(attribute('service.name', 'a')), ['m{job="a"}'])
  t.same(labels(attribute('host.name', 'pbx-1')), [
    'm{instance="pbx-1"}',
    'target_info{host_name="pbx-1",instance="pbx-1"}',
  ])
  t.same(labels(attribute('os.type', 'linux')), ['m{}'], 'nobody to say it of')
  const own = json(gauge({ attributes: [attribute('instance', 'mine'), attribute('job', 'x')] }), {
    attributes: [attribute('service.instance.id', 'theirs')],
  })
  t.match(translated(own).lines, [/^m\{instance="theirs",job="x"\}/])
  const same = [attribute('a.b', '2'), attribute('a_b', '3'), attribute('a-b', '1')]
  t.match(translated(json(gauge({ attributes: same }))).lines, [/^m\{a_b="1;2;3"\}/])
})

t.test('times', async (t) => {
  const nanos = (text: string) => {
    const value = BigInt(text)
    return millisOf(Number(value >> 32n), Number(value & 0xffff_ffffn))
  }
  t.equal(nanos('18446744073709551615'), 18_446_744_073_709)
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      return nanos(String(value)) === Number(value / 1_000_000n)
    }),
  )
  const time = (timeUnixNano: unknown) =>
    translated(json(gauge({ timeUnixNano }))).lines[0]?.split(' ')[2]
  t.equal(time('1700000000123999999'), '1700000000123', 'rounded down')
  t.equal(
    time(1_700_000_000_001_000_000),
    '1700000000001',
    'a JSON number has lost its last digits',
  )
  const left = (point: Json) => translated(json(gauge(point))).rejections
  t.match(left({ timeUnixNano: '0' }), [{ reason: 'no_time', points: 1 }])
  t.match(left({ timeUnixNano: '18446744073709551615' }), [
    { reason: 'too_far_ahead', points: 1, why: /more than 1 h ahead.*set the sender's clock/ },
  ])
})

t.test('what cannot be stored is left out by itself', async (t) => {
  const left = (metric: Json, expected: object) => {
    const { lines, rejections } = translated(json(metric))
    t.same(lines, [])
    t.match(rejections, [{ points: 1, ...expected }])
  }
  const labelled = (key: string, value: Json | string) =>
    gauge({ attributes: [attribute(key, value)] })
  let nested: Json = { stringValue: 'x' }
  for (let i = 0; i < 20; i++) nested = { arrayValue: { values: [nested] } }
  left(labelled('a', nested), { reason: 'bad_label', why: /"a" is nested too deep/ })
  left(labelled('__name__', 'x'), { reason: 'bad_label', why: /"__name__" cannot be a label/ })
  left(labelled('__proto__', 'x'), { reason: 'bad_label', why: /cannot be a label/ })
  left(labelled('', 'x'), { reason: 'bad_label', why: /"" cannot be a label/ })
  left(labelled('a', '\ud800'), { reason: 'bad_label', why: /not UTF-8/ })
  left(labelled('a', 'x'.repeat(20_000)), { reason: 'bad_label', why: /longer than 16384/ })
  left(labelled('x'.repeat(2000), 'a'), { reason: 'bad_label', why: /name is longer than 1024/ })
  const many = Array.from({ length: 127 }, (_, i) => attribute(`a${i}`, 'x'))
  left(gauge({ attributes: many }), { reason: 'bad_label', why: /more than 126 labels/ })
  left({ name: '', ...gauge({}) }, { reason: 'bad_name', why: /"" cannot be the name/ })
  left({ name: 'x'.repeat(1020), ...gauge({}) }, { reason: 'bad_name' })
  left(gauge({ asDouble: null }), { reason: 'no_value' })
  const point = { timeUnixNano: `${at}000000`, count: '3' }
  const histogram = (own: Json) => ({
    histogram: { aggregationTemporality: 2, dataPoints: [{ ...point, ...own }] },
  })
  const bad = (why: RegExp) => ({ reason: 'bad_buckets', why })
  left(histogram({ bucketCounts: [1], explicitBounds: [1, 2] }), bad(/1 buckets for 2 bounds/))
  left(histogram({ bucketCounts: [1, 1, 1], explicitBounds: [2, 1] }), bad(/do not ascend/))
  left(histogram({ bucketCounts: [1, 1], explicitBounds: ['NaN'] }), bad(/do not ascend/))
  left(histogram({ bucketCounts: [4, 4], explicitBounds: [1] }), bad(/hold 8, its count says 3/))
  const exponential = (own: Json) => ({
    exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ ...point, ...own }] },
  })
  left(exponential({ scale: 2_147_483_647 }), bad(/scale is 2147483647/))
  left(exponential({ positive: { offset: 1e300, bucketCounts: [1] } }), bad(/offset/))
  left(exponential({ zeroThreshold: 'NaN' }), bad(/zero threshold is NaN/))
  const quantile = { quantileValues: [{ quantile: 2, value: 1 }] }
  left({ summary: { dataPoints: [{ ...point, ...quantile }] } }, bad(/between 0 and 1/))
  left({ sum: { isMonotonic: true, dataPoints: [point] } }, { reason: 'delta', why: /unknown/ })
})

t.test('exponential histograms at their edges', async (t) => {
  const buckets = (own: Json) =>
    translated(
      json({
        exponentialHistogram: {
          aggregationTemporality: 2,
          dataPoints: [{ timeUnixNano: `${at}000000`, count: '9', ...own }],
        },
      }),
    )
      .lines.filter((line) => line.includes('_bucket'))
      .map((line) => line.replace(/.*le="(.*)"\} (\d+) .*/, '$1 $2'))
  t.same(buckets({}), ['+Inf 9'])
  const positive = (offset: number, ...bucketCounts: number[]) => ({
    positive: { offset, bucketCounts },
  })
  t.same(buckets({ ...positive(0, 4, 5) }), ['1 0', '2 4', '4 9', '+Inf 9'])
  t.same(buckets({ scale: -10, ...positive(0, 9) }), ['1 0', '+Inf 9'], 'no number is so large')
  t.same(buckets({ scale: -10, ...positive(-3, 9) }), ['0 9', '+Inf 9'], 'nor so small')
  t.same(buckets({ scale: 20, ...positive(2_147_483_000, 9) }).at(-1), '+Inf 9')
  const wide = buckets({ scale: 2, ...positive(-200, 1, ...Array(400).fill(0), 1) })
  t.ok(wide.length <= 163, `${wide.length} buckets`)
  t.equal(wide.at(-2)?.split(' ')[1], '2')
})

t.test('bodies that are no request', async (t) => {
  const refused = (body: Buffer | string, sentence: RegExp, reason = 'malformed') => {
    const bytes = Buffer.from(body)
    const decode = typeof body === 'string' ? decodeOtlpJson : decodeOtlpProtobuf
    t.match(
      refusal(() => decode(bytes)),
      { reason, message: sentence },
    )
  }
  const good = fixture('every-kind.bin')
  refused(good.subarray(0, -1), /not an OTLP metrics request: .* longer than what holds it/)
  refused(block(1, block(2, block(2, whole(5, 1)))), /a gauge has wire type 0, not 2/)
  refused(Buffer.from([0x53]), /wire type 3 is not used/)
  refused('', /not JSON/)
  refused('{"resourceMetrics":[', /not JSON/)
  refused('[]', /it is not an object/)
  refused('{"resourceMetrics":{}}', /resourceMetrics is not a list/)
  refused('{"resourceMetrics":[1]}', /an entry of resourceMetrics is not an object/)
  refused('[['.repeat(1_000_000), /128 levels/, 'too_large')
  refused(`{"a":[${'[],'.repeat(4_000_001)}[]]}`, /4000000 values/, 'too_large')
  t.match(
    refusal(() => decodeOtlpJson(Buffer.from([0x22, 0xff, 0x22]))),
    { message: /not UTF-8/ },
  )
  const groups = Buffer.concat(Array(60_001).fill(block(1, '')))
  refused(groups, /60000 resources, scopes and metrics/, 'too_large')
  const points = block(5, Buffer.concat(Array(otlpLimits.points + 1).fill(block(1, ''))))
  const metric = (content: Buffer) => block(1, block(2, block(2, content)))
  refused(metric(points), /20000 data points/, 'too_large')
  const attributes = Buffer.alloc(2 * 1_000_001)
  for (let i = 0; i < attributes.length; i += 2) attributes[i] = 0x3a
  t.ok(decodeOtlpProtobuf(metric(block(5, block(1, attributes)))))
  const twice = Buffer.concat([attributes, attributes])
  refused(metric(block(5, block(1, twice))), /2000000 elements/, 'too_large')
  t.equal(jsonWithin(Buffer.from('"[[[["'), 1, 1), true, 'brackets within texts')
  t.equal(jsonWithin(Buffer.from('"\\"[[[['), 1, 1), true, 'a text without end')

  const deep = (levels: number): Buffer => {
    let value = block(1, 'x')
    for (let i = 0; i < levels; i++) value = block(5, block(1, value))
    const point = Buffer.concat([
      double(4, 1),
      block(7, Buffer.concat([block(1, 'a'), block(2, value)])),
    ])
    return metric(Buffer.concat([block(1, 'm'), block(5, block(1, point))]))
  }
  t.match(translated(decodeOtlpProtobuf(deep(3000))).rejections, [{ why: /nested too deep/ }])
  const text = metric(Buffer.concat([block(1, Buffer.from([0xff])), block(5, block(1, ''))]))
  t.match(translated(decodeOtlpProtobuf(text)).rejections, [{ reason: 'bad_name', points: 1 }])
  const mark = block(5, block(1, Buffer.concat([stampedNow(), double(4, 'stale')])))
  t.match(
    translated(decodeOtlpProtobuf(metric(Buffer.concat([block(1, 'm'), mark])))).lines,
    [/^m\{\} stale/],
    "Prometheus' own mark",
  )
})

/** The time of a point. */
function stampedNow(): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = 3 * 8 + 1
  bytes.writeBigUInt64LE(BigInt(at) * 1_000_000n, 1)
  return bytes
}

t.test('series that the store refuses count by their points', async (t) => {
  const dataPoints = [1, 2].map((value) => ({
    timeUnixNano: `${at}000000`,
    count: '1',
    bucketCounts: ['1', '0'],
    explicitBounds: [value],
  }))
  const request = json({ histogram: { aggregationTemporality: 2, dataPoints } })
  const series = new OtlpSeries(request, settings, at, () => {
    throw new CallwardError('storage_unavailable', 'The store is full.')
  })
  prepareWrite(series, at)
  t.match(series.rejections, [{ reason: 'series_refused', points: 2, why: 'The store is full' }])
})

t.test('answers', async (t) => {
  t.same(successBody('protobuf', []), Buffer.alloc(0))
  t.equal(successBody('json', []), '{}')
  const left = [{ reason: 'delta', points: 300, why: 'x' }] as const
  const message = '300 data points not stored: x. The rest is stored.'
  t.same(JSON.parse(String(successBody('json', left))), {
    partialSuccess: { rejectedDataPoints: '300', errorMessage: message },
  })
  // As Google's encoder for Python writes it.
  const length = (2 + message.length + 3).toString(16)
  t.equal(
    Buffer.from(successBody('protobuf', left)).toString('hex'),
    `0a${length}08ac0212${message.length.toString(16)}${Buffer.from(message).toString('hex')}`,
  )
  t.equal(Buffer.from(statusBody('protobuf', 503, 'ü')).toString('hex'), '080e1202c3bc')
  t.equal(statusBody('json', 400, 'no'), '{"code":3,"message":"no"}')
})

t.test('any bytes give an answer', async () => {
  const good = fixture('every-kind.bin')
  const text = fixture('every-kind.json').toString()
  const answers = (decode: () => OtlpRequest) => {
    let request: OtlpRequest
    try {
      request = decode()
    } catch (error) {
      if (error instanceof WriteRefused && error.message.length > 10) return
      throw error
    }
    let made = 0
    const series = new OtlpSeries(request, { promote: [], scopeLabels: true }, at, () => made++)
    const { samples, batch } = prepareWrite(series, at)
    const rows = batch.rows.flatMap(({ ids, stale }) => [...ids, ...(stale ?? [])])
    if (rows.length !== samples || samples !== series.samples.count) throw new Error('BUG: lost')
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      answers(() => decodeOtlpProtobuf(Buffer.from(bytes)))
      answers(() => decodeOtlpJson(Buffer.from(bytes)))
    }),
  )
  const change = fc.tuple(fc.nat(), fc.nat(255), fc.nat(3))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let bytes = Buffer.from(good)
      for (const [where, byte, way] of changes) {
        const place = where % bytes.length
        if (way === 0) bytes = bytes.subarray(0, place + 1)
        else if (way === 1)
          bytes = Buffer.concat([
            bytes.subarray(0, place),
            bytes.subarray(place + 1),
            Buffer.from([0]),
          ])
        else bytes[place] = byte
      }
      answers(() => decodeOtlpProtobuf(bytes))
    }),
    { numRuns: 2000 },
  )
  const values = fc.constantFrom(
    'null',
    '[]',
    '{}',
    '-1',
    '"x"',
    '1e999',
    'true',
    '[null]',
    '"NaN"',
  )
  const places = [...text.matchAll(/: ("[^"]*"|-?[\d.]+|true|false)/g)]
  fc.assert(
    fc.property(fc.nat(places.length - 1), values, (place, value) => {
      const { index, 0: found } = places[place]!
      const changed = `${text.slice(0, index)}: ${value}${text.slice(index + found.length)}`
      answers(() => decodeOtlpJson(Buffer.from(changed)))
    }),
    { numRuns: 1000 },
  )
})
