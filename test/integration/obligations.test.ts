import type { Test } from 'tap'
import {
  type Obligation,
  type ObligationKind,
  type Outcome,
  retryDelay,
} from '../../server/obligations/obligation.ts'
import {
  closeObligations,
  openObligation,
  prune,
  releaseAll,
  standing,
} from '../../server/obligations/obligation-store.ts'
import { findLost, lostSince } from '../../server/obligations/watchdog.ts'
import { ObligationWorker } from '../../server/obligations/worker.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { HandTime } from '../helpers/hand-time.ts'
import { until } from '../helpers/hub.ts'

const start = Date.UTC(2026, 2, 1)

/** A kind whose domain is the settings: whoever stands there as "open" is owed a call. */
class Calls implements ObligationKind {
  readonly kind = 'call'
  readonly promise = 'each open case is called'
  readonly concurrency: number
  readonly attemptMillis = 5_000
  readonly performed: Obligation[] = []
  answer: (obligation: Obligation, signal: AbortSignal) => Promise<Outcome> = async () => ({})
  constructor(concurrency = 10) {
    this.concurrency = concurrency
  }
  perform(obligation: Obligation, signal: AbortSignal): Promise<Outcome> {
    this.performed.push(obligation)
    return this.answer(obligation, signal)
  }
  owed: ObligationKind['owed'] = (read) =>
    (read as CountedRecords['read'])
      .selectFrom('settings')
      .select('key as subject')
      .where('value', '=', 'open')
  mend: ObligationKind['mend'] = async (tx, subject) =>
    openObligation(tx, { kind: 'call', subject, key: `${subject}/mended`, dueAt: start }, start)
}

interface Scene {
  readonly records: CountedRecords
  readonly time: HandTime
  readonly calls: Calls
  readonly faults: unknown[]
  readonly worker: ObligationWorker
  open(subject: string, dueAt?: number, lane?: string, key?: string): Promise<boolean>
  row(subject: string): Promise<{ state: string; attempts: number; last_fault: string | null }>
}

function sceneOf(records: CountedRecords, calls = new Calls()): Scene {
  const time = new HandTime(start)
  const faults: unknown[] = []
  const worker = new ObligationWorker({
    records,
    clock: time,
    timers: time,
    holder: 'this-run',
    onPerformed: () => undefined,
    onFault: (err) => faults.push(err),
  })
  worker.register(calls)
  return {
    records,
    time,
    calls,
    faults,
    worker,
    open: (subject, dueAt = start, lane = subject, key = subject) =>
      records.write((tx) =>
        openObligation(
          tx,
          { kind: 'call', subject, key, lane, dueAt, payload: { to: subject } },
          start,
        ),
      ),
    row: (subject) =>
      records.read
        .selectFrom('obligations')
        .selectAll()
        .where('subject', '=', subject)
        .executeTakeFirstOrThrow(),
  }
}

const promises: Record<string, (t: Test, records: CountedRecords) => Promise<void>> = {
  async 'a key is opened once, for ever; a closed one is not performed'(t, records) {
    const { open, worker, calls, row, time } = sceneOf(records)
    t.equal(await open('a'), true)
    t.equal(await open('a'), false, 'the second is the same')
    await open('b')
    t.equal(
      await records.write((tx) => closeObligations(tx, 'call', 'b', 'acknowledged', start)),
      1,
    )
    worker.start()
    await worker.settled()
    t.same(
      calls.performed.map(({ subject }) => subject),
      ['a'],
    )
    t.same(calls.performed[0]?.payload, { to: 'a' })
    t.equal((await row('a')).state, 'done')
    t.equal((await row('b')).state, 'closed')
    t.equal(await open('a'), false, 'nor after it is done')
    time.move(10_000)
    await worker.settled()
    t.equal(calls.performed.length, 1)
  },

  async 'nothing is met before it is due, and then without anybody waking'(t, records) {
    const { open, worker, calls, time } = sceneOf(records)
    worker.start()
    await worker.settled()
    await open('later', start + 60_000)
    for (let second = 0; second < 59; second += 1) {
      time.move(1000)
      await worker.settled()
    }
    t.equal(calls.performed.length, 0)
    for (let second = 0; second < 6; second += 1) {
      time.move(1000)
      await worker.settled()
    }
    t.equal(calls.performed.length, 1)
  },

  async 'what fails comes again, later and later, and is never given up'(t, records) {
    const { open, worker, calls, time, row, faults } = sceneOf(records)
    let fails = 12
    calls.answer = async () => {
      if (fails-- > 0) throw new Error('the gateway is silent')
      return {}
    }
    await open('a')
    worker.start()
    await worker.settled()
    t.equal((await row('a')).last_fault, 'the gateway is silent')
    const begun = time.now()
    while ((await row('a')).state === 'waiting' && time.now() < start + 3_600_000) {
      time.move(500)
      await worker.settled()
    }
    t.equal((await row('a')).state, 'done')
    t.equal(calls.performed.length, 13)
    t.same(
      calls.performed.map(({ attempts }) => attempts),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    )
    t.equal(faults.length, 12)
    t.ok(time.now() - begun >= 60_000, 'not in a hurry')
    t.equal(retryDelay(0), 1000)
    t.equal(retryDelay(1000), 60_000)
  },

  async 'what was done is recorded with the closing, or neither is'(t, records) {
    const { open, worker, calls, time, row } = sceneOf(records)
    let refuse = true
    calls.answer = async ({ subject }) => ({
      settle: async (tx) => {
        await tx
          .insertInto('settings')
          .values({ key: `told ${subject}`, value: '' })
          .execute()
        if (refuse) throw new Error('the records refuse')
      },
    })
    await open('a')
    worker.start()
    await worker.settled()
    const told = () =>
      records.read.selectFrom('settings').select('key').where('key', '=', 'told a').execute()
    t.equal((await told()).length, 0)
    t.equal((await row('a')).state, 'waiting')
    refuse = false
    time.move(1500)
    await worker.settled()
    t.equal((await told()).length, 1)
    t.equal((await row('a')).state, 'done')
  },

  async 'one that was closed while it was performed is still recorded, as not live'(t, records) {
    const { open, worker, calls, row } = sceneOf(records)
    const seen: boolean[] = []
    calls.answer = async ({ subject }) => {
      await records.write((tx) => closeObligations(tx, 'call', subject, 'acknowledged', start))
      return { settle: async (_tx, live) => void seen.push(live), again: { dueAt: start + 1 } }
    }
    await open('a')
    worker.start()
    await worker.settled()
    t.same(seen, [false])
    t.equal((await row('a')).state, 'closed', 'not owed again')
  },

  async 'owed again: the same row, with what it carries now'(t, records) {
    const { open, worker, calls, time, row } = sceneOf(records)
    calls.answer = async ({ payload }) =>
      (payload as { to: string }).to === 'b'
        ? {}
        : { again: { dueAt: start + 30_000, payload: { to: 'b' } } }
    await open('a')
    worker.start()
    await worker.settled()
    t.equal(calls.performed.length, 1)
    t.equal((await row('a')).state, 'waiting')
    while (time.now() < start + 31_000) {
      time.move(1000)
      await worker.settled()
    }
    t.same(
      calls.performed.map(({ payload }) => payload),
      [{ to: 'a' }, { to: 'b' }],
    )
    t.equal((await row('a')).state, 'done')
  },

  async 'a storm of one system does not bury the first of another'(t, records) {
    const calls = new Calls(5)
    const { worker } = sceneOf(records, calls)
    await records.write(async (tx) => {
      for (let i = 0; i < 2000; i += 1) {
        const subject = `storm-${i}`
        await openObligation(
          tx,
          { kind: 'call', subject, key: subject, lane: 'A', dueAt: start - 10 },
          start,
        )
      }
      await openObligation(
        tx,
        { kind: 'call', subject: 'other', key: 'other', lane: 'B', dueAt: start },
        start,
      )
    })
    worker.start()
    await worker.settled()
    t.equal(calls.performed.length, 2001, 'none lost')
    t.equal(new Set(calls.performed.map(({ id }) => id)).size, 2001, 'none twice')
    const place = calls.performed.findIndex(({ subject }) => subject === 'other')
    t.ok(place < 2, `the other system’s is number ${place + 1}`)
  },

  async 'an attempt that hangs is given up by its signal, and stopping waits for none'(t, records) {
    const { open, worker, calls, row } = sceneOf(records)
    let signalled = false
    calls.answer = (_obligation, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          signalled = true
          reject(signal.reason as Error)
        })
      })
    await open('a')
    worker.start()
    while (calls.performed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await worker.stop()
    t.ok(signalled)
    t.equal((await row('a')).state, 'waiting', 'it stays owed')
  },

  async 'a killed run’s lease is freed at the start'(t, records) {
    const { open, worker, calls } = sceneOf(records)
    await open('a')
    await records.write((tx) =>
      tx
        .updateTable('obligations')
        .set({ lease_by: 'killed-run', lease_until: Date.now() + 3_600_000 })
        .execute(),
    )
    worker.start()
    await worker.settled()
    t.equal(calls.performed.length, 0, 'somebody else’s')
    await releaseAll(records)
    worker.wake()
    await worker.settled()
    t.equal(calls.performed.length, 1)
  },

  async 'a lease that ended by the database’s clock is free'(t, records) {
    const { open, worker, calls } = sceneOf(records)
    await open('a')
    await records.write((tx) =>
      tx
        .updateTable('obligations')
        .set({ lease_by: 'killed-run', lease_until: Date.now() - 60_000 })
        .execute(),
    )
    worker.start()
    await worker.settled()
    t.equal(calls.performed.length, 1)
  },

  async 'only what is worked on is renewed: a row that nobody works on becomes free by time'(
    t,
    records,
  ) {
    const { open, worker, calls, time } = sceneOf(records)
    let finish = (): void => undefined
    calls.answer = () =>
      new Promise((resolve) => {
        finish = () => resolve({})
      })
    await open('a')
    await open('b', start + 3_600_000)
    worker.start()
    await until('it is performed', () => calls.performed.length === 1)
    await records.write(async (tx) => {
      // As after a claim whose answer was lost: the row is this hub's, and it knows nothing of it.
      await tx.updateTable('obligations').set({ lease_by: 'this-run', lease_until: 1 }).execute()
    })
    const leases = async () => {
      const rows = await records.read
        .selectFrom('obligations')
        .select(['subject', 'lease_until'])
        .orderBy('subject')
        .execute()
      return rows.map((row) => Number(row.lease_until) > 1)
    }
    time.move(5_000)
    await until('the one at work is renewed', async () => (await leases())[0])
    t.same(await leases(), [true, false])
    finish()
    await worker.settled()
  },

  async 'a place that becomes free goes to a lane that has none'(t, records) {
    const calls = new Calls(2)
    const { open, worker, faults } = sceneOf(records, calls)
    const ends: (() => void)[] = []
    calls.answer = () => new Promise((resolve) => ends.push(() => resolve({})))
    await open('a1', start - 9, 'A')
    await open('a2', start - 8, 'A')
    worker.start()
    await until('two of A are at work', () => ends.length === 2)
    for (const [i, subject] of ['a3', 'a4', 'a5', 'a6'].entries())
      await open(subject, start - 7 + i, 'A')
    await open('b1', start, 'B')
    worker.wake()
    await until('all are claimed', async () => {
      const rows = await records.read
        .selectFrom('obligations')
        .select('id')
        .where('lease_by', 'is not', null)
        .execute()
      return rows.length === 7
    })
    ends[0]!()
    await until('the next begins', () => ends.length === 3)
    t.equal(calls.performed[2]?.subject, 'b1', 'though four of A wait for longer')
    calls.answer = async () => ({})
    for (const end of ends) end()
    await worker.settled()
    t.equal(calls.performed.length, 7)
    t.same(faults, [])
  },

  async 'a fault whose words the records refuse is kept all the same'(t, records) {
    const { open, worker, calls, row } = sceneOf(records)
    calls.answer = async () => {
      throw new Error('bad \0 answer \ud800')
    }
    await open('a')
    worker.start()
    await worker.settled()
    t.match(await row('a'), { attempts: 1, last_fault: 'bad \ufffd answer \ufffd' })
  },

  async 'a clock that goes back makes nothing wait longer, while the hub runs and while it does not'(
    t,
    records,
  ) {
    const { open, worker, calls, time } = sceneOf(records)
    calls.answer = async ({ dueAt }) => ({
      again: { dueAt: Math.min(dueAt, time.now() + 60_000) },
    })
    worker.start()
    await worker.settled()
    await open('a', start + 30_000)
    time.set(-7_200_000)
    for (let second = 0; second < 10; second += 1) {
      time.move(1000)
      await worker.settled()
    }
    t.equal(calls.performed.length, 1, 'looked at, and timed anew by whoever performs it')
    await worker.stop()

    const later = sceneOf(records)
    later.time.set(-9_000_000)
    later.worker.start()
    await later.worker.settled()
    t.equal(later.calls.performed.length, 1)
    const third = sceneOf(records)
    await records.write((tx) => tx.deleteFrom('obligations').execute())
    await open('b', start + 30_000)
    third.worker.start()
    await third.worker.settled()
    t.equal(third.calls.performed.length, 0, 'a clock that did not go back changes nothing')
    await third.worker.stop()
  },

  async 'the watchdog names who was forgotten, mends it, and is silent when all is well'(
    t,
    records,
  ) {
    const { open, worker, calls, time } = sceneOf(records)
    const put = (key: string) =>
      records.write((tx) => tx.insertInto('settings').values({ key, value: 'open' }).execute())
    const look = () => findLost(records, [calls], time.now(), (err) => t.fail(String(err)))
    await put('a')
    await put('b')
    await open('a', start + 60_000)
    await open('b', start + 60_000)
    t.same(await look(), [])
    await records.write((tx) => tx.deleteFrom('obligations').where('subject', '=', 'b').execute())
    t.same(await look(), [{ kind: 'call', subject: 'b' }])
    const [noted] = await lostSince(records, start, 10)
    t.match(noted, { kind: 'call', subject: 'b', foundAt: start, mendedAt: start })
    t.same(await look(), [], 'mended')
    worker.start()
    await worker.settled()
    t.same(
      calls.performed.map(({ subject }) => subject),
      ['b'],
    )
    // Done, but the case is still open: nothing is owed by the table, something by the domain.
    t.same(await look(), [{ kind: 'call', subject: 'b' }])
  },

  async 'what cannot be mended stays named and harms no other'(t, records) {
    const { calls, time } = sceneOf(records)
    const mend = calls.mend
    calls.mend = async (tx, subject) => {
      if (subject === 'a') throw new Error('no')
      return mend(tx, subject)
    }
    for (const key of ['a', 'b'])
      await records.write((tx) =>
        tx.insertInto('settings').values({ key, value: 'open' }).execute(),
      )
    const faults: string[] = []
    await findLost(records, [calls], time.now(), (err) => faults.push(String(err)))
    await findLost(records, [calls], time.now() + 1, (err) => faults.push(String(err)))
    t.same(faults, ['Error: no', 'Error: no'])
    const rows = await lostSince(records, start + 3_600_000, 10)
    t.same(
      rows.map(({ subject, mendedAt }) => [subject, mendedAt]),
      [['a', null]],
      'one row, not mended',
    )
  },

  async 'closed ones are dropped when they are old, waiting ones never'(t, records) {
    const { open, worker } = sceneOf(records)
    await open('old')
    worker.start()
    await worker.settled()
    await open('waiting', start + 1e9)
    t.equal(await prune(records, start), 0)
    t.equal(await prune(records, start + 1), 1)
    t.match(await standing(records, start), [{ kind: 'call', waiting: 1, oldestDueMillis: 0 }])
  },
}

onBothDatabases('obligations', promises)
