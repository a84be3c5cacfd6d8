import t from 'tap'
import type { Evidence, FrozenHost, FrozenSeries } from '../../../incidents/evidence.ts'
import type { Fact } from '../../../incidents/facts.ts'
import { faultsOfAddition, judge } from '../../../incidents/judge.ts'
import { blank, current, live } from '../../../incidents/picture.ts'
import { advance } from '../../../incidents/replay.ts'
import { rootCauseCodes } from '../../../incidents/root-causes.ts'
import {
  suggestedCalls,
  suggestedCauses,
  suggestionFacts,
  suggestionRules,
} from '../../../incidents/suggestions.ts'
import { frozen } from '../../../server/evidence/frozen-series.ts'
import { csvLines, jsonLines } from '../../../server/incidents/import-text.ts'
import fc from '../../helpers/property.ts'

const minute = 60_000
const faultAt = Date.UTC(2026, 2, 5, 10)
const from = faultAt - 60 * minute
const hash = 'a'.repeat(64)

const series = (
  name: string,
  values: readonly (number | null)[],
  labels: object = {},
): FrozenSeries => ({
  ...{ labels: { __name__: name, instance: 'pbx-01', ...labels }, kind: 'gauge' },
  ...{ min: values, max: values, avg: values },
})
/** A value for each of the 75 minutes. */
const steady = (value: number) => Array.from({ length: 75 }, () => value)
const absent = { state: 'absent', reason: 'none' } as const

function host(
  parts: Partial<FrozenHost> = {},
  frozenOnes: readonly FrozenSeries[] = [],
): FrozenHost {
  return {
    ...{ instance: 'pbx-01', labels: {} },
    metrics: { state: 'ok', from, stepMillis: minute, series: frozenOnes, omitted: 0 },
    ...{ versions: absent, drift: absent, backups: absent, changes: absent },
    ...parts,
  }
}
const evidence = (...hosts: FrozenHost[]): Evidence => ({
  ...({ format: 'callward-incident-evidence', version: 1, stage: 'detection' } as const),
  ...{ incident: { id: 'i', number: 1 }, at: faultAt + 10 * minute, faultAt, hosts },
  ...{ hostsOmitted: 0, expressions: absent, similar: absent, onCall: absent },
})
const told = (one: Evidence) =>
  suggestedCauses(one).map(({ rule, confidence }) => `${rule} ${confidence}`)

t.test('each rule speaks of its own trouble, and of nothing else', async (t) => {
  const change = (at: number, state: string) => ({
    ...{ number: 1, at, state, omitted: 2 },
    items: [{ kind: 'package', subject: 'asterisk', from: '20.1', to: '20.2' }],
  })
  const versions = (...changes: ReturnType<typeof change>[]) =>
    ({ state: 'ok', packagesHash: null, softwareHash: null, changes }) as const
  const disk = { mountpoint: '/var' }
  const down = steady(1).map((value, index) => (index >= 58 ? 0 : value))
  const cases: readonly [string, FrozenHost, readonly string[]][] = [
    ['nothing is wrong', host({}, [series('callward_service_up', steady(1))]), []],
    [
      'a full disk',
      host({}, [
        series('node_filesystem_avail_bytes', steady(1e8), disk),
        series('node_filesystem_size_bytes', steady(1e11), disk),
      ]),
      ['disk_full high'],
    ],
    [
      'another file system is not taken for it',
      host({}, [
        series('node_filesystem_avail_bytes', steady(1e8), { mountpoint: '/boot' }),
        series('node_filesystem_size_bytes', steady(1e11), disk),
      ]),
      [],
    ],
    ['a trunk', host({}, [series('callward_trunk_up', down, { trunk: 'a' })]), ['went_down high']],
    ['down all the time is no beginning', host({}, [series('callward_trunk_up', steady(0))]), []],
    [
      'a certificate',
      host({}, [
        series(
          'callward_certificate_not_after_timestamp_seconds',
          steady((faultAt - minute) / 1000),
        ),
      ]),
      ['certificate_expired high'],
    ],
    [
      'one that still holds',
      host({}, [
        series('callward_certificate_not_after_timestamp_seconds', steady(faultAt / 1000 + 60)),
      ]),
      [],
    ],
    [
      '40 minutes before, without a record',
      host({ versions: versions(change(faultAt - 40 * minute, 'open')) }),
      ['changed_unplanned medium'],
    ],
    [
      'as a record said',
      host({ versions: versions(change(faultAt - 40 * minute, 'matched')) }),
      ['changed medium'],
    ],
    [
      'too long before, and after',
      host({
        versions: versions(change(faultAt - 121 * minute, 'open'), change(faultAt + 1, 'open')),
      }),
      [],
    ],
    [
      'no backup',
      host({
        backups: {
          ...{ state: 'ok', posture: 'unprotected' },
          jobs: [{ name: 'x', posture: 'unprotected', reasons: ['late'], lastSuccessAt: null }],
        },
      }),
      ['backup_overdue low'],
    ],
    ['nothing could be had', host({ metrics: { state: 'error', reason: 'store' } }), []],
  ]
  for (const [name, one, expected] of cases) t.same(told(evidence(one)), expected, name)
  const both = evidence(cases[10]![1], cases[1]![1], cases[7]![1])
  t.same(told(both), ['disk_full high', 'changed_unplanned medium', 'backup_overdue low'])
  t.match(
    suggestedCauses(evidence(cases[7]![1]))[0]!.text,
    /asterisk 20\.1 -> 20\.2 and 2 more changed 40 minutes before/,
  )
  for (const rule of Object.values(suggestionRules))
    t.ok(!('code' in rule) || rootCauseCodes.has(rule.code), 'codes are of the published list')
})

t.test('calls are counted from the fault on, and made up by nobody', async (t) => {
  t.same(suggestedCalls(evidence(host())), {})
  const counted = evidence(
    host({}, [
      series('callward_calls_attempted_total', steady(1)),
      series('callward_calls_failed_total', steady(2)),
    ]),
  )
  t.same(
    suggestedCalls(counted),
    { callsAttempted: 660, callsFailed: 660 },
    'never more than attempted',
  )
})

const fact = (kind: string, value: object, certainty = 'suggestion', recordedBy = 'hub') =>
  ({ kind, value, certainty, occurredAt: faultAt, recordedBy, supersedes: null }) as never

function recorded() {
  const verdict = judge(blank, {
    ...{ to: 'recorded', by: 'hub', role: 'hub', at: faultAt },
    with: [
      fact('opened', { text: 'x', how: 'alert', discovery: 'monitoring', workflow: 1 }, 'actual'),
      fact('phenomenon', { text: 'x' }, 'actual'),
      fact('detected', { text: 'x' }, 'actual'),
      fact('impact', { text: 'x', services: ['telephony'] }),
      fact('preliminary_cause', { text: 'Not known yet.', confidence: 'unknown' }),
    ],
  })
  if (!verdict.allowed) throw new Error(JSON.stringify(verdict.missing))
  return grow(blank, verdict.facts)
}

let ids = 0
function grow(picture: typeof blank, facts: readonly object[]) {
  const stamped = facts.map(
    (one) => ({ ...one, id: `f${++ids}`, recordedAt: faultAt + ids }) as Fact,
  )
  const result = advance(picture, stamped)
  if (!result.legal) throw new Error(result.illegal.reasons.join())
  return result.picture
}

t.test('suggestions supersede suggestions of the hub only, once each', async (t) => {
  const full = evidence(
    host({}, [
      series('node_memory_MemAvailable_bytes', steady(1)),
      series('node_memory_MemTotal_bytes', steady(1e9)),
      series('callward_calls_attempted_total', steady(1)),
    ]),
  )
  const before = recorded()
  const made = suggestionFacts(before, full, hash)
  t.same(
    made.map(({ kind, certainty, supersedes }) => [kind, certainty, supersedes]),
    (['preliminary_cause', 'impact'] as const).map((kind) => [
      kind,
      'suggestion',
      live(before, kind)[0]!.id,
    ]),
  )
  t.match(made[1]!.value, { services: ['telephony'], callsAttempted: 660, evidence: [hash] })
  const after = grow(before, made)
  t.same(suggestionFacts(after, full, hash), [], 'the same is not said again')

  const said = grow(before, [
    { ...(fact('preliminary_cause', { text: 'a cable' }, 'actual', 'ines') as object) },
    { ...(fact('impact', { text: 'all', services: ['all'] }, 'actual', 'ines') as object) },
  ])
  const beside = suggestionFacts(said, full, hash)
  t.same(
    beside.map(({ kind }) => kind),
    ['preliminary_cause'],
    'the impact is a person’s now',
  )
  const whole = grow(said, beside)
  t.equal(current(whole, 'preliminary_cause')?.value.text, 'a cable', 'what a person said counts')
  t.ok(beside.every((one) => faultsOfAddition(said, one).length === 0))
  t.same(suggestionFacts({ ...before, state: 'review' }, full, hash), [], 'too late to help')
})

t.test('frozen series: bounds, gaps, counters that begin anew', async (t) => {
  const grid = { from: 0, stepMillis: minute, steps: 3 }
  const samples = (name: string, points: readonly (readonly [number, number])[]) => ({
    labels: { __name__: name },
    times: Float64Array.from(points, ([at]) => at),
    values: Float64Array.from(points, ([, value]) => value),
    staleTimes: new Float64Array(),
  })
  t.match(
    frozen(
      samples('x', [
        [0, 1],
        [30_000, 3],
        [120_000, Number.NaN],
        [179_999, 8],
        [180_000, 9],
        [-1, 7],
      ]),
      grid,
    ),
    { kind: 'gauge', min: [1, null, 8], max: [3, null, 8], avg: [2, null, 8] },
  )
  const rates = frozen(
    samples('x_total', [
      [0, 100],
      [60_000, 160],
      [120_000, 30],
    ]),
    grid,
  )
  t.match(rates, { kind: 'counter', avg: [null, 1, 0.5] })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: -10, max: 300_000 }), fc.double())),
      (points) => {
        const { min, max, avg } = frozen(samples('x', points), grid)
        return avg.every((value, index) => {
          const [low, high] = [min[index] ?? null, max[index] ?? null]
          if (value === null || low === null || high === null) return value === low && low === high
          return low <= high
        })
      },
    ),
  )
})

t.test('CSV and JSON Lines give back what was written, and never throw', async (t) => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'ж') })
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
      const text = [['a', 'b'], ...rows].map((row) => row.map(quoted).join(',')).join('\r\n')
      const read = csvLines(`\ufeff${text}\r\n`)
      t.same(
        read.map(({ fields }) => [fields['a'], fields['b']]),
        rows,
      )
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const { line } of [...csvLines(text), ...jsonLines(text)]) t.ok(line >= 1)
    }),
  )
  t.match(csvLines('a,b\n1,2\n"x'), [{ line: 2 }, { line: 3, fault: /quote|cells/ }])
  t.match(jsonLines('[]\n\n{"a":1}'), [
    { line: 1, fault: /object/ },
    { line: 3, fields: { a: 1 } },
  ])
})
