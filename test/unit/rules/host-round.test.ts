import t from 'tap'
import { parseRuleFile } from '../../../alerts/rule.ts'
import { extrasFromAnnotations } from '../../../alerts/rule-extras.ts'
import { createEngine } from '../../../server/promql/engine.ts'
import type { OutboxBatch } from '../../../server/rules/alert-outbox.ts'
import { HostPresence } from '../../../server/rules/host-presence.ts'
import { HostViews } from '../../../server/rules/host-views.ts'
import { promqlQueries } from '../../../server/rules/promql-queries.ts'
import type { RuleQueries } from '../../../server/rules/queries.ts'
import { RuleScheduler } from '../../../server/rules/scheduler.ts'
import { createMemoryStore } from '../../../server/store/memory-store.ts'
import type { SeriesColumns } from '../../../server/store/reader.ts'
import { HandTime } from '../../helpers/hand-time.ts'
import fc from '../../helpers/property.ts'

const start = Date.UTC(2026, 0, 5, 8, 0, 0)
/** Windows of the rules are up to 10 minutes: memory answers those of 5, the store the others. */
const heldMillis = 7 * 60_000

/** Rules that have much in common, nothing in common, none that can be looked at, and some that fail. */
const expressions = [
  ...[-1, 2, 2, 5, 7, '+Inf', 'NaN'].map((limit) => `level > ${limit}`),
  ...[9, 3, '-(2)'].map((limit) => `(level) < ${limit}`),
  ...['level >= 5', 'level <= 1', 'level == 4', 'level != 4', '3 < level', 'level > bool 3'],
  ...['rate(calls_total[1m]) > 0.1', 'rate(calls_total[1m]) > 3', 'increase(calls_total[5m]) < 1'],
  ...['level / (peak + 1) > 0.7', 'level > 4 and peak > 4', 'level unless peak > 1'],
  ...['sum by (instance) (level) > 9', 'max without (device) (level or peak) > 7'],
  ...['absent_over_time(level{device="a"}[2m]) == 1', 'time() - timestamp(level) > 100'],
  // Refused where a host has both.
  ...['-{__name__=~"level|peak"} < -6', 'level > on (instance) group_left () peak'],
  ...['topk by (instance) (1, level) > 6', 'max_over_time(level[5m:1m]) > 8'],
  ...['avg_over_time(level[10m]) > 6', 'label_replace(level, "x", "y", "", "") > 8'],
]

const extras = [
  { callward_recovery: '> 1' },
  { callward_absent_for: '2m' },
  { callward_minimum_traffic: 'sum by (instance) (peak) >= 3' },
]

const { groups, faults } = parseRuleFile(
  {
    groups: [
      {
        name: 'each report',
        rules: expressions.flatMap((expr, index) => [
          { alert: `Now${index}`, expr },
          { alert: `For${index}`, expr, for: '45s', keep_firing_for: '1m' },
        ]),
      },
      {
        name: 'each minute',
        interval: '1m',
        rules: expressions.map((expr, index) => ({ alert: `Slow${index}`, expr })),
      },
      {
        name: 'measured',
        rules: extras.map((annotations, index) => ({
          ...{ alert: `Measured${index}`, expr: 'level > 5', annotations },
        })),
      },
    ],
  },
  'rules.yaml',
)

const instances = ['a', 'b', 'c']
const series = ['level/a', 'level/b', 'peak/a', 'calls_total/a']

type Store = ReturnType<typeof createMemoryStore>

/** What memory held if it reached back only so far. */
function forgetful(columns: SeriesColumns, time: HandTime): SeriesColumns {
  const oldest = () => time.now() - heldMillis
  return {
    get version() {
      return columns.version
    },
    select: (matchers) => columns.select(matchers),
    values: (name) => columns.values(name),
    column: (id, from, to) => (from < oldest() ? undefined : columns.column(id, from, to)),
    samples: (id, from, to) => (from < oldest() ? undefined : columns.samples(id, from, to)),
    latest: (id, from, to, found) =>
      columns.latest(id, from, to, found) && Math.max(from, found.time) >= oldest(),
  }
}

/** What happened to each alert, in its order; which host is first within one turn is the machine's affair. */
class Diary {
  readonly #lines = new Map<string, string[]>()
  readonly #byId = new Map<string, string>()

  take({ writes, changes }: OutboxBatch): void {
    for (const write of writes) {
      if (write.kind === 'drop') this.#add(this.#byId.get(write.id)!, 'dropped')
      else {
        const { id, fingerprint, ...row } = write.row
        this.#byId.set(id, fingerprint)
        this.#add(fingerprint, JSON.stringify(row))
      }
    }
    for (const { kind, alert, at } of changes)
      this.#add(alert.fingerprint, JSON.stringify({ kind, alert: { ...alert, id: '' }, at }))
  }

  #add(fingerprint: string, line: string): void {
    const lines = this.#lines.get(fingerprint) ?? []
    this.#lines.set(fingerprint, lines)
    lines.push(line)
  }

  told(): string[] {
    return [...this.#lines].map(([name, lines]) => `${name}\n${lines.join('\n')}`).sort()
  }
}

/** A scheduler that writes down what changes; `looking`: as the hub has it, else every rule is evaluated for every host. */
function scheduler(store: Store, time: HandTime, looking: boolean) {
  const engine = promqlQueries(createEngine({ reader: store }))
  const { compile, watched, together } = engine
  const counts = { evaluated: 0, refused: 0 }
  const counted: RuleQueries['compile'] = (text) => {
    const expression = compile(text)
    const { atOnce } = expression
    if (atOnce === undefined) return expression
    const { evaluate } = atOnce
    // The same object, for by it the queries know the expression.
    return Object.assign(expression, {
      atOnce: Object.assign(atOnce, {
        evaluate: (...args: Parameters<typeof evaluate>) => {
          counts.evaluated++
          return evaluate(...args)
        },
      }),
    })
  }
  const queries: RuleQueries = {
    compile: counted,
    watched: watched!,
    ...(looking ? { together: together! } : {}),
  }
  const columns = forgetful(store.columns, time)
  const views = new HostViews({
    columns,
    labels: (id) => store.labels(id),
    metrics: undefined,
    looked: new Set(['device']),
  })
  const diary = new Diary()
  let lives = 0
  const rules = new RuleScheduler({
    ...{ clock: time, timers: time, queries, groups, defaultInterval: 15_000 },
    extrasOfRule: ({ annotations }) => extrasFromAnnotations(annotations).extras,
    context: {
      clock: time,
      presence: new HostPresence({
        ...{ clock: time, queries: { compile }, onError: (error) => t.fail(String(error)) },
        now: { up: () => 1, blind: () => false },
      }),
      newId: () => String(++lives),
      templates: { externalLabels: {} },
      owners: new Map(),
      changed: (batch) => diary.take(batch),
    },
    hosts: {
      reading: (instance) => views.reading(instance),
      instances: () => columns.values('instance'),
    },
    store: async () => undefined,
    onMissed: () => undefined,
    onRefusedHost: () => counts.refused++,
  })
  const health = () =>
    rules.alertRunners.map(({ rule, health: { health, lastError, lastEvaluation } }) =>
      [rule.name, health, lastError, lastEvaluation].join(' '),
    )
  const active = () =>
    rules.alertRunners.flatMap((runner) =>
      runner
        .views()
        .map((view) => JSON.stringify({ ...view, id: '' }))
        .sort(),
    )
  return { rules, counts, told: () => diary.told(), active, health }
}

const step = fc.record({
  after: fc.constantFrom(0, 1_000, 10_000, 10_000, 10_000, 40_000, 200_000, 400_000),
  host: fc.constantFrom(...instances),
  /** By series: a value, nothing, or the mark that it has ended. */
  entries: fc.tuple(
    ...series.map(() =>
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 9 }) },
        { weight: 2, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: fc.constant('ends' as const) },
        { weight: 1, arbitrary: fc.constant(Number.NaN) },
      ),
    ),
  ),
  late: fc.constantFrom(0, 0, 0, 0, 0, 5_000, 30_000),
  acknowledges: fc.nat(9),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function report(store: Store, at: number, { host, entries }: Step): Promise<void> {
  const ids = series.map((text) => {
    const [name, device] = text.split('/') as [string, string]
    return store.intern({ __name__: name, device, instance: host, job: 'x' })
  })
  const given = [...entries.keys()].filter((index) => typeof entries[index] === 'number')
  const ended = ids.filter((_, index) => entries[index] === 'ends')
  const up = store.intern({ __name__: 'callward_collector_up', instance: host, job: 'x' })
  const row = {
    t: at,
    ids: Uint32Array.of(up, ...given.map((index) => ids[index]!)),
    values: Float64Array.of(1, ...given.map((index) => entries[index] as number)),
  }
  await store.append({ rows: [{ ...row, stale: Uint32Array.from(ended) }] })
}

t.test('rules that are passed over would have changed nothing', async (t) => {
  t.same(faults, [])
  const total = { evaluated: 0, all: 0, changes: 0, steps: 0, resolved: 0, failing: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const store = createMemoryStore()
      const time = new HandTime(start)
      const both = [true, false].map((looking) => scheduler(store, time, looking))
      const [one, other] = both as [(typeof both)[0], (typeof both)[0]]
      for (const { rules } of both) rules.start()
      for (const next of steps) {
        time.move(next.after)
        // The turns that fell due end before the report comes, else it would be seen by chance.
        for (const { rules } of both) await rules.settled()
        await report(store, time.now() - next.late, next)
        for (const { rules } of both) {
          rules.hostReported(next.host)
          await rules.settled()
        }
        if (next.acknowledges === 0)
          for (const { rules } of both)
            for (const runner of rules.alertRunners)
              for (const { id, fingerprint } of runner.views())
                runner.acknowledged(id, fingerprint, 'somebody', time.now())
        same(one.told(), other.told())
        same(one.active(), other.active())
        same(one.health(), other.health())
        total.failing += one.health().filter((line) => line.includes(' err ')).length
        total.steps++
      }
      for (const { rules } of both) await rules.stop()
      total.evaluated += one.counts.evaluated
      total.all += other.counts.evaluated
      const lines = one.told().flatMap((text) => text.split('\n').slice(1))
      total.changes += lines.length
      total.resolved += lines.filter((line) => line.includes('"resolved"')).length
    }),
    { numRuns: 25 },
  )
  t.comment(JSON.stringify(total))
  t.ok(total.changes > 1_000 && total.resolved > 100, 'much happened')
  t.ok(total.failing > 0, 'some rules failed')
  t.ok(total.evaluated < total.all * 0.6, `${total.evaluated} evaluations instead of ${total.all}`)
})

function same(looked: readonly string[], all: readonly string[]): void {
  const at = looked.findIndex((line, index) => line !== all[index])
  if (at < 0 && looked.length === all.length) return
  const index = at < 0 ? looked.length : at
  throw new Error(`${looked[index]}\nbut with all rules evaluated\n${all[index]}`)
}
