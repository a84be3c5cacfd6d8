import type { BoardDefinition } from './definition.ts'
import { spanSeconds } from './time.ts'
import { type Choices, variablesQuery } from './variables.ts'

/** What the reader of a board chose; the address holds it, in the form Grafana uses, so it can be sent to somebody. */
export interface Address {
  readonly from: string
  readonly to: string
  /** Such as `30s`; empty: never. */
  readonly refresh: string
  readonly choices: Choices
}

/** An address's choices; what it leaves out is as the board has it. */
export function readAddress(text: string, board: BoardDefinition): Address {
  const query = new URLSearchParams(text)
  const choices: Record<string, string[]> = {}
  for (const [key, value] of query) {
    const name = /^var-(\w+)$/.exec(key)?.[1]
    if (name !== undefined) choices[name] = [...(choices[name] ?? []), value]
  }
  const refresh = query.get('refresh') ?? board.refresh
  return {
    from: query.get('from') ?? board.time.from,
    to: query.get('to') ?? board.time.to,
    refresh: (spanSeconds(refresh) ?? 0) >= 5 ? refresh : '',
    choices,
  }
}

/** The other way round. */
export function addressQuery({ from, to, refresh, choices }: Address): URLSearchParams {
  return new URLSearchParams([
    ['from', from],
    ['to', to],
    ['refresh', refresh],
    ...variablesQuery(choices).map(([name, value]): [string, string] => [name, value]),
  ])
}
