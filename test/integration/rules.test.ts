import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { VectorElement } from '../../alerts/state.ts'
import { firstTurn, nextTurn } from '../../server/rules/cadence.ts'
import { HostPresence } from '../../server/rules/host-presence.ts'
import { HostQueue } from '../../server/rules/host-queue.ts'
import { prometheusAlerts, prometheusRules } from '../../server/rules/plugin.ts'
import type { RuleExpression, RuleQueries } from '../../server/rules/queries.ts'
import { AlertRunner, Calm } from '../../server/rules/rule-runner.ts'
import { HandClock, operator, RulesHub, type RulesHubOptions } from './rules-hub.ts'

const rules = `
groups:
  - name: hosts
    rules:
      - {alert: HostSilent, expr: callward_collector_up == 0, labels: {severity: critical}}
      - alert: DiskFull
        expr: disk_free < 3
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.instance }} has {{ $value }} left'}
      - {alert: LoadHigh, expr: load > 5, for: 30s, labels: {severity: warning}}
      - {record: 'all:load:sum', expr: sum(load)}
  - name: slow
    interval: 30s
    rules:
      - {alert: ManyBusy, expr: count(load > 5) > 1, labels: {severity: info}}
`

function rulesIn(folder: string, name: string, text: string): string {
  mkdirSync(join(folder, name))
  writeFileSync(join(folder, name, 'rules.yaml'), text)
  return join(folder, name)
}

interface Given {
  readonly options: RulesHubOptions
  readonly hub: RulesHub
}

async function given(t: Test, text = rules): Promise<Given> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-rules-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const options = { rulesFolder: rulesIn(folder, 'rules', text), folder: join(folder, 'data') }
  return { options, hub: await RulesHub.start(options) }
}

/** A new process on the same records, store and time. */
async function restarted(
  { options, hub }: Given,
  change: Partial<RulesHubOptions> = {},
): Promise<RulesHub> {
  await hub.kill()
  return RulesHub.start({ ...options, clock: hub.clock, store: hub.store, ...change })
}

t.test('a report pages at once, for its own host only, in one transaction', async (t) => {
  const { hub } = await given(t)
  hub.report('db-1', { disk_free: 1 })
  await hub.reported('pbx-1', { disk_free: 2 })
  t.same(hub.active(), ['DiskFull pbx-1 firing'], 'db-1 has not been looked at yet')
  t.same(
    hub.told,
    ['firing DiskFull pbx-1'],
    'incidents are told in the transaction that holds the row',
  )
  t.same(await hub.rows(), ['DiskFull pbx-1 firing'])
  t.equal(hub.writes, 1)
  t.match(hub.published, [
    {
      kind: 'alert',
      at: hub.clock.now(),
      body: {
        change: 'firing',
        alert: {
          rule: 'DiskFull',
          state: 'firing',
          value: '2',
          annotations: { summary: 'pbx-1 has 2 left' },
          runbook: '/runbooks/DiskFull',
          incident: null,
          firedAt: new Date(hub.clock.now()).toISOString(),
        },
      },
    },
  ])
  t.equal(hub.flushes, 1)
  t.ok(hub.hints.includes('alerts'))

  await hub.reported('pbx-1', { disk_free: 1.5 })
  t.equal(hub.writes, 1, 'a changed value is no transition')
  t.equal(hub.app.rules.activeAlerts()[0]?.value, '1.5')
  await hub.pass(12)
  t.same(
    hub.active(),
    ['DiskFull db-1 firing', 'DiskFull pbx-1 firing'],
    'the group’s turn sees all hosts',
  )
  await hub.reported('pbx-1', { disk_free: 50 })
  t.same(hub.active(), ['DiskFull db-1 firing'])
  t.same(hub.told, ['firing DiskFull pbx-1', 'firing DiskFull db-1', 'resolved DiskFull pbx-1'])
  t.equal(hub.flushes, hub.writes)
  await hub.close()
})

t.test(
  'a host whose clock is a little ahead is seen at once, and does not flap at the group’s turn',
  async (t) => {
    const { hub } = await given(t)
    hub.report('pbx-1', { disk_free: 50 })
    await hub.pass(9)
    hub.report('pbx-1', { disk_free: 1 }, {}, 1_900)
    hub.app.rules.hostReported('pbx-1')
    await hub.quiet()
    t.same(hub.told, ['firing DiskFull pbx-1'])
    await hub.pass(1)
    t.same(hub.told, ['firing DiskFull pbx-1'], 'the older sample does not count again')
    await hub.close()
  },
)

t.test('pending, firing, resolved; ALERTS and recording rules are series that end', async (t) => {
  const { hub } = await given(t)
  const beat = async (load: number, seconds = 10) => {
    for (let i = 0; i < seconds; i += 10) {
      await hub.reported('pbx-1', { load })
      await hub.pass(10)
    }
  }
  await beat(9)
  t.same(hub.active(), ['LoadHigh pbx-1 pending'])
  t.same(await hub.rows(), ['LoadHigh pbx-1 pending'], 'a pending alert is kept too')
  t.same(hub.told, [], 'but nobody is told')
  t.same(await hub.query('ALERTS'), ['LoadHigh pbx-1 pending 1'])
  t.same(await hub.query('all:load:sum'), ['all:load:sum - - 9'])
  const activeAt = hub.app.rules.activeAlerts()[0]!.activeAt
  t.same(await hub.query('ALERTS_FOR_STATE'), [`LoadHigh pbx-1 - ${Math.floor(activeAt / 1000)}`])
  await beat(9, 30)
  t.same(hub.told, ['firing LoadHigh pbx-1'])
  t.equal(hub.app.rules.activeAlerts()[0]!.firedAt! - activeAt, 30_000)
  t.same(await hub.query('ALERTS'), ['LoadHigh pbx-1 firing 1'], 'the pending series has ended')
  await hub.reported('db-1', { load: 8 })
  await hub.pass(31)
  t.ok(hub.told.includes('firing ManyBusy -'), 'a rule over hosts runs in its own rhythm')
  await beat(1)
  await beat(1, 30)
  t.same(await hub.query('ALERTS{instance="pbx-1"}'), [], 'stale at once, not five minutes later')
  t.same(
    (await hub.rows()).filter((row) => row.includes('pbx-1')),
    ['LoadHigh pbx-1 resolved'],
  )

  await hub.reported('pbx-1', { load: 9 })
  await hub.reported('pbx-1', { load: 1 })
  t.equal(
    (await hub.rows()).filter((row) => row.includes('pbx-1')).length,
    1,
    'a pending alert that vanishes leaves nothing',
  )
  await hub.close()
})

t.test('late data never pages', async (t) => {
  const { hub } = await given(t)
  await hub.pass(20)
  await hub.reported('pbx-1', { disk_free: 50 })
  hub.report('pbx-1', { disk_free: 0 }, {}, -8_000)
  await hub.pass(30)
  t.same(hub.told, [])
  await hub.close()
})

t.test('groups keep their rhythm when the wall clock jumps and when time was lost', async (t) => {
  const { hub } = await given(t)
  const lastOf = (name: string) =>
    hub.app.rules.groups().find((group) => group.name === name)?.lastEvaluation
  await hub.pass(60)
  const beat = lastOf('hosts')! % 10_000
  hub.report('pbx-1', { callward_collector_up: 0 })
  await hub.pass(10)
  t.same(hub.active(), ['HostSilent pbx-1 firing'])
  hub.clock.wall -= 3_600_000
  hub.report('pbx-1', { callward_collector_up: 0 })
  const before = hub.told.length
  for (let i = 0; i < 6; i++) {
    hub.report('pbx-1', { callward_collector_up: 0 })
    await hub.pass(10)
  }
  t.equal(hub.told.length, before, 'neither resolved nor repeated')
  t.ok(
    hub.clock.now() - lastOf('hosts')! <= 10_000,
    'evaluated although the wall clock is an hour back',
  )
  t.equal(lastOf('hosts')! % 10_000, beat, 'on the same beat')
  await hub.close()

  const check = (monotonic: number, nextAt: number, missed: number) =>
    t.same(nextTurn({ interval: 10, nextAt: 100 }, monotonic), {
      cadence: { interval: 10, nextAt },
      missed,
    })
  check(100, 110, 0)
  check(109.9, 110, 0)
  check(110, 120, 1)
  check(1234, 1240, 113)
  const first = firstTurn('disk', 10_000, 1_767_600_003_333, 500)
  t.ok(first.nextAt >= 500 && first.nextAt < 10_500)
  t.equal(
    (1_767_600_003_333 + first.nextAt - 500) % 10_000,
    (1_767_600_000_000 + firstTurn('disk', 10_000, 1_767_600_000_000, 0).nextAt) % 10_000,
    'a restart keeps the beat',
  )
})

t.test(
  'a host waits once however often it reports, and is evaluated again for what came meanwhile',
  async (t) => {
    const runs: string[] = []
    const refused: string[] = []
    const ends: (() => void)[] = []
    const queue = new HostQueue({
      work: (instance) => {
        runs.push(instance)
        return new Promise((resolve) => ends.push(resolve))
      },
      atOnce: 2,
      maxWaiting: 4,
      onRefused: (instance) => refused.push(instance),
    })
    const settle = () => new Promise((resolve) => setImmediate(resolve))
    queue.add('a')
    queue.add('a')
    await settle()
    t.same(runs, [], 'nothing before the alerts are loaded')
    queue.start()
    for (const instance of ['a', 'a', 'b', 'c', 'd', 'e', 'a']) queue.add(instance)
    await settle()
    t.same(runs, ['a', 'b'], 'two at once')
    t.same(refused, ['e'], 'and a limit on those that wait')
    while (ends.length > 0) {
      ends.shift()!()
      await settle()
    }
    t.same(runs.slice().sort(), ['a', 'a', 'b', 'c', 'd'])
    await queue.settled()
  },
)

t.test('evaluations of one rule keep their order, however long each query takes', async (t) => {
  const answers: ((vector: readonly VectorElement[]) => void)[] = []
  const clock = new HandClock()
  const queries: RuleQueries = {
    compile: () => ({ keepsInstance: true, evaluate: async () => [] }),
  }
  const expression: RuleExpression = {
    keepsInstance: true,
    evaluate: () => new Promise((resolve) => answers.push(resolve)),
  }
  const changes: string[] = []
  const runner = new AlertRunner(
    {
      ...{ kind: 'alert', name: 'A', group: 'g', file: 'f', expr: 'x', for: 0, keepFiringFor: 0 },
      ...{ labels: {}, annotations: {} },
    },
    expression,
    {
      clock,
      presence: new HostPresence({ clock, queries, onError: () => undefined }),
      newId: () => 'id',
      templates: { externalLabels: {} },
      limit: 0,
      calm: new Calm(),
      owners: new Map(),
      changed: ({ changes: list }) =>
        changes.push(...list.map(({ kind, alert }) => `${kind} ${alert.instance}`)),
    },
  )
  clock.mono += 100_000
  const done = [runner.evaluate('a'), runner.evaluate(), runner.evaluate('a')]
  const next = async (vector: readonly VectorElement[]) => {
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(answers.length, 1, 'one query at a time')
    answers.shift()?.(vector)
  }
  const [a, b] = ['a', 'b'].map((instance) => ({ labels: { instance }, value: 1 }))
  await next([a!])
  await next([b!])
  await next([])
  await Promise.all(done)
  t.same(changes, ['firing a', 'resolved a', 'firing b'])
})

t.test('acknowledging: the first one stays, over a restart too', async (t) => {
  const start = await given(t)
  let { hub } = start
  await hub.reported('pbx-1', { disk_free: 1, load: 9 })
  const fingerprint = hub.app.rules
    .activeAlerts()
    .find(({ rule }) => rule === 'DiskFull')!.fingerprint
  const pending = hub.app.rules.activeAlerts().find(({ rule }) => rule === 'LoadHigh')!.fingerprint
  const post = (which: string, payload?: object) =>
    hub.app.inject({
      method: 'POST',
      url: `/api/v1/alerts/${which}/acknowledge`,
      ...(payload === undefined ? {} : { payload }),
    })

  const first = await post(fingerprint, {})
  t.equal(first.statusCode, 200)
  const acknowledgedAt = new Date(hub.clock.now()).toISOString()
  t.match(first.json(), { alert: { fingerprint, acknowledgedBy: 'ines', acknowledgedAt } })
  t.same(hub.told.slice(1), ['acknowledged DiskFull pbx-1'])
  t.match(hub.published.at(-1), {
    kind: 'alert',
    body: { change: 'acknowledged', alert: { acknowledgedBy: 'ines' } },
  })
  await hub.pass(5)
  const second = await hub.app.rules.acknowledge(
    fingerprint,
    { ...operator, name: 'carl' },
    hub.clock.now(),
  )
  t.equal(second.acknowledgedBy, 'ines')
  t.equal(
    (await post(fingerprint)).json().alert.acknowledgedAt,
    acknowledgedAt,
    'also without a body',
  )
  t.equal(hub.told.length, 2, 'told once')
  t.equal((await post(pending, {})).statusCode, 409)
  t.match((await post('0123456789abcdef', {})).json(), {
    error: { code: 'not_found', message: /may have resolved/ },
  })
  t.equal((await post('../../x', {})).statusCode, 404)
  t.equal((await post('0123', {})).statusCode, 400)
  t.equal((await post(fingerprint, { force: true })).statusCode, 400)

  hub = await restarted(start)
  t.match(
    hub.app.rules.activeAlerts().find(({ rule }) => rule === 'DiskFull'),
    { acknowledgedBy: 'ines', acknowledgedAt: Date.parse(acknowledgedAt) },
  )
  await hub.reported('pbx-1', { disk_free: 50, load: 1 })
  t.same(hub.told, ['resolved DiskFull pbx-1'])
  const all = await hub.app.inject('/api/v1/alerts?state=all')
  t.match(all.json(), {
    alerts: [{ rule: 'DiskFull', state: 'resolved', acknowledgedBy: 'ines', resolvedAt: String }],
  })
  await hub.close()
})

t.test(
  'the records fail: alerts go on, screens are woken, all is written later in order and marked late',
  async (t) => {
    const { hub } = await given(t)
    hub.refuseWrites = 'disk full'
    await hub.reported('pbx-1', { disk_free: 1 })
    t.same(hub.active(), ['DiskFull pbx-1 firing'], 'the page is not withheld')
    t.same([hub.told, hub.published], [[], []])
    t.ok(hub.hints.includes('alerts'), 'the screens refresh from memory')
    t.match((await hub.app.inject('/api/v1/alerts')).json(), {
      alerts: [{ rule: 'DiskFull', incident: null }],
    })
    t.ok(
      hub.log.some((line) => line.includes('disk full') && line.includes('could not be recorded')),
    )
    await t.rejects(
      hub.app.rules.acknowledge(
        hub.app.rules.activeAlerts()[0]!.fingerprint,
        operator,
        hub.clock.now(),
      ),
      { code: 'storage_unavailable' },
      'nothing claims to be acknowledged that is not written',
    )

    const tries = hub.writes
    await hub.pass(3)
    t.ok(hub.writes - tries >= 3, `tried again every second (${hub.writes - tries} times)`)
    await hub.reported('db-1', { disk_free: 2, load: 9 })
    await hub.reported('pbx-1', { disk_free: 50 })
    await hub.reported('pbx-1', { disk_free: 1 })
    await hub.pass(1)
    t.same(await hub.rows(), [])

    hub.refuseWrites = undefined
    await hub.pass(2)
    t.same(
      hub.told.filter((one) => one.endsWith('pbx-1')),
      ['firing DiskFull pbx-1', 'resolved DiskFull pbx-1', 'firing DiskFull pbx-1'],
      'in order',
    )
    t.same(
      hub.told.filter((one) => !one.endsWith('pbx-1')),
      ['firing DiskFull db-1'],
    )
    t.ok(
      hub.published.every(({ body }) => body.late === true),
      'marked late',
    )
    t.ok(hub.published[0]!.at < hub.clock.now(), 'with the time it happened')
    t.same((await hub.rows()).sort(), [
      'DiskFull db-1 firing',
      'DiskFull pbx-1 firing',
      'DiskFull pbx-1 resolved',
      'LoadHigh db-1 pending',
    ])
    await hub.reported('pbx-1', { disk_free: 50 })
    t.equal(hub.published.at(-1)?.body.late, undefined, 'what comes in time again is not late')
    await hub.close()
  },
)

t.test('a change that cannot be taken holds up only its own alert', async (t) => {
  const { hub } = await given(t)
  hub.poisoned.add('HostSilent')
  await hub.reported('pbx-1', { callward_collector_up: 0 })
  await hub.reported('db-1', { disk_free: 1 })
  await hub.pass(2)
  t.same(hub.told, ['firing DiskFull db-1'])
  t.same(hub.active(), ['DiskFull db-1 firing', 'HostSilent pbx-1 firing'])
  hub.poisoned.clear()
  await hub.pass(2)
  t.same(hub.told, ['firing DiskFull db-1', 'firing HostSilent pbx-1'])
  await hub.close()
})

t.test(
  'after kill -9 nothing flaps: an alert resolves only when its host was heard again',
  async (t) => {
    const start = await given(t)
    await start.hub.reported('pbx-1', { disk_free: 1 })
    await start.hub.reported('db-1', { load: 9 })
    await start.hub.records.write((tx) =>
      tx
        .insertInto('collectors')
        .values({
          id: 'c-1',
          instance: 'pbx-1',
          labels: '{}',
          version: '1',
          epoch: 'e',
          interval_seconds: 60,
          simulated: 0,
          first_seen_at: 1,
          last_seen_at: 1,
        })
        .execute(),
    )
    const [before] = start.hub.app.rules.activeAlerts().filter(({ rule }) => rule === 'DiskFull')
    const idle = (millis: number) => {
      start.hub.clock.wall += millis
      start.hub.clock.mono += millis
    }
    idle(200_000)
    start.hub.report('pbx-1', { callward_collector_up: 1 })
    idle(200_000)
    const hub = await restarted(start)
    t.same(
      hub.active(),
      ['DiskFull pbx-1 firing', 'LoadHigh db-1 pending'],
      'loaded before the first evaluation',
    )
    await hub.pass(59)
    t.same(
      hub.active(),
      ['DiskFull pbx-1 firing', 'LoadHigh db-1 pending'],
      'its data is older than five minutes, but that is no recovery',
    )
    t.same(hub.told, [])
    await hub.pass(30)
    t.same(
      hub.active(),
      ['DiskFull pbx-1 firing'],
      'a host without collector is given a minute, one with a collector longer',
    )

    await hub.reported('pbx-1', { disk_free: 1 })
    await hub.pass(10)
    t.match(
      hub.app.rules.activeAlerts(),
      [{ id: before!.id, firedAt: before!.firedAt, activeAt: before!.activeAt }],
      'the same life',
    )
    t.same(hub.told, [], 'nobody is told twice')
    await hub.reported('pbx-1', { disk_free: 50 })
    t.same(hub.told, ['resolved DiskFull pbx-1'])
    await hub.close()
  },
)

t.test(
  'after kill -9 a pending alert has lost no time; one long forgotten starts anew',
  async (t) => {
    const start = await given(t)
    await start.hub.reported('pbx-1', { load: 9 })
    const activeAt = start.hub.app.rules.activeAlerts()[0]!.activeAt
    await start.hub.pass(20)
    const hub = await restarted(start)
    await hub.pass(10)
    await hub.reported('pbx-1', { load: 9 })
    t.match(hub.app.rules.activeAlerts(), [
      { state: 'firing', activeAt, firedAt: activeAt + 30_000 },
    ])

    const again = await given(t)
    await again.hub.reported('pbx-1', { load: 9 })
    again.hub.clock.wall += 1_800_000
    again.hub.clock.mono += 1_800_000
    const later = await restarted(again)
    t.same(later.active(), [])
    await later.quiet()
    t.same(await later.rows(), [])
    await later.reported('pbx-1', { load: 9 })
    t.same(later.active(), ['LoadHigh pbx-1 pending'])
    await Promise.all([hub.close(), later.close()])
  },
)

t.test('a host that falls silent keeps its alerts, and gets the one that says so', async (t) => {
  const { hub } = await given(t)
  await hub.reported('pbx-1', { disk_free: 1 })
  for (let i = 0; i < 60; i++) {
    hub.report('pbx-1', { callward_collector_up: 0 })
    if (i === 0) hub.app.rules.hostReported('pbx-1')
    await hub.pass(10)
  }
  t.same(
    hub.active(),
    ['DiskFull pbx-1 firing', 'HostSilent pbx-1 firing'],
    'ten minutes later its disk is still not healthy',
  )
  await hub.reported('pbx-1', { disk_free: 50 })
  t.same(hub.told, [
    'firing DiskFull pbx-1',
    'firing HostSilent pbx-1',
    'resolved HostSilent pbx-1',
    'resolved DiskFull pbx-1',
  ])
  await hub.close()
})

t.test(
  'alerts of a rule that is gone resolve at the start; a rule that moved keeps them',
  async (t) => {
    const start = await given(t)
    await start.hub.reported('pbx-1', { disk_free: 1, callward_collector_up: 0 })
    const moved =
      'groups: [{name: elsewhere, rules: [{alert: DiskFull, expr: disk_free < 3, labels: {severity: critical}}]}]'
    const hub = await restarted(start, {
      rulesFolder: rulesIn(start.options.folder, 'moved', moved),
    })
    await hub.quiet()
    t.same(hub.active(), ['DiskFull pbx-1 firing'])
    t.same(hub.told, ['resolved HostSilent pbx-1'])
    await hub.close()
  },
)

t.test(
  'two rules that raise the same alert, a failing rule, a limit: the rule says so, others go on',
  async (t) => {
    const { hub } = await given(
      t,
      `
groups:
  - name: first
    rules: [{alert: Same, expr: disk_free < 3}, {alert: Twins, expr: '{__name__=~"disk_free|load"}'}, {alert: Text, expr: '"no"'}, {alert: Scalar, expr: '1'}]
  - name: second
    limit: 1
    rules: [{alert: Same, expr: disk_free < 5}, {alert: TooMany, expr: load}]
`,
    )
    hub.report('db-1', { load: 1 })
    await hub.reported('pbx-1', { disk_free: 1, load: 1 })
    await hub.pass(11)
    const health = Object.fromEntries(
      hub.app.rules
        .groups()
        .flatMap((group) =>
          group.rules.map((rule) => [`${group.name} ${rule.name}`, rule.lastError ?? rule.health]),
        ),
    )
    t.match(health, {
      'first Same': 'ok',
      'first Twins': /same labelset/,
      'first Text': /not a vector or scalar but a string/,
      'first Scalar': 'ok',
      'second Same': /another rule already raises this alert/,
      'second TooMany': /exceeded limit of 1 with 2 alerts/,
    })
    // Labels that clash on one host take away the alert of no other.
    t.same(hub.active(), ['Same pbx-1 firing', 'Scalar - firing', 'Twins db-1 firing'])
    t.same(hub.told.sort(), ['firing Same pbx-1', 'firing Scalar -', 'firing Twins db-1'])
    await hub.close()
  },
)

t.test('what others see: REST, and Prometheus’s shapes', async (t) => {
  const { hub } = await given(t)
  await hub.reported('pbx-1', { disk_free: 1, load: 9 })
  await hub.pass(11)
  const get = async (url: string) =>
    (await hub.app.inject(url)).json() as { alerts: { rule: string; state: string }[] }
  const listed = async (url: string) =>
    (await get(url)).alerts.map(({ rule, state }) => `${rule} ${state}`)
  t.same(await listed('/api/v1/alerts'), ['DiskFull firing'])
  t.same(await listed('/api/v1/alerts?state=pending'), ['LoadHigh pending'])
  t.same(await listed('/api/v1/alerts?state=all'), ['DiskFull firing', 'LoadHigh pending'])
  t.equal((await hub.app.inject('/api/v1/alerts?state=odd')).statusCode, 400)
  const { groups, faults } = (await hub.app.inject('/api/v1/rules')).json() as {
    groups: object[]
    faults: object[]
  }
  t.same(faults, [])
  t.match(groups, [
    {
      name: 'hosts',
      file: /rules\.yaml$/,
      intervalSeconds: 10,
      lastEvaluation: String,
      rules: [
        { name: 'HostSilent', health: 'ok', lastError: null, active: 0 },
        { state: 'firing', active: 1 },
        { state: 'pending', forSeconds: 30 },
        { kind: 'record' },
      ],
    },
    { name: 'slow', intervalSeconds: 30 },
  ])

  t.match(prometheusRules(hub.app.rules.groups()), {
    groups: [
      {
        name: 'hosts',
        interval: 10,
        limit: 0,
        evaluationTime: Number,
        rules: [
          { type: 'alerting', state: 'inactive', health: 'ok', duration: 0 },
          {
            name: 'DiskFull',
            query: 'disk_free < 3',
            alerts: [{ state: 'firing', value: '1e+00', activeAt: String }],
          },
          {},
          { type: 'recording' },
        ],
      },
      { name: 'slow' },
    ],
  })
  t.match(prometheusAlerts(hub.app.rules.activeAlerts()), {
    alerts: [
      {
        labels: { alertname: 'DiskFull', instance: 'pbx-1' },
        annotations: { summary: 'pbx-1 has 1 left' },
        state: 'firing',
        value: '1e+00',
      },
      { state: 'pending', value: '9e+00' },
    ],
  })
  t.same(
    await hub.query('callward_rule_file_faults{instance="hub"}'),
    ['callward_rule_file_faults hub - 0'],
    'the hub’s own figures are series',
  )
  await hub.close()
})

const askingRules = `
groups:
  - name: asking
    labels: {team: voice, severity: warning}
    rules:
      - alert: DiskFull
        expr: disk_free < 3
        labels: {severity: critical}
        annotations:
          summary: '{{ $labels.instance }} of {{ query "count(disk_free)" | first | value }}, load {{ range query (printf "load{instance=%q}" $labels.instance) }}{{ .Value }}{{ else }}unknown{{ end }}'
          broken: '{{ query "load{" }}'
  - name: late
    query_offset: 1m
    rules:
      - {alert: DiskWasFull, expr: disk_free < 3, labels: {severity: info}}
      - {record: 'disk:free:min', expr: min(disk_free)}
`

t.test('texts ask the store; labels of a group; a group that looks back', async (t) => {
  const { hub } = await given(t, askingRules)
  hub.report('db-1', { disk_free: 90 })
  await hub.reported('pbx-1', { disk_free: 1, load: 7 })
  t.same(hub.active(), ['DiskFull pbx-1 firing'])
  const [alert] = hub.app.rules.activeAlerts()
  t.match(alert, {
    labels: { team: 'voice', severity: 'critical' },
    annotations: { summary: 'pbx-1 of 2, load 7', broken: /error calling query: .*unexpected/ },
  })
  await hub.pass(50)
  t.same(hub.active(), ['DiskFull pbx-1 firing'], 'what it looks at was a minute ago')
  await hub.pass(20)
  t.same(hub.active(), ['DiskFull pbx-1 firing', 'DiskWasFull pbx-1 firing'])
  const recorded = await hub.app.promql.instant('timestamp(disk:free:min)', hub.clock.now())
  t.equal(recorded.value.kind, 'vector')
  const [sample] = recorded.value.kind === 'vector' ? recorded.value.samples : []
  t.ok((sample?.value ?? 0) <= hub.clock.now() / 1000 - 60, 'stored for the time it looked at')
  t.match(prometheusRules(hub.app.rules.groups()), {
    groups: [{ rules: [{ health: 'ok' }] }, { rules: [{ health: 'ok' }, { health: 'ok' }] }],
  })
  await hub.close()
})
