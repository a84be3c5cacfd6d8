import type { Test } from 'tap'
import { toldLines } from '../../server/paging/told-csv.ts'
import { findTold } from '../../server/paging/told-store.ts'
import { whyOf } from '../../server/paging/why.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { type Scene, sceneOf } from './paging-scene.ts'

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

  async 'an alert that joins an open page is said to whom it named, however many come'(t, scene) {
    const { house, pass } = scene
    const incident = 'incident-1'
    const first = await scene.fire('TrunkDown', {}, { incident })
    t.same(ways(scene), ['anna-mail'])
    await pass(20)
    await scene.fire('RegistrarDown', {}, { incident })
    t.equal(house.sent.length, 1, 'thirty seconds after the opening: other systems come first')
    await pass(10)
    t.match(house.sent.slice(1), [
      { way: 'anna-mail', kind: 'firing', title: 'RegistrarDown on pbx-1 (and 1 more)' },
    ])
    t.equal(house.sent.length, 2)
    for (let i = 0; i < 50; i += 1) await scene.fire(`Storm${i}`, {}, { incident })
    const more = async () =>
      (await scene.page()).tellings.filter(({ place }) => place.startsWith('more/'))
    t.equal((await more()).length, 2, 'one that was sent, one that waits')
    t.equal(house.sent.length, 2)
    await scene.change('acknowledged', first, 'anna')
    await pass(31)
    t.match(await scene.page(), { state: 'acknowledged' })
    t.match(house.sent.slice(2), [{ way: 'anna-mail', title: /^Storm\d+ on .* \(and 51 more\)$/ }])
    t.equal(house.sent.length, 3, 'she took it before she had heard of them')
    await pass(120)
    t.equal(house.sent.length, 3)
    t.match(await more(), [{ state: 'over' }, { state: 'over' }])
    t.same(await scene.lost(), [])
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
