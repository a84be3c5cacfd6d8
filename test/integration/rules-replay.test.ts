import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { drawReplay } from '../../server/cli/rules-picture.ts'
import { daysMax } from '../../server/rules/replay-desk.ts'
import type { ReplayAnswer } from '../../server/rules/replay-routes.ts'
import { promtoolMissing, testRuleTexts } from '../unit/alerts/promtool.ts'
import { RulesHub } from './rules-hub.ts'

const plainRules = `
groups:
  - name: plain
    interval: 10s
    rules:
      - alert: LoadHigh
        expr: load > 6
        labels: {severity: warning}
      - alert: LoadHighLong
        expr: load > 5
        for: 30s
        keep_firing_for: 1m
        labels: {severity: critical}
`
const extendedRules = `
groups:
  - name: extended
    interval: 10s
    rules:
      - alert: LossHigh
        expr: loss > 7
        annotations: {callward_recovery: "> 3"}
        labels: {severity: critical}
      - alert: QueueGone
        expr: queue > 100
        labels: {severity: info}
      - alert: LossBusy
        expr: loss > 5
        labels: {severity: warning}
        annotations: {callward_minimum_traffic: calls >= 5}
`
const siblings = 'rules: {QueueGone: {absent_for: 1m}}'

const hosts = ['pbx-1', 'pbx-2', 'pbx-3']
const steps = 240

/** The same figures at every run. */
function figures() {
  let state = 20_260_105
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
  const loads = new Map(hosts.map((host) => [host, 3]))
  return Array.from({ length: steps }, (_, step) =>
    hosts.map((host) => {
      const load = Math.min(9, Math.max(0, loads.get(host)! + (next() - 0.5) * 4))
      loads.set(host, load)
      const there = host === 'pbx-2' && step > 60 && step < 160 ? {} : { queue: 3 }
      const round = (value: number) => Number(value.toFixed(2))
      return {
        load: round(load),
        loss: round(next() * 10),
        calls: Math.floor(next() * 10),
        ...there,
      }
    }),
  )
}

/** A hub that ran these rules live over the figures. */
async function lived(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'callward-replay-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder)
  writeFileSync(join(rulesFolder, 'plain.yaml'), plainRules)
  writeFileSync(join(rulesFolder, 'extended.yaml'), extendedRules)
  writeFileSync(join(rulesFolder, 'extended.callward.yaml'), siblings)
  const hub = await RulesHub.start({ rulesFolder, folder: join(folder, 'data') })
  t.teardown(() => hub.close())
  for (const row of figures()) {
    for (const [i, host] of hosts.entries())
      hub.report(host, { callward_collector_up: 1, ...row[i] })
    for (const host of hosts) hub.app.rules.hostReported(host)
    await hub.app.rules.settled()
    await hub.pass(10)
  }
  await hub.quiet()
  return hub
}

async function replayed(hub: RulesHub, body: object): Promise<ReplayAnswer> {
  const answer = await hub.app.inject({
    method: 'POST',
    url: '/api/v1/rules/replay',
    payload: { days: 1, zone: 'Asia/Ho_Chi_Minh', ...body },
  })
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json()
}

function listOf(answer: ReplayAnswer): string[] {
  return answer.firings
    .map(({ rule, labels, begin, end }) => `${rule} ${labels['instance']} ${begin} ${end}`)
    .sort()
}

t.test('a replay fires as the hub did that ran the rules live on the same samples', async (t) => {
  const hub = await lived(t)
  const lives = new Map<string, string>()
  for (const { body, at } of hub.published) {
    const alert = body.alert as unknown as {
      id: string
      rule: string
      instance: string
      firedAt: string
    }
    const end = body.change === 'resolved' ? new Date(at).toISOString() : null
    lives.set(alert.id, `${alert.rule} ${alert.instance} ${alert.firedAt} ${end}`)
  }
  const live = [...lives.values()].sort()
  t.ok(live.length > 40, `${live.length} firings`)
  const plain = await replayed(hub, { rules: plainRules })
  const extended = await replayed(hub, { rules: extendedRules, extras: siblings })
  t.same([...listOf(plain), ...listOf(extended)].sort(), live)
  t.ok(
    listOf(extended).some((text) => text.startsWith('QueueGone pbx-2')),
    'also what was missing',
  )
  const alone = await replayed(hub, { rules: plainRules, rule: 'LoadHigh' })
  t.same(
    listOf(alone),
    live.filter((text) => text.startsWith('LoadHigh pbx')),
  )
  t.equal(alone.summary.pages, 0, 'a warning pages nobody')
  const critical = live.filter((text) => text.startsWith('LoadHighLong')).length
  t.ok(plain.summary.pages > 0 && plain.summary.pages <= critical)
  t.equal(plain.summary.pagesAtNight, 0, 'it was 15 to 16 o’clock there')
  t.match(plain.summary.text, /^would have paged .* in 1 day, 0 at night; \d+ firings; the history/)
  t.match(plain.rules[0], { dataFrom: /^2026-01-05T0[78]:/, missing: [], failed: 0 })

  await t.test(
    'and as promtool says for the same samples',
    { skip: promtoolMissing },
    async (t) => {
      const all = figures()
      const begin = Date.UTC(2026, 0, 5, 8)
      const at = (text: string) => (Date.parse(text) - begin) / 1000
      const tests = Array.from({ length: steps }, (_, step) => step * 10).flatMap((second) =>
        ['LoadHigh', 'LoadHighLong'].map((alertname) => ({
          eval_time: `${second}s`,
          alertname,
          exp_alerts: plain.firings
            .filter(({ rule }) => rule === alertname)
            .filter((one) => at(one.begin) <= second && (one.end === null || at(one.end) > second))
            .map(({ labels: { alertname: _name, ...exp_labels } }) => ({ exp_labels })),
        })),
      )
      const series = hosts.map((host, i) => ({
        series: `load{job="node",instance="${host}",server="${host}"}`,
        values: all.map((row) => row[i]!.load).join(' '),
      }))
      const document = {
        rule_files: ['plain.yaml'],
        evaluation_interval: '10s',
        tests: [{ interval: '10s', input_series: series, alert_rule_test: tests }],
      }
      const texts = { 'plain.yaml': plainRules, 'test.yaml': JSON.stringify(document) }
      t.equal(testRuleTexts(texts, 'test.yaml'), undefined)
    },
  )

  await t.test('by tier, by calendar, at night, and drawn', async (t) => {
    const extras = (calendar: string) => `
rules:
  LoadHigh:
    tiers: ["info: > 6", "critical: > 8"]
    ${calendar}
calendars:
  - {name: dialling-hours, time_intervals: [{times: [{start_time: '08:00', end_time: '20:00'}], location: Asia/Ho_Chi_Minh}]}
`
    const wish = { rules: plainRules, rule: 'LoadHigh', calendar: 'dialling-hours' }
    const tiers = await replayed(hub, { ...wish, extras: extras('') })
    t.ok(tiers.summary.pages > 0, 'a value that rises reaches the next tier')
    t.ok(tiers.summary.pages < tiers.summary.firings, 'not every firing does')
    t.equal(tiers.summary.pagesInCalendar, tiers.summary.pages)
    const calendar = 'calendar: "dialling-hours: info; otherwise: critical"'
    const quiet = await replayed(hub, { ...wish, extras: extras(calendar) })
    t.equal(quiet.summary.pages, 0, 'in dialling hours it is informational')
    const zone = 'America/New_York'
    const far = await replayed(hub, { ...wish, extras: extras(''), zone })
    t.equal(far.summary.pagesAtNight, far.summary.pages, 'three in the morning there')
    const drawn = drawReplay(far)
    t.match(drawn.at(-2), /^2026-01-05 Mon {2}\.\.\.[1-9+-]/)
    t.ok(drawn.every((line) => line.length < 80))
  })

  await t.test('lines on the way, and what is refused', async (t) => {
    const post = (payload: object, query = '') =>
      hub.app.inject({ method: 'POST', url: `/api/v1/rules/replay${query}`, payload })
    const lines = (await post({ rules: plainRules, days: 1 }, '?progress=true')).body.trim()
    const last = JSON.parse(lines.split('\n').at(-1)!) as { answer: ReplayAnswer }
    t.same(listOf(last.answer), listOf(plain))
    const faulty = await post({ rules: 'groups: [{name: a, rules: [{alert: X, expr: sum(}]}]' })
    t.match([faulty.statusCode, faulty.body], [422, /rules\.yaml:1: .*X.*parse error/])
    const unknown = await post({ rules: plainRules, rule: 'Nope' })
    t.match([unknown.statusCode, unknown.body], [422, /no alert .*Nope/])
    const long = plainRules.replace('interval: 10s', 'interval: 1s')
    t.match((await post({ rules: long, days: daysMax })).json(), {
      error: { code: 'query_too_large', message: /fewer days/ },
    })
    t.equal((await post({ rules: plainRules, zone: 'Mars/Base' })).statusCode, 400)
    t.equal((await post({ rules: plainRules, calendar: 'none' })).statusCode, 422)
    t.equal((await post({ rules: plainRules, days: 0 })).statusCode, 400)
    t.equal((await post({ rules: 'x'.repeat(300_000) })).statusCode, 400)
    const never = await replayed(hub, { rules: plainRules.replaceAll('load >', 'laod >') })
    t.match(never.rules[0], { dataFrom: null, missing: ['laod'], firings: 0 })
  })
})
