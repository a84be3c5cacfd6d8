import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { CommunicationDesk } from './communication-desk.ts'

interface Alert {
  readonly rule: string
  readonly state: string
}

/** What on-call people see of the rule, by the same question as their screens ask. */
async function seen(desk: CommunicationDesk): Promise<string> {
  const { body } = await desk.as('ines', 'GET', '/alerts')
  const alert = (body.alerts as Alert[]).find(({ rule }) => rule === 'NoticeNotDelivered')
  return alert?.state ?? 'none'
}

/** Figures are counted and rules looked at every ten seconds. */
async function untilSeen(desk: CommunicationDesk, state: string): Promise<string> {
  for (let round = 0; round < 600 && (await seen(desk)) !== state; round += 1) await delay(200)
  return seen(desk)
}

t.test(
  'a notice that is refused is seen by who is on call until a correction came',
  { timeout: 300_000 },
  async (t) => {
    const desk = await CommunicationDesk.start(t)
    const point = await desk.point('board')
    await desk.point('annas', 'anna')
    const id = await desk.incident({ severity: 'sev3' })
    const notices = `/incidents/${id}/notices`
    const deliveries = async (version: number) => {
      const { body } = await desk.as('vera', 'GET', `/incidents/${id}/communication`)
      const all = body.communication.notices as { version: number; deliveries: object[] }[]
      return all.find((one) => one.version === version)?.deliveries
    }
    desk.failing.add('/hook/board')
    const wanted = { audience: 'management', form: 'opening', language: 'en' }
    const sent = await desk.as('anna', 'POST', notices, { ...wanted, contactPoints: [point] })
    t.equal(sent.status, 201, JSON.stringify(sent.body))
    await desk.settle()
    t.match(await deliveries(1), [{ state: 'waiting', attempts: 1, reason: /503/ }])
    t.equal(await seen(desk), 'none', 'it is tried again before anybody is bothered')
    await desk.pass(1)
    t.match(await deliveries(1), [{ state: 'waiting', attempts: 2 }])
    const keys = desk.noticesAt('board').map(({ id }) => id)
    t.equal(keys.length, 2)
    t.equal(new Set(keys).size, 1, 'the repeat has the same key')

    desk.failing.clear()
    desk.refusing.add('/hook/board')
    await desk.pass(5)
    t.match(await deliveries(1), [{ state: 'refused', attempts: 3, reason: /400/ }])
    t.match(desk.titlesAt('annas'), [/^Notice not delivered: incident 1/], 'its author hears of it')
    t.equal(await untilSeen(desk, 'firing'), 'firing')

    desk.refusing.clear()
    const text = 'The lines of the call centre are down; we are at it.'
    const corrected = { ...wanted, contactPoints: [point], corrects: sent.body.notice.id, text }
    t.match(await desk.as('anna', 'POST', notices, corrected), { body: { notice: { version: 2 } } })
    await desk.settle()
    t.match(await deliveries(2), [{ state: 'accepted' }])
    t.match(await deliveries(1), [{ state: 'refused' }], 'the first one stays as it was')
    t.equal(await untilSeen(desk, 'none'), 'none', 'the alert is over')
  },
)
