import type { MessageKey } from './catalogue.ts'
import { clockTextsEn } from './clock-texts-en.ts'
import { language, t } from './language.ts'

const keys = new Map(Object.entries(clockTextsEn).map(([key, text]) => [text as string, key]))

/** What a shipped regime says, in the reader's language; a house's own text stays as its file has it. */
export function clockText(text: string): string {
  const [, title = text, severity] = /^(.+) (sev[1-4])$/.exec(text) ?? []
  const key = keys.get(title) as MessageKey | undefined
  if (key === undefined || language.value === 'en') return text
  return severity === undefined
    ? t(key)
    : `${t(key)} · ${t(`incidentSeverity.${severity}` as MessageKey)}`
}
