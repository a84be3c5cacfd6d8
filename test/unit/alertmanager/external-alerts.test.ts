import t from 'tap'
import { ExternalAlerts } from '../../../server/alertmanager/external-alerts.ts'
import { type PostedAlert, readPostedAlert } from '../../../server/alertmanager/posted-alert.ts'
import type { Posts } from '../../../server/rules/plugin.ts'
import { HandTime } from '../../helpers/hand-time.ts'

const start = Date.UTC(2026, 0, 5, 8)
const second = 1_000
const minute = 60 * second

/** Posted alerts whose way to the records is a list. */
class Desk {
  readonly time = new HandTime(start)
  readonly puts: Posts[] = []
  /** What the records say to the next batches. */
  written = true
  waiting = 0
  readonly ofRules = new Set<string>()
  readonly alerts: ExternalAlerts
  #ids = 0

  constructor(activeMax = 20_000) {
    this.alerts = new ExternalAlerts({
      clock: this.time,
      timers: this.time,
      newId: () => `life-${++this.#ids}`,
      activeMax,
      resolveTimeoutMillis: 5 * minute,
      saved: new Map(),
      onError: (error) => {
        throw error
      },
    })
    const desk = this
    this.alerts.start({
      raisedByRule: (fingerprint) => this.ofRules.has(fingerprint),
      get waiting() {
        return desk.waiting
      },
      put: async (posts) => {
        this.puts.push(posts)
        if (this.written) posts.onWritten?.()
        return this.written
      },
    })
  }

  post(given: readonly object[]) {
    return this.alerts.post(this.read(given), 'prometheus')
  }

  read(given: readonly object[]): PostedAlert[] {
    return given.map((one) => readPostedAlert(one, this.time.now()))
  }

  /** `firing TrunkDown`, of all batches since the last call. */
  told(): string[] {
    const changes = this.puts.splice(0).flatMap(({ changes }) => changes)
    return changes.map(({ kind, alert }) => `${kind} ${alert.rule}`)
  }
}

const named = (name: string, more: object = {}, severity = 'critical') => ({
  labels: { alertname: name, severity },
  ...more,
})
const in4 = (desk: Desk) => new Date(desk.time.now() + 4 * minute).toISOString()

t.test('ten thousand alerts posted each minute are written once', async (t) => {
  const desk = new Desk()
  const storm = (summary: string) =>
    Array.from({ length: 10_000 }, (_, i) => ({
      labels: { alertname: 'Storm', instance: `pbx-${i}` },
      annotations: { summary },
      endsAt: in4(desk),
    }))
  t.match(await desk.post(storm('a')), { fired: 10_000, renewed: 0 })
  t.equal(desk.puts.length, 50, 'in batches that others can come between')
  t.equal(desk.told().length, 10_000)
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 12; i++) desk.time.move(5 * second)
    t.match(await desk.post(storm('a')), { fired: 0, renewed: 10_000 })
  }
  t.same(desk.puts, [], 'nothing has changed')
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 12; i++) desk.time.move(5 * second)
    await desk.post(storm(`value is ${round}`))
  }
  const rows = desk.puts.flatMap(({ alerts }) => alerts).length
  t.ok(rows > 0 && rows <= 1_500, `texts that change each minute: ${rows} rows in three minutes`)
  desk.told()
  for (let i = 0; i < 60; i++) desk.time.move(5 * second)
  t.equal(desk.told().filter((text) => text === 'resolved Storm').length, 10_000)
  t.equal(desk.alerts.count, 0)
})

t.test(
  'an alert ends when its end has passed, and a repeat of that news ends no later life',
  async (t) => {
    const desk = new Desk()
    await desk.post([named('A'), named('B', { endsAt: new Date(start + minute).toISOString() })])
    desk.time.move(10 * second)
    const over = named('A', { endsAt: new Date(start + 5 * second).toISOString() })
    t.match(await desk.post([over]), { resolved: 1 })
    t.match(await desk.post([over, over]), { resolved: 0 })
    t.match(await desk.post([named('A')]), { fired: 1 })
    t.match(
      await desk.post([over]),
      { resolved: 0 },
      'the other Prometheus of a pair says it again',
    )
    t.same(desk.told(), ['firing A', 'firing B', 'resolved A', 'firing A'])
    for (let i = 0; i < 12; i++) desk.time.move(5 * second)
    t.same(desk.told(), ['resolved B'])
    for (let i = 0; i < 60; i++) desk.time.move(5 * second)
    t.same(desk.told(), ['resolved A'], 'nobody posted it for five minutes')
  },
)

t.test('what is answered with success is durable', async (t) => {
  const desk = new Desk()
  desk.written = false
  await t.rejects(desk.post([named('A')]), { code: 'storage_unavailable' })
  t.same(desk.told(), ['firing A'], 'people are told all the same')
  await t.rejects(desk.post([named('A')]), { code: 'storage_unavailable' }, 'it is not durable yet')
  t.same(desk.puts, [])
  await t.rejects(desk.post([named('A', { endsAt: new Date(start).toISOString() })]), {
    code: 'storage_unavailable',
  })
  const [end] = desk.puts
  await t.rejects(desk.post([named('A', { endsAt: new Date(start).toISOString() })]), {
    code: 'storage_unavailable',
  })
  desk.written = true
  end?.onWritten?.()
  t.match(await desk.post([named('A', { endsAt: new Date(start).toISOString() })]), { resolved: 0 })
  desk.waiting = 5_000
  await t.rejects(desk.post([named('C', {}, 'warning')]), { code: 'unavailable' })
  t.equal(desk.alerts.count, 0, 'what has no room on the way is not taken')
  desk.waiting = 0
  await desk.post([named('W', {}, 'warning')])
  desk.waiting = 5_000
  t.match(await desk.post([named('D', {}, 'critical')]), { fired: 1 }, 'but a critical one is')
  for (let i = 0; i < 100; i++) {
    desk.time.move(5 * second)
    await desk.post([named('W', {}, 'warning')])
  }
  desk.waiting = 0
  desk.time.move(5 * second)
  t.ok(!desk.told().includes('resolved W'), 'that an alert stands is heard meanwhile')
})

t.test('the last fifth of the room is for critical alerts', async (t) => {
  const desk = new Desk(10)
  const many = (name: string, severity: string) =>
    Array.from({ length: 9 }, (_, i) => named(`${name}${i}`, {}, severity))
  t.match(await desk.post(many('W', 'warning')), { fired: 8, refused: 1 })
  t.match(await desk.post(many('C', 'critical')), { fired: 2, refused: 7 })
  t.match(await desk.post(many('W', 'warning')), { renewed: 8, refused: 1 })
  desk.time.move(second)
  t.match(await desk.post([named('W0', { endsAt: new Date(start).toISOString() }, 'warning')]), {
    resolved: 1,
  })
  t.match(await desk.post([named('C5')]), { fired: 1, refused: 0 })
})

t.test('a hub that heard nothing for a while ends nothing at once', async (t) => {
  const desk = new Desk()
  await desk.post([named('A', { endsAt: in4(desk) })])
  desk.told()
  desk.time.move(60 * minute)
  t.same(desk.told(), [], 'the machine slept; senders have their time again')
  desk.time.move(20 * second)
  t.match(await desk.post([named('A', { endsAt: in4(desk) })]), { renewed: 1 })
  for (let i = 0; i < 59; i++) desk.time.move(5 * second)
  t.same(desk.told(), ['resolved A'])
})

t.test('a rule of the hub comes before posts of the same labels', async (t) => {
  const desk = new Desk()
  await desk.post([named('A')])
  const [fingerprint] = desk.alerts.active().map((alert) => alert.fingerprint)
  t.match(desk.alerts.giveWay(fingerprint!, start), { state: 'resolved' })
  t.equal(desk.alerts.giveWay(fingerprint!, start), undefined)
  desk.ofRules.add(fingerprint!)
  t.match(await desk.post([named('A')]), { fired: 0, ofRules: 1 })
  t.same(desk.alerts.active(), [])
})

t.test('an acknowledgement belongs to one life', async (t) => {
  const desk = new Desk()
  await desk.post([named('A')])
  const [alert] = desk.alerts.active()
  desk.alerts.acknowledged('another', alert!.fingerprint, 'ines', start)
  t.equal(desk.alerts.find(alert!.fingerprint)?.acknowledgedBy, undefined)
  desk.alerts.acknowledged(alert!.id, alert!.fingerprint, 'ines', start)
  await desk.post([named('A', { annotations: { summary: 'new' } })])
  t.match(desk.alerts.find(alert!.fingerprint), {
    acknowledgedBy: 'ines',
    annotations: { summary: 'new' },
  })
})
