import t from 'tap'
import { disruptedMillis } from '../../../incidents/disruption.ts'
import type { CountedIncident } from '../../../incidents/figures.ts'

const one = (at: number, more: Partial<CountedIncident> = {}): CountedIncident => ({
  ...{ id: `i${at}`, state: 'closed', services: ['telephony'], at, toRestoreMillis: 10 },
  ...more,
})
const of = (...incidents: CountedIncident[]) =>
  Object.fromEntries(disruptedMillis(incidents, { from: 100, to: 200 }))

t.test('how long a service was disrupted', async (t) => {
  t.same(of(), {})
  t.same(of(one(110)), { telephony: 10 })
  t.same(of(one(110), one(115), one(116, { toRestoreMillis: 2 })), { telephony: 15 }, 'once')
  t.same(of(one(95), one(195)), { telephony: 10 }, 'what of it lies in the period')
  t.same(of(one(80)), {}, 'over before')
  const open = { state: 'investigating' }
  const { toRestoreMillis: _, ...unrestored } = one(150, open)
  t.same(of(unrestored), { telephony: 50 }, 'until now')
  t.same(of(one(110, { ...open, toRestoreMillis: 5 })), { telephony: 90 }, 'it relapsed')
  t.same(of({ ...unrestored, state: 'review' }), {}, 'nobody stated when')
  t.same(of(one(110, { state: 'cancelled' }), one(110, { state: 'merged' })), {})
  t.same(of(one(110, { services: ['a', 'b', 'a'] })), { a: 10, b: 10 })
})
