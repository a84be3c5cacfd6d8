import t from 'tap'
import { step } from '../../../server/live/connection.ts'
import {
  type Connection,
  type LiveAction,
  type LiveInput,
  newConnection,
} from '../../../server/live/connection-state.ts'
import { defaultLiveLimits } from '../../../server/live/limits.ts'
import {
  gather,
  takeSome,
  type WaitingReceipt,
  type WaitingReceipts,
} from '../../../server/live/receipts.ts'
import fc from '../../helpers/property.ts'

const ines = { id: 'p1', name: 'ines', role: 'operator', via: 'token' } as const

function frame(value: unknown): LiveInput {
  return { kind: 'frame', text: JSON.stringify(value), at: 0 }
}

/** Receipts as `received 3-5`, other actions by their kind. */
function run(connection: Connection, ...inputs: LiveInput[]): [Connection, string[]] {
  const told: string[] = []
  let state = connection
  for (const input of inputs) {
    const [next, actions] = step(state, input)
    state = next
    told.push(...actions.map(textOf))
  }
  return [state, told]
}

function textOf(action: LiveAction): string {
  if (action.kind === 'receipt') return `${action.receipt} ${action.after + 1}-${action.upTo}`
  if (action.kind === 'send') return (JSON.parse(action.text) as { code?: string }).code ?? 'sent'
  return action.kind
}

/** A connection that resumed after 10 and was sent up to `sent`. */
function following(sent: number): Connection {
  const messages = Array.from({ length: sent - 10 }, (_, index) => ({
    sequence: 11 + index,
    at: 1,
    kind: 'alert',
    body: '{}',
  }))
  return run(newConnection(ines, 10, defaultLiveLimits), frame({ type: 'subscribe', resume: 10 }), {
    kind: 'page',
    messages,
    bufferedBytes: 0,
    at: 0,
  })[0]
}

t.test('received counts from the start of the connection, then from the last receipt', (t) => {
  const [, told] = run(
    following(20),
    frame({ type: 'received', sequence: 13 }),
    frame({ type: 'received', sequence: 12 }),
    frame({ type: 'received', sequence: 13 }),
    frame({ type: 'received', sequence: 20 }),
    frame({ type: 'received', sequence: 21 }),
  )
  t.same(told, ['received 11-13', 'received 14-20', 'refused', 'bad_frame'])
  t.same(
    run(following(20), frame({ type: 'received', sequence: 10 }))[1],
    [],
    'what this connection was not sent is not received by it',
  )
  t.end()
})

t.test('a client that came back says again what an earlier connection received', (t) => {
  const again = (sequence: number, after: number) =>
    run(following(20), frame({ type: 'received', sequence, after }))[1]
  t.same(again(10, 4), ['received 5-10'])
  t.same(again(10, 10), [])
  t.same(again(10, 15), [])
  const far = newConnection(ines, 5000, defaultLiveLimits)
  const resumed = frame({ type: 'subscribe', resume: 5000 })
  t.same(
    run(far, resumed, frame({ type: 'received', sequence: 5000, after: 0 }))[1],
    ['read', 'received 4001-5000'],
    'no more than a thousand back',
  )
  t.end()
})

t.test('displayed names messages of this connection or before; each bad one is told', (t) => {
  const shown = (...sequences: number[]) =>
    run(following(20), frame({ type: 'displayed', sequences }))[1]
  t.same(shown(12), ['displayed 12-12'])
  t.same(shown(20, 3, 12, 12, 13, 14), ['displayed 3-3', 'displayed 12-14', 'displayed 20-20'])
  t.same(shown(12, 21), ['refused', 'bad_frame'], 'none of a frame with one that was not sent')
  const gone = Array.from({ length: 5 }, () => frame({ type: 'displayed', sequences: [21] }))
  t.notOk(run(following(20), ...gone)[1].includes('close'), 'they do not end the connection')
  const early = newConnection(ines, 20, defaultLiveLimits)
  t.same(run(early, frame({ type: 'displayed', sequences: [3] }))[1], ['refused', 'bad_frame'])
  const many = Array.from({ length: 100 }, () => frame({ type: 'displayed', sequences: [11] }))
  t.equal(run(following(20), ...many)[1].length, 100, 'counted as receipts, not as frames')
  t.end()
})

t.test('while it is not known whether the numbers are of this queue nothing is stored', (t) => {
  const ahead = run(
    newConnection(ines, 10, defaultLiveLimits),
    frame({ type: 'subscribe', resume: 15 }),
    frame({ type: 'received', sequence: 15, after: 2 }),
    frame({ type: 'displayed', sequences: [12] }),
  )
  t.same(ahead[1], ['readHead'])
  const [restored, told] = run(ahead[0], { kind: 'head', sequence: 10 })
  t.same(told, ['refused', 'resume_ahead', 'read'])
  t.same(run(restored, frame({ type: 'displayed', sequences: [12] }))[1], ['refused', 'bad_frame'])
  const message = { sequence: 11, at: 1, kind: 'page', body: '{}' }
  t.same(
    run(
      restored,
      { kind: 'page', messages: [message], bufferedBytes: 0, at: 0 },
      frame({ type: 'received', sequence: 11 }),
    )[1],
    ['sent', 'received 11-11'],
  )
  t.end()
})

const receipt = (more: Partial<WaitingReceipt> = {}): WaitingReceipt => ({
  principalId: 'p1',
  kind: 'received',
  after: 0,
  upTo: 1,
  at: 1000,
  ...more,
})

t.test('waiting receipts: joined, bounded for each person, taken in turns', (t) => {
  const waiting: WaitingReceipts = new Map()
  t.ok(gather(waiting, receipt({ after: 0, upTo: 3 }), 2))
  t.ok(gather(waiting, receipt({ after: 3, upTo: 5, at: 1100 }), 2))
  t.ok(gather(waiting, receipt({ after: 4, upTo: 5, kind: 'displayed' }), 2))
  t.same(waiting.get('p1'), [
    receipt({ after: 0, upTo: 5, at: 1100 }),
    receipt({ after: 4, upTo: 5, kind: 'displayed' }),
  ])
  t.ok(gather(waiting, receipt({ after: 5, upTo: 6, at: 9000 }), 2), 'much later: its own time')
  t.notOk(gather(waiting, receipt({ after: 8, upTo: 9 }), 2), 'a third is refused')
  t.ok(gather(waiting, receipt({ after: 8, upTo: 9, kind: 'displayed' }), 2), 'of another kind not')
  t.ok(gather(waiting, receipt({ principalId: 'p2' }), 2), 'nor of another person')
  t.same(
    takeSome(waiting, 2).map(({ principalId }) => principalId),
    ['p1', 'p2'],
    'a share each',
  )
  t.equal(takeSome(waiting, 2).length, 2)
  t.equal(takeSome(waiting, 2).length, 1)
  t.equal(waiting.size, 0)
  t.same(takeSome(waiting, 2), [])
  t.end()
})

t.test('whatever is gathered and taken, each receipt that was not refused comes out', (t) => {
  const one = fc.record({
    principalId: fc.constantFrom('p1', 'p2', 'p3'),
    kind: fc.constantFrom('received' as const, 'displayed' as const),
    after: fc.nat(30),
    length: fc.integer({ min: 1, max: 6 }),
    at: fc.nat(4000),
  })
  const cover = (receipts: readonly WaitingReceipt[]) => {
    const said = new Set<string>()
    for (const { principalId, kind, after, upTo } of receipts)
      for (let n = after + 1; n <= upTo; n += 1) said.add(`${principalId} ${kind} ${n}`)
    return said
  }
  fc.assert(
    fc.property(fc.array(one, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (all, limit) => {
      const waiting: WaitingReceipts = new Map()
      const receipts = all.map(({ length, after, ...rest }) => ({
        ...rest,
        after,
        upTo: after + length,
      }))
      const accepted = receipts.filter((receipt) => gather(waiting, receipt, 5))
      const taken: WaitingReceipt[] = []
      while (waiting.size > 0) {
        const some = takeSome(waiting, limit)
        if (some.length === 0 || some.length > limit) return false
        taken.push(...some)
      }
      return (
        JSON.stringify([...cover(accepted)].sort()) === JSON.stringify([...cover(taken)].sort())
      )
    }),
  )
  t.pass('held for every case tried')
  t.end()
})
