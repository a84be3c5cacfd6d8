import type { en } from './en.ts'

export const languages = ['en', 'zh', 'vi', 'ru'] as const
export type Language = (typeof languages)[number]

/** A text with `{name}` places, or one text a plural category of the language (`{count}` is the number). */
export type Message =
  | string
  | Readonly<Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }>
export type MessageKey = keyof typeof en
/** A language must have every key English has, and no other. */
export type Catalogue = Readonly<Record<MessageKey, Message>>

/** Each language's own name, as shown in the language choice. */
export const languageNames: Readonly<Record<Language, string>> = {
  en: 'English',
  zh: '中文',
  vi: 'Tiếng Việt',
  ru: 'Русский',
}

/** BCP 47 tag for <html lang> and Intl. */
export const languageTags: Readonly<Record<Language, string>> = {
  en: 'en-GB',
  zh: 'zh-CN',
  vi: 'vi',
  ru: 'ru',
}

/** The first of the reader's languages the console has; English otherwise. */
export function chooseLanguage(stored: string | null, preferred: readonly string[]): Language {
  for (const wanted of [stored ?? '', ...preferred]) {
    const primary = wanted.toLowerCase().split('-')[0]
    const found = languages.find((language) => language === primary)
    if (found) return found
  }
  return 'en'
}

export type Values = Readonly<Record<string, string | number>>

/** Fills a message; a plural is chosen by `values.count` with the language's own rules. */
export function fill(language: Language, message: Message, values: Values = {}): string {
  const text =
    typeof message === 'string' ? message : pluralForm(language, message, Number(values['count']))
  return text.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = values[name]
    if (value === undefined) return place
    return typeof value === 'number'
      ? new Intl.NumberFormat(languageTags[language]).format(value)
      : value
  })
}

function pluralForm(language: Language, forms: Exclude<Message, string>, count: number): string {
  return forms[new Intl.PluralRules(languageTags[language]).select(count)] ?? forms.other
}
