import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'
import { MovedClock } from './changes-desk.ts'
import { NotifyDesk, receiver } from './notify-desk.ts'

const day = 86_400_000
const secret = '0123456789abcdef0123456789abcdef'

/** Turns of a day each at midnight UTC; the rest as the case has it. */
const schedule = (name: string, participants: string[], more = '', windows = '[]') => `
  ${name}:
    name: Schedule ${name}
    timeZone: UTC
    ${more}
    layers:
      - name: all
        rotation: { unit: day, count: 1 }
        handOff: "00:00"
        startsOn: "2026-01-05"
        participants: [${participants.join(', ')}]
        windows: ${windows}
`
const mornings = '[{ days: [mon, tue, wed, thu, fri, sat, sun], from: "06:00", to: "12:00" }]'
const faulty = `schedules:${schedule('desk', ['anna', 'ben'])}${schedule('mornings', ['anna'], '', mornings)}${schedule(
  'meant',
  ['anna'],
  'plannedGaps: true',
  mornings,
)}${schedule('empty', [])}`
const mended = `schedules:${schedule('desk', ['anna', 'ben'])}`

interface Readiness {
  readonly state: string
  readonly counts: Readonly<Record<string, number>>
  readonly shifts: readonly {
    readonly schedule: string
    readonly person: string | null
    readonly state: string
    readonly reason: string | null
    readonly detail: string
    readonly from: string
    readonly to: string
  }[]
  readonly proof: { readonly day: string; readonly state: string } | null
}

/** The whole hub with two operators and a channel of each kind outside; terminals of its people. */
async function scene(t: Test) {
  const gateway = await receiver(t, ({ request }, response) =>
    response.writeHead(request.url?.includes('to=%2B4930') ? 500 : 200).end('ok'),
  )
  const folder = folderOf(t)
  const clock = new MovedClock()
  // From noon on: no night begins but those that the test lets begin.
  clock.ahead = day - ((Date.now() + day / 2) % day)
  const desk = await NotifyDesk.start(t, folder, { timeZone: 'UTC' }, undefined, clock)
  await desk.app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(desk.app.server.address() as AddressInfo).port}`
  const as = (who: string) => terminalOf(url, desk.tokens[who] ?? '')
  const points = {
    webhook: (who: string) => desk.point(who, 'webhook', { url: gateway.url, secret }),
    sms: (who: string, to: string) =>
      desk.point(who, 'sms', {
        ...{ to, method: 'GET' },
        url: `${gateway.url}?to={to}&text={text}`,
      }),
  }
  const press = async (who: string, point: string) =>
    (await desk.as(who, 'POST', `/contact-points/${point}/test`)).body.outcome as string
  const apply = async (plan: string, ...more: string[]) => {
    const file = join(folder, 'oncall.yaml')
    writeFileSync(file, plan)
    return as('admin')('oncall', 'apply', file, '--yes', ...more)
  }
  const readiness = async () =>
    (await desk.as('vera', 'GET', '/oncall/readiness?days=14')).body as Readiness
  /** Time passes in steps that rules and duty follow; series are looked back for five minutes. */
  const pass = async (seconds: number) => {
    for (let left = seconds; left > 0; left -= 100) {
      desk.clock.ahead += Math.min(left, 100) * 1000
      await desk.app.oncall.look()
    }
  }
  /** What is active of a rule, as `schedule: reason`. */
  const active = (rule: string, ...states: string[]) =>
    desk.app.rules
      .activeAlerts()
      .filter((one) => one.rule === rule && states.includes(one.state))
      .map(({ labels }) => `${labels['schedule']}: ${labels['reason'] ?? 'nobody'}`)
      .sort()
  return { desk, as, points, press, apply, readiness, pass, active, gateway }
}

t.test('coming shifts without two tested channels are told before they come', async (t) => {
  const { desk, as, points, press, apply, readiness, pass, active, gateway } = await scene(t)
  const check = () => as('anna')('oncall', 'check')
  const unproven = /unknown: of the shifts of 14 days 0 ready.*\nThere is no schedule, so nothing/
  t.match(await check(), { code: 1, out: unproven })

  const [annas, sms] = [await points.webhook('anna'), await points.sms('anna', '+4940123456')]
  t.equal(await press('anna', annas), 'accepted')
  t.equal(await press('anna', sms), 'accepted')
  const bens = await points.webhook('ben')
  const broken = await points.sms('ben', '+4930123456')
  t.equal(await press('ben', broken), 'retry', 'ben presses one button, and nothing arrives')
  t.match(await apply(faulty), { code: 0, out: /Done: 4 changed/ })
  await desk.app.oncall.look()

  await t.test('by the console’s API', async (t) => {
    const found = await readiness()
    t.match(found, { state: 'unready', counts: { unknown: 0 }, proof: { state: 'unready' } })
    t.equal(found.proof?.day, new Date(desk.clock.now()).toISOString().slice(0, 10))
    const of = (name: string) => found.shifts.filter((one) => one.schedule === name)
    const said = (name: string) => [
      ...new Set(of(name).map(({ person, state, detail }) => `${person} ${state} ${detail}`)),
    ]
    const few =
      'ben unready 0 of 2 channels were tested within 90 days; add one and press its test button.'
    t.same(said('desk').sort(), ['anna ready sms, webhook', few])
    t.same(said('mornings').sort(), [
      'anna ready sms, webhook',
      'null unready all: outside its hours',
    ])
    t.same(said('meant'), ['anna ready sms, webhook'], 'a gap that is meant is no fault')
    t.same(said('empty'), ['null unready all: no participants'])
    t.equal(of('empty').length, 1, 'the whole time is one gap')
    const bad = found.shifts.filter(({ state }) => state === 'unready')
    t.equal(bad.length, found.counts['unready'])
    t.match(bad[0], { reason: /too few tested channels|nobody on call/ }, 'the worst first')
    t.ok(
      of('desk').every(({ from, to }) => Date.parse(to) - Date.parse(from) <= day),
      'shift by shift',
    )
    const now = (await desk.as('vera', 'GET', '/oncall')).body.schedules
    t.match(
      now.find(({ id }: { id: string }) => id === 'empty'),
      { onCall: [], gap: { reason: /no participants/, planned: false } },
    )
  })

  await t.test('in the terminal, with an exit code for scripts', async (t) => {
    const said = await check()
    t.equal(said.code, 1, said.out)
    t.match(said.out, /^unready: of the shifts of 14 days \d+ ready, \d+ not, 0 not known\n/)
    t.match(
      said.out,
      /\ndesk +20.* ben +too few tested channels +0 of 2 channels were tested within 90 days; add one/,
    )
    t.match(said.out, /\nempty +20.* - +nobody on call +all: no participants\n/)
    t.match(said.out, /\nmornings +20.* - +nobody on call +all: outside its hours\n/)
    t.notMatch(said.out, /\nmeant /)
    t.match(said.out, /\noverload: anna, two schedules, /)
    t.match(said.out, /\nThe proof of 20\d\d-\d\d-\d\d said: unready\.\n$/)
    t.match(await as('vera')('oncall'), {
      code: 0,
      out: /\nempty +NOBODY .* all: no participants\n/,
    })
    const json = JSON.parse((await as('anna')('oncall', 'check', '--days', '3', '--json')).out)
    t.match(json, { days: 3, state: 'unready' })
    t.match(await as('anna')('oncall', 'check', '--days', '0'), { code: 1, out: /days/ })
  })

  await t.test(
    'who is responsible is told: on every screen, and at once when nobody is',
    async (t) => {
      const unready = [
        'desk: too few tested channels',
        'empty: nobody on call',
        'mornings: nobody on call',
      ]
      await until(
        'the rules see it',
        () => active('OncallShiftUnready', 'pending', 'firing').length === 3,
      )
      const heard = gateway.heard.length
      await pass(100)
      await until('OncallNobody', () => active('OncallNobody', 'firing').includes('empty: nobody'))
      await until('a page reaches whom it can', () =>
        gateway.heard.slice(heard).some(({ body }) => /Nobody is on call: /.test(body)),
      )
      const pages = await as('anna')('pages')
      t.match(pages, { code: 0, out: /OPEN +Nobody is on call: (?:empty|mornings)/ })
      await pass(300)
      await until('OncallShiftUnready', () => active('OncallShiftUnready', 'firing').length === 3)
      t.same(active('OncallShiftUnready', 'firing'), unready)
      const listed = await as('vera')('alerts')
      for (const one of ['desk', 'empty', 'mornings'])
        t.match(
          listed.out,
          new RegExp(`WARNING +firing .*Coming shifts of ${one} would reach nobody`),
        )
      const { alerts } = (await desk.as('vera', 'GET', '/alerts')).body
      const warning = alerts.find((one: { rule: string }) => one.rule === 'OncallShiftUnready')
      t.match(warning, { runbook: /OncallShiftUnready/, severity: 'warning' })
      t.match(await as('vera')('pages', 'why', warning.fingerprint), {
        code: 0,
        out: /Nobody was paged: severity warning is shown on every screen/,
      })
      t.notMatch(JSON.stringify(warning), /anna|ben/, 'no names in labels')
    },
  )

  await t.test(
    'each night’s proof stays as it was, and what was mended shows at once',
    async (t) => {
      const first = (await readiness()).proof
      t.equal(await press('ben', bens), 'accepted')
      const other = await points.sms('ben', '+4940654321')
      t.equal(await press('ben', other), 'accepted')
      t.match(await apply(mended, '--prune'), { code: 0, out: /Done: 3 changed, 1 unchanged/ })
      const said = await check()
      t.equal(said.code, 0, said.out)
      t.match(said.out, /^ready: of the shifts of 14 days \d+ ready, 0 not, 0 not known\n/)
      t.match(said.out, /The proof of .* said: unready\.\n$/, 'that of the night before')
      t.match((await readiness()).proof, first)
      await desk.app.oncall.look()
      await until('the alerts are over', () =>
        ['OncallShiftUnready', 'OncallNobody'].every((rule) => active(rule, 'firing').length === 0),
      )
      desk.clock.ahead += day
      await desk.app.oncall.look()
      const next = (await readiness()).proof
      t.equal(next?.state, 'ready')
      t.not(next?.day, first?.day)
      const nights = await desk.app.records.read.selectFrom('oncall_proofs').select('day').execute()
      t.equal(nights.length, 2, 'one a night')
    },
  )

  await t.test('a test that is too long ago, and a disabled person, prove nothing', async (t) => {
    t.match(await as('admin')('people', 'disable', 'ben'), { code: 0 })
    t.match(await check(), { code: 1, out: / ben +person disabled +The account is disabled; add/ })
    t.match(await as('admin')('people', 'enable', 'ben'), { code: 0 })
    t.equal((await check()).code, 0)
    desk.clock.ahead += 90 * day
    const late = await readiness()
    t.match(late, { state: 'unready', counts: { ready: 0, unknown: 0 } })
    t.equal(late.shifts[0]?.reason, 'too few tested channels')
    t.match(await check(), { code: 1, out: / anna +too few tested channels +0 of 2 channels/ })
  })
})
