import t from 'tap'
import { Positions } from '../../../server/store/journal/positions.ts'

const stream = (epoch: string, collector = 'c', lane = 'live') => ({ collector, epoch, lane })

/** A stream that has come as far as `sequence`. */
function move(positions: Positions, epoch: string, sequence = 1, collector = 'c', lane = 'live') {
  positions.restore({ ...stream(epoch, collector, lane), sequence, movedAt: 0 })
}

const epochs = (positions: Positions) => positions.snapshot(0).map(({ epoch }) => epoch)

t.test('the newest epochs of a collector and lane count, and those of open streams', async (t) => {
  const positions = new Positions()
  const open = positions.of(stream('e0'), 0)
  open.accepted = 7
  open.holders++
  for (let n = 1; n <= 9; n++) move(positions, `e${n}`)
  move(positions, 'e1', 1, 'other')
  move(positions, 'e1', 1, 'c', 'backlog')
  t.same(epochs(positions), ['e0', 'e6', 'e7', 'e8', 'e9', 'e1', 'e1'])
  t.equal(positions.durable(stream('e5')), 0)
  t.equal(positions.durable(stream('e6')), 1)
  t.equal(positions.durable(stream('e1', 'other')), 1)
  t.equal(positions.accepted(stream('e0')), 7)

  open.holders--
  t.same(epochs(positions), ['e6', 'e7', 'e8', 'e9', 'e1', 'e1'], 'closed, and older than four')
})

t.test(
  'the newest is the one opened last, after a start too, whatever the clock said',
  async (t) => {
    const positions = new Positions()
    for (const [n, movedAt] of [9, 9, 1, 1].entries())
      positions.restore({ ...stream(`e${n}`), sequence: 1, movedAt })
    positions.of(stream('e0'), 0)
    const started = new Positions()
    for (const position of positions.snapshot(0)) started.restore(position)
    move(started, 'e4')
    t.same(epochs(started), ['e2', 'e3', 'e0', 'e4'])
  },
)

t.test('starts without a spool push out no epoch that goes on', async (t) => {
  const positions = new Positions()
  move(positions, 'e1', 500)
  for (let n = 1; n <= 40; n++) {
    move(positions, `passing-${n}`)
    positions.snapshot(0)
  }
  t.equal(positions.durable(stream('e1')), 500)
  t.same(epochs(positions), ['e1', 'passing-37', 'passing-38', 'passing-39', 'passing-40'])
})

t.test('a stream without rows pushes no other out', async (t) => {
  const positions = new Positions()
  for (let n = 0; n < 4; n++) move(positions, `e${n}`)
  for (let n = 4; n < 9; n++) positions.of(stream(`e${n}`), 0).holders++
  t.same(epochs(positions), ['e0', 'e1', 'e2', 'e3'])
})
