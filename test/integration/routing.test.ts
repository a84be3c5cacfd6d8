import type { Test } from 'tap'
import { matcher } from '../../alerts/matchers.ts'
import { runPipeline } from '../../alerts/pipeline.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { anna, RoutingDesk, start } from './routing-desk.ts'

const grouped = `
route:
  receiver: voice
  group_by: [site]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
    - {receiver: chat, matchers: ['severity="info"'], group_wait: 0s}
    - {receiver: nobody, matchers: ['team="test"'], group_wait: 0s}
    - receiver: night
      matchers: ['team="office"']
      group_wait: 0s
      active_time_intervals: [office]
receivers:
  - {name: voice, callward_configs: [{policy: telephony}]}
  - {name: night, callward_configs: [{policy: office}]}
  - {name: chat, callward_configs: [{contact: wall}]}
  - {name: nobody}
time_intervals:
  - {name: office, time_intervals: [{times: [{start_time: '13:00', end_time: '20:00'}]}]}
inhibit_rules:
  - {source_matchers: [alertname="SwitchDown"], target_matchers: [alertname="TrunkDown"], equal: [site]}
callward_dependencies:
  down: ['alertname="HostSilent"']
  nodes: [{node: pbx-1, parents: [router-1]}]
`
const site = (name: string) => ({ labels: { site: name } })
const titles = ({ sent }: RoutingDesk) => sent.map(({ kind, title }) => `${kind} ${title}`)
const silence = (id: string, seconds: number, more = {}) => ({
  id,
  matchers: [matcher('alertname', '=', 'TrunkDown')],
  startsAt: start,
  endsAt: start + seconds * 1000,
  createdAt: start,
  createdBy: 'anna',
  reason: 'trunk is rebuilt',
  ...more,
})

const promises: Record<string, (t: Test, records: CountedRecords) => Promise<void>> = {
  async 'without a routing file: critical alerts page at once, by incident, in the transaction that fires them'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records)
    const before = records.statistics.committedTransactions
    const first = desk.alert({ rule: 'TrunkDown' })
    const change = { kind: 'firing', alert: first, at: start, incident: 'i-1' } as const
    await desk.worker.stop()
    await desk.take([change])
    t.equal(records.statistics.committedTransactions, before + 1)
    t.match(await desk.pages(), [
      { state: 'open', title: 'TrunkDown on pbx-1', policy: 'everybody' },
    ])
    await desk.begin()
    const [second, alone, slow, page] = await desk.fire(
      { rule: 'CallsFail', incident: 'i-1' },
      { rule: 'TrunkDown', labels: { instance: 'pbx-2' } },
      { rule: 'DiskSlow', labels: { severity: 'warning' } },
      { rule: 'Foreign', labels: { severity: 'Page', instance: 'pbx-3' } },
    )
    t.match(
      new Set((await desk.pages()).map(({ alerts }) => alerts.join())),
      new Set([`${first.id},${second!.id}`, alone!.id, page!.id]),
    )
    t.match(await desk.why(slow!), /^Nobody was paged: severity warning .* only critical pages\.$/)
    t.equal(await desk.why(first), 'Told: p-anna.')
    await desk.end(first, second!)
    t.match((await desk.pages())[0], { state: 'closed' })
    await desk.pass(3)
    t.same(await desk.lost(), [])
    t.same(desk.faults, [])
  },

  async 'a group waits for others, over a restart; news joins and asks again, an end closes at once'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [first] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    await desk.pass(10)
    t.match(
      await desk.why(first!),
      /^Nobody: waits for others of its group, until 2026-03-01T12:00:30/,
    )
    await desk.restart()
    const [second] = await desk.fire({ rule: 'CallsFail', ...site('hanoi') })
    const [other] = await desk.fire({ rule: 'CallsFail', ...site('hue') })
    await desk.pass(19)
    t.same(desk.sent, [])
    await desk.restart()
    await desk.pass(3)
    t.same(titles(desk), ['firing TrunkDown on pbx-1 (and 1 more)'])
    await desk.pass(12)
    t.same(titles(desk)[1], 'firing CallsFail on pbx-1', 'the other site is a page of its own')
    t.same(
      (await desk.pages()).map(({ alerts }) => alerts),
      [[first!.id, second!.id], [other!.id]],
    )
    await desk.acknowledge(first!, 'boris')
    t.match((await desk.pages())[0], { state: 'acknowledged' })
    await desk.fire({ rule: 'Third', ...site('hanoi') })
    await desk.pass(290)
    t.match((await desk.pages())[0], { state: 'open', steps: { length: 6 } }, 'asked again')
    await desk.end(other!)
    t.match((await desk.pages())[1], { state: 'closed' })
    t.same(await desk.lost(), [])
    t.same(desk.faults, [])
  },

  async 'told again after repeat_interval while nobody takes it; hours without a hub end with one reminder'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [alert] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    await desk.pass(31)
    await desk.worker.stop()
    desk.time.move(5 * 3_600_000)
    await desk.begin()
    const reminded = async () =>
      (await desk.pages())[0]!.steps.filter(({ kind }) => kind === 'reminded').length
    t.equal(await reminded(), 1)
    await desk.acknowledge(alert!, 'anna')
    await desk.worker.stop()
    desk.time.move(3_700_000)
    await desk.begin()
    t.equal(await reminded(), 1, 'not what somebody has taken')
    t.equal(new Set(desk.sent.map(({ key }) => key)).size, desk.sent.length)
    t.same(desk.faults, [])
  },

  async 'what another alert explains tells nobody, until that is over'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [cause] = await desk.fire({
      rule: 'SwitchDown',
      labels: { site: 'hanoi', instance: 'switch-1' },
    })
    const [held] = await desk.fire({
      rule: 'TrunkDown',
      labels: { site: 'hanoi', instance: 'pbx-7' },
    })
    const [down] = await desk.fire({ rule: 'HostSilent', labels: { instance: 'router-1' } })
    const [behind] = await desk.fire({ rule: 'Unreachable', labels: { site: 'hue' } })
    await desk.pass(40)
    t.same(titles(desk).sort(), ['firing HostSilent on router-1', 'firing SwitchDown on switch-1'])
    t.match(await desk.why(held!), /^Nobody: .*SwitchDown/)
    t.equal(await desk.why(behind!), 'Nobody: a consequence: router-1 is down.')
    await desk.end(cause!, down!)
    await desk.pass(400)
    t.same(
      (await desk.pages()).filter(({ state }) => state !== 'closed').map(({ alerts }) => alerts),
      [[behind!.id], [held!.id]],
    )
    t.same(await desk.lost(), [])
  },

  async 'a silence hides, says for whom and why, asks its author before its end, and ends'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records)
    const view = await desk.silences.set(silence('s-1', 3600), anna)
    t.match(view, { phase: 'active', hides: [] })
    await t.rejects(
      desk.silences.set(silence('s-2', 3600, { reason: ' ' }), anna),
      /reason: say why/,
    )
    const broad = { matchers: [matcher('alertname', '!=', 'x')] }
    await t.rejects(desk.silences.set(silence('s-3', 60, broad), anna), /matches|match an absent/)
    const [alert, other] = await desk.fire({ rule: 'TrunkDown' }, { rule: 'CallsFail' })
    t.same(desk.hidden(), [['s-1', [alert!.fingerprint]]])
    t.equal(
      await desk.why(alert!),
      'Nobody: silenced by anna until 2026-03-01T13:00:00.000Z: trunk is rebuilt.',
    )
    t.equal((await desk.pages()).length, 1, 'the other pages')
    t.same(await desk.lost(), [], 'a silenced alert is owed no page')
    await desk.restart()
    t.same(desk.hidden(), [['s-1', [alert!.fingerprint]]])
    await desk.worker.stop()
    desk.time.move(2_760_000)
    await desk.begin()
    t.ok(desk.sent.some(({ title }) => /^Your silence ends .* 1 alert: trunk is/.test(title)))
    await desk.silences.end('s-1', { id: 'b', name: 'boris' })
    await desk.worker.settled()
    t.equal(await desk.why(alert!), 'Told: p-anna.')
    t.same(
      desk.ledgered.map(({ action, actor }) => `${action} ${actor}`),
      ['silence.set anna', 'silence.ended boris'],
    )
    await t.rejects(desk.silences.end('s-1', anna), /no silence s-1/)
    await desk.end(alert!, other!)
    t.same(desk.faults, [])
  },

  async 'a silence until recovery ends with it; one over an open page stops its climbing'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records)
    const [alert] = await desk.fire({ rule: 'TrunkDown' })
    t.equal(desk.sent.length, 1)
    await desk.silences.set(silence('s-1', 7200, { untilResolved: true }), anna)
    await desk.pass(700)
    t.equal(desk.sent.length, 1, 'nobody is told again')
    t.match(await desk.why(alert!), /^Told: p-anna; held back now: silenced by anna/)
    await desk.end(alert!)
    t.same(desk.hidden(), [])
    t.same(desk.ledgered.at(-1), { action: 'silence.ended', actor: 'hub' })
    t.match(await desk.pages(), [{ state: 'closed' }])
  },

  async 'quiet hours, contacts, and receivers that tell nobody; each with its reason'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [office, info, test] = await desk.fire(
      { rule: 'Printer', labels: { team: 'office' } },
      { rule: 'Renewed', labels: { severity: 'info' } },
      { rule: 'Trial', labels: { team: 'test' } },
    )
    t.same(
      desk.sent.map(({ to, kind }) => [to, kind]),
      [['wall', 'firing']],
    )
    t.match(
      await desk.why(office!),
      /^Nobody: its route is quiet outside office, until 2026-03-01T13:00:00/,
    )
    t.equal(await desk.why(info!), 'Told: wall.')
    t.match(await desk.why(test!), /^Nobody: the receiver "nobody" tells nobody/)
    t.same(await desk.lost(), [])
    await desk.worker.stop()
    desk.time.move(3_600_000)
    await desk.begin()
    t.match(desk.sent.at(-1), { to: 'p-anna', title: 'Printer on pbx-1' })
    await desk.end(info!)
    await desk.pass(300)
    t.match(desk.sent.filter(({ to }) => to === 'wall').at(-1), { kind: 'resolved' })
    t.match(
      (await desk.pages()).filter(({ policy }) => policy === 'receiver chat'),
      [{ state: 'closed' }, { state: 'closed' }],
      'a notice asks for nothing',
    )
    t.same(desk.faults, [])
  },

  async 'tiers of one rule tell receivers of their own'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const tiers = 'warning: > 5, to chat; critical: > 20, to voice'
    const rule = {
      rule: 'LossHigh',
      labels: { severity: 'warning' },
      annotations: { callward_tiers: tiers },
    }
    const [alert] = await desk.fire({ ...rule, value: '7' })
    await desk.pass(31)
    t.same(
      desk.sent.map(({ to }) => to),
      ['wall'],
    )
    const at = desk.time.now()
    await desk.take([{ kind: 'firing', alert: { ...alert!, value: '30' }, at }])
    await desk.pass(31)
    t.same(
      desk.sent.map(({ to }) => to),
      ['wall', 'p-anna'],
    )
    t.match((await desk.pages()).at(-1), { policy: 'telephony', severity: 'critical' })
    t.same(await desk.lost(), [])
  },

  async 'a transaction that is rolled back leaves no trace, and the next attempt tells once'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    await desk.fire({ rule: 'CallsFail', ...site('hanoi') })
    const alert = desk.alert({ rule: 'TrunkDown', ...site('hanoi') })
    const change = { kind: 'firing', alert, at: desk.time.now() } as const
    const broken = () => {
      throw new Error('the disk is gone')
    }
    await t.rejects(desk.take([change], broken), /the disk is gone/)
    await t.rejects(desk.take([change], broken), /the disk is gone/)
    await desk.keeper.confirm()
    t.equal(desk.keeper.committed.alerts.size, 1)
    await desk.take([{ ...change, late: true }])
    t.equal(desk.keeper.committed.alerts.size, 2)
    await desk.pass(35)
    t.same(titles(desk), ['firing CallsFail on pbx-1 (and 1 more)'])
    t.same(await desk.lost(), [])
  },

  async 'ten thousand alerts at once cost statements by the hundred, and none is lost'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const storm = Array.from({ length: 10_000 }, (_, i) => ({
      rule: 'TrunkDown',
      labels: { site: `s${i % 10}`, line: String(i) },
    }))
    const before = records.statistics.committedTransactions
    desk.statements = 0
    const alerts = await desk.fire(...storm)
    t.equal(records.statistics.committedTransactions, before + 1)
    t.ok(desk.statements < 120, `${desk.statements} statements`)
    await desk.pass(31)
    const pages = await desk.pages()
    t.equal(pages.length, 10)
    t.equal(pages.flatMap((page) => page.alerts).length, alerts.length)
    t.equal(desk.sent.length, 10)
    t.same(await desk.lost(), [])
  },

  async 'each row that is deleted is named by the watchdog, and what it stood for is done'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    await desk.drop('obligations', 'routing-time')
    t.same(await desk.lost(), ['routing-time'])
    t.same(await desk.lost(), [])
    await desk.pass(31)
    t.equal(desk.sent.length, 1)
    await desk.drop('routing_alerts')
    await desk.restart()
    t.same(await desk.lost(), [], 'taken up at the start')
    await desk.pass(330)
    t.equal((await desk.pages()).filter(({ state }) => state === 'open').length, 1)
  },

  async 'a pipeline that fails withholds no page'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [waiting] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    desk.pipeline = () => {
      throw new Error('BUG: in the pipeline')
    }
    const [alert] = await desk.fire({ rule: 'CallsFail', labels: { instance: 'pbx-9' } })
    t.same(titles(desk), ['firing CallsFail on pbx-9'], 'at once, past routing')
    await desk.pass(31)
    t.same(titles(desk)[1], 'firing TrunkDown on pbx-1', 'also what waited for its group')
    t.ok(desk.faults.length >= 2)
    desk.pipeline = runPipeline
    t.same(await desk.lost(), ['routing'], 'routing has not heard of it')
    await desk.end(alert!, waiting!)
    await desk.pass(61)
    t.same(await desk.lost(), [])
    t.ok((await desk.pages()).every(({ state }) => state === 'closed'))
  },

  async 'what routing decided cannot be written: critical alerts page without it'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    let broken = true
    desk.pipeline = (...given) => {
      const result = runPipeline(...given)
      const one = result.decisions.find(({ kind }) => kind === 'notify')
      // A key no database takes.
      const hold = {
        ...one,
        kind: 'hold',
        alert: { id: 'x' },
        stage: 'group',
        because: '',
        key: '\0',
      }
      return broken && one !== undefined
        ? { ...result, decisions: [...result.decisions, hold as (typeof result.decisions)[number]] }
        : result
    }
    await desk.pass(32)
    t.same(desk.sent, [])
    await desk.pass(60)
    t.same(titles(desk)[0], 'firing TrunkDown on pbx-1')
    broken = false
    await desk.pass(70)
    t.same(await desk.lost(), [])
    t.equal(desk.keeper.committed.groups.size, 1)
  },

  async 'a routing file that changes holds at once; a faulty one changes nothing'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    desk.write(grouped.replace('name: chat, callward_configs', 'name: chat, slack_configs'))
    t.equal(desk.settings.look(), false)
    t.match(desk.settings.faults, [
      { line: 18, message: /slack_configs is not supported.*contact: NAME/ },
    ])
    t.equal(desk.settings.current.plan.targets.get('chat')?.length, 1)
    const [alert] = await desk.fire({ rule: 'Renewed', labels: { severity: 'info' } })
    desk.write(
      grouped.replace(
        '{receiver: chat, matchers: [\'severity="info"\']',
        '{receiver: night, matchers: [\'severity="info"\']',
      ),
    )
    t.equal(desk.settings.look(), true)
    t.same(desk.settings.faults, [])
    await desk.silences.change([])
    await desk.pass(1)
    t.match(desk.sent.at(-1), { to: 'p-anna', title: 'Renewed on pbx-1' })
    t.match(await desk.why(alert!), /^Told: .*wall.*p-anna|^Told: .*p-anna/)
    t.same(await desk.lost(), [])
  },

  async 'what ends in the run that would tell it opens no page: a wait, a reminder, a silence that ended'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [over] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    const [gone] = await desk.fire({ rule: 'TrunkDown', ...site('hue') })
    const [stays] = await desk.fire({ rule: 'CallsFail', ...site('hue') })
    await desk.worker.stop()
    desk.time.move(31_000)
    await desk.end(over!, gone!)
    t.same(
      (await desk.pages()).map(({ alerts, state }) => [alerts, state]),
      [[[stays!.id], 'open']],
    )
    t.equal(await desk.why(over!), 'Nobody: was over before it could be told.')
    await desk.begin()
    await desk.worker.stop()
    desk.time.move(3_700_000)
    await desk.end(stays!)
    t.match(await desk.pages(), [{ state: 'closed' }], 'a reminder opens none either')
    t.equal((await desk.pages()).length, 1)
    await desk.begin()
    await desk.silences.set(
      silence('s-1', 0, { startsAt: desk.time.now(), endsAt: desk.time.now() + 60_000 }),
      anna,
    )
    const [hidden] = await desk.fire({ rule: 'TrunkDown', ...site('danang') })
    await desk.worker.stop()
    desk.time.move(200_000)
    await desk.end(hidden!)
    t.equal((await desk.pages()).length, 1)
    await desk.begin()
    await desk.pass(400)
    t.ok((await desk.pages()).every(({ state }) => state === 'closed'))
    t.same(await desk.lost(), [])
    t.same(desk.faults, [])
  },

  async 'a routing file that changed while the hub was down holds at its start; an attempt that failed is made again'(
    t,
    records,
  ) {
    const desk = await RoutingDesk.start(t, records, grouped)
    await desk.fire({ rule: 'Renewed', labels: { severity: 'info' } })
    t.match(desk.sent, [{ to: 'wall' }])
    const toNight = grouped.replace('{receiver: chat,', '{receiver: night,')
    await desk.worker.stop()
    desk.write(toNight)
    await desk.begin()
    await desk.pass(1)
    t.match(desk.sent.at(-1), { to: 'p-anna', title: 'Renewed on pbx-1' })
    const [office] = await desk.fire({ rule: 'Printer', labels: { team: 'office' } })
    const told = desk.sent.length
    desk.write(toNight.replace("start_time: '13:00'", "start_time: '10:00'"))
    desk.pipeline = () => {
      throw new Error('BUG: in the pipeline')
    }
    await t.rejects(desk.look(), /routing failed/)
    desk.pipeline = runPipeline
    t.equal(desk.sent.length, told)
    await desk.look()
    await desk.look()
    await desk.pass(1)
    const runs = desk.keeper.committed
    await desk.look()
    t.equal(desk.keeper.committed, runs, 'nothing changed: nothing is looked at')
    t.match(await desk.why(office!), /^Told: p-anna|^Nobody: its route is quiet outside office/)
    t.same(await desk.lost(), [])
  },

  async 'a critical alert whose receiver reaches nobody pages all the same, once for all it misses'(
    t,
    records,
  ) {
    const lonely = (contact: string) =>
      grouped.replace('[{policy: telephony}]', `[{contact: ${contact}}]`)
    const desk = await RoutingDesk.start(t, records, lonely('gone'))
    const open = async () => (await desk.pages()).filter(({ state }) => state === 'open')
    const [first] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    const slow = { rule: 'DiskSlow', labels: { severity: 'warning', site: 'hanoi' } }
    const [warning] = await desk.fire(slow)
    await desk.pass(31)
    t.match(await open(), [{ policy: 'everybody', alerts: [first!.id] }])
    t.match(desk.sent, [{ to: 'p-anna', title: 'TrunkDown on pbx-1' }])
    t.match((await desk.pages())[0]?.steps.at(-1), {
      kind: 'reached nobody',
      content: { from: 'receiver voice', alerts: 1, page: 2 },
    })
    t.equal(await desk.why(warning!), 'Nobody: there is no contact point "gone".')
    t.equal(await desk.why(first!), 'Told: p-anna.')
    t.same(desk.unheard, [{ from: 'receiver voice', page: 2, alerts: 1 }])
    const [second] = await desk.fire({ rule: 'CallsFail', ...site('hue') })
    await desk.pass(32)
    t.match(await open(), [{ alerts: [first!.id, second!.id] }], 'no second page')
    t.match(desk.sent.at(-1), { title: 'CallsFail on pbx-1 (and 1 more)' })
    await desk.end(first!, second!)
    t.same(await open(), [])

    desk.write(lonely('wall'))
    desk.disabled.add('wall')
    await desk.look()
    const [third] = await desk.fire({ rule: 'Third', ...site('danang') })
    await desk.pass(31)
    t.match(await open(), [{ alerts: [third!.id] }], 'its only contact is disabled')
    await desk.end(third!)
    desk.disabled.clear()
    desk.refusing.add('wall')
    const [fourth] = await desk.fire({ rule: 'Fourth', ...site('hoian') })
    await desk.pass(31)
    t.same(await open(), [], 'it is tried a second time')
    const voice = { receiver: 'voice', stage: 'told' }
    t.match(await desk.explain(fourth!), [
      { ...voice, told: false, because: 'nobody behind voice has taken it: wall: no such hook' },
    ])
    await desk.pass(5)
    t.match(await open(), [{ alerts: [fourth!.id] }], 'the way up waits for none that refuses')
    const tries = () => desk.sent.filter(({ to }) => to === 'wall').length
    const before = tries()
    await desk.pass(15)
    t.ok(tries() > before, 'which is tried on')
    t.equal((await open()).length, 1, 'and asks for no second page')
    desk.refusing.clear()
    await desk.pass(30)
    t.match(await desk.explain(fourth!), [{ ...voice, told: true, because: /^voice was told/ }])
    t.match(await open(), [{ alerts: [fourth!.id] }], 'a person is asked all the same')
    await desk.end(fourth!)
    desk.deaf.add('wall')
    const [fifth] = await desk.fire({ rule: 'Fifth', ...site('vinh') })
    await desk.pass(90)
    t.same(await open(), [], 'what only fails for a moment may yet be taken')
    await desk.pass(30)
    t.match(await open(), [{ alerts: [fifth!.id] }])
    await desk.end(fifth!)
    t.same(await open(), [])
    t.same(await desk.lost(), [])
    t.same(desk.faults, [])
  },

  async 'a silence that ends while the pipeline fails holds nobody back'(t, records) {
    const desk = await RoutingDesk.start(t, records, grouped)
    const [before] = await desk.fire({ rule: 'TrunkDown', ...site('hue') })
    await desk.pass(31)
    t.equal(desk.sent.length, 1)
    await desk.silences.set(silence('s-1', 91), anna)
    const [alert] = await desk.fire({ rule: 'TrunkDown', ...site('hanoi') })
    desk.pipeline = () => {
      throw new Error('BUG: in the pipeline')
    }
    await desk.pass(50)
    t.equal(desk.sent.length, 1, 'it is silenced')
    await desk.pass(130)
    const pages = await desk.pages()
    t.match(
      pages.map(({ alerts, state }) => [alerts, state]),
      [
        [[before!.id], 'open'],
        [[alert!.id], 'open'],
      ],
    )
    t.ok(
      desk.sent.filter(({ kind, title }) => kind === 'firing' && /^Trunk/.test(title)).length > 1,
    )
    await desk.pass(300)
    t.ok(
      pages[0] && (await desk.pages())[0]!.tellings.length > 1,
      'the page that was held climbs on',
    )
  },
}

onBothDatabases('routing', promises)
