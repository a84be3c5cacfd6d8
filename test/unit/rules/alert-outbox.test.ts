import t from 'tap'
import type { AlertChange, AlertView } from '../../../alerts/alert.ts'
import type { RecordsTransaction } from '../../../server/records/records.ts'
import { AlertOutbox } from '../../../server/rules/alert-outbox.ts'
import { HandTime } from '../../helpers/hand-time.ts'

const second = 1_000

function change(id: string, kind: AlertChange['kind'] = 'firing'): AlertChange {
  const alert: AlertView = {
    ...{ id, fingerprint: `f-${id}`, rule: 'R', group: 'g', severity: 'critical' },
    ...{ labels: { server: id }, annotations: {}, state: 'firing', value: '1', activeAt: 0 },
  }
  return { kind, alert, at: 0 }
}

/** An outbox whose records refuse what `poison` names. */
function outboxWith(poison: ReadonlySet<string>) {
  const time = new HandTime(0)
  const told: string[] = []
  let failures = 0
  let down = false
  const outbox = new AlertOutbox({
    async write(work) {
      if (down) throw new Error('the disk is full')
      const before = told.length
      try {
        await work({} as RecordsTransaction)
      } catch (error) {
        told.length = before
        throw error
      }
    },
    async deliver(_tx, changes) {
      for (const { alert, kind } of changes) {
        if (poison.has(alert.id)) throw new Error(`${alert.id} cannot be written`)
        told.push(`${alert.id} ${kind}`)
      }
    },
    onWritten: () => undefined,
    onFailed: () => {
      failures++
    },
    onLost: () => undefined,
    timers: time,
  })
  return {
    ...{ outbox, told, time },
    failures: () => failures,
    refuse(all: boolean) {
      down = all
    },
    /** One more retry. */
    async retry() {
      time.move(second)
      await outbox.settled()
    },
  }
}

t.test('what cannot be written holds up its own alert only, however many there are', async (t) => {
  const poison = new Set(['a', 'b', 'c', 'd'])
  const { outbox, told, retry, failures } = outboxWith(poison)
  for (const id of poison) outbox.add({ writes: [], changes: [change(id)] })
  outbox.add({ writes: [], changes: [change('a', 'resolved')] })
  outbox.add({ writes: [], changes: [change('good')] })
  await outbox.settled()
  for (let i = 0; i < 4; i++) await retry()
  t.same(told, ['good firing'])
  const before = failures()
  outbox.add({ writes: [], changes: [change('late')] })
  outbox.add({ writes: [], changes: [change('a')] })
  await outbox.settled()
  t.same(told, ['good firing', 'late firing'], 'at once, without waiting for a retry')
  t.ok(failures() - before <= 6, 'those refused are not tried with everything')
  t.equal(await outbox.put({ writes: [], changes: [change('post')] }), true)
  poison.clear()
  for (let i = 0; i < 8; i++) await retry()
  t.equal(outbox.empty, true)
  t.same(
    told.filter((one) => one.startsWith('a ')),
    ['a firing', 'a resolved', 'a firing'],
    'in their order',
  )
})

t.test(
  'records that refuse everything: nothing is lost, order is kept, others need no alert of theirs',
  async (t) => {
    const { outbox, told, retry, refuse } = outboxWith(new Set())
    refuse(true)
    for (let i = 0; i < 20; i++)
      outbox.add({ writes: [], changes: [change(`s${i % 10}`, i < 10 ? 'firing' : 'resolved')] })
    await outbox.settled()
    for (let i = 0; i < 5; i++) await retry()
    t.equal(outbox.waiting, 20)
    t.equal(
      await outbox.put({ writes: [], changes: [change('post')] }),
      false,
      'nobody waits for a retry',
    )
    refuse(false)
    for (let i = 0; i < 10; i++) await retry()
    t.equal(outbox.waiting, 0)
    t.equal(told.length, 21)
    for (let i = 0; i < 10; i++)
      t.ok(told.indexOf(`s${i} firing`) < told.indexOf(`s${i} resolved`), `s${i} in its order`)
    await outbox.close()
  },
)
