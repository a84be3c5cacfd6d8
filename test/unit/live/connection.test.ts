import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { step } from '../../../server/live/connection.ts'
import {
  type Connection,
  type LiveAction,
  type LiveInput,
  newConnection,
} from '../../../server/live/connection-state.ts'
import { type HintTimes, hintOffered, hintSent } from '../../../server/live/hints.ts'
import { defaultLiveLimits, type LiveLimits } from '../../../server/live/limits.ts'
import { parseClientFrame, type QueuedMessage, serverFrames } from '../../../server/live/schema.ts'
import fc from '../../helpers/property.ts'

const ines = { id: 'p1', name: 'ines', role: 'operator', via: 'token' } as const
const carl = { id: 'p2', name: 'carl', role: 'auditor', via: 'token' } as const

function queued(sequence: number, size = 0): QueuedMessage {
  return {
    sequence,
    at: sequence,
    kind: 'alert',
    body: JSON.stringify({ n: sequence, fill: 'x'.repeat(size) }),
  }
}

function run(connection: Connection, ...inputs: LiveInput[]): [Connection, LiveAction[]] {
  const actions: LiveAction[] = []
  let state = connection
  for (const input of inputs) {
    const [next, more] = step(state, input)
    state = next
    actions.push(...more)
  }
  return [state, actions]
}

function frame(value: unknown, at = 0): LiveInput {
  return { kind: 'frame', text: typeof value === 'string' ? value : JSON.stringify(value), at }
}

function wake(at = 0, bufferedBytes = 0): LiveInput {
  return { kind: 'wake', at, bufferedBytes }
}

function page(messages: readonly QueuedMessage[], bufferedBytes = 0): LiveInput {
  return { kind: 'page', messages, bufferedBytes, at: 0 }
}

function codes(actions: readonly LiveAction[]): string[] {
  return actions.flatMap((action) => {
    if (action.kind === 'close') return [`close ${action.code}`]
    if (action.kind === 'read') return [`read ${action.after}`]
    if (action.kind !== 'send') return action.kind === 'refused' ? [] : [action.kind]
    const sent = JSON.parse(action.text) as { type: string; code?: string; sequence?: number }
    return [
      sent.type === 'error'
        ? String(sent.code)
        : sent.type === 'message'
          ? String(sent.sequence)
          : sent.type,
    ]
  })
}

t.test('every message exactly once and in order, whatever the interleaving', (t) => {
  // The world: a committed queue, reads that take their snapshot at one moment and arrive at a later one,
  // wake-ups that come late or never (then the sweep), a client that takes bytes when it likes.
  type Move =
    | 'commit'
    | 'commitBig'
    | 'flush'
    | 'snapshot'
    | 'arrive'
    | 'fail'
    | 'subscribe'
    | 'drain'
    | 'head'
  const moves = fc.array(
    fc.constantFrom<Move>(
      'commit',
      'commit',
      'commitBig',
      'flush',
      'snapshot',
      'snapshot',
      'arrive',
      'arrive',
      'fail',
      'subscribe',
      'drain',
      'head',
    ),
    { maxLength: 120 },
  )
  const limits: LiveLimits = {
    ...defaultLiveLimits,
    pageMessages: 3,
    bufferedBytes: 400,
  }
  fc.assert(
    fc.property(
      moves,
      fc.nat(8),
      fc.option(fc.nat(8), { nil: undefined }),
      fc.nat(4),
      (plan, before, resume, seenAhead) => {
        const queue: QueuedMessage[] = []
        const commit = (size = 0) => queue.push(queued(queue.length + 1, size))
        for (let n = 0; n < before; n += 1) commit()
        // The welcome may be older than what this client saw through another socket.
        let state = newConnection(ines, queue.length, limits)
        for (let n = 0; n < seenAhead; n += 1) commit()
        const start = resume === undefined ? before : Math.min(resume, queue.length)
        const sent: number[] = []
        let asked: { kind: 'read'; after: number; limit: number } | { kind: 'readHead' } | undefined
        let taken: LiveInput | undefined
        let buffered = 0
        let subscribed = false

        const offer = (input: LiveInput) => {
          const [next, actions] = step(state, input)
          state = next
          for (const action of actions) {
            if (action.kind === 'send' && action.message !== undefined) {
              sent.push((JSON.parse(action.text) as { sequence: number }).sequence)
              buffered += action.text.length
            } else if (action.kind === 'read' || action.kind === 'readHead') {
              if (asked !== undefined) throw new Error('two reads at a time')
              asked = action
            } else if (action.kind !== 'send') throw new Error(`unexpected ${action.kind}`)
          }
          if (actions.some(({ kind }) => kind === 'send'))
            offer({ kind: 'buffered', bytes: buffered })
        }
        const snapshot = () => {
          if (asked === undefined || taken !== undefined) return
          const { kind } = asked
          if (kind === 'readHead') taken = { kind: 'head', sequence: queue.length }
          else {
            const { after, limit } = asked
            taken = {
              kind: 'page',
              messages: queue.filter(({ sequence }) => sequence > after).slice(0, limit),
              bufferedBytes: buffered,
              at: 0,
            }
          }
        }
        const arrive = () => {
          if (taken === undefined) return
          const input = taken
          taken = undefined
          asked = undefined
          offer(input)
        }
        const move: Record<Move, () => void> = {
          commit: () => void commit(),
          commitBig: () => void commit(300),
          flush: () => offer(wake()),
          snapshot,
          head: snapshot,
          arrive,
          fail: () => {
            if (asked === undefined) return
            asked = undefined
            taken = undefined
            offer({ kind: 'readFailed' })
          },
          subscribe: () => {
            if (subscribed) return
            subscribed = true
            offer(frame({ type: 'subscribe', ...(resume === undefined ? {} : { resume: start }) }))
          },
          drain: () => {
            buffered = 0
            offer({ kind: 'buffered', bytes: 0 })
          },
        }
        for (const name of plan) move[name]()
        move.subscribe()
        // One last wake-up, perhaps in the middle of a read; from here on only what is under way ends.
        move.flush()
        for (let n = 0; n < 400; n += 1) {
          move.drain()
          snapshot()
          arrive()
        }
        const expected = queue
          .map(({ sequence }) => sequence)
          .filter((sequence) => sequence > start)
        assert.deepEqual(sent, expected)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass('2000 interleavings')
  t.end()
})

t.test('what a client sends', (t) => {
  function check(
    name: string,
    inputs: LiveInput[],
    expected: string[],
    connection = newConnection(ines, 5, defaultLiveLimits),
  ) {
    t.same(codes(run(connection, ...inputs)[1]), expected, name)
  }
  check('subscribe follows from the welcome', [frame({ type: 'subscribe' })], ['read 5'])
  check('resume reads after it', [frame({ type: 'subscribe', resume: 2 })], ['read 2'])
  check('resume 0 reads all', [frame({ type: 'subscribe', resume: 0 })], ['read 0'])
  check(
    'ahead of the welcome: asked again, and right',
    [frame({ type: 'subscribe', resume: 7 }), { kind: 'head', sequence: 7 }],
    ['readHead', 'read 7'],
  )
  check(
    'ahead of the queue: told, follows its end',
    [frame({ type: 'subscribe', resume: 9 }), { kind: 'head', sequence: 7 }],
    ['readHead', 'resume_ahead', 'read 7'],
  )
  check(
    'the head could not be read: asked again at the next wake',
    [frame({ type: 'subscribe', resume: 9 }), { kind: 'readFailed' }, wake()],
    ['readHead', 'readHead'],
  )
  check(
    'subscribes once',
    [frame({ type: 'subscribe' }), frame({ type: 'subscribe' })],
    ['read 5', 'already_subscribed'],
  )
  check('a wake before the subscription does nothing', [wake()], [])
  check(
    'pruned messages are told',
    [frame({ type: 'subscribe', resume: 1 }), page([queued(4), queued(5)])],
    ['read 1', 'messages_pruned', '4', '5'],
  )
  check('ping', [frame({ type: 'ping', id: 7 }), frame({ type: 'ping' })], ['pong', 'pong'])
  check(
    'unknown type is told and never closes',
    Array.from({ length: 5 }, () => frame({ type: 'dance' })),
    Array(5).fill('unknown_type'),
  )
  check(
    'three bad frames in a row close',
    [frame('{'), frame('[]'), frame('7')],
    ['bad_frame', 'bad_frame', 'bad_frame', 'close 4400'],
  )
  check(
    'after which nothing happens',
    [frame('{'), frame('{'), frame('{'), frame('{'), wake(), { kind: 'stop' }],
    ['bad_frame', 'bad_frame', 'bad_frame', 'close 4400'],
  )
  check(
    'a good frame between starts the count anew',
    [frame('{'), frame('{'), frame({ type: 'ping' }), frame('{')],
    ['bad_frame', 'bad_frame', 'pong', 'bad_frame'],
  )
  check('binary is bad', [{ kind: 'binary', at: 0 }], ['bad_frame'])
  for (const bad of [
    null,
    'x',
    { type: 7 },
    {},
    { type: 'subscribe', resume: -1 },
    { type: 'subscribe', resume: 1.5 },
    { type: 'subscribe', resume: '3' },
    { type: 'acknowledge' },
    { type: 'acknowledge', target: 'alert' },
    { type: 'acknowledge', target: 'host', id: 'x' },
    { type: 'acknowledge', target: 'alert', fingerprint: 'x'.repeat(129) },
    { type: 'received' },
    { type: 'displayed' },
    { type: 'displayed', sequences: [] },
    { type: 'displayed', sequences: [0] },
    { type: 'displayed', sequences: Array.from({ length: 101 }, (_, index) => index + 1) },
    { type: 'received', sequence: 1, after: -1 },
    { type: 'received', sequence: 2 ** 53 },
  ]) {
    check(`bad: ${JSON.stringify(bad).slice(0, 60)}`, [frame(bad)], ['bad_frame'])
  }
  check(
    'names of Object are no frame types',
    [frame({ type: 'constructor' }), frame({ type: '__proto__' })],
    ['unknown_type', 'unknown_type'],
  )
  check(
    'a receipt before anything was sent',
    [frame({ type: 'received', sequence: 5 })],
    ['bad_frame'],
  )
  const [following] = run(
    newConnection(ines, 5, defaultLiveLimits),
    frame({ type: 'subscribe', resume: 3 }),
    page([queued(4), queued(5)]),
  )
  t.equal(
    run(
      following,
      frame({ type: 'received', sequence: 5 }),
      frame({ type: 'received', sequence: 4 }),
    )[0].received,
    5,
    'receipts are cumulative',
  )
  check(
    'a receipt for the future',
    [frame({ type: 'received', sequence: 6 })],
    ['bad_frame'],
    following,
  )
  t.throws(
    () => step({ ...following, reading: true }, page([queued(4)])),
    /BUG: message 4 was read after 5/,
  )
  t.end()
})

t.test('rate: 20 frames a second, receipts apart, 2000 close', (t) => {
  const pings = (count: number, at: number) =>
    Array.from({ length: count }, () => frame({ type: 'ping' }, at))
  const [, actions] = run(
    newConnection(ines, 0, defaultLiveLimits),
    ...pings(25, 10),
    ...pings(3, 1010),
  )
  t.equal(codes(actions).filter((code) => code === 'pong').length, 23)
  t.equal(
    codes(actions).filter((code) => code === 'too_many_requests').length,
    1,
    'told once a second',
  )
  t.equal(
    actions.filter((action) => action.kind === 'refused' && action.reason === 'rate').length,
    5,
    'and counted each time',
  )
  const [live] = run(
    newConnection(ines, 0, defaultLiveLimits),
    frame({ type: 'subscribe' }, 0),
    page([queued(1)]),
  )
  const receipts = Array.from({ length: 500 }, () => frame({ type: 'received', sequence: 1 }, 0))
  t.same(codes(run(live, ...receipts, frame({ type: 'ping' }, 0))[1]), ['receipt', 'pong'])
  t.same(
    codes(
      run(
        live,
        ...Array.from({ length: 2100 }, () => frame({ type: 'received', sequence: 1 }, 0)),
      )[1],
    ),
    ['receipt', 'close 4429'],
  )
  t.end()
})

t.test('acknowledging', (t) => {
  const ack = frame({ type: 'acknowledge', target: 'alert', fingerprint: 'f1', note: 'ignored' })
  const [pending, asked] = run(newConnection(ines, 0, defaultLiveLimits), ack)
  t.same(asked, [
    { kind: 'acknowledge', target: { target: 'alert', fingerprint: 'f1' }, person: ines },
  ])
  const target = { target: 'incident', id: 'i1' } as const
  t.same(run(pending, { kind: 'answered', target })[1], [
    { kind: 'send', text: '{"type":"acknowledged","target":"incident","id":"i1"}' },
  ])
  const failed = run(pending, {
    kind: 'answered',
    target,
    failure: { code: 'not_found', message: 'No.' },
  })
  t.match(failed[1][1], {
    text: '{"type":"error","code":"not_found","message":"No.","target":"incident","id":"i1"}',
  })
  t.equal(failed[0].pendingAcknowledgements, 0)
  t.same(codes(run(newConnection(carl, 0, defaultLiveLimits), ack)[1]), ['forbidden'])
  const tight = { ...defaultLiveLimits, pendingAcknowledgements: 1 }
  t.same(codes(run(newConnection(ines, 0, tight), ack, ack)[1]), ['acknowledge', 'unavailable'])
  t.end()
})

t.test('sending goes at the client’s pace; one that takes nothing is closed', (t) => {
  const limits = { ...defaultLiveLimits, bufferedBytes: 1000, stalledMs: 3000, pageMessages: 4 }
  const messages = [queued(1, 400), queued(2, 400), queued(3, 400), queued(4, 400)]
  const start = newConnection(ines, 4, limits)
  const subscribe = frame({ type: 'subscribe', resume: 0 })
  const told = (bytes: number): LiveInput => ({ kind: 'buffered', bytes })
  const [paused, first] = run(start, subscribe, page(messages))
  t.same(codes(first), ['read 0', '1', '2'])
  t.same(codes(run(paused, wake(0, 900), told(800))[1]), [], 'waits')
  t.same(codes(run(paused, told(499))[1]), ['read 2'], 'goes on when half is taken')
  t.same(codes(run(paused, wake(0, 499))[1]), ['read 2'], 'as a wake-up sees too')
  t.same(codes(run(start, subscribe, page(messages, 900))[1]), ['read 0', '1'], 'one at least')
  t.same(codes(run(start, subscribe, page(messages, 1000))[1]), ['read 0'], 'but none without room')
  t.same(codes(run(paused, wake(1, 900), wake(3000, 900))[1]), [], 'patience')
  t.same(codes(run(paused, wake(1, 900), wake(3001, 900))[1]), ['close 4408'])
  t.same(
    codes(run(paused, wake(1, 900), wake(3001, 899), wake(6000, 899), wake(6002, 800))[1]),
    [],
    'slow is not stalled',
  )
  const hint = (bufferedBytes: number): LiveInput => ({
    kind: 'hint',
    topic: 'hosts',
    bufferedBytes,
  })
  t.same(codes(run(paused, hint(250))[1]), [], 'no hint to who is behind')
  t.same(codes(run(paused, hint(249))[1]), ['hint'])
  t.same(codes(run(start, hint(0))[1]), [], 'nor before the subscription')
  t.end()
})

t.test('heartbeat, re-check, stop', (t) => {
  const start = newConnection(ines, 0, defaultLiveLimits)
  const tick = (bufferedBytes = 0): LiveInput => ({ kind: 'tick', bufferedBytes })
  t.same(codes(run(start, tick(), tick(), tick())[1]), ['ping', 'ping', 'terminate'], 'two misses')
  t.same(codes(run(start, tick(), tick(), { kind: 'pong' }, tick(), tick())[1]), [
    'ping',
    'ping',
    'ping',
    'ping',
  ])
  t.same(
    codes(run(start, tick(), frame({ type: 'dance' }), tick(), tick())[1]).slice(-1),
    ['ping'],
    'any frame is a sign of life',
  )
  t.same(
    codes(run(start, tick(900), tick(600), tick(300), tick(300))[1]),
    ['ping', 'ping', 'ping', 'ping'],
    'so is taking bytes',
  )
  t.same(codes(run(start, { kind: 'rechecked', person: undefined })[1]), ['close 4401'])
  t.same(codes(run(start, { kind: 'rechecked', person: { ...ines, role: 'grafana' } })[1]), [
    'close 4403',
  ])
  t.same(
    codes(run(start, { kind: 'rechecked', person: carl })[1]),
    ['close 4403'],
    'another person',
  )
  const ack = frame({ type: 'acknowledge', target: 'alert', fingerprint: 'f1' })
  t.same(
    codes(run(start, { kind: 'rechecked', person: { ...ines, role: 'auditor' } }, ack)[1]),
    ['forbidden'],
    'a new role holds at once',
  )
  t.same(codes(run(start, { kind: 'stop' })[1]), ['close 1001'])
  t.same(codes(run(start, { kind: 'gone' }, wake(), frame('{'))[1]), [])
  t.end()
})

t.test('hints join', (t) => {
  let times: HintTimes = new Map()
  const offer = (topic: string, at: number) => {
    const [next, decision] = hintOffered(times, topic, at, 250)
    times = next
    return decision.kind === 'after' ? decision.waitMs : decision.kind
  }
  t.equal(offer('hosts', 1000), 'now', 'the first goes at once')
  t.equal(offer('hosts', 1010), 240)
  t.equal(offer('hosts', 1020), 'nothing')
  t.equal(offer('alerts', 1020), 'now', 'topics do not wait for each other')
  times = hintSent(times, 'hosts', 1250)
  t.equal(offer('hosts', 1300), 200)
  times = hintSent(times, 'hosts', 1500)
  t.equal(offer('hosts', 1750), 'now')
  t.end()
})

t.test('docs/live.md shows the bytes that are sent and frames that are understood', (t) => {
  const page = readFileSync(join(packageRoot, 'docs/live.md'), 'utf8')
  const examples = [...page.matchAll(/```json (\w+)\n([\s\S]*?)```/g)].map(
    ([, name, text]) => [name ?? '', (text ?? '').trim()] as const,
  )
  const auditorSees =
    'The role auditor sees alerts and may not acknowledge them; that takes admin or operator.'
  const expected: Record<string, string> = {
    welcome: serverFrames.welcome({
      name: 'ines',
      role: 'operator',
      sequence: 41,
      oldest: 7,
      hub: { version: '0.1.0', simulated: false },
    }),
    message: serverFrames.message({
      sequence: 39,
      at: Date.UTC(2026, 2, 2, 9, 15, 4, 120),
      kind: 'alert',
      body: '{"change":"firing","alert":{"fingerprint":"9f2c1e"}}',
    }),
    page: serverFrames.message({
      sequence: 40,
      at: Date.UTC(2026, 2, 2, 9, 15, 4, 310),
      kind: 'page',
      body: JSON.stringify({
        page: {
          id: '018f3c1a-7b1e-7c55-9d6f-0a4b5c6d7e8f',
          number: 12,
          title: 'pbx-1: trunk lost',
          severity: 'critical',
        },
        attempt: '018f3c1a-7c02-7e10-8a11-3d0f5b6a7c8d',
        key: '018f3c1a/g0.r0.s0/p-ines',
      }),
    }),
    acknowledged: serverFrames.acknowledged({ target: 'alert', fingerprint: '9f2c1e' }),
    hint: serverFrames.hint('hosts'),
    pong: serverFrames.pong(7),
    error: serverFrames.error('forbidden', auditorSees, { target: 'alert', fingerprint: '9f2c1e' }),
  }
  for (const [name, text] of examples) {
    if (name === 'client')
      for (const line of text.split('\n')) t.equal(parseClientFrame(line).kind, 'frame', line)
    else t.equal(text, expected[name], name)
  }
  t.same(
    new Set(examples.map(([name]) => name)),
    new Set([...Object.keys(expected), 'client']),
    'every frame has its example',
  )
  t.end()
})
