import { sql } from 'kysely'
import type { Millis } from '../clock.ts'
import type { PolicySnapshot } from '../oncall/plugin.ts'
import { type Reading, readable } from './paging-store.ts'

/** How often something happened to pages of a policy. */
export interface PolicyCount {
  readonly policy: string
  /** A severity, or a kind of escalation. */
  readonly of: string
  readonly count: number
}

/** What became of the pages that were opened since an instant; notices, which ask for nobody, are none. */
export interface PageFigures {
  /** By severity. */
  readonly opened: readonly PolicyCount[]
  /**
   * `step`: people of a later step were told, or of the first one again. `catch-all`: the policy was over. `asked again`: whoever
   * had taken it was asked anew.
   */
  readonly escalations: readonly PolicyCount[]
  /** From the opening of a page to when somebody first took it; of the newest `mostTaken`. */
  readonly taken: readonly { readonly policy: string; readonly millis: Millis }[]
}

/** Pages whose time until somebody took them is read. */
export const mostTaken = 10_000

export async function pageFigures(database: Reading, since: Millis): Promise<PageFigures> {
  const db = readable(database)
  const pages = db
    .selectFrom('pages')
    .where('pages.opened_at', '>=', since)
    .where('pages.group_key', 'not like', 'notice:%')
  const opened = await pages
    .select((is) => ['policy', 'severity as of', is.fn.countAll<number>().as('count')])
    .groupBy(['policy', 'severity'])
    .execute()
  const kind = sql<string>`case page_steps.kind when 'notify' then 'step'
    when 'acknowledgement expired' then 'asked again' else page_steps.kind end`
  const escalations = await pages
    .innerJoin('page_steps', 'page_steps.page_id', 'pages.id')
    .where('page_steps.kind', 'in', ['notify', 'catch-all', 'acknowledgement expired'])
    // escalation-duty.ts writes the place: the first step of the first round is no escalation.
    .where((is) =>
      is.or([
        is('page_steps.kind', '<>', 'notify'),
        is('page_steps.content', 'not like', '%.r0.s0"%'),
      ]),
    )
    .select((is) => ['pages.policy', kind.as('of'), is.fn.countAll<number>().as('count')])
    .groupBy(['pages.policy', kind])
    .execute()
  const taken = await pages
    .innerJoin('page_steps', 'page_steps.page_id', 'pages.id')
    .where('page_steps.kind', '=', 'acknowledged')
    .select((is) => ['pages.policy', 'pages.opened_at', is.fn.min('page_steps.at').as('at')])
    .groupBy(['pages.id', 'pages.policy', 'pages.opened_at'])
    .orderBy('pages.opened_at', 'desc')
    .limit(mostTaken)
    .execute()
  const name = namesOnce()
  const named = ({ policy, of, count }: { policy: string; of: string; count: number }) => ({
    ...{ policy: name(policy), of, count: Number(count) },
  })
  return {
    opened: opened.map(named),
    escalations: escalations.map(named),
    taken: taken.map(({ policy, opened_at, at }) => ({
      ...{ policy: name(policy), millis: Math.max(0, Number(at) - Number(opened_at)) },
    })),
  }
}

/** Names of policies by their JSON, each read once. */
function namesOnce(): (json: string) => string {
  const names = new Map<string, string>()
  return (json) => {
    const known = names.get(json) ?? (JSON.parse(json) as PolicySnapshot).name
    names.set(json, known)
    return known
  }
}
