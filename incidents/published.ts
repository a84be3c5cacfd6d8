import { factKinds, specOf } from './facts.ts'
import { additionalCodes, rootCauseCodes, rootCauseSource } from './root-causes.ts'
import {
  cancelReasons,
  type GuardName,
  guards,
  noPlanReasons,
  roles,
  type State,
  simpleStates,
  stateNames,
  states,
  transitions,
  workflow,
} from './workflow.ts'

/** The published table as JSON, with what each kind of fact holds: for evidence bundles and programs. */
export function workflowJson(): string {
  const kinds = Object.fromEntries(
    factKinds.map((kind) => {
      const { holds, fields, per, instant, afterEnd, attested } = specOf(kind)
      const wanted = Object.entries(fields).map(([name, { wants, optional }]) => [
        name,
        optional ? `${wants}; may be left out` : wants,
      ])
      return [kind, { holds, per, instant, afterEnd, attested, fields: Object.fromEntries(wanted) }]
    }),
  )
  const rootCauses = Object.fromEntries([...rootCauseCodes, ...additionalCodes])
  return `${JSON.stringify({ ...workflow, simpleStates, kinds, rootCauses }, null, 2)}\n`
}

/** The published tables as Markdown: docs/incidents.md holds exactly this. */
export function workflowMarkdown(): string {
  return [
    `Version ${workflow.version} of the workflow.`,
    '',
    ...table(
      ['state', 'means', 'open', 'shown in lists as'],
      stateNames.map((state) => [
        code(state),
        states[state].title,
        yesNo(states[state].open),
        shownAs(state),
      ]),
    ),
    '',
    ...table(
      ['rule', 'from', 'to', 'by', 'refused without', 'because'],
      transitions.map((one) => [
        code(one.rule),
        one.from.map(code).join(', '),
        code(one.to),
        one.roles.length === Object.keys(roles).length ? 'all' : one.roles.join(', '),
        one.guards.map(code).join(', '),
        one.because,
      ]),
    ),
    '',
    ...table(
      ['guard', 'asks that'],
      (Object.keys(guards) as GuardName[]).map((guard) => [code(guard), guards[guard]]),
    ),
    '',
    ...table(
      ['role', 'on one incident'],
      Object.entries(roles).map(([role, does]) => [code(role), does]),
    ),
    '',
    ...table(
      ['kind of fact', 'holds', 'fields', 'how many', 'after the end'],
      factKinds.map((kind) => {
        const { holds, fields, per, afterEnd } = specOf(kind)
        return [code(kind), holds, fieldList(fields), howMany(per), afterEnd === true ? 'yes' : '']
      }),
    ),
    '',
    ...table(
      ['cancelled because', 'means'],
      Object.entries(cancelReasons).map(([reason, means]) => [code(reason), means]),
    ),
    '',
    ...table(
      ['no plan because', 'means'],
      Object.entries(noPlanReasons).map(([reason, means]) => [code(reason), means]),
    ),
    '',
    `Root causes after ${rootCauseSource.document} (${rootCauseSource.url}; ${rootCauseSource.confidence}, read on ${rootCauseSource.verifiedOn}).`,
    '',
    ...table(
      ['root cause', 'in the law'],
      [...rootCauseCodes].map(([cause, title]) => [code(cause), title]),
    ),
    '',
  ].join('\n')
}

const code = (text: string) => `\`${text}\``
const yesNo = (is: boolean) => (is ? 'yes' : 'no')
const shownAs = (state: State) =>
  simpleStates[state] === 'open' ? '`open`, `acknowledged` once somebody took it' : '`resolved`'
const howMany = (per: string) =>
  per === 'many'
    ? 'any'
    : per === 'one'
      ? 'one, then corrections'
      : `one for each ${per}, then corrections`

function fieldList(fields: Readonly<Record<string, { readonly optional: boolean }>>): string {
  const named = Object.entries(fields).filter(([name]) => name !== 'text')
  return named.map(([name, { optional }]) => (optional ? `${name}?` : name)).join(', ')
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [
    `| ${columns.join(' | ')} |`,
    `|${columns.map(() => '---|').join('')}`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ]
}
