import t from 'tap'
import { parse } from 'yaml'
import type { AlertView } from '../../../alerts/alert.ts'
import { fingerprint } from '../../../alerts/alert.ts'
import { noTopology } from '../../../alerts/dependency.ts'
import { matcher } from '../../../alerts/matchers.ts'
import { runPipeline } from '../../../alerts/pipeline.ts'
import { newPipeline, type PipelineContext } from '../../../alerts/pipeline-state.ts'
import { defaultRouting, parseRouting } from '../../../alerts/routing-config.ts'
import { extrasReader } from '../../../alerts/rule-extras.ts'
import { breadthOf, type Silence } from '../../../alerts/silence.ts'
import { readAlertWishes } from '../../../server/alertmanager/alert-query.ts'
import { alertGroups, gettableAlert, wished } from '../../../server/alertmanager/alert-views.ts'
import { routingDocument } from '../../../server/alertmanager/routing-document.ts'
import {
  gettableSilence,
  readPostedSilence,
  silenceFiltered,
  silenceOrder,
} from '../../../server/alertmanager/silence-views.ts'
import { authorOf } from '../../../server/alertmanager/silencing.ts'

const now = Date.UTC(2026, 0, 5, 8)
const hour = 3_600_000

function alert(name: string, severity: 'critical' | 'warning', instance: string): AlertView {
  const labels = { alertname: name, severity, instance }
  return {
    id: `${name}-${instance}`,
    fingerprint: fingerprint(labels),
    rule: name,
    group: 'external',
    severity,
    instance,
    labels,
    annotations: {},
    state: 'firing',
    value: '1',
    activeAt: now - 60_000,
    firedAt: now,
  }
}

const silence: Silence = {
  id: 's1',
  matchers: [matcher('instance', '=', 'pbx-2')],
  startsAt: now,
  endsAt: now + hour,
  createdAt: now,
  createdBy: 'anna',
  reason: 'ticket 1',
}

/** One alert that is told, one that it inhibits, one that is silenced, one that the pipeline has not seen. */
function scene() {
  const context: PipelineContext = {
    routing: defaultRouting(),
    topology: noTopology,
    extrasOf: extrasReader(new Map()),
    nudgeBefore: 900_000,
  }
  const alerts = [
    alert('Disk', 'critical', 'pbx-1'),
    alert('Disk', 'warning', 'pbx-1'),
    alert('Load', 'critical', 'pbx-2'),
  ]
  const inputs = [
    { kind: 'silence', at: now, silence } as const,
    ...alerts.map(
      (one) =>
        ({ kind: 'alert', at: now, change: { kind: 'firing', alert: one, at: now } }) as const,
    ),
  ]
  const { state } = runPipeline(newPipeline(now), context, inputs, now)
  const shown = [...alerts, alert('New', 'warning', 'pbx-3')].map((one) => ({
    alert: one,
    endsAt: now + hour,
    updatedAt: now,
    generatorUrl: 'http://p/',
  }))
  const asked = (query: Record<string, unknown>) => {
    const wishes = readAlertWishes(query)
    return shown
      .map((one) => gettableAlert(one, state))
      .filter((one) => wished(wishes, one))
      .map(({ labels, status }) => `${labels['alertname']} ${labels['severity']} ${status.state}`)
  }
  return { state, shown, asked }
}

t.test(
  'alerts are shown with what routing decided, and filtered as Alertmanager does',
  async (t) => {
    const { state, shown, asked } = scene()
    t.same(asked({}), [
      'Disk critical active',
      'Disk warning suppressed',
      'Load critical suppressed',
      'New warning unprocessed',
    ])
    t.same(gettableAlert(shown[2]!, state).status, {
      inhibitedBy: [],
      mutedBy: [],
      silencedBy: ['s1'],
      state: 'suppressed',
    })
    t.equal(gettableAlert(shown[1]!, state).status.inhibitedBy.length, 1)
    t.match(gettableAlert(shown[0]!, state), {
      endsAt: '2026-01-05T09:00:00.000Z',
      startsAt: '2026-01-05T07:59:00.000Z',
      receivers: [{ name: 'on-call' }],
      generatorURL: 'http://p/',
    })
    t.same(asked({ silenced: 'false', inhibited: '0', unprocessed: 'F' }), ['Disk critical active'])
    t.same(asked({ active: 'false', inhibited: 'false' }), [
      'Load critical suppressed',
      'New warning unprocessed',
    ])
    t.same(asked({ filter: ['alertname=Disk', 'severity!="warning"'] }), ['Disk critical active'])
    t.same(asked({ filter: '{alertname=~"L.*|N.*"}' }).length, 2)
    t.same(asked({ receiver: 'on-.*' }).includes('New warning unprocessed'), false)
    t.same(asked({ receiver: 'on' }), [], 'expressions are anchored')
    const groups = alertGroups(shown, state, readAlertWishes({ silenced: 'false' }))
    t.ok(groups.length > 0)
    t.ok(groups.every(({ alerts, receiver }) => alerts.length > 0 && receiver.name !== ''))
    t.notOk(JSON.stringify(groups).includes('pbx-2'))
    const many = Array.from({ length: 101 }, () => 'a=b')
    for (const query of [{ filter: many }, { filter: '=' }, { active: 'x' }, { receiver: '(' }])
      t.throws(() => readAlertWishes(query), { code: 'bad_request' })
  },
)

t.test('the routing tree is one that Alertmanager reads, without secrets', async (t) => {
  const file = {
    route: {
      receiver: 'a',
      group_by: ['...'],
      routes: [
        {
          matchers: ['team="voice"', 'site=~"h.*"'],
          receiver: 'b',
          continue: true,
          group_wait: '7s',
          mute_time_intervals: ['nights'],
        },
      ],
    },
    receivers: [
      { name: 'a' },
      { name: 'b', webhook_configs: [{ url: 'https://x/?token=SECRET' }] },
    ],
    inhibit_rules: [
      { source_matchers: ['a="b"'], target_matchers: ['c!="d"'], equal: ['instance'] },
    ],
    time_intervals: [
      { name: 'nights', time_intervals: [{ times: [{ start_time: '22:00', end_time: '24:00' }] }] },
    ],
  }
  const { config } = parseRouting(file)
  const document = routingDocument(config!)
  t.notMatch(JSON.stringify(document), /SECRET/)
  const again = parseRouting(parse(JSON.stringify(document)))
  t.same(again.faults, [])
  t.same(again.config?.root, config!.root)
  t.same(again.config?.inhibitRules, config!.inhibitRules)
  const own = parseRouting(routingDocument(defaultRouting()))
  t.same(own.config?.root, defaultRouting().root)
})

t.test('silences are read and shown as Alertmanager does', async (t) => {
  const shown = gettableSilence(silence, 'active')
  t.same(shown, {
    id: 's1',
    status: { state: 'active' },
    updatedAt: '2026-01-05T08:00:00.000Z',
    comment: 'ticket 1',
    createdBy: 'anna',
    endsAt: '2026-01-05T09:00:00.000Z',
    matchers: [{ isEqual: true, isRegex: false, name: 'instance', value: 'pbx-2' }],
    startsAt: '2026-01-05T08:00:00.000Z',
  })
  t.equal(gettableSilence(silence, 'paused').status.state, 'pending')
  t.ok(silenceFiltered([matcher('instance', '=', 'pbx-2')], shown))
  t.notOk(silenceFiltered([matcher('instance', '=~', 'pbx-2')], shown))
  const other = (state: 'active' | 'pending' | 'expired', hours: number) => ({
    ...shown,
    status: { state },
    endsAt: new Date(now + hours * hour).toISOString(),
  })
  const list = [other('expired', -2), other('expired', -1), other('active', 2), other('active', 1)]
  t.same(
    list.sort(silenceOrder).map(({ endsAt }) => (Date.parse(endsAt) - now) / hour),
    [1, 2, -1, -2],
  )
  const posted = readPostedSilence({
    matchers: [{ name: 'a', value: 'b' }],
    startsAt: '2026-01-05T08:00:00Z',
    endsAt: '2026-01-05T09:00:00Z',
    comment: ' why ',
  })
  t.match(posted, { id: undefined, comment: 'why', createdBy: '', endsAt: now + hour })
  t.same(posted.matchers, [{ name: 'a', value: 'b', isRegex: false, isEqual: true }])
  const good = { matchers: [{ name: 'a', value: 'b' }], endsAt: '2026-01-05T09:00:00Z' }
  for (const wrong of [
    null,
    [],
    { ...good, endsAt: undefined },
    { ...good, endsAt: 'soon' },
    { ...good, matchers: [] },
    { ...good, matchers: ['a=b'] },
    { ...good, matchers: [{ name: '', value: 'b' }] },
    { ...good, matchers: [{ name: 'a', value: '(', isRegex: true }] },
    { ...good, matchers: [{ name: 'a', value: 'b', isRegex: 'yes' }] },
    { ...good, matchers: Array.from({ length: 101 }, () => ({ name: 'a', value: 'b' })) },
    { ...good, comment: 'x'.repeat(2_001) },
  ])
    t.throws(() => readPostedSilence(wrong), { code: 'bad_request' })
})

t.test('a silence names its author and the token', async (t) => {
  t.equal(authorOf('', { name: 'ops' }), 'ops')
  t.equal(authorOf('ops', { name: 'ops' }), 'ops')
  t.equal(authorOf('anna', { name: 'ops' }), 'anna (ops)')
  t.equal(authorOf('anna (ops)', { name: 'ops' }), 'anna (ops)', 'posted again by an update')
  t.equal(authorOf('anna (ops)', { name: 'eve' }), 'anna (ops) (eve)')
})

t.test('matchers that name nothing are too broad', async (t) => {
  const broad = (...matchers: ReturnType<typeof matcher>[]) =>
    breadthOf(matchers, [], []).tooBroad.length > 0
  t.ok(broad(matcher('alertname', '=~', '.+')))
  t.ok(broad(matcher('alertname', '=~', '.*')))
  t.ok(broad(matcher('severity', '!=', 'critical')))
  t.ok(broad(matcher('alertname', '!~', 'x|y'), matcher('site', '=~', '[a-z0-9:.-]+')))
  t.notOk(broad(matcher('instance', '=', 'pbx-1'), matcher('severity', '!=', 'critical')))
  t.notOk(broad(matcher('alertname', '=~', 'Disk.*')))
  t.notOk(broad(matcher('instance', '=~', 'pbx-[0-9]+')))
})
