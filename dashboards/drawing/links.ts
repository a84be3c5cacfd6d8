import { slugOf } from './definition.ts'
import { type Choices, variablesQuery } from './variables.ts'

/** What the macros of a link stand for. */
export interface LinkScene {
  readonly from: string
  readonly to: string
  readonly choices: Choices
  /** Labels of the curve or bar clicked, or cells of the row. */
  readonly labels?: Readonly<Record<string, string | number>>
}

/**
 * The address within the hub that a board's link leads to: its boards are the console's own. Undefined where the link
 * needs a label that the series lacks, or leads elsewhere.
 */
export function addressOf(url: string, scene: LinkScene): string | undefined {
  const [path = '', query = ''] = splitOnce(url, '?')
  const filled = fill(path.replace(/^\$\{hub(?::\w+)?\}/, ''), scene.labels)
  if (filled === undefined || !/^\/(?!\/)/.test(filled)) return undefined
  const board = /^\/d\/([\w-]+)$/.exec(filled)?.[1]
  if (board === undefined) return filled
  return `/boards/${slugOf(board)}?${new URLSearchParams(boardQuery(query, scene))}`
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

const ofLabel = /\$\{__(?:data\.fields|field\.labels)\.(\w+)(?::\w+)?\}/g

/** Undefined where a label is missing. */
function fill(text: string, labels: LinkScene['labels'] = {}): string | undefined {
  let complete = true
  const filled = text.replace(ofLabel, (_, name: string) => {
    const value = labels[name]
    if (value === undefined || value === '') complete = false
    return encodeURIComponent(String(value ?? ''))
  })
  return complete ? filled : undefined
}

/** Those of another source of data and of the hub's address mean nothing here. */
const dropped = /^var-(?:datasource|hub)=/

function boardQuery(query: string, { from, to, choices, labels }: LinkScene): [string, string][] {
  return query.split('&').flatMap((part): [string, string][] => {
    if (part === '' || dropped.test(part)) return []
    if (part.includes('__url_time_range'))
      return [
        ['from', from],
        ['to', to],
      ]
    if (part.includes('__all_variables'))
      return variablesQuery(choices).map(([name, value]) => [name, value])
    const [name, text] = splitOnce(part, '=')
    const value = fill(text, labels)
    return value === undefined || value === '' ? [] : [[name, decodeURIComponent(value)]]
  })
}
