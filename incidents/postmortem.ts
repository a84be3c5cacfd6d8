import {
  type Certainty,
  type Fact,
  type FactKind,
  type FactOf,
  hubActor,
  type Millis,
} from './facts.ts'
import { hubSentence } from './hub-sentences.ts'
import { attachedPanels } from './panels.ts'
import { authors, current, live, said } from './picture.ts'
import { refusalText, type Sentence } from './refusals.ts'
import type { Owed, Replayed } from './replay.ts'
import { type Chapter, type TimelineRow, timeline } from './timeline.ts'
import type { Label, Words } from './words.ts'
import type { Role } from './workflow.ts'

/** One piece of a document. Words are looked up in the reader's language; `text` stays as somebody wrote it. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'word'; readonly of: (words: Words) => string }
  | { readonly kind: 'at'; readonly at: Millis }
  | { readonly kind: 'span'; readonly millis: number }
  | { readonly kind: 'count'; readonly count: number }
  /** Ids of facts. */
  | { readonly kind: 'cite'; readonly facts: readonly string[] }

export type Cell = readonly Piece[]

export type Block =
  | { readonly kind: 'paragraph'; readonly cell: Cell }
  | { readonly kind: 'list'; readonly ordered: boolean; readonly items: readonly Cell[] }
  | {
      readonly kind: 'table'
      readonly columns: readonly Label[]
      /** `struck`: corrected since. */
      readonly rows: readonly { readonly cells: readonly Cell[]; readonly struck: boolean }[]
    }
  | {
      readonly kind: 'picture'
      /** The id of the attachment. */
      readonly file: string
      /** For who does not see it. */
      readonly alt: string
      readonly caption: Cell
    }

export type PictureBlock = Extract<Block, { readonly kind: 'picture' }>

export interface Section {
  readonly heading: Label
  readonly blocks: readonly Block[]
}

/** A post-mortem without a language. */
export interface PostMortem {
  readonly number: number
  readonly title: string
  readonly generatedAt: Millis
  readonly sections: readonly Section[]
}

export interface PostMortemInput {
  readonly number: number
  readonly title: string
  readonly replayed: Replayed
  /** Facts of incidents that were merged into this one. */
  readonly merged: readonly Chapter[]
  readonly now: Millis
}

const text = (value: string): Piece => ({ kind: 'text', text: value })
/** A fact's words; those of the hub in the reader's language. */
const saying = (fact: Fact): Piece =>
  word((reader) => hubSentence(fact, fact.value.text, reader) ?? fact.value.text)
/** Who wrote it: the program's own name is a word. */
const writer = (name: string): Piece =>
  name === hubActor ? word(({ workflow }) => workflow.roles.hub) : text(name)
const word = (of: (words: Words) => string): Piece => ({ kind: 'word', of })
const label = (name: Label): Piece => word((words) => words.labels[name])
const cite = (...facts: readonly string[]): Piece => ({ kind: 'cite', facts })
const at = (value: Millis): Piece => ({ kind: 'at', at: value })
const certainty = (value: Certainty): Piece => word((words) => words.certainties[value])
const list = (items: readonly Cell[], ordered = false): Block => ({ kind: 'list', ordered, items })
const table = (columns: readonly Label[], rows: readonly (readonly Cell[])[]): Block => ({
  kind: 'table',
  columns,
  rows: rows.map((cells) => ({ cells, struck: false })),
})

type From = (replayed: Replayed) => readonly Block[]

const row = (fact: Fact): Cell => [saying(fact), cite(fact.id)]
const textsOf =
  (...kinds: readonly FactKind[]): From =>
  ({ picture }) => {
    const facts = kinds.flatMap((kind) => said(picture, kind) as readonly Fact[])
    return facts.length === 0 ? [] : [list(facts.map(row))]
  }

const summary: From = ({ picture, state }) => {
  const severity = current(picture, 'severity')
  const major = current(picture, 'major')
  const rows: (readonly Cell[])[] = [
    [[label('state')], [word((words) => words.states[state])], []],
    [
      [label('severity')],
      severity === undefined
        ? [label('unknown')]
        : [text(severity.value.severity), ...unlessActual(severity)],
      severity === undefined ? [] : [cite(severity.id)],
    ],
    [
      [label('major')],
      major === undefined ? [label('unknown')] : [label(major.value.major ? 'yes' : 'no')],
      major === undefined ? [] : [cite(major.id)],
    ],
  ]
  for (const kind of ['phenomenon', 'preliminary_cause'] as const) {
    const fact = current(picture, kind)
    if (fact !== undefined)
      rows.push([
        [word((words) => words.kinds[kind])],
        [saying(fact), ...unlessActual(fact)],
        [cite(fact.id)],
      ])
  }
  return [table(['what', 'value', 'source'], rows)]
}

function unlessActual(fact: Pick<Fact, 'certainty'>): Piece[] {
  return fact.certainty === 'actual' ? [] : [text('('), certainty(fact.certainty), text(')')]
}

const impact: From = ({ picture }) => {
  const fact = current(picture, 'impact')
  if (fact === undefined) return []
  const { value } = fact
  const names = (['services', 'hosts', 'customers', 'regions', 'departments'] as const).flatMap(
    (name) => (value[name] === undefined ? [] : [[[label(name)], [text(value[name].join(', '))]]]),
  )
  const counts = (
    [
      'customersAffected',
      'callsAttempted',
      'callsFailed',
      'callsAbandoned',
      'callsUnrecorded',
    ] as const
  ).flatMap((name) =>
    value[name] === undefined
      ? []
      : [[[label(name)], [{ kind: 'count', count: value[name] } as const]]],
  )
  const said: Block = {
    kind: 'paragraph',
    cell: [saying(fact), ...unlessActual(fact), cite(fact.id)],
  }
  return names.length + counts.length === 0
    ? [said]
    : [said, table(['what', 'value'], [...names, ...counts])]
}

const figures: From = ({ figures }) => {
  const spans = [
    ['duration', figures.durationMillis],
    ['downtime', figures.downtimeMillis],
    ['interruption', figures.interruptionMillis],
    ['toAcknowledge', figures.toAcknowledgeMillis],
    ['toRespond', figures.toRespondMillis],
    ['toRestore', figures.toRestoreMillis],
  ] as const
  const rows: (readonly Cell[])[] = spans.map(([name, millis]) => [
    [label(name)],
    [millis === undefined ? label('unknown') : { kind: 'span', millis }],
  ])
  rows.push([[label('relapses')], [{ kind: 'count', count: figures.relapses }]])
  return [table(['what', 'value'], rows)]
}

const instantKinds = [
  'occurred',
  'detected',
  'aware',
  'acknowledged',
  'classified',
  'plan_activated',
  'assigned',
  'accepted',
  'arrived',
  'mitigated',
  'recovered',
  'relapse',
  'backlog_cleared',
  'root_cause_addressed',
  'reviewed',
  'closed',
] as const satisfies readonly FactKind[]

const instants: From = ({ picture }) => {
  const facts = instantKinds.flatMap((kind) => {
    const actual = said(picture, kind) as readonly Fact[]
    return actual.length > 0 ? actual : (live(picture, kind) as readonly Fact[])
  })
  if (facts.length === 0) return []
  return [
    table(
      ['what', 'when', 'kind', 'who', 'source'],
      facts.map((fact) => [
        [word((words) => words.kinds[fact.kind])],
        [at(fact.occurredAt)],
        [certainty(fact.certainty)],
        [writer(fact.recordedBy)],
        [cite(fact.id)],
      ]),
    ),
  ]
}

const panels: From = ({ picture }) =>
  attachedPanels(picture).map(({ fact, file, board, panel, from, to, hash }) => ({
    ...{ kind: 'picture', file, alt: `${board} · ${panel}` },
    caption: [
      ...[text(`${fact.value.text} ·`), at(from), text('–'), at(to), text('·')],
      ...[label('attached'), writer(fact.recordedBy), at(fact.recordedAt)],
      ...(hash === undefined ? [] : [text(`· SHA-256 ${hash}`)]),
      cite(fact.id),
    ],
  }))

const causes: From = ({ picture }) => {
  const fact = said(picture, 'root_cause').at(-1)
  if (fact === undefined) return []
  const { codes, additional = [], other, evidence } = fact.value
  const coded = [
    ...[...codes, ...additional].map((code) =>
      word((words) => words.workflow.causes[code] ?? code),
    ),
    ...(other === undefined ? [] : [text(other)]),
  ]
  return [
    { kind: 'paragraph', cell: [text(fact.value.text), cite(fact.id)] },
    list(coded.map((one) => [one])),
    { kind: 'paragraph', cell: [label('evidence'), text(': '), text(evidence.join(', '))] },
  ]
}

const whys: From = ({ picture }) => {
  const fact = said(picture, 'five_whys').at(-1)
  if (fact === undefined) return []
  return [
    { kind: 'paragraph', cell: [text(fact.value.text), cite(fact.id)] },
    list(
      fact.value.whys.map((one) => [text(one)]),
      true,
    ),
  ]
}

const measures: From = ({ picture }) => {
  const rows = (['temporary', 'permanent'] as const).flatMap((name) =>
    said(picture, `${name}_measure`).map((fact) => [
      [label(name)],
      [text(fact.value.text)],
      [cite(fact.id)],
    ]),
  )
  return rows.length === 0 ? [] : [table(['kind', 'text', 'source'], rows)]
}

const questions: From = ({ picture }) => {
  const answers = said(picture, 'answer')
  if (answers.length === 0) return []
  return [
    table(
      ['what', 'text', 'source'],
      answers.map((fact) => [
        [word((words) => words.questions[fact.value.question])],
        [text(fact.value.text)],
        [cite(fact.id)],
      ]),
    ),
  ]
}

const actions: From = ({ picture }) => {
  const done = new Map(said(picture, 'action_done').map((fact) => [fact.value.number, fact]))
  const all = said(picture, 'action')
  if (all.length === 0) return []
  return [
    table(
      ['kind', 'text', 'owner', 'dueAt', 'state', 'source'],
      all.map((fact) => {
        const { number, action, owner, dueAt } = fact.value
        const ended = done.get(number)
        return [
          [word((words) => words.actions[action])],
          [text(fact.value.text)],
          [owner === undefined ? label('unknown') : text(owner)],
          [dueAt === undefined ? label('unknown') : at(dueAt)],
          [label(ended === undefined ? 'open' : 'done')],
          [cite(fact.id, ...(ended === undefined ? [] : [ended.id]))],
        ]
      }),
    ),
  ]
}

const duties: From = ({ picture }) => {
  const rowOf = (fact: FactOf<'duty_owed' | 'duty_met' | 'duty_waived'>, state: Label): Cell[] => [
    [text(fact.value.duty)],
    [text(fact.value.text)],
    [label(state)],
    [cite(fact.id)],
  ]
  const settled = (['duty_met', 'duty_waived'] as const).flatMap((kind) => said(picture, kind))
  const closed = new Set(settled.map(({ value }) => value.duty))
  const rows = [
    ...said(picture, 'duty_owed')
      .filter(({ value }) => !closed.has(value.duty))
      .map((fact) => rowOf(fact, 'open')),
    ...said(picture, 'duty_met').map((fact) => rowOf(fact, 'met')),
    ...said(picture, 'duty_waived').map((fact) => rowOf(fact, 'waived')),
  ]
  return rows.length === 0 ? [] : [table(['code', 'text', 'state', 'source'], rows)]
}

const notices: From = ({ picture }) => {
  const sent = said(picture, 'notice')
  const rows = sent.map((fact) => [
    [at(fact.occurredAt)],
    [word((words) => words.audiences[fact.value.audience])],
    [word((words) => words.forms[fact.value.form])],
    [text(fact.value.text)],
    [cite(fact.id)],
  ])
  const none = said(picture, 'notice_not_needed')
  return [
    ...(rows.length === 0 ? [] : [table(['when', 'who', 'kind', 'text', 'source'], rows)]),
    ...(none.length === 0 ? [] : [list(none.map(row))]),
  ]
}

const costs: From = ({ picture }) => {
  const money = (amount: number, currency: string) => text(`${amount.toFixed(2)} ${currency}`)
  const rows = [
    ...said(picture, 'cost').map((fact) => [
      [word((words) => words.costs[fact.value.cost])],
      [money(fact.value.amount, fact.value.currency)],
      [saying(fact), ...unlessActual(fact)],
      [cite(fact.id)],
    ]),
    ...said(picture, 'recovery').map((fact) => [
      [word((words) => words.kinds.recovery)],
      [money(fact.value.amount, fact.value.currency)],
      [saying(fact), ...unlessActual(fact)],
      [cite(fact.id)],
    ]),
  ]
  return rows.length === 0 ? [] : [table(['kind', 'amount', 'text', 'source'], rows)]
}

const review: From = ({ picture }) => {
  const attestation = said(picture, 'attestation').at(-1)
  const written = [...authors(picture)]
  if (attestation === undefined && written.length === 0) return []
  const by = attestation?.recordedBy
  return [
    table(
      ['what', 'who'],
      [
        [[label('author')], [written.length === 0 ? label('unknown') : text(written.join(', '))]],
        [[label('reviewer')], [by === undefined ? label('unknown') : text(by)]],
      ],
    ),
    ...(attestation === undefined ? [] : [list([row(attestation)])]),
  ]
}

const owed: From = ({ owed }) =>
  owed.length === 0
    ? []
    : [
        table(
          ['what', 'who', 'dueAt'],
          owed.map((one) => [
            [saidByHub(one)],
            [by(one)],
            one.dueAt === undefined ? [] : [at(one.dueAt)],
          ]),
        ),
      ]

/** What the hub says by a code, in the reader's language. */
const saidByHub = (said: Sentence): Piece => word((words) => refusalText(said, words))

/** Who owes it: whoever holds a part, or a person. */
function by({ what, by: who }: Owed): Piece {
  if (what === 'action') return who === 'nobody' ? label('unknown') : text(who)
  return word(({ workflow, comma }) =>
    who
      .split(', ')
      .map((role) => workflow.roles[role as Role] ?? role)
      .join(comma),
  )
}

const violations: From = ({ violations }) =>
  violations.length === 0
    ? []
    : [list(violations.map((one) => [saidByHub(one), cite(...one.facts)]))]

const sections: readonly (readonly [Label, From])[] = [
  ['summary', summary],
  ['impact', impact],
  ['figures', figures],
  ['instants', instants],
  ['panels', panels],
  ['causes', causes],
  ['whys', whys],
  ['measures', measures],
  ['wentWell', textsOf('went_well')],
  ['wentBadly', textsOf('went_badly')],
  ['questions', questions],
  ['actions', actions],
  ['duties', duties],
  ['notices', notices],
  ['costs', costs],
  ['review', review],
  ['owed', owed],
  ['violations', violations],
]

/** Sections that are left out where they have nothing to say. */
const onlyIfAny: ReadonlySet<Label> = new Set<Label>(['panels', 'violations'])

/** The whole post-mortem, from the facts alone. A section without facts says so; panels and contradictions only appear where there are any. */
export function postMortem({ number, title, replayed, merged, now }: PostMortemInput): PostMortem {
  const chapters = [{ incident: String(number), facts: replayed.picture.facts }, ...merged]
  return {
    number,
    title,
    generatedAt: now,
    sections: [
      ...sections
        .map(([heading, from]) => ({ heading, blocks: from(replayed) }))
        .filter(({ heading, blocks }) => !onlyIfAny.has(heading) || blocks.length > 0),
      { heading: 'timeline', blocks: [told(timeline(chapters), chapters)] },
    ],
  }
}

function told(rows: readonly TimelineRow[], chapters: readonly Chapter[]): Block {
  const byId = new Map(chapters.flatMap(({ facts }) => facts.map((fact) => [fact.id, fact])))
  const several = chapters.length > 1
  return {
    kind: 'table',
    columns: ['when', 'what', 'text', 'who', 'source'],
    rows: rows.map((one) => ({
      struck: one.supersededBy !== undefined,
      cells: [
        [at(one.at), ...unlessActual(one)],
        [...(several ? [text(`${one.incident}:`)] : []), word((words) => words.kinds[one.kind])],
        [
          ...sayingOf(byId.get(one.evidence[0] ?? ''), one.text),
          ...(one.late ? [text('('), label('late'), at(one.recordedAt), text(')')] : []),
          ...(one.supersededBy === undefined ? [] : [label('correctedBy'), cite(one.supersededBy)]),
        ],
        [writer(one.by)],
        [cite(...one.evidence)],
      ],
    })),
  }
}

/** Steps and sentences of the hub are said in the reader's language; all else as it was written. */
function sayingOf(fact: Fact | undefined, written: string): Piece[] {
  if (fact?.kind !== 'transition') return [fact === undefined ? text(written) : saying(fact)]
  const { from, to } = fact.value
  return [word((words) => words.states[from]), text('→'), word((words) => words.states[to])]
}
