import { createHash } from 'node:crypto'
import MarkdownIt from 'markdown-it'
import t from 'tap'
import { showInstant, showSpan } from '../../../incidents/document-text.ts'
import type { Fact } from '../../../incidents/facts.ts'
import { styleHash, styleText, toHtml } from '../../../incidents/html.ts'
import { toMarkdown } from '../../../incidents/markdown.ts'
import { type PostMortem, postMortem } from '../../../incidents/postmortem.ts'
import { describe } from '../../../incidents/replay.ts'
import { lateMillis, timeline } from '../../../incidents/timeline.ts'
import { type Language, labels, words } from '../../../incidents/words.ts'
import fc from '../../helpers/property.ts'
import { attest, hour, minute, reach, ruleOf, type Story } from './history.ts'

/** An incident with everything a document can show. */
function fullStory(): Story {
  const story = reach('restored')
  story.add('severity', { text: 'One site down.', severity: 'sev1' })
  story.add('major', { text: 'Over two hours.', major: true })
  const guess = story.add(
    'occurred',
    { text: 'About ten.' },
    { certainty: 'estimate', at: story.now - 9 * hour },
  )
  story.add('occurred', { text: 'By the log.' }, { supersedes: guess.id, at: story.now - 8 * hour })
  const { id } = story.facts.find(({ kind }) => kind === 'impact')!
  story.add(
    'impact',
    {
      text: 'Outbound calls of two customers.',
      services: ['outbound'],
      hosts: ['pbx-1'],
      customers: ['Bank A', 'Bank B'],
      regions: ['Hà Nội'],
      departments: ['催收部'],
      callsAttempted: 5000,
      callsFailed: 412,
      callsAbandoned: 31,
      callsUnrecorded: 7,
      customersAffected: 2,
    },
    { supersedes: id },
  )
  story.step(ruleOf('restored', 'root_cause'))
  story.add('five_whys', {
    text: 'Asked in the meeting.',
    whys: ['Calls failed.', 'The disk was full.', 'Logs were not rotated.'],
  })
  story.add('went_well', { text: 'The page came within a minute.' })
  story.add('went_badly', { text: 'Nobody had the key of the room.' })
  story.add(
    'cost',
    { text: 'Night shift.', cost: 'staff', amount: 1250, currency: 'EUR' },
    { certainty: 'estimate' },
  )
  story.add('duty_owed', { text: 'Initial report.', duty: 'dora.initial', regime: 'dora' })
  story.add('duty_met', { text: 'Sent.', duty: 'dora.initial' })
  story.step(ruleOf('root_cause', 'review'))
  story.add('action', {
    text: 'Rotate logs.',
    number: 2,
    action: 'prevent',
    owner: 'tom',
    dueAt: story.now + 240 * hour,
  })
  story.add('action_done', { text: 'Rotated.', number: 2 })
  story.step(ruleOf('review', 'closed'))
  return story
}

const documentOf = (
  story: Story,
  more: Partial<Parameters<typeof postMortem>[0]> = {},
): PostMortem =>
  postMortem({
    number: 17,
    title: 'Trunk down',
    replayed: describe(story.picture, story.now),
    merged: [],
    now: story.now,
    ...more,
  })

const drawn = 'data:image/png;base64,iVBORw0KGgo='
const reader = (language: Language, timeZone = 'UTC', pictures: readonly string[] = ['p-1']) => ({
  ...{ words: words[language], timeZone },
  pictures: new Map(pictures.map((file) => [file, drawn])),
})

/** A panel that somebody attached, and the file of its figures. */
function withPanel(story: Story, title = 'CPU: utilisation'): Story {
  const [name, hash] = ['server-207.png', 'ab'.repeat(32)]
  story.add('attachment', { text: 'server-207.json', name: 'server-207.json', hash, bytes: 9 })
  story.add('attachment', {
    ...{ text: `Server · ${title} · server pbx-1`, name, hash, bytes: 1234 },
    ...{ file: 'p-1', data: 'd-1', board: 'Server', panel: title },
    ...{ from: Date.UTC(2026, 0, 5, 9), to: Date.UTC(2026, 0, 5, 11) },
  })
  return story
}

t.test(
  'every row of the timeline cites its evidence; corrections and late facts are marked',
  async (t) => {
    const story = fullStory()
    const late = story.add('note', { text: 'I remember now.' }, { at: story.now - hour })
    const rows = timeline([{ incident: '17', facts: story.facts }])
    t.equal(rows.length, story.facts.length)
    const known = new Set(story.facts.map(({ id }) => id))
    for (const { evidence } of rows)
      t.ok(evidence.length > 0 && evidence.every((id) => known.has(id)))
    t.ok(rows.every((row, index) => index === 0 || rows[index - 1]!.at <= row.at))
    t.equal(rows.find(({ evidence }) => evidence[0] === late.id)?.late, true)
    t.ok(
      rows.filter(({ late }) => late).every(({ at, recordedAt }) => recordedAt - at > lateMillis),
    )
    const struck = rows.filter(({ supersededBy }) => supersededBy !== undefined)
    t.same(struck.map(({ kind }) => kind).sort(), ['impact', 'occurred'])
    const other = reach('merged')
    const facts = other.facts.map((fact) => ({ ...fact, id: `m${fact.id}` }) as Fact)
    const both = timeline([
      { incident: '17', facts: story.facts },
      { incident: '18', facts },
    ])
    t.equal(both.length, story.facts.length + facts.length)
    t.ok(both.every((row, index) => index === 0 || both[index - 1]!.at <= row.at))
    t.ok(new Set(both.slice(0, 12).map(({ incident }) => incident)).size === 2, 'they interleave')
  },
)

t.test('the post-mortem in four languages holds all that is known', async (t) => {
  const story = fullStory()
  const document = documentOf(story)
  t.same(
    document.sections.filter(({ blocks }) => blocks.length === 0).map(({ heading }) => heading),
    ['owed'],
  )
  for (const language of ['en', 'zh', 'vi', 'ru'] as const) {
    const { labels: said, states, kinds, workflow } = words[language]
    const markdown = toMarkdown(document, reader(language, 'Asia/Ho_Chi_Minh'))
    const html = toHtml(document, reader(language, 'Asia/Ho_Chi_Minh'))
    for (const text of [markdown, html]) {
      for (const { heading } of document.sections)
        t.ok(text.includes(said[heading]), `${language} ${heading}`)
      for (const part of [
        states.closed,
        states.root_cause,
        kinds.arrived,
        'pbx-1',
        '催收部',
        'Hà Nội',
        '412',
        '1250.00 EUR',
        workflow.causes['system_failure/hardware_capacity'] ?? '-',
        'Rotate logs',
        'rita',
        '+07:00',
      ])
        t.ok(text.includes(part), `${language}: ${part}`)
      t.notOk(/undefined|\[object|NaN/.test(text), language)
    }
    for (const { id } of story.facts)
      t.ok(markdown.includes(`\\[${id}`) || markdown.includes(`, ${id}`), `${language} cites ${id}`)
    t.equal(html.match(/<h2>/g)?.length, document.sections.length)
  }
  t.not(toMarkdown(document, reader('en')), toMarkdown(document, reader('zh')))
})

t.test('each language has its own words, and all of them', async (t) => {
  const within = (path: string, texts: object): (readonly [string, string])[] =>
    Object.entries(texts).flatMap(([key, one]: [string, unknown]) =>
      typeof one === 'object' && one !== null
        ? within(`${path}${key}.`, one)
        : [[`${path}${key}`, String(one)] as const],
    )
  const flat = (language: Language) =>
    Object.entries(words[language]).flatMap(([part, texts]) =>
      typeof texts === 'object' ? within(`${part}.`, texts) : [],
    )
  const english = new Map(flat('en'))
  t.same(Object.keys(words.en.labels).sort(), [...labels].sort())
  for (const language of ['zh', 'vi', 'ru'] as const) {
    const own = flat(language)
    t.same(own.map(([key]) => key).sort(), [...english.keys()].sort(), language)
    t.same(
      own.filter(([, text]) => text.trim() === ''),
      [],
    )
    t.same(
      own.filter(([key, text]) => text === english.get(key)),
      [],
      `${language} translates all`,
    )
  }
})

t.test(
  'a panel stands in the document with its caption, or it is said that it is gone',
  async (t) => {
    const story = withPanel(fullStory())
    const document = documentOf(story)
    const { id } = story.facts.at(-1)!
    for (const language of ['en', 'zh', 'vi', 'ru'] as const) {
      const { labels: said } = words[language]
      const html = toHtml(document, reader(language, 'Asia/Ho_Chi_Minh'))
      const markdown = toMarkdown(document, reader(language, 'Asia/Ho_Chi_Minh'))
      t.match(html, `<figure><img src="${drawn}" alt="Server · CPU: utilisation">`)
      t.match(markdown, `![Server · CPU: utilisation](${drawn})`)
      for (const text of [html, markdown])
        for (const part of [
          ...[said.panels, 'server pbx-1', said.attached, 'SHA-256 abab', id],
          ...['2026-01-05 16:00:00 +07:00', '2026-01-05 18:00:00 +07:00'],
        ])
          t.ok(text.includes(part), `${language}: ${part}`)
      const gone = reader(language, 'UTC', [])
      t.match(toHtml(document, gone), said.pictureGone)
      t.notMatch(toHtml(document, gone), '<img')
      t.match(toMarkdown(document, gone), said.pictureGone)
    }
    t.notOk(documentOf(fullStory()).sections.some(({ heading }) => heading === 'panels'))
  },
)

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '</title></style><h1>x</h1>',
  '[a](javascript:alert(1)) ![b](http://e.example/x.png) <http://e.example>',
  '| a | b |\n|---|---|\n# heading\n- item\n1. one\n```\ncode',
  'https://e.example www.e.example',
  '&lt;b&gt; &#60;i&#62; ~~gone~~ **bold** __x__ \\',
  '\u202egnp.exe\u2066\u0007\u0000',
  '---\n===\n+ x',
] as const

/** Tags and attributes that the page itself writes. */
const ours =
  /^<(?:!doctype html|\/?(?:head|body|main|title|style|section|h1|h2|p|table|thead|tbody|tr|td|s|ul|ol|li|th|span|html|figure|figcaption)|img src="data:image\/png;base64,[\w+/=]*" alt="[^"<>&]*(?:&#\d+;[^"<>&]*)*"|html lang="[\w-]+"|meta (?:charset="utf-8"|name="viewport" content="[^"<>]*"|http-equiv="Content-Security-Policy" content="[^"<>]*")|p class="lead"|th scope="col"|td data-column="[^"<>&]*"|span class="cite")>$/

function foreignHtml(html: string): string[] {
  return (html.match(/<[^>]*>?/g) ?? []).filter((tag) => !ours.test(tag))
}

function foreignMarkdown(markdown: string): string[] {
  const parser = new MarkdownIt({ html: true, linkify: true })
  const all = parser.parse(markdown, {}).flatMap((token) => [token, ...(token.children ?? [])])
  return all
    .filter((token) => token.type !== 'image' || token.attrGet('src') !== drawn)
    .map(({ type }) => type)
    .filter((type) =>
      /^(?:html_|link_open|image|code|fence|blockquote_open|hr|em_open|strong_open)/.test(type),
    )
}

t.test('what people wrote is never markup', async (t) => {
  const poison = (story: Story, text: string): Story => {
    story.add('note', { text })
    story.add('went_badly', { text })
    story.add('five_whys', { text, whys: [text, `${text} again`] }, { by: 'rob' })
    story.add('action', {
      text,
      number: 9,
      action: 'detect',
      owner: text.replaceAll(/\p{Cc}/gu, ''),
      dueAt: 1,
    })
    withPanel(story, text.replaceAll(/\p{Cc}/gu, ''))
    attest(story)
    return story
  }
  const plain = documentOf(fullStory())
  const clean = toHtml(plain, reader('en'))
  t.same(foreignHtml(clean), [])
  t.same(foreignMarkdown(toMarkdown(plain, reader('en'))), [])
  const check = (text: string) => {
    const story = poison(reach('review'), text.replaceAll('\0', ''))
    const document = documentOf(story, { title: text })
    const markdown = toMarkdown(document, reader('en'))
    const html = toHtml(document, reader('en'))
    const headings = new MarkdownIt()
      .parse(markdown, {})
      .filter(({ type }) => type === 'heading_open')
    return {
      html: foreignHtml(html),
      markdown: foreignMarkdown(markdown),
      headings: headings.length - document.sections.length - 1,
      hidden: /(?![\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u.test(markdown + html),
    }
  }
  const nothing = { html: [], markdown: [], headings: 0, hidden: false }
  for (const text of hostile) t.same(check(text), nothing, JSON.stringify(text))
  const piece = fc.constantFrom(
    ...'<>&"\'`*_[]()#+-.!|~\\\n\r\t =:/@1w',
    'www.',
    'http://',
    '&#',
    'a',
    '漢',
    '\u202e',
    '<!--',
    ']]>',
  )
  const texts = fc
    .array(piece, { minLength: 1, maxLength: 30 })
    .map((parts) => `x${parts.join('')}`)
  fc.assert(
    fc.property(texts, (text) => JSON.stringify(check(text)) === JSON.stringify(nothing)),
    { numRuns: 60 },
  )
})

t.test('the page’s policy lets its style pass and nothing else', async (t) => {
  t.equal(styleHash, `sha256-${createHash('sha256').update(styleText).digest('base64')}`)
  const html = toHtml(documentOf(fullStory()), reader('zh'))
  t.match(html, `default-src 'none'; img-src data:; style-src '${styleHash}'`)
  t.match(html, '<html lang="zh-Hans">')
  t.match(html, '@media print')
  t.notMatch(html, /https?:\/\/|<script|<link|<img|style=/)
})

t.test('times as a reader reads them', async (t) => {
  const at = Date.UTC(2026, 2, 29, 1, 0, 5)
  t.equal(showInstant(at, 'UTC'), '2026-03-29 01:00:05 UTC')
  t.equal(showInstant(at, 'Europe/Berlin'), '2026-03-29 03:00:05 +02:00')
  t.equal(showInstant(at - 1000 * minute, 'Asia/Kolkata'), '2026-03-28 13:50:05 +05:30')
  t.throws(() => showInstant(at, 'Nowhere/Else'))
  t.equal(showSpan(0, words.en), '0 s')
  t.equal(showSpan(59_600, words.en), '1 min')
  t.equal(showSpan(26 * hour + 59_000, words.en), '1 d 2 h')
  t.equal(showSpan(2 * hour + 5000, words.ru), '2 ч')
})
