import t from 'tap'
import type { ActiveAlert } from '../../../alerts/state.ts'
import { createEngine } from '../../../server/promql/engine.ts'
import { HostPresence, holdAfterStartMillis } from '../../../server/rules/host-presence.ts'
import { promqlQueries } from '../../../server/rules/promql-queries.ts'
import { createMemoryStore } from '../../../server/store/memory-store.ts'
import { HandTime } from '../../helpers/hand-time.ts'

const begin = Date.UTC(2026, 0, 5, 8)

t.test('whether what is not seen is over is judged by when it was looked at', (t) => {
  const clock = new HandTime(begin)
  const queries = promqlQueries(createEngine({ reader: createMemoryStore() }))
  const presence = new HostPresence({ clock, queries, onError: (error) => t.error(error) })
  const alert = { labels: { alertname: 'TrunkDown' }, state: 'firing' } as unknown as ActiveAlert
  clock.move(5_000)
  const looked = clock.now()
  clock.move(holdAfterStartMillis)
  t.ok(
    presence.holds(alert, new Map(), looked),
    'five seconds after the start, nobody has reported yet',
  )
  t.notOk(presence.holds(alert, new Map(), clock.now()), 'more than a minute after it')
  clock.set(-3_600_000)
  t.notOk(presence.holds(alert, new Map(), looked), 'a clock that was set back holds nothing')
  t.end()
})
