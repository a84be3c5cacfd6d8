import t from 'tap'
import {
  languages,
  type Message,
  messageKinds,
  oneLine,
  zonedTime,
} from '../../../server/notify/message.ts'
import { smsSize } from '../../../server/notify/sms-segments.ts'
import {
  type RenderRequest,
  TemplateFault,
  Templates,
  templateLimits,
} from '../../../server/notify/templates.ts'

const message: Message = {
  kind: 'firing',
  title: 'calls fail',
  severity: 'critical',
  server: 'pbx-01',
  startedAt: Date.UTC(2026, 10, 22, 10, 45, 4),
  url: 'https://hub.bank.example/incidents/17',
}
const request = (more: Partial<RenderRequest> = {}): RenderRequest => ({
  message,
  language: 'en',
  channel: 'email',
  timeZone: 'Asia/Ho_Chi_Minh',
  reference: '0a1b2c3d',
  now: message.startedAt ?? 0,
  ...more,
})
const own = (sources: Record<string, string>) =>
  new Templates(new Map(Object.entries(sources)), ['email', 'sms'])
const refusedWith = (t: Tap, sources: Record<string, string>, message: RegExp) =>
  t.throws(() => own(sources), { constructor: TemplateFault, message })
type Tap = Pick<import('tap').Test, 'throws'>

t.test('every kind has a text in every language', async (t) => {
  const templates = new Templates()
  for (const kind of messageKinds)
    for (const language of languages) {
      const made = templates.render(request({ language, message: { ...message, kind } }))
      t.same(made.faults, [])
      t.match(made.title, /calls fail \(pbx-01\)$/, `${kind} ${language}`)
      t.match(made.text, '0a1b2c3d')
      t.match(made.text, '2026-11-22 17:45:04 +07:00')
      t.match(made.text, 'https://hub.bank.example/incidents/17')
      t.match(made.short, /calls fail 2026-11-22 17:45:04 \+07:00 .* 0a1b2c3d https:/)
      t.notMatch(made.title + made.text + made.short, /\{\{|\{%|undefined|null/)
    }
  const titles = languages.map((language) => templates.render(request({ language })).title)
  t.same(titles, [
    'Alert [critical]: calls fail (pbx-01)',
    '告警 [严重]: calls fail (pbx-01)',
    'Cảnh báo [nghiêm trọng]: calls fail (pbx-01)',
    'Оповещение [критично]: calls fail (pbx-01)',
  ])
})

t.test('what comes in cannot steer the text', async (t) => {
  const templates = new Templates()
  const made = templates.render(
    request({
      message: {
        ...message,
        title: 'a\r\nBcc: eve@evil.example\u202e{{ url }}{% for i in (1..9) %}',
        description: 'one\r\ntwo\u0000\n\n\n\nthree',
        server: 'x'.repeat(5000),
        url: 'javascript:alert(1)',
      },
    }),
  )
  t.match(made.title, 'a Bcc: eve@evil.example {{ url }}{% for i in (1..9) %}')
  t.notMatch(made.title, /[\r\n]/)
  t.match(made.text, /^one\ntwo\n\nthree\n/)
  t.notMatch(made.text, 'javascript')
  t.equal(made.url, undefined)
  t.ok(made.title.length < 700)
  t.equal(oneLine('😀'.repeat(400), 10), `${'😀'.repeat(9)}…`)
})

t.test('a group lists its alerts and says how many more there are', async (t) => {
  const alerts = Array.from({ length: 25 }, (_, i) => ({ title: `alert ${i}`, server: `s${i}` }))
  const { text } = new Templates().render(request({ message: { ...message, alerts } }))
  t.match(text, 'Alerts: 25\n- alert 0 (s0)')
  t.match(text, '- alert 19 (s19)\n- +5 more')
  t.notMatch(text, 'alert 20')
})

t.test('own templates: the closest name wins, partials are rendered', async (t) => {
  const templates = own({
    'firing.title': 'any {{ title }}',
    'firing.title.ru': 'ru {{ title }}',
    'firing.title.sms': 'sms {{ title }}',
    'firing.title.sms.ru': 'sms ru {{ title | upcase }}',
    'firing.text': "{{ server }}{% render 'footer', ref: ref %}",
    footer: ' -- {{ ref }}',
  })
  const title = (channel: string, language: 'en' | 'ru') =>
    templates.render(request({ channel, language })).title
  t.same(
    [title('email', 'en'), title('email', 'ru'), title('sms', 'en'), title('sms', 'ru')],
    ['any calls fail', 'ru calls fail', 'sms calls fail', 'sms ru CALLS FAIL'],
  )
  t.equal(templates.render(request()).text, 'pbx-01 -- 0a1b2c3d')
})

t.test('a template that fails while a page is made gives way to the default text', async (t) => {
  const faulty = {
    'firing.title': 'a\nb',
    'firing.text': '\n{{ nosuch.thing }}',
    'firing.short': '{% if false %}x{% endif %}',
  }
  const made = own(faulty).render(request())
  t.equal(made.title, 'Alert [critical]: calls fail (pbx-01)')
  t.match(made.text, 'Server: pbx-01')
  t.match(made.short, /^ALERT pbx-01/)
  t.match(made.faults, [
    /firing\.title\.liquid: a title is one line/,
    /firing\.text\.liquid:2: undefined variable: nosuch/,
    /firing\.short\.liquid: it makes no text/,
  ])
})

t.test('loops, size and what does not belong are refused, with the place', async (t) => {
  refusedWith(
    t,
    { a: "x\n{% render 'b' %}", b: "{% render 'a' %}" },
    /^b\.liquid:1: a template loop: a -> b -> a/,
  )
  refusedWith(t, { a: "{% render 'a' %}" }, /a\.liquid:1: a template loop: a -> a/)
  refusedWith(t, { a: "\n\n{% render 'nosuch' %}" }, /a\.liquid:3: there is no template "nosuch"/)
  refusedWith(
    t,
    { a: '{% render name %}' },
    /a\.liquid:1: render takes the name of a template in quotes/,
  )
  const deep = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`t${i}`, i < 7 ? `{% render 't${i + 1}' %}` : 'x']),
  )
  refusedWith(t, deep, /t4\.liquid:1: templates within templates go 5 deep/)
  refusedWith(
    t,
    { big: 'x'.repeat(templateLimits.characters + 1) },
    /^big\.liquid: it has 16385 characters; 16384 may be/,
  )
  refusedWith(
    t,
    Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`t${i}`, 'x'])),
    /501 templates; 500 may be/,
  )
  refusedWith(t, { a: 'ok\n{% if %}' }, /a\.liquid:2: /)
  refusedWith(t, { a: '{{ title | sha256 }}' }, /undefined filter: sha256/)
  for (const tag of [
    "include 'a'",
    "layout 'a'",
    'block x',
    'tablerow i in alerts',
    'increment x',
    'liquid',
  ])
    refusedWith(t, { a: `\n{% ${tag} %}` }, /a\.liquid:2: .*(?:not found|render)/)

  const templates = new Templates()
  const trying = (source: string, message: RegExp) =>
    t.throws(() => templates.try(source, request()), { constructor: TemplateFault, message })
  trying(
    '\n{% for i in (1..100000000) %}x{% endfor %}',
    /preview\.liquid:2: it makes more than may be held; loop over less/,
  )
  trying(
    '{% for i in (1..3000) %}{% for j in (1..3000) %}{{ title | upcase }}{% endfor %}{% endfor %}',
    /preview\.liquid:1: (?:a loop that takes longer than 100 ms|it makes more)/,
  )
  trying(
    `{% for i in (1..300) %}${'x'.repeat(100)}{% endfor %}`,
    /it makes 30000 characters; 20000 may be/,
  )
  trying('{{ "now" | date: "%5000000d" }}', /undefined filter: date/)
  trying("{% render 'x' %}", /it renders a template that is not there/)
  trying('{{ title.constructor }}', /undefined variable/)
  trying('{{ __proto__ }}', /undefined variable/)
  t.equal(templates.try('{{ title }} {{ words.server }}', request()), 'calls fail Server')
})

t.test('a misspelt name is refused, what makes no sense is left out', async (t) => {
  refusedWith(t, { 'fireing.title': 'x' }, /^fireing\.title\.liquid: no message is made of it/)
  refusedWith(t, { 'firing.title.emial': 'x' }, /no message is made of it/)
  const odd = { ...message, severity: 'none' as 'critical', startedAt: Number.NaN, endedAt: 9e15 }
  const made = new Templates().render(request({ message: odd, timeZone: 'Mars/Olympus' }))
  t.equal(made.title, 'Alert: calls fail (pbx-01)')
  t.notMatch(made.text, /Since|Ended|NaN/)
})

t.test('times carry their zone', async (t) => {
  const at = Date.UTC(2026, 2, 29, 0, 59, 59)
  t.equal(zonedTime(at, 'UTC'), '2026-03-29 00:59:59 +00:00')
  t.equal(zonedTime(at, 'Europe/Berlin'), '2026-03-29 01:59:59 +01:00')
  t.equal(zonedTime(at + 1000, 'Europe/Berlin'), '2026-03-29 03:00:00 +02:00')
  t.equal(zonedTime(at, 'Asia/Kathmandu'), '2026-03-29 06:44:59 +05:45')
  t.throws(() => zonedTime(at, 'Mars/Olympus'), RangeError)
})

t.test('parts of an SMS are counted as networks count them', async (t) => {
  const table: readonly (readonly [
    text: string,
    encoding: string,
    units: number,
    segments: number,
  ])[] = [
    ['', 'GSM-7', 0, 0],
    ['a'.repeat(160), 'GSM-7', 160, 1],
    ['a'.repeat(161), 'GSM-7', 161, 2],
    ['a'.repeat(306), 'GSM-7', 306, 2],
    ['a'.repeat(307), 'GSM-7', 307, 3],
    ['€'.repeat(80), 'GSM-7', 160, 1],
    ['€'.repeat(81), 'GSM-7', 162, 2],
    // 152 septets and a character of two: it goes whole into the next part.
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 'GSM-7', 306, 3],
    ['é@£', 'GSM-7', 3, 1],
    ['Ж'.repeat(70), 'UCS-2', 70, 1],
    ['Ж'.repeat(71), 'UCS-2', 71, 2],
    ['告'.repeat(135), 'UCS-2', 135, 3],
    ['😀'.repeat(35), 'UCS-2', 70, 1],
    [`${'告'.repeat(66)}😀${'告'.repeat(66)}`, 'UCS-2', 134, 3],
    ['Cảnh báo', 'UCS-2', 8, 1],
  ]
  for (const [text, encoding, units, segments] of table)
    t.same(smsSize(text), { encoding, units, segments }, `${text.slice(0, 10)} ${text.length}`)
})
