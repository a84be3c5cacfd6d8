import t from 'tap'
import { createMemoryStore } from '../../../server/store/memory-store.ts'
import type { Matcher } from '../../../server/store/reader.ts'

const count = 30_000

/** Series `m0` to `m99` on 300 hosts, a sample each. */
async function filledStore() {
  const store = createMemoryStore()
  const ids = Uint32Array.from({ length: count }, (_, i) =>
    store.intern({ __name__: `m${i % 100}`, instance: `h${Math.floor(i / 100)}` }),
  )
  await store.append({ rows: [{ t: 1, ids, values: new Float64Array(count) }] })
  return store
}

function one(name: string, op: Matcher['op'], value: string): readonly Matcher[] {
  return [{ name, op, value }]
}

/** Counts the turns that others get until `work` is done. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0
  let done = false
  const end = () => {
    done = true
  }
  work.then(end, end)
  for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve))
  return turns
}

t.test('series of any of many selectors, each once', async (t) => {
  const store = await filledStore()
  const selectors = [
    one('instance', '=', 'h299'),
    one('instance', '=', 'h0'),
    one('__name__', '=', 'm7'),
    one('__name__', '=', 'nothing'),
    one('instance', '=~', 'h0|h1'),
  ]
  const found = await store.series(selectors, 0, 9)
  const key = (labels: Readonly<Record<string, string>>) =>
    `${labels['instance']}/${labels['__name__']}`
  const expected = Array.from({ length: count }, (_, i) => [i % 100, Math.floor(i / 100)] as const)
    .filter(([metric, host]) => metric === 7 || host <= 1 || host === 299)
    .map(([metric, host]) => `h${host}/m${metric}`)
  t.same(found.map(key), expected, 'in order of their ids')
  t.equal((await store.series([], 0, 9)).length, count, 'no selector means all')
  t.equal((await store.series(selectors, 0, 9, { limit: 3 })).length, 3)
  t.same(await store.labelNames(selectors, 0, 9), ['__name__', 'instance'])
  t.same(
    await store.labelValues('__name__', [one('instance', '=', 'h5')], 0, 9),
    [...new Set(expected.map((text) => text.split('/')[1]!))].sort(),
  )
})

t.test(
  'wide selectors by the hundred give others their turns, and end when the asker goes',
  async (t) => {
    const store = await filledStore()
    const selectors = Array.from({ length: 100 }, (_, i) => one('__name__', '!=', `x${i}`))
    const names = store.labelNames(selectors, 0, 9)
    const turns = await turnsDuring(names)
    t.ok(turns > 10, `${turns} turns for others`)
    t.same(await names, ['__name__', 'instance'])
    const asks: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => store.series(selectors, 0, 9, { signal }),
      (signal) => store.labelNames(selectors, 0, 9, { signal }),
      (signal) => store.labelValues('instance', selectors, 0, 9, { signal }),
      // Nothing is there: each value is looked at.
      (signal) => store.labelValues('instance', [], 5, 9, { signal }),
    ]
    for (const ask of asks) {
      const controller = new AbortController()
      const asked = ask(controller.signal)
      controller.abort()
      await t.rejects(asked, { name: 'AbortError' })
      await t.rejects(ask(AbortSignal.abort()), { name: 'AbortError' })
    }
  },
)

t.test('a read in memory ends where its limit is met', async (t) => {
  const store = await filledStore()
  const tooLarge = { code: 'query_too_large' }
  await t.rejects(store.select([], 0, 9, { maxSamples: count - 1 }), tooLarge)
  await t.rejects(store.select([], 0, 9, { maxSeries: count - 1 }), tooLarge)
  const limits = { maxSamples: count, maxSeries: count }
  t.equal((await store.select([], 0, 9, limits)).length, count)
})
