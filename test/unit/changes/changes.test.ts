import t from 'tap'
import {
  type ChangeAction,
  refusal,
  shownState,
  windowFault,
} from '../../../server/changes/change.ts'
import {
  knownSoftware,
  packageDifference,
  softwareDifference,
  type VersionItem,
} from '../../../server/changes/difference.ts'
import type { SoftwareDocument } from '../../../server/changes/documents.ts'
import { coverage, expects, fits, type Permit } from '../../../server/changes/matching.ts'
import { hostLabels } from '../../helpers/host-labels.ts'
import fc from '../../helpers/property.ts'

const hash = (digit: string) => digit.repeat(64)
const told = (items: readonly VersionItem[]) =>
  items.map(({ kind, subject, from, to }) => `${kind} ${subject} ${from} ${to}`)
const packages = (listed: Record<string, string>) => ({
  manager: 'dpkg' as const,
  packages: listed,
})

t.test('what changed between two lists of packages', async (t) => {
  const before = packages({ asterisk: '1:20', bash: '5', libc6: '2.36', zlib1g: '1' })
  const after = packages({
    asterisk: '1:18',
    bash: '5',
    'libc6:amd64': '2.36',
    'libc6:i386': '2.36',
    constructor: '1',
  })
  t.same(told(packageDifference(before, after)), [
    'package asterisk 1:20 1:18',
    'package constructor null 1',
    'package libc6:i386 null 2.36',
    'package zlib1g 1 null',
  ])
  t.same(told(packageDifference(after, before)), [
    'package asterisk 1:18 1:20',
    'package constructor 1 null',
    'package libc6:i386 2.36 null',
    'package zlib1g null 1',
  ])
  const both = packages({ 'libc6:amd64': '2.37', 'libc6:i386': '2.37' })
  t.same(told(packageDifference(packages({ libc6: '2.36' }), both)), [
    'package libc6:amd64 2.36 2.37',
    'package libc6:i386 null 2.37',
  ])
  const listed = fc.dictionary(
    fc.constantFrom('a', 'b', 'c', 'a:amd64', 'a:i386'),
    fc.constantFrom('1', '2'),
  )
  fc.assert(
    fc.property(listed, (one) => packageDifference(packages(one), packages(one)).length === 0),
  )
})

/** What a chain of documents is told to have changed, each compared with what was known before it. */
function chain(...documents: readonly SoftwareDocument[]): string[][] {
  let known: SoftwareDocument | undefined
  return documents.map((document) => {
    const next = knownSoftware(known, document)
    const items = known === undefined ? [] : softwareDifference(known, next)
    known = next
    return told(items)
  })
}

t.test('a change behind a blind spot is seen when sight returns', async (t) => {
  const file = (state: 'ok' | 'absent' | 'denied' | 'error', digit?: string): SoftwareDocument => ({
    files: [{ path: '/a', state, ...(digit === undefined ? {} : { sha256: hash(digit) }) }],
  })
  t.same(chain(file('ok', 'a'), file('denied'), file('error'), file('ok', 'b')), [
    [],
    [],
    [],
    [`file /a sha256:${hash('a')} sha256:${hash('b')}`],
  ])
  t.same(chain(file('ok', 'a'), file('denied'), file('ok', 'a')), [[], [], []])
  t.same(chain(file('denied'), file('ok', 'a'), file('absent'), { files: [] }), [
    [],
    [],
    [`file /a sha256:${hash('a')} absent`],
    ['file /a absent null'],
  ])
  t.same(
    chain(file('ok', 'a'), {}, file('ok', 'b')).flat().length,
    1,
    'no list is no word of files',
  )
  const service = (...running: string[]): SoftwareDocument => ({
    services: running.map((version) => ({ name: 'asterisk', version })),
  })
  t.same(chain(service('20'), service(), service(''), service('18')), [
    [],
    [],
    [],
    ['service asterisk 20 18'],
  ])
  t.same(chain(service('20'), service(), service('20')), [[], [], []], 'a restart is no change')
  t.same(chain(service('18', '20'), service('20', '18')), [[], []], 'in whatever order')
  const kernel = (running?: string): SoftwareDocument => ({
    kernel: running === undefined ? {} : { running },
  })
  t.same(chain(kernel(), kernel('6.1'), kernel(), kernel('6.2')), [
    [],
    [],
    [],
    ['kernel running 6.1 6.2'],
  ])
})

t.test('which record covers what', async (t) => {
  const hour = 3_600_000
  const permit = (more: Partial<Permit> = {}): Permit => ({
    id: 'all',
    hosts: ['pbx-01'],
    startsAt: 10 * hour,
    endsAt: 12 * hour,
    approvedAt: 5 * hour,
    expected: [],
    ...more,
  })
  const item: VersionItem = { kind: 'package', subject: 'asterisk', from: '1', to: '2' }
  const covers = (at: number, ...permits: Permit[]) =>
    coverage([item], hostLabels, at, permits, hour).uncovered.length === 0
  t.ok(covers(11 * hour, permit()))
  t.ok(covers(10 * hour, permit()), 'from the first moment')
  t.ok(covers(13 * hour, permit()), 'to the end of the grace')
  t.notOk(covers(13 * hour + 1, permit()))
  t.notOk(covers(10 * hour - 1, permit()), 'no grace before it')
  t.notOk(covers(11 * hour, permit({ approvedAt: 11 * hour + 1 })), 'approved too late')
  t.notOk(covers(11 * hour, permit({ hosts: ['pbx-02', 'role=db', 'pbx'] })))
  t.ok(covers(11 * hour, permit({ hosts: ['pbx-02', 'role=pbx'] })))
  t.ok(covers(11 * hour, permit({ hosts: ['site=hanoi'] })))
  t.notOk(covers(11 * hour, permit({ expected: [{ kind: 'package', subject: 'bash' }] })))
  const other: VersionItem = { kind: 'file', subject: '/etc/x', from: null, to: 'absent' }
  const listed = permit({ id: 'listed', expected: [{ kind: 'package', subject: 'aster*' }] })
  const two = coverage([item, other], hostLabels, 11 * hour, [permit(), listed], hour)
  t.same(
    [...two.records],
    [
      ['listed', 1],
      ['all', 1],
    ],
    'the one that expects it goes first',
  )
  const one = coverage([item, other], hostLabels, 11 * hour, [listed], hour)
  t.same([told(one.uncovered), [...one.records]], [['file /etc/x null absent'], [['listed', 1]]])
})

t.test('what a record expects', async (t) => {
  const item = (kind: VersionItem['kind'], subject: string, to: string): VersionItem => ({
    kind,
    subject,
    from: 'x',
    to,
  })
  t.ok(expects({ kind: 'package', subject: 'libc6', to: '2' }, item('package', 'libc6:amd64', '2')))
  t.notOk(expects({ kind: 'package', subject: 'libc6', to: '2' }, item('package', 'libc6', '3')))
  t.ok(
    expects(
      { kind: 'package', subject: 'asterisk', to: '1:20' },
      item('service', 'asterisk', '20.1'),
    ),
  )
  t.ok(expects({ kind: 'package', subject: 'openssh-server' }, item('service', 'openssh', '9.2')))
  t.ok(
    expects({ kind: 'package', subject: 'postgresql-15' }, item('service', 'postgres-15', '15.4')),
  )
  t.notOk(expects({ kind: 'package', subject: 'bash' }, item('service', 'asterisk', '20.1')))
  t.notOk(expects({ kind: 'package', subject: 'bash' }, item('service', '-1', '20.1')), 'no name')
  t.notOk(expects({ kind: 'package', subject: 'asterisk' }, item('file', 'asterisk', 'absent')))
  t.ok(expects({ kind: 'package', subject: 'linux-image-*' }, item('kernel', 'running', '6.1')))
  t.notOk(expects({ kind: 'package', subject: 'asterisk' }, item('kernel', 'running', '6.1')))
  t.notOk(expects({ kind: 'service', subject: 'asterisk' }, item('package', 'asterisk', '1')))
  t.ok(expects({ kind: 'file', subject: '/etc/a/*.conf' }, item('file', '/etc/a/b.conf', 'absent')))
  t.ok(
    expects(
      { kind: 'file', subject: '/a', to: hash('a') },
      item('file', '/a', `sha256:${hash('a')}`),
    ),
  )
  t.notOk(expects({ kind: 'file', subject: '/a', to: hash('a') }, item('file', '/a', 'absent')))
  t.ok(expects({ kind: 'kernel', subject: 'running' }, item('kernel', 'running', '6.1')))
  for (const [pattern, text, yes] of [
    ['a*b', 'ab', true],
    ['a*b*c', 'axbyc', true],
    ['a*a', 'a', false],
    ['*', '', true],
    ['**', 'x', true],
    ['a.c', 'abc', false],
    ['*ab', 'aab', true],
    ['a*bc*bc', 'abc', false],
  ] as const)
    t.equal(fits(pattern, text), yes, `${pattern} ${text}`)
  const long = '*a'.repeat(2000)
  t.equal(fits(`${long}b`, 'a'.repeat(4000)), false, 'and no pattern takes long')
})

t.test('who may do what with a record', async (t) => {
  const may = (
    action: ChangeAction,
    state: 'draft' | 'approved' | 'closed' | 'rejected',
    by = 'other',
    isVerified = false,
  ) =>
    refusal({ number: 4, state, authors: new Set(['author', 'second']), isVerified }, action, by)
      ?.code ?? 'may'
  t.equal(may('approved', 'draft'), 'may')
  t.equal(may('approved', 'draft', 'author'), 'forbidden')
  t.equal(may('approved', 'draft', 'second'), 'forbidden', 'who corrected it wrote it, too')
  t.equal(may('approved', 'approved'), 'conflict')
  t.equal(may('verified', 'draft'), 'conflict')
  t.equal(may('verified', 'approved', 'author'), 'may')
  t.equal(may('closed', 'approved'), 'conflict', 'not before it is verified')
  t.equal(may('closed', 'approved', 'author', true), 'may')
  for (const action of ['corrected', 'approved', 'rejected', 'verified', 'closed'] as const)
    for (const state of ['closed', 'rejected'] as const) t.equal(may(action, state), 'conflict')
  t.equal(windowFault({ startsAt: 0, endsAt: 1 }), undefined)
  t.match(windowFault({ startsAt: 1, endsAt: 1 }), /after its start/)
  t.match(windowFault({ startsAt: 0, endsAt: 32 * 86_400_000 }), /31 days/)
  t.match(windowFault({ startsAt: Number.NaN, endsAt: 1 }), /real times/)
  const window = { startsAt: 10, endsAt: 20 }
  t.same(
    [
      shownState('approved', window, 9),
      shownState('approved', window, 10),
      shownState('closed', window, 10),
    ],
    ['approved', 'in progress', 'closed'],
  )
})
