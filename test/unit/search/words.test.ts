import t from 'tap'
import { cursorText, readCursor } from '../../../server/search/cursor.ts'
import { excerptOf, marked } from '../../../server/search/excerpt.ts'
import { serviceWord, wordsOfFact } from '../../../server/search/texts.ts'
import { isHit, termsOf, tokensOf, wordsOf } from '../../../server/search/words.ts'
import fc from '../../helpers/property.ts'

/** Whether a query finds a text: each term is one of its words. */
function finds(query: string, text: string): boolean {
  const words = [...wordsOf(text)]
  const terms = termsOf(query)
  return terms.length > 0 && terms.every((term) => words.some((word) => isHit(term, word)))
}

t.test('what is written in four languages is found as people type it', async (t) => {
  const hits: [query: string, text: string][] = [
    ['故障', '中继故障，客户无法呼入'],
    ['中继', '中继故障'],
    ['障', '中继故障'],
    ['中', '中继故障'],
    ['中继故障', '中继故障，客户'],
    ['su co', 'Sự cố đường truyền'],
    ['duong', 'Sự cố đường truyền'],
    ['đường', 'Su co duong truyen'],
    ['DUONG TRUYEN', 'Sự cố đường truyền'],
    ['loi', 'Lỗi máy chủ'],
    ['транк', 'Упал ТРАНК оператора'],
    ['тран', 'Транки оператора'],
    ['еще', 'Ещё раз'],
    ['trunk', 'Trunks of the carrier'],
    ['cafe', 'Café'],
    ['a1', 'Line A1 is dead'],
    ['Ａ１', 'line a1'],
    ['サーバ', 'サーバー停止'],
    ['pbx-1', 'pbx-1.bank.example'],
    ['503', 'answers 503 to INVITE'],
    ['su co', 'Su\u031B\u0323 co\u0302\u0301'],
    ['ΟΔΟΣ', 'οδος'],
  ]
  for (const [query, text] of hits) t.ok(finds(query, text), `${query} in ${text}`)
  const misses: [query: string, text: string][] = [
    ['故障', '故意，障碍'],
    ['继中', '中继故障'],
    ['unk', 'trunk'],
    ['s', 'su co'],
    ['su co x', 'Sự cố'],
    ['2026', 'First seen at 2026-01-05T08:00:00.000Z; older'],
    ['故障', ''],
  ]
  for (const [query, text] of misses) t.notOk(finds(query, text), `${query} not in ${text}`)
  t.same(termsOf('...'), [])
  t.same(
    termsOf('故 故障 故障了 tr 1').map(({ word, prefix }) => `${word}${prefix ? '*' : ''}`),
    ['故*', '故障', '障了', 'tr*', '1'],
  )
})

t.test(
  'a text is found by every word of itself, and its places are those of the text',
  async () => {
    const alphabet = [...'aZ1-. ốĐëЁ中继故障サﾞｶ한Σς\u0301\u{20000}\u{1F600}ﬁ']
    const text = fc
      .array(fc.constantFrom(...alphabet), { maxLength: 30 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: 'binary', maxLength: 30 })), (one) => {
        const plain = one.normalize()
        const tokens = tokensOf(plain)
        for (const { word, start, end } of tokens) {
          if (start >= end || end > plain.length || word === '') return false
        }
        // The same cut both ways, whatever case, accents and form it came in.
        const decomposed = tokensOf(one.normalize('NFD')).map(({ word }) => word)
        if (decomposed.join() !== tokens.map(({ word }) => word).join()) return false
        return termsOf(one).length === 0 || finds(one, one)
      }),
      { numRuns: 2000 },
    )
  },
)

t.test('an excerpt marks what was asked for and stays short', async (t) => {
  const long = `${'nothing here '.repeat(40)}the đường truyền is cut${' and more'.repeat(60)}`
  const excerpt = excerptOf(long, termsOf('duong truyen'))
  t.same(
    excerpt?.marks.map(([start, end]) => excerpt.text.slice(start, end)),
    ['đường', 'truyền'],
  )
  t.match(excerpt?.text, /^….*…$/)
  t.ok((excerpt?.text.length ?? 0) < 200)
  t.equal(excerptOf('nothing', termsOf('x')), undefined)
  const title = marked('中继故障', termsOf('继故障'))
  t.same(title, { text: '中继故障', marks: [[1, 4]] })
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.nat(30), (text, at) => {
      const query = text.normalize().slice(at, at + 5)
      const one = excerptOf(text, termsOf(query))
      if (one === undefined) return true
      return (
        !/\p{Surrogate}/u.test(one.text) &&
        one.marks.length > 0 &&
        one.marks.every(([start, end]) => start < end && end <= one.text.length)
      )
    }),
    { numRuns: 1000 },
  )
})

t.test(
  'words of a fact: all that people wrote, heavier where it is what was found out',
  async (t) => {
    const cause = wordsOfFact({
      kind: 'root_cause',
      value: JSON.stringify({
        text: 'Thẻ mạng hỏng',
        codes: ['system_failure/hardware'],
        other: 'ổ cắm',
        hash: 'abc',
      }),
    })
    t.same(
      [...cause],
      [
        ['the', 2],
        ['mang', 2],
        ['hong', 2],
        ['o', 2],
        ['cam', 2],
      ],
    )
    const impact = wordsOfFact({
      kind: 'impact',
      value: JSON.stringify({ text: 'Calls fail', services: ['Tổng đài 1'] }),
    })
    t.equal(impact.get(serviceWord('tong DAI 1')), 1)
    t.equal(wordsOfFact({ kind: 'note', value: 'no json' }).size, 0)
    t.equal(wordsOfFact({ kind: 'note', value: 'null' }).size, 0)
    const huge = wordsOfFact({
      kind: 'note',
      value: JSON.stringify({ text: Array.from({ length: 9000 }, (_, i) => `w${i}`).join(' ') }),
    })
    t.equal(huge.size, 4000)
  },
)

t.test('a cursor is what was handed out, or refused', async (t) => {
  for (const one of [
    { score: 7, number: 12 },
    { score: 0, runbook: 'Disk_Full-2' },
  ])
    t.same(readCursor(cursorText(one)), one)
  for (const text of ['', 'x', Buffer.from('7.i.-1').toString('base64url')])
    t.throws(() => readCursor(text), { code: 'bad_request' })
})
