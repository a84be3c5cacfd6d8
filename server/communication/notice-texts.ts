import type { Language } from '../notify/plugin.ts'
import type { Audience, Form } from './notice.ts'
import { noticeWords } from './notice-words.ts'

const field = (word: string, value = word) =>
  `{{ words.${word} }}: {% if ${value} %}{{ ${value} }}{% else %}{{ words.unknown }}{% endif %}\n`
/** A field that many incidents do not have at all. */
const given = (word: string) => `{% if ${word} %}{{ words.${word} }}: {{ ${word} }}\n{% endif %}`
const cause =
  '{{ words.cause }}: {% if cause %}{{ cause }}{% if confidence %} ({{ words.confidence }}: {{ confidence }}){% endif %}{% else %}{{ words.unknown }}{% endif %}\n'
const next =
  '{{ words.nextUpdate }}: {% if nextUpdate %}{{ nextUpdate }}{% else %}{{ words.noneNext }}{% endif %}\n'

const isOver = (form: Form) => form === 'restored' || form === 'closing'

function inside(form: Form, more: string): string {
  return [
    '{{ words.incident }} {{ number }}\n',
    field('what'),
    field('since'),
    isOver(form) ? field('ended') : '',
    field('services'),
    more,
    given('regions'),
    given('departments'),
    given('customersAffected'),
    given('callsFailed'),
    field('doing'),
    cause,
    form === 'closing' ? field('measures') : '',
    isOver(form) ? '' : next,
  ].join('')
}

function outside(form: Form): string {
  return [
    '{{ words.intro[form] }}\n\n',
    field('services'),
    given('regions'),
    field('since'),
    isOver(form) ? field('ended') : field('doing'),
    form === 'closing' ? field('cause') : '',
    isOver(form) ? '' : next,
    '\n{{ words.outro }}',
  ].join('')
}

const severity =
  '{{ words.severity }}: {{ severity }}{% if major %} ({{ words.major }}){% endif %}\n'

/** The text that ships for an audience and a form; the words are the reader's. */
export function shippedText(audience: Audience, form: Form): string {
  switch (audience) {
    case 'management':
      return inside(form, `${severity}${given('hosts')}${given('customers')}`)
    case 'departments':
      return inside(form, '')
    case 'customers':
      return outside(form)
  }
}

/** The line on top. */
export function titleText(audience: Audience): string {
  return audience === 'customers'
    ? '{{ words.titles[form] }}{% if services %}: {{ services }}{% endif %}'
    : '{{ words.titles[form] }}: {{ words.incident }} {{ number }}, {{ title }}'
}

/** Names of own templates for it, the one for the language first. */
export function templateNames(audience: Audience, form: Form, language: string): string[] {
  return [`notice.${audience}.${form}.${language}`, `notice.${audience}.${form}`]
}

/** Draft of a correction: says first that it replaces the notice and when that was sent, then what was sent, to be put right. */
export function correctionOf(
  old: { readonly title: string; readonly text: string },
  sentAt: string,
  language: Language,
): { readonly title: string; readonly text: string } {
  const { correction, replaces } = noticeWords[language]
  const [begin = ''] = replaces.split('{time}')
  // Of a correction that is corrected, its own first sentence goes.
  const body = old.text.startsWith(begin) ? old.text.replace(/^[^\n]*\n+/, '') : old.text
  const title = old.title.startsWith(`${correction}: `) ? old.title : `${correction}: ${old.title}`
  return { title, text: `${replaces.replace('{time}', sentAt)}\n\n${body}` }
}
