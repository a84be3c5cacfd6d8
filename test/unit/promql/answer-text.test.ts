import t from 'tap'
import { answerText } from '../../../server/promql/api/encode.ts'
import { maxNumberBytes, writeNumber } from '../../../server/promql/api/number-text.ts'
import type { Answer, Value } from '../../../server/promql/engine.ts'
import { formatSample } from '../../../server/promql/syntax/float.ts'
import fc from '../../helpers/property.ts'

const out = new Uint8Array(maxNumberBytes + 4)
const cell = new Float64Array(1)

function written(value: number): string {
  cell[0] = value
  const end = writeNumber(out, 2, cell, 0)
  return Buffer.from(out.buffer, 2, end - 2).toString('latin1')
}

/** Doubles next to others, where the fewest digits are hardest to find. */
function neighbours(value: number): readonly number[] {
  const bits = new BigInt64Array(Float64Array.of(value).buffer)
  return [-2n, -1n, 0n, 1n, 2n].map((by) => {
    const moved = BigInt64Array.of((bits[0] ?? 0n) + by)
    return new Float64Array(moved.buffer)[0] ?? 0
  })
}

t.test('numbers are written with the fewest digits that read back', async (t) => {
  const cases = [0, -0, Number.NaN, 1 / 0, -1 / 0, 5e-324, Number.MAX_VALUE, 1e21, 1e20, 1e17]
  cases.push(0.1 + 0.2, 1 / 3, 2 ** 53 - 1, 1e9 - 1)
  for (let power = -25; power <= 62; power += 1) cases.push(...neighbours(2 ** power))
  for (let power = -8; power <= 22; power += 1) cases.push(...neighbours(Number(`1e${power}`)))
  for (const value of cases) t.equal(written(value), formatSample(value))
  const same = (value: number): boolean => written(value) === formatSample(value)
  const decimals = fc
    .tuple(fc.maxSafeInteger(), fc.nat(22))
    .map(([digits, places]) => Number(`${digits}e-${places}`))
  const ordinary = fc.double({ min: -1e17, max: 1e17, noNaN: true })
  for (const numbers of [fc.double(), ordinary, decimals]) {
    fc.assert(
      fc.property(numbers, (value) => neighbours(value).every(same)),
      { numRuns: 20_000 },
    )
  }
  t.pass('300,000 random ones too')
})

function bytesOf(value: Value): string {
  const answer: Answer = {
    value,
    warnings: [],
    infos: [],
    statistics: {
      ...{ totalQueryableSamples: 0, samplesPerStep: undefined, peakSamples: 0 },
      ...{ preparationSeconds: 0, evaluationSeconds: 0, sortSeconds: 0 },
    },
  }
  const wording = { limit: 0, statistics: 'none', queueSeconds: 0, maxBytes: 1e9 } as const
  const writing = answerText(answer, wording)
  let step = writing.next()
  while (step.done !== true) step = writing.next()
  return Buffer.concat(step.value).toString('utf8')
}

t.test('a matrix is written as JSON writes it', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 80 })
  const series = fc.record({
    labels: fc.dictionary(text, text, { maxKeys: 4 }),
    points: fc.uniqueArray(fc.tuple(fc.nat(3000), fc.double()), {
      selector: ([time]) => time,
      maxLength: 60,
    }),
  })
  fc.assert(
    fc.property(fc.array(series, { maxLength: 12 }), (all) => {
      const matrix = all.map(({ labels, points }) => {
        const sorted = points.toSorted(([a], [b]) => a - b)
        const times = Float64Array.from(sorted, ([time]) => time * 250)
        return { labels, times, values: Float64Array.from(sorted, ([, value]) => value) }
      })
      const result = matrix.map(({ labels, times, values }) => ({
        metric: labels,
        values: Array.from(times, (time, at) => [time / 1000, formatSample(values[at] ?? 0)]),
      }))
      const whole = { status: 'success', data: { resultType: 'matrix', result } }
      return bytesOf({ kind: 'matrix', series: matrix }) === JSON.stringify(whole)
    }),
    { numRuns: 500 },
  )
  t.pass('500 random ones')
})
