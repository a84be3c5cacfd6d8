import type { Test } from 'tap'
import { type AlertView, fingerprint } from '../../alerts/alert.ts'
import type { ObligationKind } from '../../server/obligations/obligation.ts'
import { closeObligations, type openObligation } from '../../server/obligations/obligation-store.ts'
import { findLost } from '../../server/obligations/watchdog.ts'
import { ObligationWorker } from '../../server/obligations/worker.ts'
import {
  acknowledge,
  messageKey,
  nextStep,
  resolve,
  triggered,
} from '../../server/oncall/escalation.ts'
import type { PolicySnapshot, Recipient } from '../../server/oncall/plugin.ts'
import { escalationDuty } from '../../server/paging/escalation-duty.ts'
import { messageOf } from '../../server/paging/message.ts'
import { missedDuty } from '../../server/paging/missed-duty.ts'
import { Pager } from '../../server/paging/pager.ts'
import { findPage, historyOf } from '../../server/paging/paging-store.ts'
import type { PagingPorts, Sent } from '../../server/paging/ports.ts'
import { TellingDuty } from '../../server/paging/telling-duty.ts'
import { toldLines } from '../../server/paging/told-csv.ts'
import { findTold } from '../../server/paging/told-store.ts'
import { pageDetail } from '../../server/paging/views.ts'
import type { Way } from '../../server/paging/ways.ts'
import { whyOf } from '../../server/paging/why.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { HandTime } from '../helpers/hand-time.ts'

const start = Date.UTC(2026, 2, 1)

const policy: PolicySnapshot = {
  format: 1,
  policyId: 'p',
  revision: 3,
  name: 'telephony',
  steps: [
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'anna' }] },
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'ghost' }] },
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'boris' }] },
  ],
  repeat: 0,
  catchAll: [{ kind: 'contact', id: 'wall' }],
  catchAllEverySeconds: 600,
  acknowledgementSeconds: 3600,
}

/** The rest of the hub, as far as paging sees it. */
class House {
  readonly ways: Record<string, readonly Way[]> = {
    'person:anna': [
      { id: 'live', channel: 'live' },
      { id: 'anna-mail', channel: 'email' },
      { id: 'anna-sms', channel: 'sms' },
    ],
    'person:boris': [{ id: 'live', channel: 'live' }],
    'contact:wall': [{ id: 'wall', channel: 'webhook' }],
  }
  readonly sent: { way: string; key: string; kind: string; title: string }[] = []
  readonly shown: { person: string; attempt: string; key: string }[] = []
  readonly watching = new Set<string>()
  answer: (way: string) => Sent = () => ({ outcome: 'accepted', reason: 'accepted' })
}

interface Scene {
  readonly records: CountedRecords
  readonly time: HandTime
  readonly house: House
  readonly worker: ObligationWorker
  readonly kinds: readonly ObligationKind[]
  readonly pager: Pager
  /** Moves time on in steps of a second. */
  pass(seconds: number): Promise<void>
  fire(rule: string, labels?: Record<string, string>): Promise<AlertView>
  change(kind: 'acknowledged' | 'resolved', alert: AlertView, by?: string): Promise<void>
  page(number?: number): Promise<ReturnType<typeof pageDetail>>
  lost(): Promise<string[]>
}

async function sceneOf(t: Test, records: CountedRecords): Promise<Scene> {
  const time = new HandTime(start)
  const house = new House()
  const faults: unknown[] = []
  const worker = new ObligationWorker({
    records,
    clock: time,
    timers: time,
    holder: 'this-run',
    onPerformed: () => undefined,
    onFault: (err) => faults.push(err),
  })
  const ports: PagingPorts = {
    policy: async () => policy,
    resolver: async () => (target) => {
      if (target.id === 'ghost') return { recipients: [], reason: 'ghost has left' }
      return {
        recipients: [{ kind: target.kind === 'contact' ? 'contact' : 'person', id: target.id }],
      }
    },
    nameOf: async (_database, { id }) => id.toUpperCase(),
    waysTo: async (_database, { kind, id }: Recipient) => house.ways[`${kind}:${id}`] ?? [],
    watching: (id) => house.watching.has(id),
    show: async (_tx, person, body) => {
      const { attempt, key } = body as { attempt: string; key: string }
      house.shown.push({ person, attempt, key })
    },
    shown: () => undefined,
    ledger: async () => undefined,
    send: async (way, message, key) => {
      house.sent.push({ way, key, kind: message.kind, title: message.title })
      return house.answer(way)
    },
  }
  const duties = {
    records,
    clock: time,
    ports,
    obligations: {
      open: worker.open.bind(worker),
      close: (
        tx: Parameters<typeof openObligation>[0],
        kind: string,
        subject: string,
        reason: string,
      ) => closeObligations(tx, kind, subject, reason, time.now()),
      wake: () => worker.wake(),
    },
    escalation: { triggered, nextStep, acknowledge, resolve, messageKey },
  }
  const pager = new Pager(duties)
  const kinds = [
    escalationDuty(duties),
    new TellingDuty({
      ...duties,
      times: { displayMillis: 30_000, wayMillis: 60_000 },
      messageOf: (page, telling) => messageOf(records.read, page, telling, 'https://hub.bank'),
    }),
    missedDuty(pager, false),
  ]
  for (const kind of kinds) worker.register(kind)
  worker.start()
  await worker.settled()
  t.teardown(() => worker.stop())
  let count = 0
  return {
    records,
    time,
    house,
    worker,
    kinds,
    pager,
    async pass(seconds) {
      for (let i = 0; i < seconds; i += 1) {
        time.move(1000)
        await worker.settled()
      }
      t.same(faults, [], 'nothing failed')
    },
    async fire(rule, labels = {}) {
      count += 1
      const all = { alertname: rule, severity: 'critical', server: 'pbx-1', ...labels }
      const alert: AlertView = {
        id: `alert-${count}`,
        fingerprint: fingerprint(all),
        rule,
        group: 'g',
        severity: all.severity as AlertView['severity'],
        labels: all,
        annotations: { summary: `${rule} on ${all.server}` },
        state: 'firing',
        value: '1',
        activeAt: time.now(),
        firedAt: time.now(),
      }
      await records.write(async (tx) => {
        await tx
          .insertInto('alerts')
          .values({
            id: alert.id,
            fingerprint: alert.fingerprint,
            rule,
            rule_group: 'g',
            severity: alert.severity,
            instance: null,
            labels: JSON.stringify(all),
            annotations: JSON.stringify(alert.annotations),
            state: 'firing',
            value: '1',
            active_at: time.now(),
            fired_at: time.now(),
            keep_firing_since: null,
            resolved_at: null,
            acknowledged_at: null,
            acknowledged_by: null,
            updated_at: time.now(),
          })
          .execute()
        await pager.take(tx, { kind: 'firing', alert, at: time.now() }, undefined)
      })
      worker.wake()
      await worker.settled()
      return alert
    },
    async change(kind, alert, by) {
      await records.write(async (tx) => {
        const at = time.now()
        await tx
          .updateTable('alerts')
          .set(
            kind === 'resolved' ? { state: 'resolved', resolved_at: at } : { acknowledged_at: at },
          )
          .where('id', '=', alert.id)
          .execute()
        await pager.take(tx, { kind, alert, at, ...(by === undefined ? {} : { by }) }, undefined)
      })
      worker.wake()
      await worker.settled()
    },
    async page(number = 1) {
      const row = await findPage(records.read, String(number))
      return pageDetail(row, await historyOf(records.read, row.id))
    },
    async lost() {
      const found = await findLost(records, kinds, time.now(), (err) => t.fail(String(err)))
      return found.map(({ kind }) => kind).sort()
    },
  }
}

const ways = ({ house }: Scene) => house.sent.map(({ way }) => way)

const promises: Record<string, (t: Test, scene: Scene) => Promise<void>> = {
  async 'one way after the other, one person after the other, until the end; then loudly for ever'(
    t,
    scene,
  ) {
    const { house, pass, records } = scene
    await scene.fire('TrunkDown')
    // No screen is open: the message waits there, and the next way is used at once.
    t.same(
      house.shown.map(({ person }) => person),
      ['anna'],
    )
    t.same(ways(scene), ['anna-mail'])
    await pass(59)
    t.same(ways(scene), ['anna-mail'])
    await pass(2)
    t.same(ways(scene), ['anna-mail', 'anna-sms'])
    await pass(240)
    t.same(
      house.shown.map(({ person }) => person),
      ['anna', 'boris'],
      'the empty step took no time',
    )
    await pass(300)
    t.same(ways(scene).at(-1), 'wall')
    await pass(1200)
    t.equal(ways(scene).filter((way) => way === 'wall').length, 3)
    t.equal(
      new Set(house.sent.map(({ key }) => key)).size,
      house.sent.length,
      'each has its own key',
    )
    const page = await scene.page()
    t.equal(page.phase, 'shouting')
    t.match(
      page.steps.map(({ kind }) => kind),
      ['opened', 'notify', 'skip', 'notify', 'catch-all'],
    )
    t.match(page.steps.find(({ kind }) => kind === 'skip')?.content, { reason: 'ghost has left' })
    t.match(page.climb, [
      { step: 1, kind: 'step', state: 'told', times: 1, because: 'ANNA' },
      { step: 2, kind: 'step', state: 'empty', because: 'ghost has left' },
      { step: 3, kind: 'step', state: 'told', targets: [{ name: 'boris' }] },
      { step: 4, kind: 'catch-all', state: 'told', times: 3, because: 'WALL' },
    ])
    t.match(await findTold(records.read, { person: 'wal', limit: 10 }), [
      { name: 'WALL', number: 1, attempts: [{ channel: 'webhook', outcome: 'accepted' }] },
      {},
      {},
    ])
    t.same(await findTold(records.read, { person: 'w_l', limit: 10 }), [], 'no pattern')
    const two = await findTold(records.read, { page: '1', limit: 2 })
    t.equal(two.length, 2)
    const rest = await findTold(records.read, { page: 'trunk', before: two[1]!.id, limit: 10 })
    t.equal(rest.length, 3, 'the rest, newest first')
    t.same(await findTold(records.read, { from: scene.time.now(), limit: 10 }), [])
    const lines = toldLines({ ...rest.at(-1)!, name: '=cmd', title: 'a "b",\nc' }).split('\r\n')
    t.match(lines[0], /^1,"a ""b"",\nc",critical,'=cmd,page,/)
    t.same(await scene.lost(), [])
    t.equal(
      whyOf({ state: 'firing', severity: 'critical', fired_at: 1 }, [page]),
      'Told: ANNA, WALL; named, without a receipt: BORIS.',
    )
  },

  async 'shown on a screen: no other way is used; acknowledged: nothing more, until that is too old'(
    t,
    scene,
  ) {
    const { house, pass, records, time } = scene
    house.watching.add('anna')
    const alert = await scene.fire('TrunkDown')
    t.same(ways(scene), [], 'the screen has its time')
    await records.write((tx) =>
      tx
        .updateTable('page_attempts')
        .set({ displayed_at: time.now() })
        .where('id', '=', house.shown[0]!.attempt)
        .execute(),
    )
    await pass(40)
    t.same(ways(scene), [])
    t.match((await scene.page()).tellings, [{ state: 'told', reason: 'shown on a screen' }])
    await scene.change('acknowledged', alert, 'anna')
    await pass(3000)
    t.equal(house.shown.length, 1, 'nobody else is told')
    t.match(await scene.page(), {
      state: 'acknowledged',
      acknowledgedBy: 'anna',
      climb: [
        { state: 'told' },
        { state: 'spared', because: 'anna took the page before', at: null },
      ],
    })
    t.same(await scene.lost(), [])
    await pass(700)
    t.equal(house.shown.length, 2, 'an hour later it still fires: from the beginning')
    t.match(await scene.page(), { state: 'open', acknowledgedBy: null })
  },

  async 'a screen that does not show it in time: the next way'(t, scene) {
    scene.house.watching.add('anna')
    await scene.fire('TrunkDown')
    await scene.pass(29)
    t.same(ways(scene), [])
    await scene.pass(3)
    t.same(ways(scene), ['anna-mail'])
  },

  async 'a way that refuses or fails: the next at once; when none takes it, all again with the same keys'(
    t,
    scene,
  ) {
    const { house, pass } = scene
    house.answer = () => ({ outcome: 'retry', reason: 'no route' })
    await scene.fire('TrunkDown')
    t.same(ways(scene), ['anna-mail', 'anna-sms'])
    await pass(60)
    t.ok(house.sent.length >= 6, `tried again: ${house.sent.length}`)
    t.equal(new Set(house.sent.map(({ key }) => key)).size, 2, 'a receiver sees each once')
    house.answer = () => ({ outcome: 'delivered', reason: 'on the phone' })
    await pass(180)
    const [telling] = (await scene.page()).tellings
    t.equal(telling?.state, 'told')
    t.match(telling?.attempts.at(-1), { outcome: 'delivered' })
  },

  async 'over: those whom a message told are told that; others are not; what waited is dropped'(
    t,
    scene,
  ) {
    const { house, pass } = scene
    const alert = await scene.fire('TrunkDown')
    await pass(10)
    await scene.change('resolved', alert)
    await pass(120)
    t.match(house.sent, [
      { way: 'anna-mail', kind: 'firing', title: 'TrunkDown on pbx-1' },
      { way: 'anna-mail', kind: 'resolved' },
    ])
    const page = await scene.page()
    t.equal(page.state, 'closed')
    t.match(
      page.tellings.map(({ kind, state }) => [kind, state]),
      [
        ['page', 'over'],
        ['resolved', 'told'],
      ],
    )
    t.same(await scene.lost(), [])
    await scene.fire('TrunkDown')
    t.equal((await scene.page(2)).state, 'open', 'the next life is a page of its own')
  },

  async 'one alert of a kind that pages nobody, and why'(t, scene) {
    const alert = await scene.fire('DiskSlow', { severity: 'warning' })
    t.equal((await scene.records.read.selectFrom('pages').select('id').execute()).length, 0)
    t.match(
      whyOf({ state: 'firing', severity: alert.severity, fired_at: 1 }, []),
      /^Nobody was paged: severity warning/,
    )
    t.same(await scene.lost(), [])
  },

  async 'each row that is deleted is named by the watchdog, and what it stood for is done'(
    t,
    scene,
  ) {
    const { house, records, pass } = scene
    house.watching.add('anna')
    await scene.fire('TrunkDown')
    const drop = (kind: string) =>
      records.write((tx) => tx.deleteFrom('obligations').where('kind', '=', kind).execute())
    await drop('escalation')
    t.same(await scene.lost(), ['escalation'])
    await drop('telling')
    t.same(await scene.lost(), ['telling'])
    await records.write(async (tx) => {
      await tx.deleteFrom('page_alerts').execute()
    })
    t.same(await scene.lost(), ['page'], 'an alert without a page')
    t.same(await scene.lost(), [])
    scene.worker.wake()
    await pass(31)
    t.ok(ways(scene).includes('anna-mail'), 'anna is told all the same')
    await pass(300)
    t.ok(
      house.shown.some(({ person }) => person === 'boris'),
      'and boris after her',
    )
  },

  async 'many alerts of one system do not keep the page of another waiting'(t, scene) {
    const { house } = scene
    house.answer = () => ({ outcome: 'accepted', reason: '' })
    for (let i = 0; i < 30; i += 1) await scene.fire(`Storm${i}`)
    await scene.fire('Other', { server: 'pbx-2' })
    t.ok(house.sent.some(({ title }) => title === 'Other on pbx-2'))
    t.equal(new Set(house.sent.map(({ key }) => key)).size, 31)
  },
}

const scenes = Object.entries(promises).map(
  ([promise, check]) =>
    [
      promise,
      async (t: Test, records: CountedRecords) => check(t, await sceneOf(t, records)),
    ] as const,
)
onBothDatabases('paging', Object.fromEntries(scenes))
