import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ChannelHealth } from '../../../server/notify/channel-health.ts'
import { Lane, LaneFull } from '../../../server/notify/lanes.ts'
import { accepted, clean, retry, retryAfter } from '../../../server/notify/outcome.ts'
import { RateLimits } from '../../../server/notify/rate-limit.ts'
import { fit, utf8Bytes } from '../../../server/notify/truncate.ts'
import { openSealer, sealerOf } from '../../../server/sealing.ts'
import { folderOf } from '../../helpers/folder.ts'

t.test('limits count in windows that slide, by key', async (t) => {
  const limits = new RateLimits()
  const twenty = [{ count: 20, perMillis: 60_000 }]
  for (let i = 0; i < 20; i++) t.equal(limits.take('a', twenty, i * 100), 0)
  t.equal(limits.take('a', twenty, 2000), 58_000)
  t.equal(limits.take('b', twenty, 2000), 0)
  t.equal(limits.take('a', twenty, 59_999), 1)
  t.equal(limits.take('a', twenty, 60_000), 0)
  t.equal(limits.take('a', twenty, 60_001), 99)
  const both = [
    { count: 2, perMillis: 1000 },
    { count: 3, perMillis: 60_000 },
  ]
  t.same(
    [0, 1, 2].map((at) => limits.take('c', both, at)),
    [0, 0, 998],
  )
  t.equal(limits.take('c', both, 1000), 0)
  t.equal(limits.take('c', both, 3000), 57_000)
  const half = (at: number) => limits.take('d', twenty, at, 0.5)
  for (let i = 0; i < 10; i++) t.equal(half(i), 0)
  t.equal(half(10), 59_990, 'what can wait uses half of the room')
  for (let i = 10; i < 20; i++) t.equal(limits.take('d', twenty, i), 0)
  t.equal(limits.take('d', twenty, 20), 59_980)
  t.equal(half(60_009), 60_010 - 60_009, 'and comes when half of it is free')
})

t.test('a target that does not answer holds up no other', async (t) => {
  const lane = new Lane({ running: 5, runningOfTarget: 2, waiting: 9, waitingOfTarget: 3 })
  const never = new AbortController()
  const hung: Promise<unknown>[] = []
  const hang = () => {
    const work = lane.run(
      'black hole',
      never.signal,
      () =>
        new Promise((_, reject) =>
          never.signal.addEventListener('abort', () => reject(never.signal.reason)),
        ),
    )
    work.catch(() => undefined)
    hung.push(work)
  }
  for (let i = 0; i < 5; i++) hang()
  const done: number[] = []
  await Promise.all(
    Array.from({ length: 3 }, (_, i) => lane.run('other', never.signal, async () => done.push(i))),
  )
  t.same(done, [0, 1, 2])
  hang()
  await t.rejects(
    lane.run('black hole', never.signal, async () => 1),
    { constructor: LaneFull } as never,
  )
  const impatient = new AbortController()
  impatient.abort(new Error('too late'))
  never.abort(new Error('end'))
  const ends = await Promise.allSettled(hung)
  t.ok(ends.every(({ status }) => status === 'rejected'))
  t.equal(
    await lane.run('black hole', new AbortController().signal, async () => 'free again'),
    'free again',
  )
  await t.rejects(
    lane.run('x', new AbortController().signal, async () => Promise.reject(new Error('own'))),
    /own/,
  )
})

t.test('settings are sealed for one record with a key of 0600', async (t) => {
  const path = join(folderOf(t), 'notify.key')
  const { sealer, isNew } = openSealer(path)
  t.equal(isNew, true)
  t.equal(statSync(path).mode & 0o777, 0o600)
  const sealed = sealer.seal('cp-1', '{"password":"geheim-Пароль"}')
  t.notMatch(sealed, /geheim/)
  t.not(sealer.seal('cp-1', 'x'), sealer.seal('cp-1', 'x'))
  t.equal(openSealer(path).sealer.open('cp-1', sealed), '{"password":"geheim-Пароль"}')
  t.throws(() => sealer.open('cp-2', sealed))
  t.throws(() => sealer.open('cp-1', `${sealed.slice(0, -2)}AA`))
  t.throws(() => sealer.open('cp-1', 'v2.a.b.c'), /does not know/)
  t.throws(() => sealer.open('cp-1', 'v1.AAAA'))
  t.throws(() => sealerOf(Buffer.alloc(32)).open('cp-1', sealed))
  chmodSync(path, 0o644)
  t.throws(() => openSealer(path), /others may read it \(mode 644\)/)
  chmodSync(path, 0o600)
  writeFileSync(path, readFileSync(path, 'utf8').slice(5))
  t.throws(() => openSealer(path), /does not hold 32 bytes.*\n.*backup/)
})

t.test('what is said of an attempt', async (t) => {
  t.equal(clean(' a\r\n\u0000b  c '), 'a b c')
  t.equal([...clean('x'.repeat(400))].length, 300)
  t.same(
    [
      retryAfter('120', 0),
      retryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 0),
      retryAfter('soon', 0),
      retryAfter(undefined, 0),
    ],
    [120_000, 60_000, undefined, undefined],
  )
  t.same(retry('x', 1e12).retryAfterMillis, 3_600_000)
  t.equal(
    fit('äöü', 4, () => '…', utf8Bytes),
    '…',
  )
  t.equal(
    fit('äöü', 6, () => '…', utf8Bytes),
    'äöü',
  )
  const health = new ChannelHealth()
  for (const at of [1, 2]) health.saw('sms', retry('x'), at)
  t.equal(health.failing('sms', 3), 0)
  health.saw('sms', retry('x'), 3)
  t.same(
    [health.failing('sms', 4), health.failing('email', 4), health.failing('sms', 3_600_003)],
    [1, 0, 0],
  )
  health.saw('sms', accepted(), 5)
  t.equal(health.failing('sms', 6), 0)
})
