import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { formatDuration } from '../../../alerts/duration.ts'
import { packageRoot } from '../../../server/assets.ts'
import fc from '../../helpers/property.ts'
import { promtoolMissing, testRuleTexts } from './promtool.ts'
import { labelsOf, type Outcome, parseScenario, runScenario, type Scenario } from './scenario.ts'

const folder = join(packageRoot, 'test', 'scenarios', 'alerts')
const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))

t.test('every story ends as told', async (t) => {
  t.ok(files.length >= 15, `${files.length} stories`)
  for (const file of files) {
    const scenario = parseScenario(readFileSync(join(folder, file), 'utf8'))
    const outcome = runScenario(scenario)
    t.ok(scenario.states.size > 0, `${file} tells states`)
    for (const [name, states] of scenario.states)
      t.same(outcome.states.get(name), states, `${file}: states of ${name}`)
    for (const [name, changes] of scenario.changes)
      t.equal(outcome.changes.get(name), changes, `${file}: changes of ${name}`)
  }
})

/** Whether Prometheus can tell the story: it has no hosts of its own, no restarts and no clock that jumps. */
function plain(scenario: Scenario): boolean {
  return (
    scenario.only.size + scenario.clock.size + scenario.restarts.size + scenario.holds.length === 0
  )
}

/** The story as a unit test of promtool, which must see exactly the alerts our engine saw firing. */
function asPromtoolTest(scenario: Scenario, outcome: Outcome, rulesFile: string): object {
  const step = formatDuration(scenario.step)
  const at = (i: number) => formatDuration(i * scenario.step)
  return {
    rule_files: [rulesFile],
    evaluation_interval: step,
    tests: [
      {
        interval: step,
        input_series: [...scenario.series].map(([name, values]) => ({
          series: `x{${Object.entries(labelsOf(name))
            .map(([label, value]) => `${label}="${value}"`)
            .join(',')}}`,
          values: values.map((value) => value ?? 'stale').join(' '),
        })),
        alert_rule_test: Array.from({ length: scenario.length }, (_none, i) => ({
          eval_time: at(i),
          alertname: 'Story',
          exp_alerts: [...outcome.states]
            .filter(([, states]) => states[i] === 'F' || states[i] === 'k')
            .map(([name]) => ({ exp_labels: { ...labelsOf(name), severity: 'critical' } })),
        })),
      },
    ],
  }
}

function rulesText(scenario: Scenario): string {
  const rule = {
    alert: 'Story',
    expr: 'x',
    for: formatDuration(scenario.forMillis),
    keep_firing_for: formatDuration(scenario.keepMillis),
    labels: { severity: 'critical' },
  }
  return stringify({ groups: [{ name: 'stories', rules: [rule] }] })
}

function promtoolDisagrees(scenario: Scenario): string | undefined {
  const outcome = runScenario(scenario)
  return testRuleTexts(
    {
      'rules.yaml': rulesText(scenario),
      'test.yaml': stringify(asPromtoolTest(scenario, outcome, 'rules.yaml')),
    },
    'test.yaml',
  )
}

t.test('promtool tells the same stories the same way', { skip: promtoolMissing }, async (t) => {
  const told = files
    .map((file) => [file, parseScenario(readFileSync(join(folder, file), 'utf8'))] as const)
    .filter(([, scenario]) => plain(scenario))
  t.ok(told.length >= 6, `${told.length} stories Prometheus can tell`)
  for (const [file, scenario] of told) t.equal(promtoolDisagrees(scenario), undefined, file)
})

const values = fc.array(fc.constantFrom(1, undefined), { minLength: 24, maxLength: 24 })
const randomStory = fc.record({
  forMillis: fc.constantFrom(0, 10_000, 20_000, 45_000),
  keepMillis: fc.constantFrom(0, 10_000, 30_000, 45_000),
  a: values,
  b: values,
})

t.test(
  'promtool agrees with forty random timelines of two hosts',
  { skip: promtoolMissing },
  async (t) => {
    fc.assert(
      fc.property(randomStory, ({ forMillis, keepMillis, a, b }) => {
        const scenario: Scenario = {
          ...parseScenario('series z .'),
          forMillis,
          keepMillis,
          step: 10_000,
          length: 24,
          series: new Map([
            ['a', a],
            ['b', b],
          ]),
        }
        const complaint = promtoolDisagrees(scenario)
        if (complaint !== undefined) throw new Error(complaint)
      }),
      { numRuns: 40 },
    )
    t.pass('all agree')
  },
)

t.test('a clock that jumps back never un-fires, re-fires or waits longer', async (t) => {
  const jumps = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 10_001, max: 10_000_000 })),
    { minLength: 1, maxLength: 3 },
  )
  fc.assert(
    fc.property(randomStory, jumps, ({ forMillis, keepMillis, a }, clock) => {
      const steady: Scenario = {
        ...parseScenario('series z .'),
        forMillis,
        keepMillis,
        length: 24,
        series: new Map([['a', a]]),
      }
      const jumping: Scenario = {
        ...steady,
        clock: new Map(clock.map(([at, back]) => [at, -back])),
      }
      const kinds = (scenario: Scenario) =>
        runScenario(scenario)
          .changes.get('a')
          ?.replaceAll(/-?\d+(\.\d+)?s /g, '')
      // A jump stops the waiting for one step, so a pending alert may fire a step later, or a flap may be kept
      // a step longer: fewer changes are right, more never.
      const count = (text: string | undefined) =>
        text === undefined || text === 'none' ? 0 : text.split(' ').length
      const pair = /^(firing resolved )*(firing( resolved)?)?$|^none$/
      if (!pair.test(kinds(jumping) ?? '')) throw new Error(`out of order: ${kinds(jumping)}`)
      if (count(kinds(jumping)) > count(kinds(steady)))
        throw new Error(`${kinds(jumping)} instead of ${kinds(steady)}`)
    }),
    { numRuns: 300 },
  )
  t.pass('never more changes than with a steady clock')
})
