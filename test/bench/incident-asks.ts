import { type Past, rareWord, servicesOf } from './past-incidents.ts'

/** A thing people ask of many incidents. Each round asks for another incident or word; the addresses of a round are asked at once. */
export interface Ask {
  readonly name: string
  readonly paths: (round: number) => readonly string[]
  /** Whether the issue of speed is about it: lists, searches and opening one. */
  readonly isJudged: boolean
}

const api = '/api/v1'
const minuteMillis = 60_000
const yearMinutes = 525_600

/** Everything that is asked of a hub with `past`. */
export function asksOf({ incidents }: Past): readonly Ask[] {
  const any = (round: number) => 1 + ((round * 7919) % incidents)
  const list = (more: string) => `${api}/incidents?limit=100&${more}`
  const search = (words: string) => `${api}/search?${new URLSearchParams({ q: words })}`
  const service = (round: number) => servicesOf(round)[round % 2] ?? ''
  const since = (minutes: number) => new Date(Date.now() - minutes * minuteMillis).toISOString()
  const judged = (name: string, path: (round: number) => string): Ask => ({
    ...{ name, isJudged: true },
    paths: (round) => [path(round)],
  })
  const other = (name: string, path: (round: number) => string): Ask => ({
    ...judged(name, path),
    isJudged: false,
  })
  return [
    judged('list: what is open', () => list('state=open')),
    judged('list: newest of all', () => list('state=all')),
    judged('list: any page', (round) => list(`state=all&cursor=${any(round) + 1}`)),
    judged('list: the last page', () => list('state=all&cursor=101')),
    judged('list: a severity', (round) => list(`state=all&severity=sev${1 + (round % 4)}`)),
    judged('list: waiting for review', () => list('state=all&workflow=restored')),
    judged('list: a service', (round) => list(`state=all&service=${service(round)}`)),
    judged('list: open ones of a service', (round) => list(`state=open&service=${service(round)}`)),
    judged('list: all filters, nothing found', (round) =>
      list(`state=open&workflow=investigating&severity=sev2&service=${service(round)}`),
    ),
    {
      ...{ name: 'open one: all its page asks for', isJudged: true },
      paths: (round) => pageOf(`${api}/incidents/${any(round)}`),
    },
    judged('search: a rare word', (round) => search(rareWord(round))),
    judged('search: a word of nearly all', () => search('carrier')),
    judged('search: words of nearly all', () => search('carrier queue recorder')),
    judged('search: a beginning', () => search('recor')),
    judged('search: two Chinese characters', (round) => search(['故障', '录音'][round % 2] ?? '')),
    judged('search: Vietnamese without accents', (round) =>
      search(['su co', 'duong truyen'][round % 2] ?? ''),
    ),
    judged(
      'search: a word, a service, a year',
      (round) => `${search('carrier')}&service=${service(round)}&from=${since(yearMinutes)}`,
    ),
    other('what is mine', () => `${api}/incidents/mine`),
    other('clocks that are due', () => `${api}/clocks/due`),
    other('post-mortem, HTML', (round) => `${api}/incidents/${any(round)}/post-mortem`),
    other('figures: 30 days', () => `${api}/incidents/figures`),
    other('figures: a year', () => `${api}/incidents/figures?from=${since(yearMinutes)}`),
    other(
      'figures: a month of a service',
      (round) =>
        `${api}/incidents/figures?from=${since(yearMinutes)}&to=${since(yearMinutes - 43_200)}&service=${service(round)}`,
    ),
    other(
      'figures: all years, as CSV',
      () => `${api}/incidents/figures?from=${since(6 * yearMinutes)}&format=csv`,
    ),
    other('recurrences of six months', () => `${api}/incidents/recurrences`),
  ]
}

/** What the console asks for when an incident is opened. */
export function pageOf(path: string): readonly string[] {
  const parts = ['', '/workflow', '/clocks', '/communication', '/evidence', '/attachments']
  return parts.map((part) => `${path}${part}`)
}
