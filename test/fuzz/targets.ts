import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../server/assets.ts'
import { parseLines, writtenLines } from '../../server/ingest/influx-line.ts'
import { LabelCache } from '../../server/ingest/label-cache.ts'
import { decodeOtlpJson } from '../../server/ingest/otlp-json.ts'
import { decodeOtlpProtobuf } from '../../server/ingest/otlp-protobuf.ts'
import { OtlpSeries } from '../../server/ingest/otlp-series.ts'
import { RemoteWriteDecoder } from '../../server/ingest/remote-write.ts'
import { prepareWrite } from '../../server/ingest/write-batch.ts'
import { WriteRefused } from '../../server/ingest/write-refused.ts'
import { createEngine } from '../../server/promql/engine.ts'
import { QueryFailure } from '../../server/promql/failure.ts'
import { makeSeries, start } from '../differential/data.ts'
import { Grammar, productions } from '../differential/grammar.ts'
import type { HttpAnswer, HttpRequest, HubPeer } from '../differential/peers.ts'
import { Random } from '../differential/random.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { MemoryReader } from '../helpers/memory-reader.ts'
import { Reporter } from '../helpers/reporter.ts'
import { encodeSnappy, encodeWriteRequest, type SentSeries } from '../helpers/write-encoders.ts'
import { sessionFrameInputs, tryFrame } from '../unit/fuzz/session-frames.ts'
import { mutatedBytes, mutatedTokens } from './mutate.ts'

export type Outcome = 'accepted' | 'refused'

/** Something that reads what others send. */
export interface FuzzTarget {
  readonly name: string
  /** Inputs without end, the same for the same seed. */
  inputs(seed: number): Iterable<Uint8Array>
  /** A fresh reader of inputs; it throws where an input is neither taken nor refused as it should be. */
  reader(): (input: Uint8Array) => Outcome | Promise<Outcome>
  /** Sends the input to a whole hub. */
  send(hub: HubPeer, input: Uint8Array): Promise<HttpAnswer>
}

const now = Date.UTC(2026, 5, 1)

const names = ['m', 'node_cpu_seconds_total', 'a:b', 'größe', '\ufffd', 'x'.repeat(60)]
const texts = ['', 'pbx-1', '/é"\\', '0', '💡', '\u0000', 'y'.repeat(300)]

function anyValue(random: Random): number {
  const special = [0, -0, Number.NaN, Infinity, -Infinity, 5e-324, Number.MAX_VALUE]
  return random.chance(0.3) ? random.pick(special) : (random.next() - 0.5) * 10 ** random.below(20)
}

function anySeries(random: Random): SentSeries {
  const labels = new Map([['__name__', random.pick(names)]])
  for (let i = random.below(5); i > 0; i--)
    labels.set(random.pick(['instance', 'job', 'le', 'Z', '_', 'ü']), random.pick(texts))
  return {
    labels: [...labels].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    samples: Array.from({ length: random.below(4) }, () => ({
      t: now + random.below(100_000) - 50_000,
      value: random.chance(0.1) ? ('stale' as const) : anyValue(random),
    })),
  }
}

/** Counts up: what a series is called does not matter here. */
function counting() {
  let made = 0
  return () => made++
}

const remoteWrite: FuzzTarget = {
  name: 'remote write',
  *inputs(seed) {
    const random = new Random(seed)
    for (;;) {
      const message = encodeWriteRequest(
        Array.from({ length: 1 + random.below(4) }, () => anySeries(random)),
      )
      const way = random.next()
      if (way < 0.35) yield encodeSnappy(message)
      else if (way < 0.7) yield encodeSnappy(mutatedBytes(message, random))
      else if (way < 0.95) yield mutatedBytes(encodeSnappy(message), random)
      else yield Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)))
    }
  },
  reader() {
    // A small cache, so that it is full now and then.
    const decoder = new RemoteWriteDecoder(counting(), new LabelCache(20_000))
    return (input) => {
      try {
        const written = decoder.decode(Buffer.from(input))
        const { batch, samples } = prepareWrite(written, now)
        const rows = batch.rows.reduce(
          (sum, { ids, stale }) => sum + ids.length + (stale?.length ?? 0),
          0,
        )
        if (rows !== samples) throw new Error(`BUG: ${rows} samples in rows of ${samples}`)
        return 'accepted'
      } catch (error) {
        if (error instanceof WriteRefused) return 'refused'
        throw error
      }
    }
  },
  send: (hub, input) =>
    hub.ask({
      method: 'POST',
      path: '/api/v1/write',
      headers: {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '0.1.0',
      },
      body: Buffer.from(input),
    }),
}

const lineTokens = [
  ...[',', '=', ' ', '\n', '\r\n', '"', '\\', '#', '\t', 'i', 'u', 't', 'value', '1', '-', '.'],
  ...['1700000000000000000', '1e5', 'NaN', '__proto__', '__name__', 'ß', '\u0000', ' value=1'],
]

function anyLine(random: Random): string[] {
  const word = () => random.pick(['cpu', 'host', 'a', 'wind_x', 'ß', 'x\\ y', 'k\\,v', 'p\\=q'])
  const tokens = [random.pick(['cpu', 'mem', 'a\\ b'])]
  for (let i = random.below(4); i > 0; i--) tokens.push(',', `${word()}${i}`, '=', word())
  tokens.push(' ')
  for (let i = 0, fields = 1 + random.below(3); i < fields; i++) {
    if (i > 0) tokens.push(',')
    const value = random.pick(['1', '-2.5', '3i', '4u', 't', 'false', '"te,x t"', '1e-9', '"\\""'])
    tokens.push(random.pick(['value', 'idle', word()]), '=', value)
  }
  if (random.chance(0.6)) tokens.push(' ', String(now + random.below(1000)), '000000')
  tokens.push(random.pick(['\n', '\r\n', '']))
  return tokens
}

const lines: FuzzTarget = {
  name: 'line protocol',
  *inputs(seed) {
    const random = new Random(seed)
    for (;;) {
      const tokens = Array.from({ length: 1 + random.below(3) }, () => anyLine(random)).flat()
      const way = random.next()
      if (way < 0.3) yield Buffer.from(tokens.join(''))
      else if (way < 0.7) yield Buffer.from(mutatedTokens(tokens, lineTokens, random).join(''))
      else yield mutatedBytes(Buffer.from(tokens.join('')), random)
    }
  },
  reader() {
    const intern = counting()
    return (input) => {
      try {
        const parsed = parseLines(Buffer.from(input).toString('utf8'), 'ns', now)
        const { samples, dropped } = prepareWrite(writtenLines(parsed, intern), now)
        const left = dropped.reduce((sum, one) => sum + one.samples, 0)
        if (samples + left !== parsed.series.length) throw new Error('BUG: samples went missing')
        return parsed.series.length > 0 ? 'accepted' : 'refused'
      } catch (error) {
        if (error instanceof WriteRefused) return 'refused'
        throw error
      }
    }
  },
  send: (hub, input) =>
    hub.ask({ method: 'POST', path: '/influx/write', body: Buffer.from(input) }),
}

const otlpMessages = ['every-kind.bin', 'published.bin', 'every-kind.json', 'published.json'].map(
  (name) => readFileSync(join(packageRoot, 'test/fixtures/otlp', name)),
)
const jsonPattern = /"[^"]*"|[-\d.]+|\s+|./gsu
const jsonTokens = ['{', '}', '[', ']', ',', ':', '""', '"NaN"', '-1', '1e999', 'null', 'true']

/** Whether bytes are meant as JSON; of protobuf, the first field of a request is 10. */
const isJson = (input: Uint8Array) => input[0] === 0x7b

const otlp: FuzzTarget = {
  name: 'OTLP metrics',
  *inputs(seed) {
    const random = new Random(seed)
    for (;;) {
      const message = random.pick(otlpMessages)
      const way = random.next()
      if (way < 0.25) yield message
      else if (way < 0.5 || !isJson(message)) yield mutatedBytes(message, random)
      else {
        const tokens = message.toString('utf8').match(jsonPattern)!
        yield Buffer.from(mutatedTokens(tokens, jsonTokens, random).join(''))
      }
    }
  },
  reader() {
    const intern = counting()
    const settings = { promote: ['site'], scopeLabels: true }
    return (input) => {
      try {
        const bytes = Buffer.from(input)
        const request = isJson(input) ? decodeOtlpJson(bytes) : decodeOtlpProtobuf(bytes)
        const series = new OtlpSeries(request, settings, now, intern)
        const { samples, dropped } = prepareWrite(series, now)
        if (samples !== series.series || dropped.length > 0)
          throw new Error('BUG: samples went missing')
        return samples > 0 ? 'accepted' : 'refused'
      } catch (error) {
        if (error instanceof WriteRefused) return 'refused'
        throw error
      }
    }
  },
  send: (hub, input) =>
    hub.ask({
      method: 'POST',
      path: '/otlp/v1/metrics',
      headers: { 'content-type': isJson(input) ? 'application/json' : 'application/x-protobuf' },
      body: Buffer.from(input),
    }),
}

const tokenPattern = /\s+|[A-Za-z_:][\w:]*|\d[\w.]*|"[^"]*"|[=!<>]=?~?|./gsu
const queryTokens = [
  ...['(', ')', '{', '}', '[', ']', ',', '+', '-', '*', '/', '^', '%', '==', '=~', '!~', '>=', '@'],
  ...[
    'bool',
    'on',
    'by',
    'without',
    'group_left',
    'group_right',
    'offset',
    'and',
    'unless',
    'atan2',
  ],
  ...['5m', '1h:', ':30s', '0x', '1e', 'Inf', 'NaN', '"(a+)+$"', '"\\xff"', '`', '#', '\n', 'é'],
  ...[
    'start()',
    'sum',
    'topk',
    'label_replace',
    'rate',
    '9223372036854775808',
    '1e308',
    '-0',
    '""',
  ],
]
const asked = { start: start + 2_000_000, end: start + 2_600_000 }

function smallStore(): MemoryReader {
  const reader = new MemoryReader()
  for (const { labels, samples } of makeSeries(1))
    for (const { t, value } of samples) {
      if (t < asked.start - 300_000 || t > asked.end) continue
      if (value === 'stale') reader.addStale(Object.fromEntries(labels), t)
      else if (t % 30_000 < 10_000) reader.add(Object.fromEntries(labels), t, value)
    }
  return reader
}

/** How an input is asked; by its length, so that it is the same at every run. */
function askedAs(text: string): { start: number; end?: number; step: number } {
  const at = asked.start + ((text.length * 7919) % 600) * 1000
  return text.length % 3 === 0
    ? { start: at, end: at + 300_000, step: 60_000 }
    : { start: at, step: 0 }
}

function queryRequest(text: string): HttpRequest {
  const { start: at, end: until, step } = askedAs(text)
  const form: [string, string][] = [
    ['query', text],
    ['timeout', '5s'],
  ]
  if (until === undefined)
    return { method: 'POST', path: '/api/v1/query', form: [...form, ['time', `${at / 1000}`]] }
  const bounds = Object.entries({ start: at, end: until, step }).map(
    ([name, value]): [string, string] => [name, String(value / 1000)],
  )
  return { method: 'POST', path: '/api/v1/query_range', form: [...form, ...bounds] }
}

const queries: FuzzTarget = {
  name: 'PromQL',
  *inputs(seed) {
    const random = new Random(seed)
    const grammar = new Grammar(random)
    for (;;) {
      const { text } = grammar.query(random.pick(productions))
      const way = random.next()
      if (way < 0.3) yield Buffer.from(text)
      else if (way < 0.7) {
        const tokens = text.match(tokenPattern) ?? []
        yield Buffer.from(mutatedTokens(tokens, queryTokens, random).join(''))
      } else yield mutatedBytes(Buffer.from(text), random)
    }
  },
  reader() {
    const limits = { maxSamples: 200_000, timeoutMilliseconds: 1000 }
    const engine = createEngine({ reader: smallStore(), limits })
    return async (input) => {
      const text = Buffer.from(input).toString('utf8')
      const { start: at, end: until, step } = askedAs(text)
      try {
        if (until === undefined) await engine.instant(text, at)
        else await engine.range(text, at, until, step)
        return 'accepted'
      } catch (error) {
        if (!(error instanceof QueryFailure) || error.kind === 'internal') throw error
        return error.kind === 'bad_data' ? 'refused' : 'accepted'
      }
    }
  },
  send: (hub, input) => hub.ask(queryRequest(Buffer.from(input).toString('utf8'))),
}

const session: FuzzTarget = {
  name: 'session frames',
  inputs: sessionFrameInputs,
  reader: () => tryFrame,
  async send(hub, input) {
    const reporter = new Reporter('fuzz', { collector: 'fuzz-0d3f1f0e' })
    const series = Array.from({ length: 21 }, (_, column) => `column_${column}`)
    await reporter.connect(await hub.listen(), adminToken, { series })
    const { socket } = reporter
    if (socket === undefined) throw new Error('BUG: no socket')
    let answered = false
    socket.once('pong', () => {
      answered = true
    })
    socket.send(input, { binary: input[0] !== 0x7b })
    socket.ping()
    await until('an answer', () => answered || reporter.closed !== undefined)
    const { closed } = reporter
    socket.terminate()
    // 1011 is an internal error; every refusal has a code of its own.
    return { status: closed?.code === 1011 ? 500 : 200, headers: {}, body: closed?.reason ?? '' }
  },
}

/** All that reads what others send. */
export const fuzzTargets: readonly FuzzTarget[] = [session, remoteWrite, lines, otlp, queries]
