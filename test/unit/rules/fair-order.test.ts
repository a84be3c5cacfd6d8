import t from 'tap'
import { FairClock, fairOrder } from '../../../server/rules/fair-order.ts'
import fc from '../../helpers/property.ts'

interface Piece {
  readonly name: string
  readonly ids: readonly string[]
  readonly start: number
  readonly finish: number
}

const pieces = (wanted: readonly (readonly [lane: string, size: number, ids?: string[]])[]) => {
  const clock = new FairClock()
  return wanted.map(
    ([lane, size, ids], index): Piece => ({
      name: `${lane}${index}`,
      ids: ids ?? [`${lane}${index}`],
      ...clock.stamp(lane, size),
    }),
  )
}

t.test('a newcomer goes before what others have waiting', async (t) => {
  const waiting = pieces([
    ['a', 50],
    ['a', 50],
    ['a', 50],
    ['b', 50],
    ['b', 50],
    ['c', 1],
  ])
  t.strictSame(
    fairOrder(waiting).map(({ name }) => name),
    ['c5', 'a0', 'b3', 'a1', 'b4', 'a2'],
  )
  const clock = new FairClock()
  const first = { ids: [], ...clock.stamp('a', 1_000) }
  const second = { ids: [], ...clock.stamp('a', 1_000) }
  clock.served(first)
  clock.served(second)
  t.strictSame(
    clock.stamp('b', 1),
    { start: 1_000, finish: 1_001 },
    'and gets no more than its share',
  )
  clock.clear()
  t.strictSame(clock.stamp('a', 0), { start: 0, finish: 1 })
})

t.test('all have their turn; what is about the same alert keeps its order', async (t) => {
  const one = fc.tuple(
    fc.constantFrom('a', 'b', 'c'),
    fc.nat(60),
    fc.array(fc.constantFrom('x', 'y', 'z', 'u', 'v'), { maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), (wanted) => {
      const waiting = pieces(wanted)
      const order = fairOrder(waiting)
      t.strictSame(new Set(order), new Set(waiting))
      t.equal(order.length, waiting.length)
      for (const id of ['x', 'y', 'z', 'u', 'v']) {
        const about = (list: readonly Piece[]) => list.filter(({ ids }) => ids.includes(id))
        t.strictSame(about(order), about(waiting))
      }
    }),
  )
})
