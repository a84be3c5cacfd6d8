import type { Kysely } from 'kysely'
import { rfc3339 } from '../clock.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { type Excerpt, excerptOf, hitsIn, marked } from './excerpt.ts'
import type { IncidentPlace } from './incident-query.ts'
import { parsedValue, textsOf, weightOfFact } from './texts.ts'
import type { Term } from './words.ts'

/** A piece of a fact that has what was asked for. */
export interface FactExcerpt extends Excerpt {
  readonly fact: string
  readonly kind: string
  readonly occurredAt: string
}

export interface IncidentResult {
  readonly kind: 'incident'
  readonly id: string
  readonly number: number
  readonly score: number
  readonly title: Excerpt
  readonly severity: string
  readonly state: string
  readonly server: string
  readonly openedAt: string
  readonly excerpts: readonly FactExcerpt[]
}

type Database = Kysely<RecordsSchema>

/** Facts of each incident that are read at once, and how often, to find where the words stand. */
const factsAtOnce = 250
const readingsMax = 20
/** Pieces shown of one incident. */
const excerptsMax = 3

interface Fact {
  readonly id: string
  readonly incident_id: string
  readonly kind: string
  readonly value: string
  readonly occurred_at: number
}

/** What is shown of found incidents, in their order. Reads facts until each word is seen, the first 5,000 of an incident. */
export async function incidentResults(
  db: Database,
  places: readonly IncidentPlace[],
  terms: readonly Term[],
): Promise<IncidentResult[]> {
  if (places.length === 0) return []
  const rows = await db
    .selectFrom('incidents')
    .select(['id', 'number', 'title', 'severity', 'state', 'server', 'opened_at'])
    .where(
      'number',
      'in',
      places.map(({ number }) => number),
    )
    .execute()
  const byNumber = new Map(rows.map((row) => [Number(row.number), row]))
  const facts = await telling(db, rows, terms)
  return places.flatMap(({ number, score }) => {
    const row = byNumber.get(number)
    if (row === undefined) return []
    const { id, severity, state, server } = row
    const title = marked(row.title, terms)
    const openedAt = rfc3339(row.opened_at)
    const excerpts = (facts.get(id) ?? []).flatMap((fact) => factExcerpt(fact, terms))
    return [
      {
        kind: 'incident' as const,
        id,
        number,
        score,
        title,
        severity,
        state,
        server,
        openedAt,
        excerpts,
      },
    ]
  })
}

function factExcerpt(fact: Fact, terms: readonly Term[]): FactExcerpt[] {
  for (const text of textsOf(parsedValue(fact.value))) {
    const excerpt = excerptOf(text, terms)
    if (excerpt !== undefined)
      return [{ fact: fact.id, kind: fact.kind, occurredAt: rfc3339(fact.occurred_at), ...excerpt }]
  }
  return []
}

/** A fact that has words which the title lacks. */
interface Telling {
  readonly fact: Fact
  readonly hit: ReadonlySet<Term>
}

/** Facts with a hit that are kept of one incident to choose from. */
const tellingMax = 200

/** For each incident the facts to show: those that together have each word its title lacks. */
async function telling(
  db: Database,
  rows: readonly { id: string; title: string; server: string }[],
  terms: readonly Term[],
): Promise<Map<string, Fact[]>> {
  const found = rows.map(({ id, title, server }) => {
    const { hit } = hitsIn(`${title}\n${server}`, terms)
    return { id, missing: terms.filter((term) => !hit.has(term)), tellings: [] as Telling[] }
  })
  const byId = new Map(found.map((one) => [one.id, one]))
  for (let reading = 0; reading < readingsMax; reading += 1) {
    const open = found.filter(({ missing, tellings }) => !covers(tellings, missing))
    if (open.length === 0) break
    const ids = open.map(({ id }) => id)
    const facts = await factsFrom(db, ids, reading * factsAtOnce)
    if (facts.length === 0) break
    for (const fact of facts) {
      const { missing, tellings } = byId.get(fact.incident_id)!
      const { hit } = hitsIn(textsOf(parsedValue(fact.value)).join('\n'), missing)
      if (hit.size > 0 && tellings.length < tellingMax) tellings.push({ fact, hit })
    }
  }
  return new Map(found.map(({ id, missing, tellings }) => [id, chosen(tellings, missing)]))
}

function covers(tellings: readonly Telling[], terms: readonly Term[]): boolean {
  return terms.every((term) => tellings.some(({ hit }) => hit.has(term)))
}

/** The fact with most of the words first, the weightier of equals, then what adds the rest. */
function chosen(tellings: readonly Telling[], terms: readonly Term[]): Fact[] {
  const left = new Set(terms)
  const facts: Fact[] = []
  while (left.size > 0 && facts.length < excerptsMax) {
    const worth = ({ hit, fact }: Telling) =>
      [...hit].filter((term) => left.has(term)).length * 10 + weightOfFact(fact.kind)
    const best = tellings.reduce<Telling | undefined>(
      (one, next) => (one === undefined || worth(next) > worth(one) ? next : one),
      undefined,
    )
    if (best === undefined || worth(best) < 10) break
    facts.push(best.fact)
    for (const term of best.hit) left.delete(term)
  }
  return facts
}

function factsFrom(db: Database, ids: readonly string[], after: number): Promise<Fact[]> {
  return db
    .selectFrom('incident_facts')
    .select(['id', 'incident_id', 'kind', 'value', 'occurred_at'])
    .where('incident_id', 'in', ids)
    .where('sequence', '>', after)
    .where('sequence', '<=', after + factsAtOnce)
    .orderBy('incident_id')
    .orderBy('sequence')
    .execute()
}
