import t from 'tap'
import { CallwardError } from '../../../server/errors.ts'
import type { Labels, Matcher } from '../../../server/store/reader.ts'
import { compileMatcher } from '../../../server/store/series/labels.ts'
import { compilePattern, literalAlternatives } from '../../../server/store/series/pattern.ts'
import { intersect } from '../../../server/store/series/postings.ts'
import { SeriesIndex } from '../../../server/store/series/series-index.ts'
import fc from '../../helpers/property.ts'
import { labelKey } from './store-kit.ts'

t.test(
  'a pattern matches as in Prometheus: anchored, RE2 syntax, dot matches newline',
  async (t) => {
    const check = (pattern: string, yes: readonly string[], no: readonly string[]) => {
      const expression = compilePattern(pattern)
      for (const text of yes)
        t.ok(expression.test(text), `${pattern} matches ${JSON.stringify(text)}`)
      for (const text of no)
        t.notOk(expression.test(text), `${pattern} does not match ${JSON.stringify(text)}`)
    }
    check('', [''], ['a'])
    check('a', ['a'], ['', 'A', 'ab', 'ba', 'a\n'])
    check('.*', ['', 'a', 'a\nb', '💡'], [])
    check('.+', ['a', '\n', '💡'], [''])
    check('.', ['💡', '\n'], ['ab', ''])
    check('(?-s).', ['a'], ['\n'])
    check('(?-s:.)(?s:.)', ['a\n'], ['\na'])
    check('a|b|', ['a', 'b', ''], ['ab', 'c'])
    check('a(b|c)?d', ['ad', 'abd', 'acd'], ['abcd', 'a'])
    check('(?i)Sip-[a-f]+', ['SIP-ABC', 'sip-f'], ['sip-', 'sip-g'])
    check('a(?i)b', ['ab', 'aB'], ['Ab', 'AB'])
    check('(?i:a)b', ['Ab', 'ab'], ['AB'])
    check('(?is)a.', ['A\n'], ['B\n'])
    check('(?i)straße', ['STRAßE', 'straẞe'], ['strasse'])
    check('^a$', ['a'], ['aa'])
    check('(^a|b$)', ['a', 'b'], ['ab'])
    check('a^b', [], ['ab', 'a^b'])
    check('(^)*a($)*', ['a'], ['ab'])
    check('\\d{2,3}', ['12', '123'], ['1', '1234', '١٢'])
    check('\\d{2}', ['12'], ['1', '123'])
    check('\\d{2,}', ['12', '12345'], ['1'])
    check('a{0}b', ['b'], ['ab'])
    check('a{,2}', ['a{,2}'], ['a', 'aa'])
    check('a{x', ['a{x'], ['ax'])
    check('{', ['{'], [''])
    check('a]b}', ['a]b}'], ['ab'])
    check('[]a]+', [']a]'], ['b'])
    check('[^]a]', ['b', '\n'], [']', 'a'])
    check('[a-c-]', ['a', 'b', '-'], ['d'])
    check('[-a]', ['-', 'a'], ['b'])
    check('[[:alpha:]_]+', ['aZ_'], ['1'])
    check('[\\w.]+', ['a.b_1'], ['a b'])
    check('[^\\s]', ['a', '\v', '\u00a0'], [' ', '\n'])
    check('\\S+', ['ab'], ['a b'])
    check('[[]', ['['], [']'])
    check('\\.\\-\\/\\_\\"\\:', ['.-/_":'], ['x'])
    check('\\x41\\x{1F4A1}', ['A💡'], ['a💡'])
    check('\\pL\\p{Greek}\\PN\\p{^Lu}', ['aαb1'], ['1α11', 'aab1'])
    check('\\Qa.b*\\E+', ['a.b*', 'a.b**'], ['axb'])
    check('(?P<name>a)(?<other>b)', ['ab'], ['a'])
    check('a+?b*?c??', ['aab', 'ac'], ['b'])
    check('(?U)a+', ['aa'], [''])
    check('((a*)*)*b', ['aab', 'b'], ['aa'])
    check('toString|constructor', ['constructor'], ['valueOf'])
    check('(?:10\\.){2}\\d+(?:/\\d+)?', ['10.10.7', '10.10.7/24'], ['10.7'])
  },
)

t.test('a pattern that cannot be used says why', async (t) => {
  const check = (pattern: string, reason: RegExp) => {
    t.throws(
      () => compilePattern(pattern),
      { code: 'bad_request', message: reason },
      pattern.slice(0, 40),
    )
  }
  check('(', /not closed/)
  check('a)', /not opened/)
  check('[a', /\[ is not closed/)
  check('*a', /nothing stands before/)
  check('a**', /repeat is repeated/)
  check('a{2}{3}', /repeat is repeated/)
  check('a{2,1}', /0 to 1000/)
  check('a{1001}', /0 to 1000/)
  check('(((a{100}){100}){100})', /too large/)
  check('(?=a)b', /lookarounds/)
  check('(?m)a', /lookarounds and flags/)
  check('\\b', /\\b is not supported/)
  check('\\1', /\\1 is not supported/)
  check('a\\', /ends in a backslash/)
  check('[b-a]', /set of characters/)
  check('\\p{Nothing}', /set of characters/)
  check('('.repeat(300), /nested/)
  check('a'.repeat(5000), /over the limit of 4096/)
})

t.test('hostile patterns take time linear in the text', async (t) => {
  const text = `${'a'.repeat(20_000)}b`
  for (const pattern of [
    '(a*)*',
    '(a|a)*c',
    '(a|aa)+$',
    '(.*)(.*)(.*)(.*)x',
    '(a?){50}a{50}',
    '(x+x+)+y',
  ]) {
    const started = performance.now()
    t.notOk(compilePattern(pattern).test(text), pattern)
    t.ok(performance.now() - started < 2000, `${pattern} is done in time`)
  }
})

t.test('patterns agree with ECMAScript where the two languages agree', async (t) => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '(a|b)',
    '(?:ab)',
    'c',
    '\\d',
    '(a|)',
    '()',
  )
  const piece = fc
    .tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{2,}'))
    .map((p) => p.join(''))
  const pattern = fc
    .array(fc.array(piece, { maxLength: 5 }), { minLength: 1, maxLength: 3 })
    .map((options) => options.map((pieces) => pieces.join('')).join('|'))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '\n'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
      const ours = compilePattern(source)
      const theirs = new RegExp(`^(?:${source})$`, 'su')
      return texts.every((candidate) => ours.test(candidate) === theirs.test(candidate))
    }),
    { numRuns: 1500 },
  )
  t.pass('1500 random patterns')
})

t.test('literal alternatives are found so that the index can look them up', async (t) => {
  t.same(literalAlternatives('a|b'), ['a', 'b'])
  t.same(literalAlternatives('(pbx-1\\.bank|pbx-2)'), ['pbx-1.bank', 'pbx-2'])
  t.same(literalAlternatives(''), [''])
  for (const pattern of ['a.b', 'a|b*', '(a)(b)', '(a|b', '\\d', '^a', '(?i)a', '(a|b)|c']) {
    t.equal(literalAlternatives(pattern), undefined, pattern)
  }
})

const sets: readonly Labels[] = [
  { __name__: 'up', instance: 'a', job: 'node' },
  { __name__: 'up', instance: 'b', job: 'node' },
  { __name__: 'up', instance: 'c' },
  { __name__: 'load1', instance: 'a', job: 'node' },
  { __name__: 'load1', instance: 'b', job: '', constructor: 'x' },
]

t.test('a missing label equals the empty string in every matcher', async (t) => {
  const index = new SeriesIndex(100)
  for (const labels of sets) index.intern(labels)
  const check = (matchers: readonly Matcher[], expected: readonly number[]) => {
    t.same([...index.select(matchers.map(compileMatcher))], expected, JSON.stringify(matchers))
  }
  const m = (name: string, op: Matcher['op'], value: string): Matcher => ({ name, op, value })
  check([], [0, 1, 2, 3, 4])
  check([m('job', '=', '')], [2, 4])
  check([m('job', '!=', '')], [0, 1, 3])
  check([m('job', '!=', 'node')], [2, 4])
  check([m('job', '=~', '')], [2, 4])
  check([m('job', '=~', 'node|')], [0, 1, 2, 3, 4])
  check([m('job', '=~', '.*')], [0, 1, 2, 3, 4])
  check([m('job', '=~', '.+')], [0, 1, 3])
  check([m('job', '!~', '.+')], [2, 4])
  check([m('job', '!~', '')], [0, 1, 3])
  check([m('instance', '=~', 'b|a')], [0, 1, 3, 4])
  check([m('instance', '=~', 'b|a'), m('__name__', '=', 'up')], [0, 1])
  check([m('instance', '=~', 'b|b')], [1, 4])
  check([m('__name__', '=~', 'up|load1'), m('instance', '!~', 'a|b')], [2])
  check([m('__name__', '=', 'nothing')], [])
  check([m('nothing', '=', 'x')], [])
  check([m('constructor', '=', '')], [0, 1, 2, 3])
  check([m('constructor', '!=', '')], [4])
  check([m('toString', '=', '')], [0, 1, 2, 3, 4])
  check([m('__proto__', '!=', '')], [])
  check([m('instance', '=', 'a'), m('instance', '!=', 'a')], [])
})

t.test(
  'interning: order and empty values do not matter, bad sets and too many are refused',
  async (t) => {
    const index = new SeriesIndex(3)
    const id = index.intern({ b: '2', a: '1', c: '' })
    t.equal(index.intern({ a: '1', b: '2' }), id)
    t.strictSame(Object.entries(index.labels(id)), [
      ['a', '1'],
      ['b', '2'],
    ])
    t.equal(
      index.intern({ a: '\ud800' }),
      index.intern({ a: '\ufffd' }),
      'text that UTF-8 cannot hold is replaced',
    )
    t.throws(() => index.intern({}), { code: 'unprocessable' })
    t.throws(() => index.intern({ a: '' }), { code: 'unprocessable' })
    t.throws(() => index.intern({ '': 'x' }), { code: 'unprocessable' })
    t.throws(() => index.intern({ a: 'x'.repeat(70_000) }), {
      code: 'unprocessable',
      message: /over the limit/,
    })
    t.throws(() => index.intern({ a: 1 } as unknown as Labels), { code: 'unprocessable' })
    t.throws(
      () => index.intern(JSON.parse('{"__proto__": "x", "a": "b"}') as Labels),
      CallwardError,
    )
    index.intern({ a: '3' })
    t.throws(() => index.intern({ a: '4' }), {
      code: 'unprocessable',
      message: /limit of 3 series/,
    })
    t.equal(index.intern({ a: '3' }), 2, 'known series are still found')
    t.equal(index.refused, 1)
    t.equal(index.intern({ a: 'from disk' }, true), 3, 'stored series are beyond the limit')
    t.throws(() => index.labels(9), /BUG/)
  },
)

t.test('a series without data leaves the index and comes back under its id', async (t) => {
  const index = new SeriesIndex(4)
  const heard: string[] = []
  index.listen({ add: (id, isBack) => heard.push(`${id}${isBack ? ' is back' : ''}`) })
  const ids = sets.map((labels) => index.intern(labels, true))
  const find = (name: string, value: string) => [
    ...index.select([compileMatcher({ name, op: '=', value })]),
  ]
  const version = index.version
  t.equal(await index.retireWithout(() => true), 0)
  t.equal(index.version, version)
  t.equal(await index.retireWithout((id) => id >= 3), 3)
  t.not(index.version, version)
  t.same(find('__name__', 'up'), [])
  t.equal(index.live, 2)
  t.notOk([...index.valuesOf('instance')].some(({ value }) => value === 'c'))
  t.same(index.labels(ids[0]!), sets[0], 'its labels stay known to who holds the id')
  t.equal(index.current(0), 0)
  t.same(find('__name__', 'up'), [0])
  t.equal(index.intern(sets[1]!), 1, 'the same labels are the same series')
  t.same(find('__name__', 'up'), [0, 1])
  t.throws(() => index.intern(sets[2]!), { message: /limit of 4 series/ }, 'back over the limit')
  t.equal(index.current(2), 2, 'who holds the id writes on')
  t.same(find('__name__', 'up'), [0, 1, 2])
  t.equal(index.current(3), 3)
  t.notOk(index.hasRetired)
  t.same(heard, ['0', '1', '2', '3', '4', '0 is back', '1 is back', '2 is back'])
  await index.retireWithout(() => false)
  t.equal(index.live, 0)
  t.same(index.labelNames(), [])
})

t.test('ids may have gaps; one label set under two ids is one series', async (t) => {
  const index = new SeriesIndex(10)
  const pair = index.pairs.make('a', '1')
  index.enter(7, Uint32Array.of(0, pair), 1, 1)
  index.enter(7, Uint32Array.of(99), 0, 1)
  index.enter(4, Uint32Array.of(pair), 0, 1)
  index.enter(2, Uint32Array.of(index.pairs.make('a', '2')), 0, 1)
  t.same([...index.select([])], [2, 7])
  t.equal(index.current(4), 7)
  t.same(index.labels(4), { a: '1' })
  t.notOk(index.has(3))
  t.throws(() => index.labels(3), /BUG: series 3/)
  index.reserve(20)
  t.equal(index.intern({ b: '1' }), 20)
  t.same([...index.select([])], [2, 7, 20])
})

t.test('the index agrees with a list of label sets, whatever is asked and retired', async (t) => {
  const name = fc.constantFrom('__name__', 'a', 'b', 'c')
  const value = fc.constantFrom('', '0', '1', '2', 'x')
  const set = fc.dictionary(name, value, { minKeys: 1 })
  const matcher = fc.record({
    name,
    op: fc.constantFrom<Matcher['op']>('=', '=', '=', '!=', '=~', '!~'),
    value: fc.constantFrom('', '0', '1', '0|1', '.*', '.+', '[01]', 'x|'),
  })
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('intern' as const), set }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('retire' as const), keep: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('current' as const), at: fc.nat() }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('select' as const),
        matchers: fc.array(matcher, { maxLength: 3 }),
      }),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const index = new SeriesIndex(1000)
      const model: { labels: Labels; live: boolean }[] = []
      for (const one of steps) {
        if (one.kind === 'intern') {
          const labels = Object.fromEntries(Object.entries(one.set).filter(([, v]) => v !== ''))
          if (Object.keys(labels).length === 0) continue
          let id = model.findIndex((known) => labelKey(known.labels) === labelKey(labels))
          if (id < 0) id = model.push({ labels, live: true }) - 1
          model[id]!.live = true
          if (index.intern(one.set) !== id) return false
        } else if (one.kind === 'retire') {
          await index.retireWithout((id) => id % 4 < one.keep)
          for (const [id, known] of model.entries()) if (id % 4 >= one.keep) known.live = false
        } else if (one.kind === 'current') {
          if (model.length === 0) continue
          const id = one.at % model.length
          if (index.current(id) !== id) return false
          model[id]!.live = true
        } else {
          const compiled = one.matchers.map(compileMatcher)
          const expected = [...model.keys()].filter(
            (id) =>
              model[id]!.live &&
              compiled.every(({ name, test }) => test(model[id]!.labels[name] ?? '')),
          )
          if (index.select(compiled).join() !== expected.join()) return false
        }
        const live = model.filter((known) => known.live)
        if (index.live !== live.length) return false
        const names = [...new Set(live.flatMap(({ labels }) => Object.keys(labels)))].sort()
        if (index.labelNames().sort().join() !== names.join()) return false
        for (const name of names) {
          for (const { value, ids } of index.valuesOf(name)) {
            const carrying = [...model.keys()].filter(
              (id) => model[id]!.live && model[id]!.labels[name] === value,
            )
            if (ids.join() !== carrying.join()) return false
          }
        }
      }
      return model.every(({ labels }, id) => labelKey(index.labels(id)) === labelKey(labels))
    }),
    { numRuns: 400 },
  )
  t.pass('400 random histories')
})

t.test(
  'retiring many series gives others their turns, in which a series may come back',
  async (t) => {
    const index = new SeriesIndex(1_000_000)
    const hosts = 400
    const perHost = 100
    for (let host = 0; host < hosts; host++)
      for (let i = 0; i < perHost; i++)
        index.intern({ __name__: `m${i}`, instance: `h${host}`, job: 'callward' })
    const find = (name: string, value: string) => [
      ...index.select([compileMatcher({ name, op: '=', value })]),
    ]
    const keeps = (id: number) => id % perHost === 7
    const retiring = index.retireWithout(keeps)
    t.ok(index.isRetired(0), 'retired in the first turn: nothing written later is overlooked')
    let turns = 0
    const back = new Set<number>()
    let done = false
    void retiring.then(() => {
      done = true
    })
    for (; !done; turns++) {
      // One that is leaving comes back, wherever the work has come to; then a new one of its host appears.
      const id = (turns * 1009) % (hosts * perHost)
      t.equal(index.current(id), id)
      if (!keeps(id)) back.add(id)
      index.intern({ __name__: 'late', instance: `h${Math.floor(id / perHost)}`, turn: `${turns}` })
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.equal(await retiring, hosts * (perHost - 1))
    t.ok(turns > 3, `${turns} turns for others`)
    const present = Array.from({ length: hosts * perHost }, (_, id) => id).filter(
      (id) => keeps(id) || back.has(id),
    )
    t.same(find('job', 'callward'), present)
    t.equal(index.live, present.length + turns)
    for (const id of back) {
      const { __name__, instance } = index.labels(id)
      const matchers = [
        { name: '__name__', op: '=', value: __name__! },
        { name: 'instance', op: '=', value: instance! },
      ] as const
      t.same([...index.select(matchers.map(compileMatcher))], [id])
    }
    t.equal(find('__name__', 'm7').length, hosts)
    await index.retireWithout(() => false)
    t.same([index.live, index.labelNames(), find('job', 'callward')], [0, [], []])
  },
)

t.test('lists of ids: what two share, by leaps', async (t) => {
  const ids = fc
    .uniqueArray(fc.oneof(fc.nat(60), fc.nat(5000)), { maxLength: 200 })
    .map((list) => Uint32Array.from(list).sort())
  fc.assert(
    fc.property(ids, ids, (a, b) => {
      const out = new Uint32Array(a.length)
      const expected = a.filter((id) => b.includes(id)).join()
      if (out.subarray(0, intersect(a, a.length, b, b.length, out)).join() !== expected)
        return false
      return a.subarray(0, intersect(a, a.length, b, b.length, a)).join() === expected
    }),
    { numRuns: 500 },
  )
  t.pass('500 random pairs of lists')
})
