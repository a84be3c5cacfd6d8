import type { Language } from './catalogue.ts'
import { reasonsEn } from './reasons-en.ts'
import { reasonsRu } from './reasons-ru.ts'
import { reasonsVi } from './reasons-vi.ts'
import { reasonsZh } from './reasons-zh.ts'

type Name = keyof typeof reasonsEn

export const reasons: Readonly<Record<Language, Readonly<Record<Name, string>>>> = {
  ...{ en: reasonsEn, zh: reasonsZh, vi: reasonsVi, ru: reasonsRu },
}

/** The whole sentence each English one is found by, with its place. Those without a place come first. */
const forms = (Object.entries(reasonsEn) as [Name, string][])
  .map(([name, sentence]) => {
    const [before = '', place, after = ''] = sentence.split(/\{(\w+)\}/)
    return { name, sentence, before, place, after }
  })
  .sort((a, b) => Number(a.place !== undefined) - Number(b.place !== undefined))

/**
 * Why somebody was or was not told, in a language; what the hub says otherwise, as a provider's answer, stays as it is. The records
 * keep the English sentence, so that what was written before is read too.
 */
export function reasonIn(language: Language, text: string): string {
  if (language === 'en') return text
  const whole = sentenceIn(language, text)
  if (whole !== undefined) return whole
  const parts = text.replace(/\.$/, '').split('; ')
  const end = text.endsWith('.') ? (language === 'zh' ? '。' : '.') : ''
  return parts.map((part) => partIn(language, part)).join(language === 'zh' ? '；' : '; ') + end
}

/** One reason, with or without the name of whom it is about before it. */
function partIn(language: Language, part: string): string {
  const said = sentenceIn(language, part)
  if (said !== undefined) return said
  const [, who = '', reason = ''] = /^(.+?: )(.+)$/s.exec(part) ?? []
  const why = sentenceIn(language, reason)
  return why === undefined ? part : who + why
}

function sentenceIn(language: Language, text: string): string | undefined {
  for (const { name, sentence, before, place, after } of forms) {
    if (place === undefined) {
      if (text === sentence) return reasons[language][name]
      continue
    }
    const fits = text.length > before.length + after.length
    if (!fits || !text.startsWith(before) || !text.endsWith(after)) continue
    const value = text.slice(before.length, text.length - after.length)
    // A name holds no end of a sentence: there another reason begins.
    if (place !== 'reason' && value.includes('; ')) continue
    const said = place === 'reason' ? reasonIn(language, value) : value
    return reasons[language][name].replace(`{${place}}`, () => said)
  }
  return undefined
}
