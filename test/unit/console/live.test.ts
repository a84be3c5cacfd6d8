import t from 'tap'
import {
  type Alert,
  type IncidentSummary,
  type LiveMessage,
  mayAct,
} from '../../../server/console/web/src/api-types.ts'
import {
  align,
  hostCurves,
  quote,
  ranges,
  rateWindow,
  sparkSegments,
  timesOf,
  window as windowOf,
} from '../../../server/console/web/src/curves.ts'
import {
  applyMessage,
  applySnapshot,
  applyWelcome,
  emptyLiveState,
  type LiveState,
  retryDelayMs,
  sortAlerts,
  sortIncidents,
  tabTitle,
  withAlert,
} from '../../../server/console/web/src/live-reducer.ts'
import { hostPath, parseRoute, safeReturnPath } from '../../../server/console/web/src/routes.ts'
import fc from '../../helpers/property.ts'

function alert(fingerprint: string, given: Partial<Alert> = {}): Alert {
  return {
    id: `${fingerprint}-1`,
    fingerprint,
    rule: 'CpuSaturated',
    group: 'host',
    severity: 'critical',
    instance: 'dialler-01',
    labels: {},
    annotations: {},
    state: 'firing',
    value: '1',
    activeAt: '2026-11-21T22:00:00.000Z',
    firedAt: '2026-11-21T22:00:30.000Z',
    ...given,
  }
}

function incident(id: string, given: Partial<IncidentSummary> = {}): IncidentSummary {
  return {
    id,
    number: 1,
    title: id,
    severity: 'sev2',
    state: 'open',
    workflowState: 'recorded',
    major: false,
    server: 'dialler-01',
    openedAt: '2026-11-21T22:00:00.000Z',
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    closedAt: null,
    simulated: false,
    firing: 1,
    ...given,
  }
}

const at = '2026-11-21T22:00:30.000Z'
const fires = (sequence: number, one: Alert): LiveMessage => ({
  sequence,
  at,
  kind: 'alert',
  body: { change: one.state === 'resolved' ? 'resolved' : 'firing', alert: one },
})
const opens = (sequence: number, one: IncidentSummary): LiveMessage => ({
  sequence,
  at,
  kind: 'incident',
  body: { change: 'opened', incident: one },
})
const from = (sequence: number | null): LiveState => ({ ...emptyLiveState, sequence })

t.test('a pushed alert is there at once, a repeat changes nothing, a resolved one goes', (t) => {
  const one = applyMessage(from(7), fires(8, alert('a')))
  t.same([...one.alerts.keys()], ['a'])
  t.equal(applyMessage(one, fires(8, alert('b'))), one, 'the same object: nothing is drawn')
  t.equal(applyMessage(one, fires(3, alert('b'))), one)
  const gone = applyMessage(one, fires(9, alert('a', { state: 'resolved' })))
  t.equal(gone.alerts.size, 0)
  t.equal(gone.sequence, 9)
  t.same([...one.alerts.keys()], ['a'], 'earlier states stay as they were')
  t.end()
})

t.test('any number of broken lines gives the state of an unbroken one', (t) => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    firing: fc.boolean(),
    isIncident: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.array(fc.nat(30), { maxLength: 8 }),
      (steps, breaks) => {
        const messages = steps.map((one, index) =>
          one.isIncident
            ? opens(index + 1, incident(one.name, { state: one.firing ? 'open' : 'resolved' }))
            : fires(index + 1, alert(one.name, { state: one.firing ? 'firing' : 'resolved' })),
        )
        const unbroken = messages.reduce(applyMessage, from(0))
        let broken = from(0)
        for (const length of [...breaks, messages.length]) {
          // Each connection may resume from anything already seen, and may end anywhere.
          const resume = Math.max(0, (broken.sequence ?? 0) - (length % 4))
          for (const message of messages.slice(resume, length))
            broken = applyMessage(broken, message)
        }
        for (const message of messages.slice(broken.sequence ?? 0))
          broken = applyMessage(broken, message)
        return JSON.stringify([...broken.alerts]) === JSON.stringify([...unbroken.alerts]) &&
          JSON.stringify([...broken.incidents]) === JSON.stringify([...unbroken.incidents])
          ? broken.sequence === unbroken.sequence
          : false
      },
    ),
  )
  t.pass('held for every case tried')
  t.end()
})

t.test('a slow answer never hides what was pushed meanwhile', (t) => {
  const asked = from(10)
  const pushed = applyMessage(
    applyMessage(asked, fires(11, alert('new'))),
    opens(12, incident('i')),
  )
  const after = applySnapshot(pushed, { alerts: [alert('old')] }, asked.sequence)
  t.same([...after.alerts.keys()].sort(), ['new', 'old'])
  t.same([...after.incidents.keys()], ['i'], 'an answer about alerts leaves incidents alone')
  const resolved = applyMessage(after, fires(13, alert('old', { state: 'resolved' })))
  const late = applySnapshot(resolved, { alerts: [alert('old'), alert('new')] }, 12)
  t.same([...late.alerts.keys()], ['new'], 'nor brings back what was resolved meanwhile')
  const fresh = applySnapshot(resolved, { alerts: [] }, 13)
  t.equal(fresh.alerts.size, 0, 'an answer asked after the message stands')
  t.same([...applySnapshot(from(1), { alerts: [alert('p', { state: 'pending' })] }, 1).alerts], [])
  t.end()
})

t.test(
  'the answer of open incidents drops those no longer open, and keeps those seen resolved',
  (t) => {
    const seen = applyMessage(
      applyMessage(from(0), opens(1, incident('gone'))),
      opens(2, incident('done', { state: 'resolved' })),
    )
    const after = applySnapshot(seen, { incidents: [incident('open')] }, 2)
    t.same([...after.incidents.keys()].sort(), ['done', 'open'])
    t.end()
  },
)

t.test('the welcome settles the count', (t) => {
  t.equal(applyWelcome(from(null), 42).sequence, 42)
  t.equal(applyWelcome(from(40), 42).sequence, 40, 'messages 41 and 42 are on their way')
  t.equal(applyWelcome(from(90), 42).sequence, 42, 'a hub restored from a backup')
  const restored = applyWelcome(applyMessage(from(90), fires(91, alert('a'))), 42)
  t.equal(
    applyMessage(restored, fires(43, alert('b'))).alerts.size,
    2,
    'its next message is not taken for a repeat',
  )
  t.end()
})

t.test('retries start at once, double, and stay under 10 s', (t) => {
  t.ok(retryDelayMs(1, 1) <= 250)
  t.ok(retryDelayMs(1, 0) >= 100)
  t.ok(retryDelayMs(4, 0) > retryDelayMs(1, 1))
  t.equal(retryDelayMs(500, 1), 10_000)
  t.not(retryDelayMs(6, 0.1), retryDelayMs(6, 0.9), 'tabs do not come back all at the same moment')
  t.end()
})

t.test('worst first, unacknowledged before acknowledged, and the title counts criticals', (t) => {
  const list = [
    alert('info', { severity: 'info' }),
    alert('taken', { acknowledgedAt: at }),
    alert('older', { firedAt: '2026-11-21T21:00:00.000Z' }),
    alert('newer'),
    alert('warning', { severity: 'warning' }),
  ]
  t.same(
    sortAlerts(list).map((one) => one.fingerprint),
    ['newer', 'older', 'taken', 'warning', 'info'],
  )
  t.equal(tabTitle(list, ''), '(3) Callward')
  t.equal(tabTitle([], 'Alerts'), 'Alerts · Callward')
  t.equal(withAlert(new Map([['a', alert('a')]]), alert('a', { state: 'resolved' })).size, 0)
  const incidents = [
    incident('taken', { state: 'acknowledged', severity: 'sev1' }),
    incident('new', { severity: 'sev3' }),
  ]
  t.same(
    sortIncidents(incidents).map((one) => one.id),
    ['new', 'taken'],
  )
  t.same(
    [mayAct('admin'), mayAct('operator'), mayAct('auditor'), mayAct(undefined)],
    [true, true, false, false],
  )
  t.end()
})

t.test('addresses', (t) => {
  const check = (address: string, wanted: ReturnType<typeof parseRoute>) =>
    t.same(parseRoute(address), wanted, address)
  check('/', { page: 'overview' })
  check('/alerts?state=pending', { page: 'alerts', state: 'pending' })
  check('/alerts?state=drop', { page: 'alerts', state: 'firing' })
  const all = { severity: '', workflow: '', service: '' }
  check('/incidents/', { page: 'incidents', state: 'open', ...all })
  check('/incidents?state=all&severity=sev2&workflow=review&service=cards', {
    ...{ page: 'incidents', state: 'all', severity: 'sev2', workflow: 'review', service: 'cards' },
  })
  check('/incidents?severity=sev9', { page: 'incidents', state: 'open', ...all })
  check('/incidents/new', { page: 'new-incident' })
  check('/incidents/7/post-mortem', { page: 'post-mortem', id: '7' })
  check('/incidents/%E0%A4%A/post-mortem', null)
  check('/incidents/7/other', null)
  check('/work', { page: 'work' })
  check('/incidents/0190-a', { page: 'incident', id: '0190-a' })
  check(hostPath('10.0.0.1:9100/a b'), { page: 'host', instance: '10.0.0.1:9100/a b' })
  check('/hosts/%E0%A4%A', null)
  check('/hosts', null)
  check('/runbooks/CpuSaturated', null)
  check('/incidents/1/2', null)
  const back = (wanted: string | null, path: string) =>
    t.equal(safeReturnPath(wanted), path, String(wanted))
  back('/incidents/7?x=1', '/incidents/7?x=1')
  back(null, '/')
  back('//evil.example/', '/')
  back('https://evil.example/', '/')
  back('/sign-in', '/')
  back('/metrics', '/')
  t.end()
})

t.test('curves ask for one host and no more than 400 points', (t) => {
  for (const range of ranges) {
    const { start, end } = windowOf(1_763_000_123_456, range.seconds, range.stepSeconds)
    t.ok(timesOf(start, end, range.stepSeconds).length <= 400, range.name)
    t.equal(end % range.stepSeconds, 0)
    for (const curve of hostCurves('a"b\\c', range)) {
      for (const query of curve.queries) t.match(query.expression, 'instance="a\\"b\\\\c"')
    }
  }
  t.equal(quote('a\nb'), '"a\\nb"')
  t.equal(rateWindow(10), '120s')
  t.equal(rateWindow(240), '480s')
  t.end()
})

t.test('an answer of the query API becomes columns; gaps stay gaps', (t) => {
  const series = {
    metric: {},
    values: [
      [0, '1'],
      [20, 'NaN'],
      [30, '4'],
    ] as [number, string][],
  }
  t.same(align(series, [0, 10, 20, 30]), [1, null, null, 4])
  t.same(sparkSegments([0, 1, null, 0.5, 0.5, null, 1], 60, 20, 1), ['0,20 10,0', '30,10 40,10'])
  t.same(sparkSegments([0, 0], 10, 10), ['0,10 10,10'], 'all zero lies on the ground')
  t.same(sparkSegments([2, -1], 10, 10, 1), ['0,0 10,10'], 'clamped to the box')
  t.same(sparkSegments([], 10, 10), [])
  t.end()
})
