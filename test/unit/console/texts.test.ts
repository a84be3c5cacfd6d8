import t from 'tap'
import {
  chooseLanguage,
  fill,
  type Language,
  languages,
  languageTags,
  type Message,
  type MessageKey,
} from '../../../server/console/web/src/i18n/catalogue.ts'
import { catalogues } from '../../../server/console/web/src/i18n/catalogues.ts'
import {
  ago,
  bytesPerSecond,
  decimal,
  duration,
  fullTime,
  offsetSeconds,
  percent,
} from '../../../server/console/web/src/i18n/format.ts'

const keys = Object.keys(catalogues.en) as MessageKey[]

function places(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort()
}

function texts(message: Message): string[] {
  return typeof message === 'string' ? [message] : Object.values(message)
}

for (const language of languages) {
  t.test(`the catalogue of ${language} is whole`, (t) => {
    const catalogue = catalogues[language]
    t.same(Object.keys(catalogue).sort(), [...keys].sort(), 'the same keys as English')
    const categories = new Intl.PluralRules(languageTags[language]).resolvedOptions()
      .pluralCategories
    for (const key of keys) {
      const english = catalogues.en[key]
      const message = catalogue[key]
      t.equal(typeof message, typeof english, `${key}: plural where English is`)
      for (const text of texts(message)) {
        t.not(text.trim(), '', `${key} is not empty`)
        t.same(places(text), places(texts(english)[0]!), `${key}: the places of English`)
      }
      if (typeof message !== 'string') {
        t.same(
          Object.keys(message).sort(),
          [...categories].sort(),
          `${key}: every plural category of the language`,
        )
      }
    }
    t.end()
  })
}

/** Names of products. */
const brands: readonly MessageKey[] = [
  'channelName.slack',
  'channelName.teams',
  'channelName.feishu',
  'channelName.dingtalk',
  'channelName.wecom',
]

t.test('a translation is not left in English', (t) => {
  const same: Readonly<Record<string, readonly MessageKey[]>> = {
    zh: ['host.cpu', 'channelName.slack', 'channelName.teams'],
    vi: ['host.cpu', ...brands],
    ru: [...brands],
  }
  for (const language of ['zh', 'vi', 'ru'] as const) {
    const untranslated = keys.filter((key) => {
      const english = texts(catalogues.en[key]).join()
      return /[a-z]{3}/i.test(english) && texts(catalogues[language][key]).join() === english
    })
    t.same(
      untranslated,
      same[language]!.filter((key) => untranslated.includes(key)),
      language,
    )
  }
  t.end()
})

t.test('plurals follow the language', (t) => {
  const check = (language: Language, count: number, wanted: string) =>
    t.equal(fill(language, catalogues[language]['overview.incidentCount'], { count }), wanted)
  check('en', 0, '0 open incidents')
  check('en', 1, '1 open incident')
  check('ru', 1, '1 открытый инцидент')
  check('ru', 3, '3 открытых инцидента')
  check('ru', 11, '11 открытых инцидентов')
  check('ru', 21, '21 открытый инцидент')
  check('zh', 1, '1 个未解决事件')
  check('vi', 2, '2 sự cố đang mở')
  t.equal(
    fill('en', 'a {b} {c}', { b: '{c}' }),
    'a {c} {c}',
    'what was filled in is not filled again',
  )
  t.end()
})

t.test('the language is the reader’s choice, else the first the console has', (t) => {
  const check = (stored: string | null, preferred: string[], wanted: Language) =>
    t.equal(chooseLanguage(stored, preferred), wanted)
  check(null, ['de-AT', 'zh-Hant-TW', 'en'], 'zh')
  check('ru', ['vi-VN'], 'ru')
  check('xx', ['vi-VN'], 'vi')
  check(null, [], 'en')
  check(null, ['viking'], 'en')
  t.end()
})

t.test('figures read as people write them', (t) => {
  t.equal(percent('en', 0.934), '93%')
  t.equal(percent('en', 0.0123), '1.2%')
  t.equal(percent('en', 0), '0%')
  t.equal(percent('en', null), '–')
  t.equal(percent('en', Number.NaN), '–')
  t.equal(decimal('ru', 14.214), '14,21')
  t.match(bytesPerSecond('en', 0), /^0 (byte|B)\/s$/)
  t.equal(bytesPerSecond('en', 8_140_000), '8.1 MB/s')
  t.match(bytesPerSecond('en', -999), /^-999 (byte|B)\/s$/)
  t.equal(bytesPerSecond('en', 3e18), '3,000,000 TB/s', 'no unit above the largest')
  t.equal(offsetSeconds('en', 0.0042), '+4 ms')
  t.match(offsetSeconds('en', -3.26), /^-3\.3 secs?$/)
  t.equal(duration('en', 0), '0s')
  t.equal(duration('en', -5), '0s', 'a clock that is ahead')
  t.equal(duration('en', 3600 * 26 + 60 * 5), '1d 2h')
  t.equal(duration('en', 3661), '1h 1m')
  t.match(duration('zh', 125), /^2 ?分钟 5 ?秒$/)
  t.equal(duration('en', Number.NaN), '–')
  t.equal(ago('en', 0), 'now')
  t.equal(ago('en', -20), 'now')
  t.equal(ago('en', 61), '1 min ago')
  t.match(ago('en', 26 * 3600), /^26 hrs? ago$/)
  t.match(ago('ru', 5 * 60), /^5 мин\.? назад$/)
  t.match(
    fullTime('en', '2026-11-21T22:35:33.000Z', 'Asia/Ho_Chi_Minh'),
    /22\/11\/2026, 05:35:33 GMT\+7/,
  )
  t.equal(fullTime('en', 'soon'), 'soon', 'what is no time is shown as it came')
  t.end()
})
