import t from 'tap'
import type { FactKind } from '../../../incidents/facts.ts'
import {
  type HubSentence,
  hubSays,
  hubSentence,
  type SuggestionSentence,
  suggests,
} from '../../../incidents/hub-sentences.ts'
import { hubEn, suggestionsEn } from '../../../incidents/words/hub-en.ts'
import { words } from '../../../incidents/words.ts'
import { openingFacts } from '../../../server/incidents/incident.ts'

const alert = {
  ...{ fingerprint: 'f', rule: 'HostSilent', state: 'firing', severity: 'critical' },
  ...{ instance: 'pbx-1', labels: { alertname: 'HostSilent', instance: 'pbx-1' } },
  ...{ annotations: { summary: 'pbx-1 is silent' }, activeAt: 1_000, firedAt: 2_000, value: '1' },
}
const builtIn = { opening: { severity: 'sev2', major: false, services: [] } } as const
type Change = Parameters<typeof openingFacts>[0]
const translated = ['zh', 'vi', 'ru'] as const

const say = (kind: FactKind, text: string, language: 'en' | 'zh' = 'zh', recordedBy = 'hub') =>
  hubSentence({ kind, recordedBy }, text, words[language])

t.test('what the hub says of itself in a new incident is said in the reader’s language', (t) => {
  // Only what the facts are made of is given.
  const change = { kind: 'firing', at: 2_000, alert } as unknown as Change
  const runbook = { name: 'HostSilent', hash: 'a' }
  const facts = openingFacts(change, runbook, { id: 'x', number: 7 }, builtIn)
  const saidIn = (language: 'zh' | 'en') =>
    facts.flatMap(({ kind, value }) => say(kind, value.text, language) ?? [])
  t.same(saidIn('zh'), [
    '系统根据告警 HostSilent 自动立案。',
    '首次出现于 1970-01-01T00:00:01.000Z；故障可能更早。',
    '告警 HostSilent 触发。',
    '尚不清楚。',
    '尚不清楚。',
    '严重告警引发的事件默认此级别，可另行判定。',
    '已附处置手册 HostSilent（当时版本）。',
    '同一告警曾引发事件 7。',
    'HostSilent 触发：pbx-1 is silent',
  ])
  const known = facts.filter(({ kind, value }) => say(kind, value.text, 'en') !== undefined)
  t.same(
    saidIn('en'),
    known.map(({ value }) => value.text),
    'in English word for word what the record has',
  )
  t.end()
})

t.test('what the hub says later, with its ends, lists and reasons', (t) => {
  const late = hubSays('recordedLate') + hubSays('related')
  const fired = `${hubSays('fired', { rule: 'DiskFull', title: 'a disk (db-1) is full' })}${late}`
  t.equal(
    say('alert_fired', fired),
    'DiskFull 触发：a disk (db-1) is full（补记：当时无法写入记录）（关联告警：不影响事件恢复）',
  )
  t.equal(say('alert_fired', fired, 'en'), fired)
  const green = hubSays('greenAgain') + hubSays('relatedFiring', { rules: 'A x, B y' })
  t.match(say('recovered', green), /5 分钟内未再触发。仍在触发的关联告警：A x、B y。/)
  const hosts = hubSays('andMore', { some: 'pbx-1, db-1', count: 3 })
  const frozen =
    hubSays('frozen', { about: hubSays('atDetection', { hosts }) }) +
    hubSays('notFrozen', { parts: 'metrics of pbx-1, drift of db-1' })
  t.equal(
    say('evidence', frozen),
    '已留存证据：pbx-1、db-1，另有 3 项（发现时）。未能取得：pbx-1 (metrics)、db-1 (drift)。',
  )
  t.equal(
    say('evidence', frozen, 'en')?.replaceAll(/ \((metrics|drift)\)/g, ''),
    frozen.replaceAll(/(metrics|drift) of /g, ''),
  )
  const why = hubSays('noAnswer', { time: '2026-03-06T09:00:00Z' })
  const passed = { name: 'tom', technician: 'ann', why, because: 'for everything else' }
  t.equal(
    say('assigned', hubSays('passedOn', passed)),
    '改派 tom：ann 截至 2026-03-06T09:00:00Z 未答复。（for everything else）',
  )
  t.end()
})

t.test('what the evidence suggests is said line by line', (t) => {
  const line = (name: SuggestionSentence, values: Record<string, string | number>, how = 'high') =>
    `pbx-1: ${suggests(name, values)} (${how})`
  const some = suggests('appeared', { subject: 'package tls', to: '3.1' })
  const causes = [
    line('diskFull', { name: '/var', share: '1.5 %' }),
    line('wentDown', { series: 'sip_up', which: 'unit a; b' }),
    line('changed', { change: hubSays('andMore', { some, count: 2 }), minutes: 9 }, 'medium'),
    line('backup', { name: 'db', posture: 'unprotected', reason: 'no copy (ever)' }, 'low'),
    line('isMissing', { subject: 'package x', expected: '1.2' }, 'low'),
    line('isForbidden', { subject: 'service y', found: 'runs' }, 'low'),
    line('drifted', { subject: 'package z', found: '1', expected: 'any version' }, 'low'),
    `${suggests('seenBefore', { number: 4, codes: 'human_error/mistake' })} (medium)`,
  ].join('; ')
  const text = hubSays('suggested', { causes: causes + hubSays('moreCauses', { count: 2 }) })
  t.equal(
    say('preliminary_cause', text),
    '根据证据推测：pbx-1: 文件系统 /var 只剩 1.5 % 空间 (高); ' +
      'pbx-1: sip_up（unit a; b）由 1 变为 0 (高); ' +
      'pbx-1: 故障前 9 分钟有变更：package tls 新增 3.1，另有 2 项 (中); ' +
      'pbx-1: 备份 db：无保护（no copy (ever)） (低); ' +
      'pbx-1: 缺少 package x，基线为 1.2 (低); ' +
      'pbx-1: service y 不应存在，现为 runs (低); ' +
      'pbx-1: package z 为 1，基线为 任意版本 (低); ' +
      '同一告警曾引发事件 4，当时的根本原因是 4(b) 差错 (中)；另有 2 条。',
  )
  t.equal(
    say('impact', hubSays('callsCounted', { calls: '412 attempted, 40 failed, 3 abandoned' })),
    '故障开始以来主机统计的呼叫：呼叫 412 次、失败 40 次、放弃 3 次。',
  )
  t.end()
})

t.test('what the program writes for a person is translated, what the person wrote is not', (t) => {
  const by = (kind: FactKind, text: string) => say(kind, text, 'zh', 'anna')
  t.equal(by('opened', 'Recorded by anna.'), '由 anna 立案。')
  t.equal(by('opened', 'Recorded by bob.'), undefined, 'it names who wrote it, or it is no such')
  t.equal(by('acknowledged', 'Acknowledged by anna: on it.'), 'anna 已确认：on it.')
  t.equal(by('acknowledged', 'Acknowledged by anna.'), 'anna 已确认。')
  t.equal(by('closed', 'Closed by anna.'), '由 anna 结案。')
  t.equal(by('impact', 'Services: hotline, dialler'), '服务：hotline、dialler')
  t.equal(by('impact', 'Not known yet.'), undefined)
  t.equal(by('note', 'The fault came back: again'), undefined)
  t.equal(by('alert_fired', 'X fired: y'), undefined)
  t.equal(say('impact', 'Not known yet.'), '尚不清楚。')
  t.equal(say('impact', 'Calls fail.'), undefined)
  t.equal(say('note', 'X fired: y'), undefined, 'of another kind')
  t.end()
})

t.test('every sentence is there in every language, with the same places', (t) => {
  const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
  for (const language of translated) {
    const { hub, suggestions } = words[language]
    for (const name of Object.keys(hubEn) as HubSentence[]) {
      t.same(places(hub[name]), places(hubEn[name]), `${language} ${name}`)
      t.not(hub[name].trim(), hubEn[name].trim(), `${language} ${name} is translated`)
    }
    for (const name of Object.keys(suggestionsEn) as SuggestionSentence[]) {
      t.same(places(suggestions[name]), places(suggestionsEn[name]), `${language} ${name}`)
      t.not(suggestions[name], suggestionsEn[name], `${language} ${name} is translated`)
    }
  }
  t.end()
})
