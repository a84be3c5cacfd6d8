import fc from 'fast-check'
import t from 'tap'
import { limits, type Report } from '../../../collector/wire/frames.ts'
import { decodeReport, encodeReport, FrameError } from '../../../collector/wire/report.ts'
import { ClockOffset, storedTime } from '../../../server/ingest/clock-offset.ts'
import { readTextFrame } from '../../../server/ingest/schema.ts'
import { type Host, hostState, upState } from '../../../server/inventory/host.ts'

const report: Report = {
  lane: 'live',
  sequence: 7,
  wall: 1_700_000_000_123,
  monotonic: 55.5,
  indexes: Uint32Array.of(0, 2),
  values: Float64Array.of(-0, Number.POSITIVE_INFINITY),
  stale: Uint32Array.of(1),
}

t.test('a report survives the wire', async (t) => {
  const back = decodeReport(encodeReport(report), 3)
  t.same(back, report)
  t.ok(Object.is(back.values[0], -0))
  fc.assert(
    fc.property(
      fc.array(fc.double(), { maxLength: 50 }),
      fc.constantFrom('live' as const, 'backlog' as const),
      (values, lane) => {
        const sent = {
          ...report,
          lane,
          values: Float64Array.from(values),
          indexes: Uint32Array.from(values.keys()),
          stale: new Uint32Array(0),
        }
        const got = decodeReport(encodeReport(sent), 50)
        return got.lane === lane && values.every((value, i) => Object.is(got.values[i], value))
      },
    ),
  )
})

t.test('a bad report is refused with a reason', async (t) => {
  const check = (change: (frame: Buffer) => Buffer, reason: RegExp, dictionary = 3) =>
    t.throws(() => decodeReport(change(encodeReport(report)), dictionary), { message: reason })
  check((frame) => frame.subarray(0, 10), /shorter than its header/)
  check((frame) => frame.subarray(0, -1), /expected/)
  check((frame) => Buffer.concat([frame, Buffer.alloc(1)]), /expected/)
  check((frame) => frame, /not in the dictionary/, 2)
  const set = (write: (frame: Buffer) => void) => (frame: Buffer) => {
    write(frame)
    return frame
  }
  check(
    set((frame) => frame.writeUInt8(9, 0)),
    /unknown frame kind 9/,
  )
  check(
    set((frame) => frame.writeUInt8(9, 1)),
    /unknown lane 9/,
  )
  check(
    set((frame) => frame.writeUInt32LE(4_000_000_000, 4)),
    /over the limit/,
  )
  check(
    set((frame) => frame.writeDoubleLE(0, 16)),
    /positive whole number/,
  )
  check(
    set((frame) => frame.writeDoubleLE(1.5, 16)),
    /positive whole number/,
  )
  check(
    set((frame) => frame.writeDoubleLE(Number.NaN, 24)),
    /clock reading/,
  )
})

t.test('any bytes are read or refused, never anything else', async (t) => {
  let read = 0
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }), (edits) => {
      const frame = encodeReport(report)
      for (const [at, byte] of edits) if (at < frame.length) frame[at] = byte
      try {
        decodeReport(frame, 3)
        read += 1
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  t.ok(read > 400, `${read} of 2000 mutated frames were readable`)
})

t.test('text frames', async (t) => {
  const fault = (text: string, reason: RegExp) => {
    const frame = readTextFrame(text)
    t.match('fault' in frame ? frame.fault : 'read', reason, text.slice(0, 60))
  }
  fault('', /not JSON/)
  fault('[]', /unknown frame type/)
  fault('null', /unknown frame type/)
  fault('{"type":"constructor"}', /unknown frame type/)
  fault('{"type":"hello"}', /hello/)
  fault('{"type":"series","from":-1,"series":[]}', /series\/from/)
  fault('{"type":"series","from":0,"series":[{"name":"9x","labels":{}}]}', /name/)
  fault('{"type":"series","from":0,"series":[{"name":"x","labels":{"a-b":"1"}}]}', /labels/)
  fault('{"type":"series","from":0,"series":[{"name":"x","labels":{"a":1}}]}', /must be string/)
  fault(
    `{"type":"series","from":0,"series":[{"name":"x","labels":{"a":"${'x'.repeat(limits.labelCharacters + 1)}"}}]}`,
    /labels/,
  )
  t.same(readTextFrame('{"type":"bye","reason":"stopping"}'), { type: 'bye', reason: 'stopping' })
  fc.assert(fc.property(fc.json(), (text) => typeof readTextFrame(text) === 'object'))
})

t.test('the offset of a collector’s clock', async (t) => {
  const offset = new ClockOffset(100)
  t.equal(offset.millis, 100, 'from the hello')
  const read = (monotonic: number, ahead: number, delay: number) =>
    offset.observe({
      wall: 1_000_000 + monotonic + ahead,
      monotonic,
      receivedAt: 1_000_000 + monotonic + delay,
    })
  for (let i = 0; i < 10; i++) read(i * 10_000, 0, 20 + i)
  t.ok(offset.millis >= 20 && offset.millis <= 30, `small delays only: ${offset.millis}`)
  for (let i = 10; i < 20; i++)
    offset.observe({
      wall: 1_000_000 + i * 10_000,
      monotonic: i * 10_000,
      receivedAt: 1_300_000 + i,
    })
  t.ok(offset.millis <= 30, 'a burst of held reports tells nothing')
  for (let i = 30; i < 40; i++) read(i * 10_000, 8000, 20)
  t.equal(offset.millis, -7980, 'the clock was set 8 s ahead')
  for (let i = 40; i < 43; i++) read(i * 10_000, 0, 20)
  t.equal(offset.millis, 20, 'and set back')
})

t.test('the time a report is stored under', async (t) => {
  const now = Date.UTC(2026, 10, 21)
  t.same(storedTime(now - 5, 10, now), { kind: 'as sent', t: now - 5 })
  t.same(storedTime(now + 8000, -8000, now), { kind: 'corrected', t: now })
  t.match(storedTime(now + 3_600_001, -3_600_001, now), { kind: 'refused', reason: /1\.0 h ahead/ })
  t.match(storedTime(-1, 0, now), { kind: 'refused' })
  t.equal(storedTime(now - 7 * 86_400_000, 20, now).kind, 'as sent', 'old but true: a backlog')
})

t.test('who is silent, and what a screen says', async (t) => {
  const host = { intervalSeconds: 10, heardAt: undefined, sections: [] } as unknown as Host
  t.equal(upState(host, 0, 29_999), undefined, 'the hub has just started: it cannot know')
  t.equal(upState(host, 0, 30_000), 0)
  t.equal(upState({ ...host, heardAt: 50_000 }, 0, 79_999), 1)
  t.equal(upState({ ...host, heardAt: 50_000 }, 0, 80_000), 0)
  t.equal(hostState(0, [{ severity: 'critical' }], []), 'silent')
  t.equal(hostState(1, [{ severity: 'critical' }], []), 'critical')
  t.equal(hostState(1, [{ severity: 'warning' }], []), 'attention')
  t.equal(hostState(1, [{ severity: 'info' }], []), 'ok')
  t.equal(hostState(undefined, [], []), 'unknown')
  t.equal(hostState(1, [], [{ name: 'smart', state: 'denied', detail: '' }]), 'attention')
  t.equal(hostState(1, [], [{ name: 'smart', state: 'absent', detail: '' }]), 'ok')
})
