import t from 'tap'
import { faultsOfFact, kinds } from '../../../incidents/facts.ts'
import {
  dispositionOf,
  imageTypeOf,
  mediaTypeOf,
  nameOf,
} from '../../../server/attachments/attachment.ts'
import { isStanding, keeps, keptFrom } from '../../../server/holds/hold.ts'
import { erased } from '../../../server/privacy/erasure.ts'

const text = 'Nguyễn called from 555-0101'
const hash = 'ab'.repeat(32)
/** A value of every kind in which people write about people, as full as it may be. */
const full: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  impact: {
    ...{ text, services: ['trunk'], hosts: ['pbx-1'], customers: ['Lan', 'Mai'], regions: ['HN'] },
    ...{ departments: ['cards'], customersAffected: 2, callsAttempted: 10, callsFailed: 3 },
  },
  five_whys: { text, whys: ['Lan forgot', 'Mai was away', 'nobody asked'] },
  root_cause: { text, codes: ['process_failure/other'], other: 'Lan', evidence: [] },
  attachment: { text, name: 'Lan.pdf', hash, bytes: 7 },
  note: { text },
  relapse: { text },
}

t.test('what an erasure leaves is a fact of the same kind, without a word of it', async (t) => {
  for (const [kind, value] of Object.entries(full)) {
    const { value: left, fields } = erased(kind, value, undefined)
    const shown = JSON.stringify(left)
    t.notMatch(shown, /Nguyễn|555|Lan|Mai|abab/, kind)
    t.same(Object.keys(left), Object.keys(value), kind)
    const fact = {
      kind,
      value: left,
      certainty: 'actual',
      occurredAt: 1,
      recordedBy: 'anna',
      supersedes: null,
    }
    const before = faultsOfFact({ ...fact, value } as never)
    t.same(faultsOfFact(fact as never), before, `${kind}: no new fault`)
    t.throws(() => erased(kind, left, undefined), { code: 'conflict' }, 'once')
    t.throws(() => erased(kind, left, fields), { code: 'conflict' })
    t.throws(() => erased(kind, value, ['recordedBy']), {
      code: 'unprocessable',
      message: /what may be: text/,
    })
  }
  const some = erased('impact', full['impact']!, ['customers'])
  t.same(some.value, { ...full['impact'], customers: ['[erased] 1', '[erased] 2'] })
  t.same(erased('impact', some.value, undefined).fields, ['text', 'departments'], 'the rest, later')
  for (const kind of Object.keys(kinds))
    t.same(erased(kind, { text, extra: 1 }, ['text']).value, { text: '[erased]', extra: 1 }, kind)
})

t.test('names of files are labels, and hostile ones are refused', async (t) => {
  for (const name of [
    '../../etc/passwd',
    'a\\b.exe',
    '..',
    ' ',
    '',
    'a\0b',
    'a\r\nSet-Cookie: x',
    'x'.repeat(151),
    'gpj.\u202eexe',
    'a\u2028b',
    '\ud800',
  ])
    t.throws(
      () => nameOf(name),
      { code: 'bad_request', message: /as \?name=trace\.pcap/ },
      [...name].map((one) => one.codePointAt(0)).join(' '),
    )
  t.equal(nameOf(' sự cố 故障.png '), 'sự cố 故障.png')
  t.equal(nameOf('e\u0301.txt'), 'é.txt')
  t.equal(
    dispositionOf('attachment', 'sự "x"; %41.png'),
    'attachment; filename="s_ _x__ _41.png"; filename*=UTF-8\'\'s%E1%BB%B1%20%22x%22%3B%20%2541.png',
  )
  for (const [header, type] of [
    ['image/PNG; charset=x', 'image/png'],
    ['text/html\r\nx: y', 'application/octet-stream'],
    ['nonsense', 'application/octet-stream'],
    [undefined, 'application/octet-stream'],
  ] as const)
    t.equal(mediaTypeOf(header), type)
})

t.test('only what begins as an image is one', async (t) => {
  const bytes = (hex: string) => Buffer.from(hex, 'hex')
  t.equal(imageTypeOf(bytes('89504e470d0a1a0a00')), 'image/png')
  t.equal(imageTypeOf(bytes('ffd8ffe0')), 'image/jpeg')
  t.equal(imageTypeOf(Buffer.from('GIF89a')), 'image/gif')
  t.equal(imageTypeOf(Buffer.from('RIFF\0\0\0\0WEBPVP8 ')), 'image/webp')
  for (const not of ['<svg xmlns=', '<html>', 'RIFF\0\0\0\0WAVE', '', 'GIF8', '%PDF-1.7'])
    t.equal(imageTypeOf(Buffer.from(not)), undefined, not)
})

t.test('what a hold keeps, and until when', async (t) => {
  const hold = { incident: null, from: 100, to: 200, released: null, until: null } as never
  const life = (openedAt: number, endedAt: number | null) => ({ id: 'i', openedAt, endedAt })
  for (const [from, to, kept] of [
    [0, 99, false],
    [0, 100, true],
    [0, null, true],
    [150, 160, true],
    [199, null, true],
    [200, null, false],
  ] as const)
    t.equal(keeps(hold, life(from, to)), kept, `${from} to ${to}`)
  const own = { incident: { id: 'i', number: 1 }, from: 0, to: null }
  t.equal(keeps(own, life(5, 6)), true)
  t.equal(keeps(own, { ...life(5, 6), id: 'other' }), false)
  const standing = { released: null, until: 50 } as const
  t.same([isStanding(standing, 49), isStanding(standing, 50)], [true, false])
  const holds = [
    { from: 100, released: null, until: null },
    { from: 10, released: { at: 1 }, until: null },
    { from: 20, released: null, until: 49 },
  ] as never
  t.equal(keptFrom(holds, 50), 100, 'neither a released hold nor one that has ended')
  t.equal(keptFrom(holds, 48), 20)
  t.equal(keptFrom([], 50), Number.POSITIVE_INFINITY)
})
