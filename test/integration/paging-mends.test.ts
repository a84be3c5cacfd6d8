import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { hubPorts } from '../../server/paging/hub-ports.ts'
import { prunePages } from '../../server/paging/pruning.ts'
import { pageDetail } from '../../server/paging/views.ts'
import type { PageAttemptRow, PageRow, PageTellingRow } from '../../server/records/schema.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { HandTime } from '../helpers/hand-time.ts'
import { until } from '../helpers/hub.ts'
import { type Scene, sceneOf, start } from './paging-scene.ts'

// Faults that were found once and mended: each promise fails without its mend.

const ways = ({ house }: Scene) => house.sent.map(({ way }) => way)
const people = ({ house }: Scene) => house.shown.map(({ person }) => person)
const hourMillis = 3_600_000

const promises: Record<string, (t: Test, scene: Scene) => Promise<void>> = {
  async 'a warning of the same incident neither joins a page, nor keeps it open, nor takes it'(
    t,
    scene,
  ) {
    const incident = 'incident-1'
    const alert = await scene.fire('TrunkDown', {}, { incident })
    const warning = await scene.fire('TrunkNoisy', { severity: 'warning' }, { incident })
    t.same((await scene.page()).alerts, [alert.id])
    await scene.change('acknowledged', warning, 'anna')
    t.equal((await scene.page()).state, 'open')
    await scene.change('resolved', alert)
    t.equal((await scene.page()).state, 'closed', 'while the warning still fires')
    t.same(await scene.lost(), [])
  },

  async 'an alert that joins a taken page asks again: whoever took it has not seen this one'(
    t,
    scene,
  ) {
    const incident = 'incident-1'
    const alert = await scene.fire('TrunkDown', {}, { incident })
    await scene.change('acknowledged', alert, 'anna')
    t.equal((await scene.page()).state, 'acknowledged')
    const told = people(scene).length
    const second = await scene.fire('RegistrarDown', {}, { incident })
    await scene.pass(1)
    const page = await scene.page()
    t.match(page, { number: 1, state: 'open', acknowledgedBy: null })
    t.same(page.alerts, [alert.id, second.id], 'it is the same page')
    t.same(people(scene).slice(told), ['anna'], 'from the beginning of the policy')
    t.same(await scene.lost(), [])
  },

  async 'a step whose every way refuses twice gives way to the next one; one that only fails keeps its time'(
    t,
    scene,
  ) {
    scene.house.ways['person:boris'] = [{ id: 'boris-sms', channel: 'sms' }]
    scene.house.answer = (way) => ({
      outcome: way.startsWith('anna') ? 'refused' : 'retry',
      reason: 'no such number',
    })
    const told = async () =>
      (await scene.page()).steps.flatMap(({ kind, content }) =>
        kind === 'notify' ? [(content as { step: number }).step] : [],
      )
    await scene.fire('TrunkDown')
    t.same(await told(), [0])
    t.same(ways(scene), ['anna-mail', 'anna-sms'], 'refused once: it may have been a mishap')
    await scene.pass(10)
    t.same(await told(), [0, 2], 'boris, within seconds instead of five minutes')
    const { steps } = await scene.page()
    t.match(
      steps.filter(({ kind }) => kind === 'refused by all'),
      [{ content: { key: 'g0.r0.s0' } }],
    )
    await scene.pass(270, 10)
    t.equal((await scene.page()).phase, 'escalating', 'his way fails, and may yet work')
    await scene.pass(60, 10)
    t.equal((await scene.page()).phase, 'shouting')
    t.same(await scene.lost(), [])
  },

  async 'a step of which one way took it keeps its time though another refuses'(t, scene) {
    scene.house.answer = (way) => ({
      outcome: way === 'anna-mail' ? 'accepted' : 'refused',
      reason: 'said so',
    })
    await scene.fire('TrunkDown')
    await scene.pass(280, 10)
    const { steps } = await scene.page()
    t.same(
      steps.filter(({ kind }) => kind === 'notify' || kind === 'refused by all').length,
      1,
      'anna has it by mail',
    )
    t.same(await scene.lost(), [])
  },

  async 'a telling that no way took ends when a later step tells the same person anew'(t, scene) {
    scene.house.answer = () => ({ outcome: 'retry', reason: 'no route' })
    await scene.fire('TrunkDown')
    await scene.pass(3600, 60)
    const { phase, tellings } = await scene.page()
    t.equal(phase, 'shouting')
    const wall = tellings.filter(({ recipient }) => recipient.id === 'wall')
    t.ok(wall.length >= 4, `the wall was called ${wall.length} times`)
    const waiting = wall.filter(({ state }) => state === 'waiting')
    // The last but one ends at its next try.
    t.ok(waiting.length <= 2, `${waiting.length} calls still wait`)
    t.match(wall.at(-1), { state: 'waiting' })
    t.equal(wall[0]?.reason, 'no way took it; a later step tells them again')
    t.same(await scene.lost(), [])
  },

  async 'that it is over is tried for an hour, then given up; the page itself never is'(t, scene) {
    const alert = await scene.fire('TrunkDown')
    scene.house.answer = () => ({ outcome: 'retry', reason: 'no route' })
    await scene.change('resolved', alert)
    const over = async () =>
      (await scene.page()).tellings.find(({ kind }) => kind === 'resolved') ?? t.fail('none')
    await scene.pass(3000, 60)
    t.match(await over(), { state: 'waiting' }, 'it goes on for most of an hour')
    await scene.pass(720, 60)
    t.match(await over(), {
      state: 'over',
      reason: /within an hour/,
    })
    const tries = scene.house.sent.length
    await scene.pass(600, 60)
    t.equal(scene.house.sent.length, tries)
    await scene.fire('Other')
    await scene.pass(7200, 600)
    t.ok(
      (await scene.page(2)).tellings.some(({ state }) => state === 'waiting'),
      'a page that nobody has taken is never given up',
    )
  },

  async 'a page that closes while the word of it is on its way: whom it reached is told that it is over'(
    t,
    scene,
  ) {
    let taken = (): void => undefined
    scene.house.answer = () =>
      new Promise((resolve) => {
        taken = () => resolve({ outcome: 'accepted', reason: 'accepted' })
      })
    const alert = await scene.fire('TrunkDown', {}, { settle: false })
    await until('the message is on its way', () => ways(scene).length === 1)
    await scene.change('resolved', alert, undefined, false)
    scene.house.answer = () => ({ outcome: 'accepted', reason: 'accepted' })
    taken()
    await scene.worker.settled()
    await scene.pass(1)
    t.match(scene.house.sent, [
      { way: 'anna-mail', kind: 'firing' },
      { way: 'anna-mail', kind: 'resolved' },
    ])
    t.equal(scene.house.sent.length, 2)
    const { tellings } = await scene.page()
    // Two attempts of one millisecond have no order.
    const attempts = tellings.find(({ kind }) => kind === 'page')?.attempts ?? []
    t.ok(attempts.some(({ outcome }) => outcome === 'accepted'))
    t.same(await scene.lost(), [])
  },

  async 'words that the records refuse withhold no page'(t, scene) {
    await scene.fire(
      'TrunkDown',
      { server: 'pbx\0-\ud800' },
      { summary: 'Trunk \0 of \udfff is down' },
    )
    const { title } = await scene.page()
    t.equal(title, 'Trunk \ufffd of \ufffd is down')
    t.same(ways(scene), ['anna-mail'])
  },

  async 'a clock that goes back an hour delays nobody'(t, scene) {
    await scene.fire('TrunkDown')
    t.same(ways(scene), ['anna-mail'])
    scene.time.set(-hourMillis)
    await scene.pass(70)
    t.same(ways(scene), ['anna-mail', 'anna-sms'], 'the next way')
    await scene.pass(310)
    t.ok(people(scene).includes('boris'), 'the next step')
    t.same(await scene.lost(), [])
  },

  async 'nor one that went back while the hub was down'(t, scene) {
    await scene.fire('TrunkDown')
    await scene.pass(10)
    await scene.worker.stop()
    const again = await sceneOf(
      t,
      scene.records,
      new HandTime(scene.time.now() - hourMillis),
      'the-next-run',
    )
    await again.pass(70)
    t.same([...ways(scene), ...ways(again)], ['anna-mail', 'anna-sms'])
    await again.pass(310)
    t.ok(people(again).includes('boris'))
  },

  async 'a clock that goes forward tells the next earlier, and nobody twice'(t, scene) {
    await scene.fire('TrunkDown')
    scene.time.set(2 * hourMillis)
    await scene.pass(10)
    t.same(ways(scene), ['anna-mail', 'anna-sms'])
    t.equal(new Set(scene.house.sent.map(({ key }) => key)).size, 2)
    t.same(people(scene), ['anna', 'boris'], 'one step, not all that the leap would hold')
  },

  async 'closed pages go when they are old, with all that is known of them; nothing open does'(
    t,
    scene,
  ) {
    const { records, time } = scene
    for (const name of ['A', 'B', 'C']) {
      const alert = await scene.fire(name, { server: name })
      await scene.change('resolved', alert)
      await scene.pass(70)
    }
    await scene.fire('Open', { server: 'D' })
    const taken = await scene.fire('Taken', { server: 'E' })
    await scene.change('acknowledged', taken, 'anna')
    const owing = await scene.fire('Owing', { server: 'F' })
    scene.house.answer = () => ({ outcome: 'retry', reason: 'no route' })
    await scene.change('resolved', owing)
    scene.house.answer = () => ({ outcome: 'accepted', reason: 'accepted' })
    const last = await scene.fire('Last', { server: 'G' })
    await scene.change('resolved', last)
    await scene.worker.stop()
    const numbers = async () =>
      (await records.read.selectFrom('pages').select('number').orderBy('number').execute()).map(
        ({ number }) => Number(number),
      )
    t.equal(await prunePages(records, start), 0, 'none is that old')
    t.same(await numbers(), [1, 2, 3, 4, 5, 6, 7])
    const old = time.now() + 401 * 86_400_000
    const dropped = await prunePages(records, old, { pagesAtOnce: 2, mostBatches: 1 })
    t.equal(dropped, 2, 'a bounded number at a time')
    t.same(await numbers(), [3, 4, 5, 6, 7])
    t.equal(await prunePages(records, old, { pagesAtOnce: 1, mostBatches: 50 }), 1)
    t.same(
      await numbers(),
      [4, 5, 6, 7],
      'open, taken, still owing somebody the word, and the newest: numbers count on from it',
    )
    const kept = new Set(
      (await records.read.selectFrom('pages').select('id').execute()).map(({ id }) => id),
    )
    for (const table of ['page_alerts', 'page_steps', 'page_tellings'] as const) {
      const rows = await records.read.selectFrom(table).select('page_id').distinct().execute()
      t.same(new Set(rows.map(({ page_id }) => page_id)), kept, table)
    }
    const attempts = await records.read
      .selectFrom('page_attempts')
      .leftJoin('page_tellings', 'page_tellings.id', 'page_attempts.telling_id')
      .select('page_tellings.id')
      .execute()
    t.ok(attempts.length > 0)
    t.ok(attempts.every(({ id }) => id !== null))
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
onBothDatabases('paging_mends', Object.fromEntries(scenes))

t.test('duty that cannot be read keeps nobody from being told who needs no schedule', async (t) => {
  const logged: string[] = []
  const hub = (resolverAt: () => Promise<unknown>) =>
    ({
      notify: {},
      live: {},
      ledger: {},
      oncall: { resolverAt },
      log: { error: (_fields: object, text: string) => logged.push(text) },
    }) as unknown as FastifyInstance
  const nobody = {
    selectFrom: () => nobody,
    select: () => nobody,
    where: () => nobody,
    orderBy: () => nobody,
    execute: async () => [{ id: 'anna' }],
  }
  const database = nobody as unknown as CountedRecords['read']
  const unreadable = hubPorts(
    hub(async () => {
      throw new TypeError('a schedule from a newer hub')
    }),
    undefined,
  )
  const resolve = await unreadable.resolver(database, start)
  t.same(resolve({ kind: 'person', id: 'anna' }), { recipients: [{ kind: 'person', id: 'anna' }] })
  t.same(resolve({ kind: 'contact', id: 'wall' }), {
    recipients: [{ kind: 'contact', id: 'wall' }],
  })
  t.same(resolve({ kind: 'team', id: 'staff' }).recipients, [{ kind: 'person', id: 'anna' }])
  t.same(resolve({ kind: 'schedule', id: 's' }), {
    recipients: [],
    reason: 'on-call duty cannot be read',
  })
  const oneBad = hubPorts(
    hub(async () => ({ kind, id }: { kind: 'person'; id: string }) => {
      if (id === 'bad') throw new Error('no such zone')
      return { recipients: [{ kind, id }] }
    }),
    undefined,
  )
  const other = await oneBad.resolver(database, start)
  t.same(other({ kind: 'schedule', id: 'bad' }), {
    recipients: [],
    reason: 'schedule bad cannot be read',
  })
  t.same(other({ kind: 'person', id: 'boris' }).recipients, [{ kind: 'person', id: 'boris' }])
  t.equal(logged.length, 2)
})

t.test('each telling has its attempts, found in one walk through them', async (t) => {
  const count = 500
  let reads = 0
  const at = start
  const tellings = Array.from(
    { length: count },
    (_, i): PageTellingRow => ({
      id: `t${i}`,
      page_id: 'p',
      key: `k${i}`,
      kind: 'page',
      recipient_kind: 'person',
      recipient_id: `r${i}`,
      name: `R${i}`,
      place: 'g0.r0.s0',
      state: 'told',
      reason: '',
      opened_at: at,
      ended_at: at,
    }),
  )
  const attempts = Array.from({ length: count * 2 }, (_, i): PageAttemptRow => {
    const row = {
      id: `a${i}`,
      telling_id: `t${i % count}`,
      round: 0,
      channel: i < count ? 'live' : 'email',
      contact_point_id: null,
      outcome: 'accepted',
      reason: `of t${i % count}`,
      at,
      received_at: null,
      displayed_at: null,
    }
    return new Proxy(row, {
      get: (target, key) => {
        if (key === 'telling_id') reads += 1
        return Reflect.get(target, key) as unknown
      },
    })
  })
  const escalation = { format: 1, phase: 'escalating', generation: 0, round: 0, step: 0 }
  const policy = JSON.stringify({ name: 'p', steps: [], catchAll: [] })
  const never = { acknowledged_at: null, acknowledged_by: null, closed_at: null }
  const page = { id: 'p', number: 1, state: 'open', policy, opened_at: at, ...never } as PageRow
  const detail = pageDetail(
    { ...page, escalation: JSON.stringify(escalation), escalation_due_at: null },
    { steps: [], tellings, attempts, alertIds: [], asks: [] },
  )
  for (const [i, telling] of detail.tellings.entries()) {
    const seen = telling.attempts.map(({ channel, reason }) => [channel, reason])
    const of = `of t${i}`
    if (seen.length !== 2 || seen.some(([, reason]) => reason !== of)) t.fail(JSON.stringify(seen))
  }
  t.ok(reads <= 4 * count, `${reads} looks at ${2 * count} attempts`)
})
