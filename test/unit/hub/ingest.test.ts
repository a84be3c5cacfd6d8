import t from 'tap'
import { FrameError, limits, type Report } from '../../../collector/wire/frames.ts'
import { ReportDecoder, ReportEncoder } from '../../../collector/wire/report.ts'
import { ClockOffset, storedTime } from '../../../server/ingest/clock-offset.ts'
import { readTextFrame } from '../../../server/ingest/schema.ts'
import { type Host, hostState, upState } from '../../../server/inventory/host.ts'
import fc from '../../helpers/property.ts'

const report: Report = {
  lane: 'live',
  sequence: 7,
  wall: 1_700_000_000_123,
  monotonic: 55.5,
  values: Float64Array.of(-0, Number.POSITIVE_INFINITY, 3),
  absent: Uint8Array.of(0b100),
  stale: undefined,
}

t.test('a report survives the wire, each lane by itself', async (t) => {
  const encoder = new ReportEncoder()
  const decoder = new ReportDecoder()
  const back = decoder.decode(encoder.encode(report), 3)
  t.match(back, { lane: 'live', sequence: 7, wall: report.wall, monotonic: 55.5 })
  t.same([...back.values.subarray(0, 2)], [-0, Number.POSITIVE_INFINITY])
  t.ok(Object.is(back.values[0], -0))
  t.same([...(back.absent ?? [])], [0b100])
  t.equal(back.stale, undefined)
  fc.assert(
    fc.property(
      fc.array(fc.double(), { minLength: 3, maxLength: 3 }),
      fc.constantFrom('live' as const, 'backlog' as const),
      (values, lane) => {
        const sent = { ...report, lane, values: Float64Array.from(values), absent: undefined }
        const got = decoder.decode(encoder.encode(sent), 3)
        return got.lane === lane && values.every((value, i) => Object.is(got.values[i], value))
      },
    ),
  )
})

t.test('a bad report is refused with a reason', async (t) => {
  const check = (change: (frame: Buffer) => Buffer, reason: RegExp, dictionary = 3) => {
    const frame = change(Buffer.from(new ReportEncoder().encode(report)))
    const read = () => new ReportDecoder().decode(frame, dictionary)
    try {
      read()
      t.fail(`read, where ${reason} was expected`)
    } catch (error) {
      t.ok(error instanceof FrameError)
      t.match((error as Error).message, reason)
    }
  }
  check((frame) => frame.subarray(0, 10), /shorter than its header/)
  check((frame) => frame.subarray(0, 32), /empty row/)
  check((frame) => Buffer.concat([frame, Buffer.alloc(1)]), /1 bytes after/)
  check((frame) => frame, /3 series, but the dictionary holds 2/, 2)
  check((frame) => frame, /3 series, but the dictionary holds 4/, 4)
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
    set((frame) => frame.writeUInt16LE(256, 2)),
    /unknown flags 256/,
  )
  check(
    set((frame) => frame.writeUInt32LE(4_000_000_000, 4)),
    /4000000000 series/,
    4_000_000_000,
  )
  check(
    set((frame) => frame.writeDoubleLE(0, 8)),
    /positive whole number/,
  )
  check(
    set((frame) => frame.writeDoubleLE(1.5, 8)),
    /positive whole number/,
  )
  check(
    set((frame) => frame.writeDoubleLE(Number.NaN, 16)),
    /clock reading/,
  )
  check(
    set((frame) => frame.writeDoubleLE(Number.POSITIVE_INFINITY, 24)),
    /clock reading/,
  )
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
  t.match(
    readTextFrame('{"type":"hello","protocols":[7,9]}'),
    { protocols: [7, 9] },
    'a hello of another version tells at least what it speaks',
  )
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
