import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createEngine } from '../../server/promql/engine.ts'
import { watchedOf } from '../../server/rules/watched.ts'
import { createMemoryStore } from '../../server/store/memory-store.ts'
import { RulesHub, type RulesHubOptions } from './rules-hub.ts'

const rules = `
groups:
  - name: calls
    rules:
      - alert: LossHigh
        expr: loss > 5
        labels: {severity: critical, team: voice}
        annotations: {callward_recovery: "> 3", summary: "loss {{ $value }}"}
      - alert: QueueGone
        expr: queue_length > 100
        annotations: {callward_absent_for: 5m}
      - alert: AnswerRatioLow
        expr: answered / offered < 0.5
      - alert: TrunkLoss
        expr: trunk_loss > 5
        annotations:
          callward_minimum_traffic: sum by (instance, trunk) (trunk_calls) >= 10
  - name: site
    interval: 10s
    rules:
      - alert: SiteQuiet
        expr: sum(site_calls) < 5
        annotations: {callward_absent_for: 2m}
`
const siblings = `
rules:
  AnswerRatioLow:
    minimum_traffic: offered >= 20
`

async function given(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'callward-measured-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  writeFileSync(join(rulesFolder, 'calls.yaml'), rules)
  writeFileSync(join(rulesFolder, 'calls.callward.yaml'), siblings)
  const options: RulesHubOptions = { rulesFolder, folder: join(folder, 'data') }
  const hub = await RulesHub.start(options)
  t.same(hub.app.rules.faults(), [])
  return { options, hub }
}

t.test(
  'a firing alert stays until its value no longer passes the recovery threshold',
  async (t) => {
    const { hub } = await given(t)
    const loss = async (value: number) => {
      await hub.pass(10)
      await hub.reported('pbx-1', { loss: value })
      return hub.active()
    }
    t.same(await loss(4), [], 'the recovery threshold raises nothing')
    t.same(await loss(6), ['LossHigh pbx-1 firing'])
    t.same(await loss(4), ['LossHigh pbx-1 firing'], 'below 5, above 3')
    t.match(hub.app.rules.activeAlerts(), [{ value: '4', annotations: { summary: 'loss 4' } }])
    t.same(await loss(3), [])
    t.same(await loss(4), [], 'a new life begins at 5 only')
    t.same(hub.told, ['firing LossHigh pbx-1', 'resolved LossHigh pbx-1'])
    await hub.close()
  },
)

t.test('below the minimum traffic a rule says nothing', async (t) => {
  const { hub } = await given(t)
  const offered = async (calls: number, answered: number) => {
    await hub.pass(10)
    await hub.reported('pbx-1', { offered: calls, answered })
    return hub.active()
  }
  t.same(await offered(3, 0), [], 'three calls prove nothing')
  t.same(await offered(20, 5), ['AnswerRatioLow pbx-1 firing'])
  t.same(await offered(19, 5), [], 'and it does not linger')
  hub.report('pbx-2', { trunk_loss: 9, trunk_calls: 50 }, { trunk: 'a' })
  hub.report('pbx-2', { trunk_loss: 9, trunk_calls: 2 }, { trunk: 'b' })
  hub.report('pbx-2', { trunk_loss: 9 }, { trunk: 'c' })
  await hub.reported('pbx-2')
  t.same(
    hub.app.rules.activeAlerts().map(({ labels }) => labels['trunk']),
    ['a'],
    'each series by its own traffic; unknown traffic is none',
  )
  await hub.close()
})

t.test('a series that was there and is gone raises the alert, also over a restart', async (t) => {
  const { options, hub } = await given(t)
  await hub.reported('pbx-1', { queue_length: 3 })
  await hub.reported('pbx-2', { queue_length: 3 })
  const silent = async (hub: RulesHub, minutes: number) => {
    for (let i = 0; i < minutes * 6; i++) {
      await hub.pass(10)
      await hub.reported('pbx-1')
      await hub.reported('pbx-2', { queue_length: 3 })
    }
    return hub.active().filter((text) => text.startsWith('Queue'))
  }
  t.same(await silent(hub, 9), [], 'its last value counts for five minutes')
  t.same(await silent(hub, 2), ['QueueGone pbx-1 firing'])
  t.match(hub.app.rules.activeAlerts(), [{ value: 'NaN', labels: { instance: 'pbx-1' } }])
  await hub.kill()
  const next = await RulesHub.start({ ...options, clock: hub.clock, store: hub.store })
  t.same(await silent(next, 4), ['QueueGone pbx-1 firing'], 'it fires on after a restart')
  t.same(next.told, [], 'and nobody is told again')
  await next.pass(10)
  await next.reported('pbx-1', { queue_length: 1 })
  t.same(next.told, ['resolved QueueGone pbx-1'], 'until the series is back')
  await next.close()
})

t.test('what vanished while the hub was away is missed after the start', async (t) => {
  const { options, hub } = await given(t)
  await hub.reported('pbx-1', { queue_length: 3, site_calls: 9 })
  await hub.pass(10)
  await hub.kill()
  hub.clock.wall += 600_000
  hub.clock.mono += 600_000
  const next = await RulesHub.start({ ...options, clock: hub.clock, store: hub.store })
  const heard = async (minutes: number) => {
    for (let i = 0; i < minutes * 6; i++) {
      await next.pass(10)
      await next.reported('pbx-1')
    }
    return next.active()
  }
  t.same(await heard(1), [], 'a hub that was away blames nobody')
  t.same(await heard(2), ['SiteQuiet - firing'], 'over all hosts, in its own time')
  t.same(await heard(3), ['QueueGone pbx-1 firing', 'SiteQuiet - firing'])
  await next.close()
})

t.test('the value behind a condition', async (t) => {
  const engine = createEngine({ reader: createMemoryStore() })
  const watched = (text: string) => {
    const values = watchedOf(engine.parse(text))
    return values && engine.printExpr(values)
  }
  const cases: Record<string, string | undefined> = {
    'load > 5': 'load',
    '5 < load': 'load',
    '(load > 5)': '(load)',
    'load > 5 < 10': 'load',
    'rate(a[5m]) / b >= 0.5': 'rate(a[5m]) / b',
    'load > 5 and on (instance) up == 1': 'load and on (instance) up == 1',
    'load > 5 unless maintenance': 'load unless maintenance',
    'a > 5 or b > time() - 3': 'a or b',
    'load > bool 5': undefined,
    'a > b': undefined,
    'up unless load > 5': undefined,
    'a > 5 or b': undefined,
    'absent(up)': undefined,
  }
  for (const [text, expected] of Object.entries(cases)) t.equal(watched(text), expected, text)
})
