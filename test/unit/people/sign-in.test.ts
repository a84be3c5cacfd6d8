import t from 'tap'
import {
  approvalRefusal,
  requestRefusal,
  type Standing,
  sessionRefusal,
} from '../../../server/approvals/approval.ts'
import { AttemptLimit, attemptsKept } from '../../../server/people/attempt-limit.ts'
import { PasswordHasher, passwordFault } from '../../../server/people/password.ts'
import {
  codeAt,
  enrolment,
  newFactorSecret,
  newRecoveryCodes,
  plainRecoveryCode,
  stepOf,
} from '../../../server/people/second-factor.ts'
import fc from '../../helpers/property.ts'

t.test('a password is long and not one of the first to be tried; nothing else is asked', (t) => {
  const about = ['anna', 'callward']
  for (const good of [
    'four lamps over sea',
    'пароль из слов нового года',
    '山高水长流云飞雁归来晚照',
    'xkq vbd mwp'.padEnd(12, 'z'),
  ])
    t.equal(passwordFault(good, about), undefined, good)
  t.match(passwordFault('short', about), /5 characters; choose one of 12 or more/)
  t.match(passwordFault('😀'.repeat(11), about), /11 characters/, 'characters, not UTF-16 units')
  t.match(passwordFault('x'.repeat(257), about), /256 at most/)
  for (const common of [
    'administrator',
    'Password 1234',
    'aaaaaaaaaaaaaa',
    '123456789012',
    'abcdefghijklmnop',
    'annaannaanna',
    'callward2026!!',
    'correct-horse-battery-staple',
  ])
    t.match(passwordFault(common, about), /one of the first/, common)
  t.end()
})

t.test('hashing: a salt each, the cost beside it, a few at a time', async (t) => {
  const cheap = { logN: 10, r: 8, p: 1 }
  const hasher = new PasswordHasher(cheap)
  const stored = await hasher.hash('four lamps over sea')
  t.match(stored, /^\$scrypt\$ln=10,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/)
  t.not(stored, await hasher.hash('four lamps over sea'))
  t.equal(await hasher.verify('four lamps over sea', stored), true)
  t.equal(await hasher.verify('four lamps over se', stored), false)
  t.equal(
    await hasher.verify('é'.repeat(12), await hasher.hash('e\u0301'.repeat(12))),
    true,
    'NFKC',
  )
  for (const none of [null, undefined]) t.equal(await hasher.verify('', none), false)
  const dearer = new PasswordHasher({ ...cheap, logN: 11 })
  t.equal(
    await dearer.verify('four lamps over sea', stored),
    true,
    'at the cost it was stored with',
  )
  t.equal(dearer.isCheap(stored), true)
  t.equal(hasher.isCheap(stored), false)
  await t.rejects(hasher.verify('x', 'md5:abc'), /form this version does not know/)
  await t.rejects(hasher.verify('x', '$scrypt$ln=30,r=8,p=1$YWJj$YWJj'), /more memory/)

  const most = PasswordHasher.atOnce + PasswordHasher.waitingMost
  const many = Array.from({ length: most + 3 }, () => hasher.verify('x', stored))
  const outcomes = await Promise.allSettled(many)
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, most)
  for (const one of outcomes.slice(most))
    t.match(one, { status: 'rejected', reason: { code: 'too_many_requests' } })
  t.equal(await hasher.verify('four lamps over sea', stored), true, 'and then there is room again')
})

t.test('one-time codes are those of RFC 6238, appendix B', (t) => {
  // The secret of the RFC's SHA-1 column is "12345678901234567890"; its codes have eight digits, ours the last six.
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  for (const [seconds, code] of [
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ] as const) {
    t.equal(codeAt(secret, seconds * 1000), code.slice(2), `${seconds} s`)
    t.equal(stepOf(secret, code.slice(2), seconds * 1000, null), Math.floor(seconds / 30))
  }
  t.end()
})

t.test('a code is taken one step around now, and once', (t) => {
  const secret = newFactorSecret()
  t.match(secret, /^[A-Z2-7]{32}$/)
  const at = 1_800_000_000_000
  const step = at / 30_000
  for (const [ahead, wanted] of [
    [-2, undefined],
    [-1, step - 1],
    [0, step],
    [1, step + 1],
    [2, undefined],
  ] as const)
    t.equal(stepOf(secret, codeAt(secret, at + ahead * 30_000), at, null), wanted, `${ahead} steps`)
  t.equal(stepOf(secret, codeAt(secret, at), at, step), undefined, 'used')
  t.equal(stepOf(secret, codeAt(secret, at - 30_000), at, step), undefined, 'older than one used')
  t.equal(stepOf(secret, codeAt(secret, at + 30_000), at, step), step + 1)
  for (const odd of ['', '12345', '1234567', 'abcdef', '１２３４５６', '12 345'])
    t.equal(stepOf(secret, odd, at, null), undefined, odd)
  const { uri, qr } = enrolment(secret, 'anna@bank', 'callward.bank.example')
  t.match(uri, new RegExp(`^otpauth://totp/.*secret=${secret}.*digits=6&period=30`))
  t.match(qr, /^<svg [^>]*>.*<\/svg>$/s)
  const codes = newRecoveryCodes()
  t.equal(new Set(codes).size, 10)
  for (const code of codes) {
    t.match(code, /^([a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}$/)
    t.equal(
      plainRecoveryCode(` ${code.toUpperCase().replaceAll('-', ' ')} `),
      code.replaceAll('-', ''),
    )
  }
  t.end()
})

t.test('guesses wait ever longer, and never so long that the owner is out for good', (t) => {
  const limit = new AttemptLimit({ free: 3, longestMillis: 8000 })
  const waits = Array.from({ length: 8 }, (_, at) => {
    limit.charge('anna', at)
    return limit.waitOf('anna', at)
  })
  t.same(waits, [0, 0, 0, 1000, 2000, 4000, 8000, 8000])
  t.equal(limit.waitOf('boris', 8), 0)
  t.equal(limit.waitOf('anna', 7 + 8000), 0)
  limit.refund('anna')
  t.equal(limit.waitOf('anna', 8), 0, 'what was not looked at costs no wait')
  limit.clear('anna')
  limit.charge('anna', 10)
  t.equal(limit.waitOf('anna', 10), 0, 'who came in begins anew')
  for (let at = 0; at < 4; at++) limit.charge('carla', 20)
  t.equal(limit.waitOf('carla', 20), 1000)
  t.equal(limit.waitOf('carla', 20 + 3_600_001), 0, 'forgotten after an hour')
  for (let at = 0; at < attemptsKept + 50; at++) limit.charge(`name-${at}`, 30)
  t.equal(limit.size, attemptsKept)
  t.end()
})

t.test('one of two signed in by password', (t) => {
  t.equal(sessionRefusal({ via: 'cookie', way: 'password' }), undefined)
  for (const by of [
    { via: 'token' },
    { via: 'token', way: 'password' },
    { via: 'cookie' },
    { via: 'cookie', way: 'link' },
    { via: 'cookie', way: 'token' },
  ] as const)
    t.match(sessionRefusal(by), { code: 'forbidden', message: /your own password/ })
  t.end()
})

t.test('one of two is never the other, a program, or out of the house', (t) => {
  const roles = ['admin', 'operator']
  const standing = fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    name: fc.constantFrom('anna', 'bootstrap'),
    role: fc.constantFrom('admin', 'operator', 'auditor', 'collector'),
    isPerson: fc.boolean(),
    enabled: fc.boolean(),
  })
  const state = fc.constantFrom('open', 'approved', 'rejected', 'expired' as const)
  const fits = ({ isPerson, enabled, role }: Standing) =>
    isPerson && enabled && roles.includes(role)
  fc.assert(
    fc.property(standing, standing, state, fc.nat(20), (requester, who, state, now) => {
      const refusal = approvalRefusal(
        { state, expiresAt: 10, subject: 's' },
        requester,
        who,
        roles,
        now,
      )
      const may =
        state === 'open' && now < 10 && who.id !== requester.id && fits(who) && fits(requester)
      return (refusal === undefined) === may
    }),
  )
  fc.assert(
    fc.property(standing, (who) => (requestRefusal(who, roles) === undefined) === fits(who)),
  )
  t.end()
})
