import t from 'tap'
import { xxHash64 } from '../../../server/promql/eval/series-hash.ts'
import { QueryFailure } from '../../../server/promql/failure.ts'
import { compileAnchored, expandTemplate, RegexFailure } from '../../../server/promql/regex.ts'
import { keepsInstance, withMatcher } from '../../../server/promql/rewrite.ts'
import { typeOf } from '../../../server/promql/syntax/ast.ts'
import { formatDuration, parseDuration } from '../../../server/promql/syntax/duration.ts'
import { formatFixed, formatSample } from '../../../server/promql/syntax/float.ts'
import { parse, parseMatchers } from '../../../server/promql/syntax/parser.ts'
import { printExpr } from '../../../server/promql/syntax/print.ts'
import fc from '../../helpers/property.ts'

const experimental = { experimental: true }

/** What a call throws; undefined when it does not. */
function failureOf(call: () => unknown): unknown {
  try {
    call()
    return undefined
  } catch (cause) {
    return cause
  }
}

t.test('faults are shown with their place', async (t) => {
  const f = (text: string, message: string): void => {
    t.throws(() => parse(text), { kind: 'bad_data', message }, text)
  }
  f('', 'unknown position: parse error: no expression found in input')
  f('# only a comment', '1:1: parse error: no expression found in input')
  f('1+', '1:3: parse error: unexpected end of input')
  f('*up', '1:1: parse error: unexpected <op:*>')
  f('up up', '1:4: parse error: unexpected identifier "up"')
  f('sum(up', '1:7: parse error: unclosed left parenthesis')
  f('sum(up))', "1:9: parse error: unexpected right parenthesis ')'")
  f('(1', '1:3: parse error: unclosed left parenthesis')
  f('up[5m', '1:6: parse error: unclosed left bracket')
  f(
    'up\n  + sum(rate(up))',
    '2:14: parse error: expected type range vector in call to function "rate", got instant vector',
  )
  f(
    'sum(up[5m])',
    '1:5: parse error: expected type instant vector in aggregation expression, got range vector',
  )
  f('nope(up)', '1:1: parse error: unknown function with name "nope"')
  f('rate()', '1:1: parse error: expected 1 argument(s) in call to "rate", got 0')
  f('round(up, 1, 2)', '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3')
  f(
    'label_join(up, "a")',
    '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 2',
  )
  f('sum()', '1:1: parse error: no arguments for aggregate expression provided')
  f(
    'topk(up)',
    '1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1',
  )
  f('topk("a", up)', '1:6: parse error: expected type scalar in aggregation parameter, got string')
  f('sum(a, )', '1:6: parse error: trailing commas not allowed in function call args')
  f(
    'sum by (a b) (up)',
    '1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"',
  )
  f('sum by a (up)', '1:8: parse error: unexpected identifier "a" in grouping opts, expected "("')
  f('sum(a b)', '1:7: parse error: unexpected identifier "b" in aggregation')
  f('1 > 2', '1:3: parse error: comparisons between scalars must use BOOL modifier')
  f('up + bool up', '1:4: parse error: bool modifier can only be used on comparison operators')
  f('1 and up', '1:1: parse error: set operator "and" not allowed in binary scalar expression')
  f('a and on(x) group_left() b', '1:1: parse error: no grouping allowed for "and" operation')
  f('1 + on(x) 2', '1:1: parse error: vector matching only allowed between instant vectors')
  f(
    'a * on(x) group_left(x) b',
    '1:3: parse error: label "x" must not occur in ON and GROUP clause at once',
  )
  f(
    'a + "b"',
    '1:5: parse error: binary expression must contain only scalar and instant vector types',
  )
  f(
    '-"a"',
    '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "string"',
  )
  f('{}', '1:1: parse error: vector selector must contain at least one non-empty matcher')
  f('{a=~".*"}', '1:1: parse error: vector selector must contain at least one non-empty matcher')
  f('up{__name__="down"}', '1:1: parse error: metric name must not be set twice: "up" or "down"')
  f('up{a=b}', '1:6: parse error: unexpected identifier "b" in label matching, expected string')
  f(
    'up{a="b" c="d"}',
    '1:10: parse error: unexpected identifier "c" in label matching, expected "," or "}"',
  )
  f('up{="b"}', '1:4: parse error: unexpected "=" in label matching, expected identifier or "}"')
  f('up{a="b"', '1:9: parse error: unexpected end of input inside braces')
  f('up{a="b', '1:6: parse error: unterminated quoted string')
  f('up{a=~"("}', '1:4: parse error: error parsing regexp: unterminated group: `(`')
  f('"\\q"', "1:1: parse error: unknown escape sequence U+0071 'q'")
  f('up[5m][5m]', '1:7: parse error: ranges only allowed for vector selectors')
  f('up offset 5m [5m]', '1:14: parse error: no offset modifiers allowed before range')
  f('up[0s]', '1:4: parse error: duration must be greater than 0')
  f('up[-5m]', '1:4: parse error: duration must be greater than 0')
  f('up[5m:5x]', '1:7: parse error: bad number or duration syntax: "5x"')
  f('up[5m5h]', '1:4: parse error: not a valid duration string: "5m5h"')
  f('up[foo]', "1:4: parse error: unexpected character in duration expression: 'f'")
  f(
    'up offset',
    '1:10: parse error: unexpected end of input in offset, expected number, duration, step(), or range()',
  )
  f('up offset 5m offset 5m', '1:1: parse error: offset may not be set multiple times')
  f(
    'sum(up) offset 5m',
    '1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery',
  )
  f('up @ now', '1:6: parse error: unexpected identifier "now" in @, expected timestamp')
  f('up @ 1 @ 2', '1:1: parse error: @ <timestamp> may not be set multiple times')
  f('1[5m:]', '1:1: parse error: subquery is only allowed on instant vector, got scalar instead')
  f('up = 1', '1:4: parse error: unexpected "="')
  f('up ! 1', "1:4: parse error: unexpected character after '!': ' '")
  f('1_', '1:1: parse error: bad number or duration syntax: "1_"')
  f('mad_over_time(up[5m])', '1:1: parse error: function "mad_over_time" is not enabled')
  f('up[5m + 5m]', '1:4: parse error: experimental duration expression is not enabled')
  f('up anchored', '1:1: parse error: anchored modifier is experimental and not enabled')
})

t.test('what is read is printed in its usual form and reads back the same', async (t) => {
  const f = (text: string, printed: string = text): void => {
    const once = printExpr(parse(text, experimental))
    t.equal(once, printed, text)
    t.equal(printExpr(parse(once, experimental)), printed, `${text} again`)
  }
  f('up')
  f('SUM(up)BY(job)', 'sum by (job) (up)')
  f('sum without () (up)')
  f('up{b="2", a=~"x|y"}', 'up{a=~"x|y",b="2"}')
  f('{"my metric", "a.b"="c"}', '{"a.b"="c",__name__="my metric"}')
  f("up{a='it\\'s'}", 'up{a="it\'s"}')
  f('up{a=`\\d`}', 'up{a="\\\\d"}')
  f('"\\u4e2d\\x41\\101"', '"中AA"')
  f('rate(up[90s] offset -5m)', 'rate(up[1m30s] offset -5m)')
  f('up[1d2h] @ 1.5', 'up[1d2h] @ 1.500')
  f('up @ end() offset 1w', 'up @ end() offset 1w')
  f('max_over_time(rate(a[5m])[1h:30s] offset 2h)')
  f('max_over_time(a[1h:])')
  f('up[300]', 'up[5m]')
  f('0x1F + 1_000 + .5 + 1e3 + Inf + 017', '31 + 1000 + 0.5 + 1000 + +Inf + 15')
  f('5m', '5m')
  f('1 + 2 * 3 ^ 2 ^ -1')
  f('-a ^ 2 - -1')
  f('a > bool on (x, y) group_left (z) b')
  f('a == ignoring () group_right b', 'a == ignoring () group_right () b')
  f('a / on () b')
  f('a + fill (0) b')
  f('a + on (x) fill_left (-1) fill_right (2) b')
  f('count_values("v", a)')
  f('a[step() * 2] smoothed', 'a[step() * 2] smoothed')
  f('a offset -(1h / 2)')
  f('a # comment\n + b', 'a + b')
  f('sum + count', 'sum + count')
  f('fill + by', 'fill + by')
  f('a atan2 b % c unless d or e and f')
})

t.test('operators bind as in Prometheus', async (t) => {
  const shape = (text: string): unknown => {
    const walk = (expr: ReturnType<typeof parse>): unknown => {
      if (expr.kind === 'binary') return [walk(expr.left), expr.op, walk(expr.right)]
      if (expr.kind === 'unary') return [expr.op, walk(expr.expr)]
      return printExpr(expr)
    }
    return walk(parse(text))
  }
  t.same(shape('a + b * c'), ['a', '+', ['b', '*', 'c']])
  t.same(shape('a - b - c'), [['a', '-', 'b'], '-', 'c'])
  t.same(shape('a ^ b ^ c'), ['a', '^', ['b', '^', 'c']])
  t.same(shape('-a ^ b'), ['-', ['a', '^', 'b']])
  t.same(shape('-a * b'), [['-', 'a'], '*', 'b'])
  t.same(shape('a or b and c'), ['a', 'or', ['b', 'and', 'c']])
  t.same(shape('a == b + c > d'), [['a', '==', ['b', '+', 'c']], '>', 'd'])
  t.same(shape('a offset 5m + b'), ['a offset 5m', '+', 'b'])
  t.equal(typeOf(parse('1 + time()')), 'scalar')
  t.equal(typeOf(parse('1 + a')), 'vector')
  t.equal(typeOf(parse('(a[5m])')), 'matrix')
})

t.test('matchers of match[]', async (t) => {
  t.same(parseMatchers('up{a!~"b"}'), [
    { name: 'a', op: '!~', value: 'b' },
    { name: '__name__', op: '=', value: 'up' },
  ])
  for (const text of ['up[5m]', 'sum(up)', '', '1', 'up{'])
    t.ok(failureOf(() => parseMatchers(text)) instanceof QueryFailure, text)
})

t.test('no text makes the parser throw anything but its own failure', async () => {
  const words = [
    'up',
    'sum',
    'by',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '5m',
    '1',
    ':',
    ',',
    '=',
    '"a"',
    '+',
    '-',
    'offset',
    '@',
    'on',
    ' ',
    'and',
    'rate',
    '^',
    '~',
    '!',
    '\\',
    'é',
    '#',
  ]
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 14 }).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(text, (input) => {
      try {
        const printed = printExpr(parse(input, experimental))
        return printExpr(parse(printed, experimental)) === printed
      } catch (cause) {
        return (
          (cause as Error).name === 'QueryFailure' && /parse error: /.test((cause as Error).message)
        )
      }
    }),
    { numRuns: 3000 },
  )
})

t.test('durations and numbers', async (t) => {
  t.equal(
    parseDuration('1y2w3d4h5m6s7ms'),
    31_536_000_000 + 1_209_600_000 + 259_200_000 + 14_400_000 + 300_000 + 6000 + 7,
  )
  t.equal(parseDuration('1m1h'), 'not a valid duration string: "1m1h"')
  fc.assert(
    fc.property(
      fc.nat(10 ** 12),
      (milliseconds) => parseDuration(formatDuration(milliseconds)) === milliseconds,
    ),
  )
  fc.assert(
    fc.property(fc.double(), (value) => {
      const read = (text: string): number => Number(text.replace('Inf', 'Infinity'))
      return (
        Object.is(read(formatFixed(value)), value) && Object.is(read(formatSample(value)), value)
      )
    }),
  )
  t.notMatch(formatFixed(1.5e-300), /e/)
  t.equal(formatFixed(123e25), '1230000000000000000000000000')
})

t.test('regular expressions in RE2 spelling', async (t) => {
  const f = (pattern: string, text: string, found: boolean): void => {
    t.equal(compileAnchored(pattern).test(text), found, `${pattern} on ${text}`)
  }
  f('a|b', 'ab', false)
  f('a.c', 'a\nc', true)
  f('(?i)PBX-\\d+', 'pbx-12', true)
  f('[[:alpha:]]+-\\-', 'ab--', true)
  f('(?P<host>x)', 'x', true)
  f('\\Qa.b\\E', 'a.b', true)
  f('\\Qa.b\\E', 'axb', false)
  f('a{,2}', 'a{,2}', true)
  f('[^]a]', 'b', true)
  f('\\pL+', 'é', true)
  f('10\\.0\\.0\\.1:9100', '10.0.0.1:9100', true)
  for (const pattern of ['(', '(?=a)', '\\1', '[a', 'a**', '(?<!a)', '[[:constructor:]]'])
    t.ok(failureOf(() => compileAnchored(pattern)) instanceof RegexFailure, pattern)
  const match = compileAnchored('(.*)-(?P<n>\\d)').exec('pbx-1')
  t.ok(match)
  if (match) t.equal(expandTemplate(`$1/\${n}/$n/$2x/$$/$`, match), 'pbx/1/1//$/$')
})

t.test('XXH64', async (t) => {
  const f = (text: string, hash: string): void => {
    t.equal(xxHash64(new TextEncoder().encode(text)).toString(16), hash, text)
  }
  f('', 'ef46db3751d8e999')
  f('a', 'd24ec4f1a98c6e5b')
  f('abc', '44bc2cf5ad770999')
  f('Nobody inspects the spammish repetition', 'fbcea83c8a378bf1')
})

t.test('withMatcher reaches every selector', async (t) => {
  const text =
    '(sum by (instance) (rate(a[5m])) > 2) and on (instance) max_over_time(b{x="y"}[1h:]) or -{__name__="c"}'
  const expr = withMatcher(parse(text), { name: 'instance', op: '=', value: 'p"1' })
  t.equal(
    printExpr(expr),
    '(sum by (instance) (rate(a{instance="p\\"1"}[5m])) > 2) and on (instance) max_over_time(b{instance="p\\"1",x="y"}[1h:]) or -{__name__="c",instance="p\\"1"}',
  )
})

t.test('keepsInstance is true only when one host stands alone', async (t) => {
  const keeps = [
    'up',
    'rate(a[5m]) > 0.5',
    '1 - avg without (cpu, mode) (rate(a{mode="idle"}[5m])) > 0.9',
    'sum by (instance, job) (a)',
    'time() - a < 600',
    'a / b',
    'a / on (instance, device) b',
    'a * on (instance) group_left (version) b',
    'a unless ignoring (state) b',
    'max_over_time(rate(a[1m])[10m:1m])',
    'histogram_quantile(0.9, sum by (le, instance) (rate(a[5m])))',
    'topk by (instance) (3, a)',
    'label_replace(a, "x", "$1", "y", "(.*)")',
    '(a > 1) and on (instance) (b > 2) or c',
    'clamp_max(a, 5) ^ 2',
    'quantile_over_time(0.9, a[5m])',
    'hour(a)',
  ]
  const crosses = [
    '1',
    'time()',
    'vector(1)',
    'sum(a)',
    'sum by (job) (a)',
    'avg without (instance) (a)',
    'topk(3, a)',
    'quantile without (instance) (0.5, a)',
    'absent(a)',
    'absent_over_time(a[5m])',
    'a / scalar(b)',
    'a > on (job) group_left sum by (job) (b)',
    'a / on (job) b',
    'a / ignoring (instance) b',
    'a and on () b',
    'a or vector(0)',
    'label_replace(a, "instance", "x", "", "")',
    'label_join(a, "instance", "", "x")',
    'count_values by (instance) ("instance", a)',
    'hour()',
    'a{instance=""}',
    'clamp_max(a, scalar(b))',
    'quantile_over_time(scalar(b), a[5m])',
  ]
  for (const text of keeps) t.equal(keepsInstance(parse(text)), true, text)
  for (const text of crosses) t.equal(keepsInstance(parse(text)), false, text)
})
