import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Millis } from '../clock.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { serviceWord } from './texts.ts'
import type { Term } from './words.ts'

/** Words that a beginning stands for, at most; more letters make them fewer. */
export const beginningsMax = 64
/** A whole word counts more than all the beginnings that a query has room for. */
export const wholeWordPoints = 100
/** Rows of the index that are looked at for one word of a query, at most; of more the newest incidents count. */
export const rowsOfTermMax = 25_000

/** Which incidents are wanted. */
export interface IncidentFilter {
  /** A service named in the record, or the server. */
  readonly service: string | undefined
  /** Opened at or after. */
  readonly from: Millis | undefined
  /** Opened before. */
  readonly to: Millis | undefined
}

/** A place in the order of results: the better score first, then the newer incident. */
export interface IncidentPlace {
  readonly score: number
  readonly number: number
}

export interface FoundIncidents {
  readonly found: readonly IncidentPlace[]
  /** Rows of the index that were read. */
  readonly rowsRead: number
  /** A limit was reached: there may be more. */
  readonly cut: boolean
}

interface IndexedWord {
  readonly word: string
  /** Incidents that have it, counted up to `rowsOfTermMax` + 1. */
  readonly incidents: number
}

type Database = Kysely<RecordsSchema>

/**
 * Incidents in which every term is found, best first. A term counts its weight, as a whole word 100 more (texts.ts). Reads at
 * most `rowsOfTermMax` rows for each term, in the order of the index's key.
 */
export async function findIncidents(
  db: Database,
  terms: readonly Term[],
  filter: IncidentFilter,
  { after, limit }: { after: IncidentPlace | undefined; limit: number },
): Promise<FoundIncidents> {
  const parts: RawBuilder<unknown>[] = []
  let rowsRead = 0
  let cut = false
  const all: readonly Term[] = [...terms, ...serviceTerms(filter)]
  for (const term of all) {
    const words = term.prefix ? await beginningWith(db, term.word) : await exactly(db, term.word)
    if (words.length === 0) return { found: [], rowsRead, cut: false }
    const part = partOf(term, words)
    parts.push(part.query)
    rowsRead += part.rows
    cut ||= part.cut || words.length > beginningsMax
  }
  const { rows } = await resultsQuery(parts, filter, after, limit).execute(db)
  const found = rows.map(({ number, score }) => ({ number: Number(number), score: Number(score) }))
  return { found, rowsRead, cut }
}

function serviceTerms({ service }: IncidentFilter): Term[] {
  return service === undefined ? [] : [{ word: serviceWord(service), prefix: false }]
}

/** How many incidents have a word, counted no further than needed. */
const counted = (word: RawBuilder<unknown>) =>
  sql<number>`(select count(*) from (select 1 from incident_words w where w.word = ${word} limit ${sql.lit(rowsOfTermMax + 1)}) c)`

async function exactly(db: Database, word: string): Promise<IndexedWord[]> {
  const { rows } = await sql<{
    incidents: number
  }>`select ${counted(sql`${word}`)} as incidents`.execute(db)
  const incidents = Number(rows[0]?.incidents ?? 0)
  return incidents === 0 ? [] : [{ word, incidents }]
}

/** Greater than every word that begins with it: texts compare by their bytes on both databases. */
const lastCharacter = '\u{10FFFF}'

/** Leaps from word to word in the index; reads one row for each. */
async function beginningWith(db: Database, beginning: string): Promise<IndexedWord[]> {
  const end = beginning + lastCharacter
  const { rows } = await sql<{ word: string; incidents: number }>`
    with recursive v(word) as (
      select min(word) from incident_words where word >= ${beginning} and word < ${end}
      union all
      select (select min(w.word) from incident_words w where w.word > v.word and w.word < ${end}) from v where v.word is not null
    )
    select word, ${counted(sql`v.word`)} as incidents from v where word is not null limit ${sql.lit(beginningsMax + 1)}`.execute(
    db,
  )
  return rows.map(({ word, incidents }) => ({ word, incidents: Number(incidents) }))
}

/** Shares `rowsOfTermMax` rows out: the whole word first, then the rare ones. */
function partOf(term: Term, all: readonly IndexedWord[]) {
  const rank = ({ word, incidents }: IndexedWord) => (word === term.word ? -1 : incidents)
  const words = all.slice(0, beginningsMax).sort((a, b) => rank(a) - rank(b))
  let left = rowsOfTermMax
  let cut = false
  const selects: RawBuilder<unknown>[] = []
  for (const { word, incidents } of words) {
    const rows = Math.min(incidents, left)
    left -= rows
    cut ||= rows < incidents
    if (rows === 0) continue
    const points = word.startsWith(':')
      ? sql`0`
      : sql`weight + ${sql.lit(word === term.word ? wholeWordPoints : 0)}`
    const newest = rows < incidents ? sql` order by number desc limit ${rows}` : sql``
    selects.push(
      sql`select * from (select number, ${points} as points from incident_words where word = ${word}${newest}) one`,
    )
  }
  const hits = sql.join(selects, sql` union all `)
  // A word stands once for each incident: what is of one word needs no grouping.
  const query =
    selects.length === 1
      ? hits
      : sql`select number, max(points) as points from (${hits}) term group by number`
  return { query, rows: rowsOfTermMax - left, cut }
}

function resultsQuery(
  parts: readonly RawBuilder<unknown>[],
  { from, to }: IncidentFilter,
  after: IncidentPlace | undefined,
  limit: number,
) {
  const conditions = [
    ...(from === undefined ? [] : [sql`i.opened_at >= ${from}`]),
    ...(to === undefined ? [] : [sql`i.opened_at < ${to}`]),
    ...(after === undefined
      ? []
      : [
          sql`(g.score < ${after.score} or (g.score = ${after.score} and g.number < ${after.number}))`,
        ]),
  ]
  const where = conditions.length === 0 ? sql`` : sql` where ${sql.join(conditions, sql` and `)}`
  // Who opened when is looked up only where it is asked for.
  const opened =
    from === undefined && to === undefined ? sql`` : sql` join incidents i on i.number = g.number`
  return sql<{ number: number; score: number }>`
    select g.number, g.score from (
      select number, sum(points) as score from (${sql.join(parts, sql` union all `)}) hits
      group by number having count(*) = ${sql.lit(parts.length)}
    ) g${opened}${where} order by g.score desc, g.number desc limit ${limit}`
}
