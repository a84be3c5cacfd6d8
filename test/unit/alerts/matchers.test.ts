import t, { type Test } from 'tap'
import { compileAnchored, RegexFault } from '../../../alerts/linear-regex.ts'
import {
  formatMatchers,
  type Matcher,
  MatcherFault,
  matches,
  matchesAll,
  parseMatcher,
  parseMatchers,
} from '../../../alerts/matchers.ts'
import fc from '../../helpers/property.ts'

function refused(t: Test, run: () => unknown, kind: new () => Error, text: string): void {
  try {
    run()
    t.fail(`${text} is refused`)
  } catch (error) {
    t.ok(error instanceof kind, `${text} is refused: ${String(error)}`)
  }
}

t.test('matchers as Alertmanager reads them', async (t) => {
  const check = (text: string, name: string, value: string, isEqual = true, isRegex = false) =>
    t.same(parseMatcher(text), { name, value, isEqual, isRegex }, text)
  check('foo=bar', 'foo', 'bar')
  check('foo="bar"', 'foo', 'bar')
  check(' foo = bar baz ', 'foo', 'bar baz')
  check('foo!=bar', 'foo', 'bar', false)
  check('foo=~ba.*', 'foo', 'ba.*', true, true)
  check('foo!~"a|b"', 'foo', 'a|b', false, true)
  check('foo=', 'foo', '')
  check('foo=""', 'foo', '')
  check('foo="a\\"b\\\\c\\nd"', 'foo', 'a"b\\c\nd')
  check('foo=a\\b', 'foo', 'a\\b')
  check('foo==bar', 'foo', '=bar')
  check('foo="bär, 服务器"', 'foo', 'bär, 服务器')
  check('"with space"="x"', 'with space', 'x')
  for (const wrong of [
    '',
    'foo',
    '=bar',
    '1a=b',
    'foo="bar',
    'foo="bar\\"',
    'foo=b"r',
    'foo=~(',
    'a-b=c',
  ])
    refused(t, () => parseMatcher(wrong), MatcherFault, wrong)
})

t.test('a long text is read in one go', async (t) => {
  const spaces = ' '.repeat(200_000)
  t.equal(parseMatcher(`a=${spaces}x${spaces}y${spaces}`).value.length, 200_002)
})

t.test('lists of matchers', async (t) => {
  const check = (text: string, expected: string) =>
    t.equal(formatMatchers(parseMatchers(text)), expected, text)
  check('{a="b",c=~"d"}', '{a="b",c=~"d"}')
  check('a=b, c!=d', '{a="b",c!="d"}')
  check('{a="x,y",b!~"z",}', '{a="x,y",b!~"z"}')
  check('{}', '{}')
  check('', '{}')
  refused(t, () => parseMatchers('a=b,,c=d'), MatcherFault, 'an empty part')
  t.throws(() => parseMatchers(Array.from({ length: 101 }, () => 'a=b').join()), /more than 100/)
  const text = fc.string({ unit: 'grapheme', maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b_c', 'x y', 'é'), text, fc.boolean())),
      (all) => {
        const made: Matcher[] = all.map(([name, value, isEqual]) => ({
          name,
          value,
          isEqual,
          isRegex: false,
        }))
        t.same(parseMatchers(formatMatchers(made)), made)
      },
    ),
    { numRuns: 300 },
  )
})

t.test('an absent label is empty, and expressions are anchored', async (t) => {
  const check = (text: string, labels: Record<string, string>, expected: boolean) =>
    t.equal(matchesAll(parseMatchers(text), labels), expected, `${text} ${JSON.stringify(labels)}`)
  check('a=""', {}, true)
  check('a!=""', {}, false)
  check('a=~".*"', {}, true)
  check('a=~".+"', {}, false)
  check('a!~"x"', {}, true)
  check('a=~"b"', { a: 'abc' }, false)
  check('a=~"b|abc"', { a: 'abc' }, true)
  check('a=~"a.c"', { a: 'a\nc' }, false)
  check('a="b",c="d"', { a: 'b', c: 'd' }, true)
  check('a="b",c="d"', { a: 'b' }, false)
  t.equal(matches(parseMatcher('constructor=""'), {}), true, 'nothing inherited is a label')
})

t.test('expressions of RE2', async (t) => {
  const check = (pattern: string, text: string, expected: boolean) =>
    t.equal(compileAnchored(pattern)(text), expected, `${pattern} ~ ${text}`)
  check('(?i)PBX-\\d+', 'pbx-12', true)
  check('(?i:a)b', 'AB', false)
  check('a{2,3}', 'aa', true)
  check('a{2,3}', 'aaaa', false)
  check('a{2,}', 'aaaaa', true)
  check('a{,3}', 'a{,3}', true)
  check('[[:alpha:]_-]+', 'ab_-', true)
  check('[^a-c]', 'd', true)
  check('[]a]+', ']a', true)
  check('[a-]', '-', true)
  check('\\Qa.b\\E+', 'a.bb', true)
  check('\\Qa.b\\E', 'axb', false)
  check('\\p{Han}+', '服务器', true)
  check('\\pL', 'é', true)
  check('\\P{Lu}', 'A', false)
  check('\\x41\\x{42}', 'AB', true)
  check('(?P<x>a)(?:b)', 'ab', true)
  check('a\\.b\\-c\\/d', 'a.b-c/d', true)
  check('\\bfoo\\b.*', 'foo bar', true)
  check('^foo$', 'foo', true)
  check('.', '\u{1F4DE}', true)
  check('a|', '', true)
  check('(?s).', '\n', true)
  check('x*?y??', 'xx', true)
  for (const wrong of [
    '(',
    ')',
    '[a',
    '*a',
    'a**',
    'a{1001}',
    '\\1',
    '(?=a)',
    '(?<!a)b',
    '\\y',
    '[b-a]',
    '\\p{Nope}',
    'a{3,2}',
    '\\',
  ])
    refused(t, () => compileAnchored(wrong), RegexFault, wrong)
  t.throws(() => compileAnchored('((a{100}){100}){100}'), /states/)
  refused(t, () => compileAnchored('('.repeat(1000)), RegexFault, 'too deep')
})

t.test('an expression that stops other engines costs as much as any', async (t) => {
  t.equal(compileAnchored('(a+)+')(`${'a'.repeat(2_000)}b`), false)
  t.equal(compileAnchored('(a|aa|a*)*c')(`${'a'.repeat(2_000)}b`), false)
})

t.test('the same answers as JavaScript where both speak one language', async (t) => {
  const leaf = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', 'ab')
  const { pattern } = fc.letrec((tie) => ({
    pattern: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}'))
        .map(([a, b]) => `(?:${a})${b}`),
    ),
  }))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' '), maxLength: 8 })
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      const expected = new RegExp(`^(?:${source as string})$`).test(subject)
      if (compileAnchored(source as string)(subject) !== expected)
        throw new Error(`not ${expected}`)
    }),
    { numRuns: 2_000 },
  )
  t.pass('always')
})
