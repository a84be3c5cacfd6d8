import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { languages } from '../../../server/console/web/src/i18n/catalogue.ts'
import { reasonIn, reasons } from '../../../server/console/web/src/i18n/reasons.ts'

t.test('every reason is there in every language, with its place', (t) => {
  const names = Object.keys(reasons.en) as (keyof typeof reasons.en)[]
  const places = (text: string) => text.match(/\{\w+\}/g) ?? []
  for (const language of languages)
    for (const name of names) {
      const said = reasons[language][name]
      t.same(places(said), places(reasons.en[name]), `${language} ${name}`)
      if (language !== 'en') t.not(said, reasons.en[name], `${language} ${name} is translated`)
    }
  t.end()
})

t.test('each is said by the hub, word for word', (t) => {
  const sources = ['paging', 'oncall', 'notify']
    .flatMap((folder) => {
      const path = join(packageRoot, 'server', folder)
      return readdirSync(path)
        .filter((name) => name.endsWith('.ts'))
        .map((name) => readFileSync(join(path, name), 'utf8'))
    })
    .join('\n')
  for (const sentence of Object.values(reasons.en))
    for (const part of sentence.split(/\{\w+\}/))
      if (part.length > 2) t.ok(sources.includes(part), part)
  t.end()
})

t.test('what is made of several reasons and names is read back', (t) => {
  const zh = (text: string) => reasonIn('zh', text)
  t.equal(
    zh('anna: there is no way to reach them; not tried yet'),
    'anna: 没有可用的通知方式；尚未尝试',
  )
  t.equal(zh('tom has taken the page'), 'tom 已接手')
  t.equal(
    zh(
      'Nobody was paged: severity warning is shown on every screen and pages nobody; only critical pages.',
    ),
    '未寻呼任何人：级别 warning 只在各屏幕显示，不寻呼；仅严重告警寻呼。',
  )
  t.equal(
    zh('Told: anna, tom; named, without a receipt: rita.'),
    '已通知：anna, tom；已指定但无回执：rita。',
  )
  t.equal(zh('Nobody: anna: there is no way to reach them.'), '无人：anna: 没有可用的通知方式。')
  t.equal(zh('HTTP 502 from the gateway'), 'HTTP 502 from the gateway', 'a provider’s words stay')
  t.equal(reasonIn('en', 'accepted'), 'accepted')
  t.end()
})
