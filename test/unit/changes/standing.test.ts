import t from 'tap'
import type { Permit } from '../../../server/changes/matching.ts'
import {
  announcedIn,
  isInHours,
  permitsNow,
  standingFault,
} from '../../../server/changes/standing.ts'
import { standingField } from '../../../server/cli/change-fields.ts'
import { hostLabels } from '../../helpers/host-labels.ts'
import fc from '../../helpers/property.ts'

const hour = 3_600_000
const at = (text: string) => Date.parse(text)

t.test(
  'hours come again, over midnight, in their zone, on their days, with a grace after them',
  async (t) => {
    const night = { from: '23:00', to: '04:00', zone: '+07:00' }
    t.ok(isInHours(undefined, 0, 0), 'at any time')
    // 2026-03-02 is a Monday.
    t.ok(isInHours(night, at('2026-03-02T23:00:00+07:00'), 0))
    t.ok(isInHours(night, at('2026-03-03T04:00:00+07:00'), 0))
    t.notOk(isInHours(night, at('2026-03-03T04:00:01+07:00'), 0))
    t.ok(isInHours(night, at('2026-03-03T05:59:00+07:00'), 2 * hour))
    t.notOk(isInHours(night, at('2026-03-02T22:59:59+07:00'), 2 * hour), 'no grace before')
    t.notOk(isInHours(night, at('2026-03-02T23:30:00Z'), 0), 'in its zone')
    const monday = { ...night, days: ['mon'] as const }
    t.ok(isInHours(monday, at('2026-03-03T03:00:00+07:00'), 0), 'begun on Monday')
    t.notOk(isInHours(monday, at('2026-03-02T03:00:00+07:00'), 0), 'begun on Sunday')
    t.notOk(isInHours(monday, at('2026-03-03T23:30:00+07:00'), 0))
    t.ok(isInHours(monday, at('2026-03-05T03:00:00+07:00'), 48 * hour), 'a long grace')
    const whole = { from: '00:00', to: '00:00', zone: '-05:30', days: ['sun'] as const }
    t.ok(isInHours(whole, at('2026-03-01T12:00:00-05:30'), 0))
    t.notOk(isInHours(whole, at('2026-03-03T12:00:00-05:30'), 0))
    const early = { from: '01:00', to: '02:00', zone: '+14:00', days: ['thu'] as const }
    t.ok(isInHours(early, at('1970-01-01T01:30:00+14:00'), 0), 'before the epoch in UTC')
  },
)

t.test('what a standing record is worth now', async (t) => {
  const permit = (more: Partial<Permit>): Permit => ({
    id: 'a',
    hosts: ['pbx-01'],
    startsAt: 0,
    endsAt: 1e15,
    approvedAt: 0,
    expected: [],
    standing: { origin: 'security' },
    ...more,
  })
  let asked = 0
  const updates = [
    { kind: 'package' as const, subject: 'libc6', to: '2' },
    { kind: 'package' as const, subject: 'openssl', to: '3' },
  ]
  const now = (announced: typeof updates, ...permits: Permit[]) =>
    permitsNow(permits, hostLabels, at('2026-03-02T12:00:00Z'), hour, async () => {
      asked++
      return announced
    })
  t.same(await now([], permit({})), [], 'nothing announced covers nothing, not everything')
  t.match(await now(updates, permit({})), [{ expected: updates }])
  const only = [{ kind: 'package' as const, subject: 'open*' }]
  t.match(await now(updates, permit({ expected: only })), [{ expected: [{ subject: 'openssl' }] }])
  t.same(await now(updates, permit({ expected: [{ kind: 'package', subject: 'bash' }] })), [])
  asked = 0
  t.same(await now(updates, permit({ hosts: ['role=db'] })), [])
  const hours = { from: '01:00', to: '02:00', zone: '+00:00' }
  t.same(await now(updates, permit({ standing: { origin: 'security', hours } })), [])
  t.match(await now(updates, permit({ standing: undefined })), [{ expected: [] }])
  t.equal(asked, 0, 'the host’s documents are read only where they decide')

  t.match(standingFault({ standing: {}, expected: [] }), /approve every change/)
  t.match(standingFault({ standing: {}, expected: [{ kind: 'package', subject: '**' }] }), /every/)
  t.equal(standingFault({ standing: { origin: 'security' }, expected: [] }), undefined)
  t.equal(standingFault({ expected: [] }), undefined)
})

t.test('what a host announced; bad documents announce nothing', async (t) => {
  const update = { name: 'a', from: '1', to: '2', security: true }
  const pending = [update, { ...update, security: false }, { ...update, name: '*' }, null, 1, {}]
  t.same(announcedIn(JSON.stringify({ updates: { pending } })), [
    { kind: 'package', subject: 'a', to: '2' },
  ])
  const many = Array.from({ length: 5000 }, () => update)
  t.equal(announcedIn(JSON.stringify({ updates: { pending: many } })).length, 1000)
  for (const bad of [undefined, '', 'null', '[]', '{"updates":1}', '{"updates":{"pending":{}}}'])
    t.same(announcedIn(bad), [])
  fc.assert(fc.property(fc.json(), (text) => Array.isArray(announcedIn(text))))
})

t.test('a standing record on the command line', async (t) => {
  const none = { standing: false, origin: undefined, daily: undefined, days: undefined }
  t.equal(standingField(none, 420), undefined)
  t.same(standingField({ ...none, standing: true }, 420), {})
  t.same(
    standingField({ ...none, origin: 'security', daily: '01:00-05:00', days: 'sat,sun' }, 420),
    {
      origin: 'security',
      hours: { from: '01:00', to: '05:00', zone: '+07:00', days: ['sat', 'sun'] },
    },
  )
  t.match(standingField({ ...none, daily: '01:00-05:00' }, -210), { hours: { zone: '-03:30' } })
  t.match(standingField({ ...none, daily: '01:00-05:00Z' }, 420), { hours: { zone: '+00:00' } })
  t.throws(() => standingField({ ...none, origin: 'x' }, 0), /--origin security/)
  t.throws(() => standingField({ ...none, daily: 'night' }, 0), /--daily 23:00-04:00/)
  t.throws(() => standingField({ ...none, days: 'sun' }, 0), /--days needs the hours/)
})
