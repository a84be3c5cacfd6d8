import { spawnSync } from 'node:child_process'
import t from 'tap'
import { compareDebianVersions } from '../../../collector/wire/debian-version.ts'
import { compareRpmVersions, rpmvercmp } from '../../../server/baselines/rpm-version.ts'
import { allows, parseSpec, type VersionSpec } from '../../../server/baselines/version-spec.ts'
import fc from '../../helpers/property.ts'

const seed = Number(process.env['CALLWARD_SEED'] ?? Date.now() % 1_000_000)
const dpkgMissing = findDpkg()

function findDpkg(): string | false {
  if (spawnSync('dpkg', ['--version']).status === 0) return false
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error('dpkg is not installed')
  return 'dpkg is not installed'
}

/** Words that make near misses likely: equal numbers written differently, marks that sort in odd ways. */
const pieces = [
  '0',
  '00',
  '1',
  '01',
  '2',
  '9',
  '10',
  '100',
  'a',
  'B',
  'rc',
  'Z',
  '.',
  '+',
  '~',
  '~~',
  '-',
  'dfsg',
  '+b',
  '~rc',
]
const tail = fc.array(fc.constantFrom(...pieces), { maxLength: 7 }).map((parts) => parts.join(''))
const upstream = fc
  .tuple(fc.constantFrom('0', '1', '2', '10'), tail)
  .map(([head, rest]) => `${head}${rest}`.replace(/-+$/, ''))
const debVersion = fc
  .tuple(
    fc.constantFrom('', '', '', '0:', '1:', '01:'),
    upstream,
    fc.constantFrom('', '-0', '-1', '-1~x', '-1+b'),
  )
  .map((parts) => parts.join(''))
const anyVersion = fc.oneof(debVersion, fc.string({ maxLength: 12 }))

/** What dpkg says of each pair, in one process for all. */
function askDpkg(pairs: readonly (readonly [string, string])[]): string[] {
  const script = `while IFS=' ' read -r a b; do
    if dpkg --compare-versions "$a" lt "$b"; then echo lt
    elif dpkg --compare-versions "$a" eq "$b"; then echo eq
    else echo gt; fi
  done`
  const input = `${pairs.map((pair) => pair.join(' ')).join('\n')}\n`
  const { stdout, stderr } = spawnSync('sh', ['-c', script], { input, encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr.slice(0, 500))
  return stdout.trim().split('\n')
}

const word = (order: number) => (order < 0 ? 'lt' : order > 0 ? 'gt' : 'eq')

t.test('Debian versions are ordered as dpkg orders them', { skip: dpkgMissing }, async (t) => {
  t.comment(`seed ${seed}; CALLWARD_SEED=${seed} repeats the run`)
  const known: [string, string][] = [
    ['1.0~rc1', '1.0'],
    ['1.0-1', '1.0-1+b1'],
    ['1.0', '1.0-0'],
    ['1:0.1', '9'],
    ['2.36-9+deb12u4', '2.36-9+deb12u10'],
    ['1.2a', '1.2+'],
    ['1.0~~', '1.0~'],
    ['0007', '7'],
    ['1.a', '1.1'],
  ]
  const pairs = [...known, ...fc.sample(fc.tuple(debVersion, debVersion), { numRuns: 500, seed })]
  const theirs = askDpkg(pairs)
  t.equal(theirs.length, pairs.length)
  const wrong = pairs.flatMap(([a, b], index) => {
    const ours = word(compareDebianVersions(a, b))
    return ours === theirs[index] ? [] : [`${a} ${b}: ${ours}, dpkg says ${theirs[index]}`]
  })
  t.same(wrong, [])
  for (const kind of ['lt', 'eq', 'gt']) t.ok(theirs.includes(kind), `some are ${kind}`)
})

t.test('RPM labels are ordered as rpm-version(7) says', async (t) => {
  // Older first, or equal: facts of rpm's manual and of the cases its own test suite names (tests/rpmvercmp.at).
  const older: [string, string][] = [
    ['1.0', '2.0'],
    ['2.0', '2.0.1'],
    ['2.0.1', '2.0.1a'],
    ['5.5p1', '5.5p10'],
    ['10xyz', '10.1xyz'],
    ['xyz.4', '8'],
    ['6.0', '6.0.rc1'],
    ['10a2', '10b2'],
    ['1.0a', '1.0aa'],
    ['10.0001', '10.0039'],
    ['1.0~rc1', '1.0'],
    ['1.0~rc1', '1.0~rc2'],
    ['1.0~rc1~git123', '1.0~rc1'],
    ['1.0', '1.0^'],
    ['1.0', '1.0^git1'],
    ['1.0^git1', '1.0^git2'],
    ['1.0^git1', '1.01'],
    ['1.0^20160101', '1.0.1'],
    ['1.0~rc1', '1.0~rc1^git1'],
    ['1.0^git1~pre', '1.0^git1'],
  ]
  for (const [a, b] of older) {
    t.equal(rpmvercmp(a, b), -1, `${a} < ${b}`)
    t.equal(rpmvercmp(b, a), 1, `${b} > ${a}`)
  }
  for (const [a, b] of [
    ['10.0001', '10.1'],
    ['2.0', '2_0'],
    ['+a', '_a'],
    ['a+', 'a_'],
    ['+', '_'],
  ] as const)
    t.equal(rpmvercmp(a, b), 0, `${a} = ${b}`)
  t.ok(compareRpmVersions('1:1.0-1.el9', '2.0-1.el9') > 0, 'the epoch goes first')
  t.equal(compareRpmVersions('(none):1.0-1', '0:1.0-1'), 0, 'no epoch is 0')
  t.ok(compareRpmVersions('1.0-1.el9', '1.0-2.el9') < 0, 'then the release')
  t.equal(compareRpmVersions('1.0', '1.0-2.el9'), 0, 'which counts only where both have one')
})

t.test('both orders are orders, for whatever text', async (t) => {
  t.comment(`seed ${seed}; CALLWARD_SEED=${seed} repeats the run`)
  for (const compare of [compareDebianVersions, compareRpmVersions, rpmvercmp]) {
    const sign = (a: string, b: string) => Math.sign(compare(a, b))
    fc.assert(
      fc.property(
        anyVersion,
        anyVersion,
        (a, b) => sign(a, a) === 0 && sign(a, b) === -sign(b, a) + 0,
      ),
      { seed },
    )
  }
  fc.assert(
    fc.property(fc.tuple(debVersion, debVersion, debVersion), (three) => {
      const [a, b, c] = [...three].sort(compareDebianVersions) as [string, string, string]
      return (
        compareDebianVersions(a, b) <= 0 &&
        compareDebianVersions(b, c) <= 0 &&
        compareDebianVersions(a, c) <= 0
      )
    }),
    { seed },
  )
})

t.test('what a baseline allows of a version', async (t) => {
  const spec = (value: unknown): VersionSpec => {
    const parsed = parseSpec(value)
    if (typeof parsed === 'string') throw new Error(parsed)
    return parsed
  }
  t.ok(allows(spec('1.2-3'), '0:1.2-3', 'dpkg'), 'no epoch is epoch 0')
  t.notOk(allows(spec('1.2-3'), '1.2-3+b1', 'dpkg'), 'exact is exact')
  t.ok(allows(spec('>= 1.10'), '1.10-1', 'dpkg'))
  t.notOk(allows(spec('>= 1.10'), '1.9', 'dpkg'), 'numbers, not texts')
  t.ok(allows(spec('>= 1.2, < 2'), '1.99', 'rpm'))
  t.notOk(allows(spec('>= 1.2, < 2'), '2.0', 'rpm'))
  t.ok(allows(spec('>= 1.2'), '1.2-5.el9', 'rpm'), 'a bound without release means any release')
  t.ok(allows(spec(['1.0', '>= 3']), '4', 'dpkg'))
  t.notOk(allows(spec(['1.0', '>= 3']), '2', 'dpkg'))
  t.ok(allows(spec('*'), 'whatever', 'rpm'))
  t.match(parseSpec(1.1), /quotes/)
  t.match(parseSpec('1.0 or 2.0'), /no version/)
  t.match(parseSpec('>= '), /no bound/)
  t.match(parseSpec('=> 1'), /no bound/)
  t.match(parseSpec([]), /empty/)
  t.match(parseSpec({ a: 1 }), /must be/)
  t.match(parseSpec(null), /must be/)
})
