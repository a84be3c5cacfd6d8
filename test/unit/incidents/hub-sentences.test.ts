import t from 'tap'
import { hubSentence, hubSentenceNames } from '../../../incidents/hub-sentences.ts'
import { words } from '../../../incidents/words.ts'
import { openingFacts } from '../../../server/incidents/incident.ts'

const alert = {
  ...{ fingerprint: 'f', rule: 'HostSilent', state: 'firing', severity: 'critical' },
  ...{ instance: 'pbx-1', labels: { alertname: 'HostSilent', instance: 'pbx-1' } },
  ...{ annotations: { summary: 'pbx-1 is silent' }, activeAt: 1_000, firedAt: 2_000, value: '1' },
}
const builtIn = { opening: { severity: 'sev2', major: false, services: [] } } as const
type Change = Parameters<typeof openingFacts>[0]

t.test('what the hub says of itself in a new incident is said in the reader’s language', (t) => {
  // Only what the facts are made of is given.
  const change = { kind: 'fired', at: 2_000, alert } as unknown as Change
  const runbook = { name: 'HostSilent', hash: 'a' }
  const facts = openingFacts(change, runbook, { id: 'x', number: 7 }, builtIn)
  const saidIn = (language: 'zh' | 'en') =>
    facts.flatMap((fact) => {
      const said = hubSentence(fact, fact.value.text, words.en, words[language])
      return said === undefined ? [] : [said]
    })
  t.same(saidIn('zh'), [
    '由中心根据告警 HostSilent 立案。',
    '首次出现于 1970-01-01T00:00:01.000Z；故障可能更早。',
    '告警 HostSilent 已触发。',
    '尚不清楚。',
    '尚不清楚。',
    '严重告警引发的事件一律如此，可另行判定。',
    '已附上当时版本的处置手册 HostSilent。',
    '同一告警曾引发事件 7。',
  ])
  const known = facts.filter((fact) => hubSentence(fact, fact.value.text, words.en, words.en))
  t.same(
    saidIn('en'),
    known.map(({ value }) => value.text),
    'in English word for word what the record has',
  )
  t.end()
})

t.test('words of people stay as they were written, also where they are those of the hub', (t) => {
  const by = (recordedBy: string) => ({ kind: 'impact', recordedBy }) as const
  t.equal(hubSentence(by('anna'), 'Not known yet.', words.en, words.zh), undefined)
  t.equal(hubSentence(by('hub'), 'Not known yet.', words.en, words.zh), '尚不清楚。')
  t.equal(hubSentence(by('hub'), 'Calls fail.', words.en, words.zh), undefined)
  t.equal(hubSentence(by('hub'), 'Alert  fired', words.en, words.zh), undefined)
  for (const [language, of] of Object.entries(words))
    for (const name of hubSentenceNames) {
      const slots = (text: string) => text.match(/\{\w+\}/g) ?? []
      t.same(slots(of.hub[name]), slots(words.en.hub[name]), `${language} ${name}`)
    }
  t.end()
})
