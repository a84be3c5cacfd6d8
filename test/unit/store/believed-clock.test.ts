import t from 'tap'
import { BelievedClock, oldestKept } from '../../../server/store/believed-clock.ts'
import { base, hour } from './store-kit.ts'

const day = 24 * hour

function opened(at: number, newest: number | undefined) {
  const clock = { at, passed: 5000, now: () => clock.at, monotonic: () => clock.passed }
  const believed = new BelievedClock(clock, newest)
  /** What is believed when the clock shows `at` after `passed` milliseconds. */
  return (passed: number, shown: number) => {
    clock.passed = 5000 + passed
    clock.at = shown
    return believed.now()
  }
}

t.test('a clock is believed as far as passed time and the samples bear it out', async (t) => {
  const right = opened(base, base - hour)
  t.equal(right(0, base), base)
  t.equal(right(3 * day, base + 3 * day), base + 3 * day)
  t.equal(right(3 * day, base + 20 * day), base + 3 * day, 'it jumps ahead')
  t.equal(right(3 * day, base - 20 * day), base - 20 * day, 'it jumps back')

  const ahead = opened(base + 20 * day, base)
  t.equal(ahead(0, base + 20 * day), base + day, 'ahead at the opening, or the store was off')
  t.equal(ahead(2 * hour, base + 20 * day + 2 * hour), base + 3 * day)
  t.equal(ahead(2 * hour, base + 2 * hour), base + 2 * hour, 'it is set right')
  t.equal(ahead(30 * hour, base + 20 * day + 30 * hour), base + 20 * day + 30 * hour)

  t.equal(opened(base, undefined)(hour, base + hour), base + hour, 'an empty store')
})

t.test('retention of 0 days keeps everything', async (t) => {
  t.equal(oldestKept(base, 0), -Infinity)
  t.equal(oldestKept(base, 15), base - 15 * day)
})
