import t from 'tap'
import { Arrivals, type ArrivalsClock, type Place } from '../../../server/ingest/arrivals.ts'

const turns = () => new Promise((done) => setImmediate(done))

class HandTime implements ArrivalsClock {
  #now = 0
  #calls: { readonly at: number; readonly call: () => void }[] = []
  monotonic = () => this.#now
  after(millis: number, call: () => void) {
    const one = { at: this.#now + millis, call }
    this.#calls.push(one)
    return () => {
      this.#calls = this.#calls.filter((other) => other !== one)
    }
  }
  get waiting() {
    return this.#calls.length
  }
  advance(millis: number) {
    const end = this.#now + millis
    for (;;) {
      const [next] = this.#calls.sort((a, b) => a.at - b.at)
      if (next === undefined || next.at > end) break
      this.#calls.shift()
      this.#now = next.at
      next.call()
    }
    this.#now = end
  }
}

/** Places as they get their turn, in order. */
function crowd(arrivals: Arrivals, size: number) {
  const inside: number[] = []
  const places: Place[] = Array.from({ length: size }, (_, index) => {
    const place = arrivals.arrive()
    place.turn.then(() => inside.push(index))
    return place
  })
  return { inside, places }
}

t.test('one alone comes in at once, and holds nothing back', async (t) => {
  const arrivals = new Arrivals(new HandTime())
  const { inside, places } = crowd(arrivals, 1)
  await turns()
  t.same(inside, [0])
  let told = 0
  arrivals.whenQuiet(() => told++)
  t.equal(told, 1)
  places[0]?.leave()
})

t.test('many come in a few at a time, in the order of their hellos', async (t) => {
  const arrivals = new Arrivals(new HandTime())
  const { inside, places } = crowd(arrivals, 100)
  await turns()
  t.same(inside, [0, 1, 2, 3], 'four at first')
  t.equal(arrivals.waiting, 96)
  let told = 0
  arrivals.whenQuiet(() => told++)
  places[1]?.leave()
  places[1]?.leave()
  await turns()
  t.same(inside, [0, 1, 2, 3, 4, 5], 'two for one that is through, and once only')
  let most = 0
  for (let next = 0; next < 100; next++) {
    places[next]?.leave()
    await turns()
    most = Math.max(most, inside.length - next - 1)
  }
  t.same(
    inside,
    Array.from({ length: 100 }, (_, index) => index),
  )
  t.equal(most, 16, 'never more than sixteen')
  t.equal(told, 1, 'what was held is told when the last is through')
  t.equal(arrivals.waiting, 0)
  t.equal(crowd(arrivals, 5).inside.length + arrivals.waiting, 1, 'the next crowd begins with four')
  arrivals.stop()
})

t.test('one that goes away while it waits takes nobody’s turn', async (t) => {
  const arrivals = new Arrivals(new HandTime())
  const { inside, places } = crowd(arrivals, 6)
  places[4]?.leave()
  await turns()
  places[0]?.leave()
  await turns()
  t.ok(inside.includes(5))
  t.equal(arrivals.waiting, 0)
  for (const place of places) place.leave()
  await turns()
  const next = crowd(arrivals, 4)
  await turns()
  t.same(next.inside, [0, 1, 2, 3], 'all places are free again')
  for (const place of next.places) place.leave()
})

t.test('a place is not held for good, a hello does not wait for good', async (t) => {
  const time = new HandTime()
  const arrivals = new Arrivals(time)
  const { inside, places } = crowd(arrivals, 6)
  for (const place of places.slice(0, 4)) place.welcomed()
  time.advance(250)
  t.equal(arrivals.waiting, 0, 'without a report its place is free after 250 ms')
  for (const place of places) place.leave()

  const stuck = crowd(arrivals, 30)
  let told = 0
  arrivals.whenQuiet(() => told++)
  time.advance(3999)
  t.equal(arrivals.waiting, 26)
  time.advance(1)
  t.equal(arrivals.waiting, 0, 'all are let in after 4 s')
  t.equal(told, 0)
  time.advance(1250)
  t.equal(told, 1, 'backlog is answered after 5 s at the latest')
  await turns()
  t.equal(inside.length, 6)
  t.equal(stuck.inside.length, 30)
  for (const place of stuck.places) place.leave()
  t.equal(time.waiting, 0, 'no timer is left')
})

t.test('the hub stops: nobody is left waiting', async (t) => {
  const arrivals = new Arrivals(new HandTime())
  const { inside } = crowd(arrivals, 20)
  let told = 0
  arrivals.whenQuiet(() => told++)
  arrivals.stop()
  await turns()
  t.equal(inside.length, 20)
  t.equal(told, 1)
})
