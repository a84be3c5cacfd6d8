import type { MessageKind } from './message.ts'

/** What a template makes: the line on top, the whole text, the SMS. */
export const forms = ['title', 'text', 'short'] as const
export type Form = (typeof forms)[number]

const title =
  '{{ words.kind[kind] }}{% if severity %} [{{ words.severity[severity] }}]{% endif %}: {{ title }}{% if server %} ({{ server }}){% endif %}'

const short =
  '{{ words.short[kind] }}{% if server %} {{ server }}{% endif %}: {{ title }}{% if time %} {{ time }}{% endif %} {{ words.reference }} {{ ref }}{% if url %} {{ url }}{% endif %}'

// What people wrote to be read as it is: no word of the hub before it.
const noticeTitle = '{{ title }}{% if server %} ({{ server }}){% endif %}'
const noticeShort =
  '{{ title }}{% if startedAt %} {{ startedAt }}{% endif %} {{ words.reference }} {{ ref }}{% if url %} {{ url }}{% endif %}{% if description %}: {{ description }}{% endif %}'

const field = (name: string, value: string) =>
  `{% if ${value} %}{{ words.${name} }}: {{ ${value} }}\n{% endif %}`

const body = `${[
  field('impact', 'impact'),
  field('server', 'server'),
  field('site', 'site'),
  field('customer', 'customer'),
  field('startedAt', 'startedAt'),
  field('endedAt', 'endedAt'),
  field('acknowledgedBy', 'acknowledgedBy'),
  field('incident', 'incident'),
  field('step', 'step'),
  field('reason', 'reason'),
].join('')}{% if count > 1 %}{{ words.alerts }}: {{ count }}
{% for alert in alerts %}- {{ alert.title }}{% if alert.server %} ({{ alert.server }}){% endif %}{% if alert.startedAt %}, {{ alert.startedAt }}{% endif %}
{% endfor %}{% if more > 0 %}- +{{ more }} {{ words.more }}
{% endif %}{% endif %}{% if url %}{{ words.open }}: {{ url }}
{% endif %}{% if runbook %}{{ words.runbook }}: {{ runbook }}
{% endif %}{{ words.reference }}: {{ ref }}`

const text = `{% if description %}{{ description }}

{% endif %}${body}`

const note = (word: string) => `{{ words.${word} }}\n${body}`

/** The texts that ship, for every language: what differs are the words. */
export const defaultTexts: Readonly<Record<MessageKind, Readonly<Record<Form, string>>>> = {
  firing: { title, text, short },
  resolved: { title, text: body, short },
  acknowledged: { title, text: body, short },
  escalated: { title, text, short },
  test: { title, text: note('testText'), short },
  canary: { title, text: note('canaryText'), short },
  notice: { title: noticeTitle, text, short: noticeShort },
}
