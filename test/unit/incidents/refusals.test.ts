import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type RefusalCode, refusal, refusalText } from '../../../incidents/refusals.ts'
import { refusalsEn } from '../../../incidents/words/refusals-en.ts'
import { words } from '../../../incidents/words.ts'
import { packageRoot } from '../../../server/assets.ts'

const codes = Object.keys(refusalsEn) as RefusalCode[]
const translated = ['zh', 'vi', 'ru'] as const

/** A value for each parameter, in which no word is English. */
const sample = {
  ...{ kind: 'root_cause', old: 'note', before: 'occurred', after: 'detected', state: 'review' },
  ...{ from: 'recorded', to: 'closed', states: 'plan_active, cancelled', role: 'verifier' },
  ...{
    roles: 'commander, deputy',
    cause: 'system_failure/network_configuration',
    question: 'escalation',
  },
  ...{ person: '@1', by: '@2', rule: '@3', fact: '@4', key: '@5', duty: '@6', regime: '@7' },
  ...{ severity: '@8', fault: '@9', number: 3, minutes: 2, needed: 5, within: 10, hours: 7 },
  ...{ count: 9, at: '@a', beforeAt: '@b', afterAt: '@c', recordedAt: '@d' },
}

t.test('every refusal is said in every language, and no word of it is English', (t) => {
  for (const code of codes) {
    const said = refusal(code, sample)
    t.notMatch(said.text, /\{\w+\}/, `en ${code}: every place is filled`)
    t.notMatch(
      refusalText(said, words.en),
      /\{\w+\}|\([a-z_]{3,}[);,.]/,
      `${code}: no hint for programs`,
    )
    for (const language of translated) {
      const sentence = words[language].refusals[code]
      const text = refusalText(said, words[language])
      t.ok(sentence?.trim(), `${language} ${code}`)
      t.notMatch(text, /\{\w+\}/, `${language} ${code}: every place is filled`)
      t.notMatch(text, english(language), `${language} ${code}: no English in it`)
      t.not(text, said.text, `${language} ${code} is not the English one`)
    }
  }
  t.end()
})

/** Words of Latin letters, where the language has none of its own. */
function english(language: (typeof translated)[number]): RegExp {
  return language === 'vi' ? /\b(the|is|not|of|missing|fact)\b/ : /[a-z]{3}/i
}

t.test('what a translation leaves out of a refusal is nothing a reader needs', (t) => {
  const nameOf: Readonly<Record<string, string>> = { asks: 'question', does: 'role' }
  const places = (sentence: string) =>
    [...sentence.matchAll(/\{(\w+)\}/g)].map(([, slot = '']) => {
      const name = slot.replace(/Code$/, '')
      return nameOf[name] ?? name
    })
  for (const code of codes) {
    const known = new Set(places(refusalsEn[code]))
    for (const language of translated) {
      const said = new Set(places(words[language].refusals[code]))
      t.same(
        [...said].filter((one) => !known.has(one)),
        [],
        `${language} ${code}: no place more`,
      )
      t.same(
        [...known].filter((one) => !said.has(one)),
        [],
        `${language} ${code}: none less`,
      )
    }
  }
  t.end()
})

t.test('each code is one that the program says, and an unknown one is shown as it came', (t) => {
  const sources = ['incidents', 'server/incidents', 'server/dispatch']
    .flatMap((folder) =>
      readdirSync(join(packageRoot, folder))
        .filter((name) => name.endsWith('.ts'))
        .map((name) => readFileSync(join(packageRoot, folder, name), 'utf8')),
    )
    .join('\n')
  for (const code of codes) t.ok(sources.includes(`'${code}'`), code)
  t.equal(refusalText({ text: 'as it came' }, words.zh), 'as it came')
  t.equal(refusalText({ code: 'of_tomorrow', text: 'as it came' }, words.zh), 'as it came')
  t.end()
})

t.test('English readers get names, programs get codes', (t) => {
  const missing = refusal('root_cause_missing')
  t.equal(missing.text, 'the coded root cause is missing (root_cause)')
  t.equal(refusalText(missing, words.en), 'The coded root cause is missing')
  const changed = refusal('changed_after_attestation', { kind: 'root_cause', fact: '7' })
  t.equal(changed.text, 'root_cause changed after the attestation (fact 7); attest again')
  t.equal(
    refusalText(changed, words.en),
    'Root cause changed after the attestation (fact 7); attest again',
  )
  t.end()
})

t.test('a refusal is written with the reader’s words and clock', (t) => {
  const late = refusal('later_than_record', {
    ...{ kind: 'detected', at: '2026-03-06T09:00:00.000Z', recordedAt: '2026-03-06T08:00:00.000Z' },
  })
  t.equal(
    late.text,
    'detected 2026-03-06T09:00:00.000Z is later than its record 2026-03-06T08:00:00.000Z: correct it',
  )
  t.equal(
    refusalText(late, words.zh, (at) => at.slice(11, 16)),
    '“发现”的时间 09:00 晚于登记时间 08:00，请更正',
  )
  const step = refusal('no_such_step', {
    ...{ from: 'recorded', to: 'closed', states: 'plan_active, cancelled' },
  })
  t.equal(
    step.text,
    'no step leads from recorded to closed; from recorded one goes to plan_active, cancelled',
  )
  t.match(refusalText(step, words.zh), /^不能从“已记录”转到“已结案”；.*、已撤销$/)
  t.end()
})
