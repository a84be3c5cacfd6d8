import { type Kysely, sql } from 'kysely'
import { atEnd, later, type RecordsTransaction } from '../records/records.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { addWords, type Weight, wordsOfFact, wordsOfHead } from './texts.ts'

/** Which way of cutting words the index was made by; another number makes it anew at the next start. */
export const indexVersion = 1

/** What is read of a fact; a row of `incident_facts` is one. `value` is JSON. */
export interface IndexedFact {
  readonly kind: string
  readonly value: string
}

interface Gathered {
  readonly words: Map<string, Weight>
  facts: number
}

const gatheredBy = new WeakMap<RecordsTransaction, Map<string, Gathered>>()

/**
 * Makes a fact findable, in the transaction that writes it. Called for each fact, after its incident and before the end of `tx`; what
 * one transaction writes to an incident goes to the index at once, at its end.
 */
export function indexFact(tx: RecordsTransaction, incidentId: string, fact: IndexedFact): void {
  const incidents = gatheredBy.get(tx) ?? new Map<string, Gathered>()
  gatheredBy.set(tx, incidents)
  let gathered = incidents.get(incidentId)
  if (gathered === undefined) {
    gathered = { words: new Map(), facts: 0 }
    incidents.set(incidentId, gathered)
    atEnd(tx, `index ${incidentId}`, () => write(tx, incidentId))
  }
  addWords(gathered.words, wordsOfFact(fact))
  gathered.facts += 1
}

async function write(tx: RecordsTransaction, incidentId: string): Promise<void> {
  const gathered = gatheredBy.get(tx)?.get(incidentId)
  gatheredBy.get(tx)?.delete(incidentId)
  const head = await headOf(tx, incidentId)
  if (gathered === undefined || head === undefined) return
  addWords(gathered.words, wordsOfHead(head))
  await keepWords(tx, head.number, gathered.words)
  await later(
    tx,
    tx
      .insertInto('incident_search')
      .values({ number: head.number, facts: gathered.facts, version: indexVersion })
      .onConflict((conflict) =>
        conflict
          .column('number')
          .doUpdateSet({ facts: sql<number>`incident_search.facts + excluded.facts` }),
      ),
  )
}

async function headOf(db: Kysely<RecordsSchema>, incidentId: string) {
  const row = await db
    .selectFrom('incidents')
    .select(['number', 'title', 'server'])
    .where('id', '=', incidentId)
    .executeTakeFirst()
  return row && { ...row, number: Number(row.number) }
}

/** Rows of one statement; few sizes, so that few statements have to be prepared. */
const sizes = [128, 32, 8, 1] as const

/** Keeps words of an incident; one that is there stays, with the greater weight. */
async function keepWords(
  tx: RecordsTransaction,
  number: number,
  words: ReadonlyMap<string, Weight>,
): Promise<void> {
  const rows = [...words].map(([word, weight]) => ({ word, number, weight }))
  for (let at = 0; at < rows.length; ) {
    const size = sizes.find((one) => one <= rows.length - at) ?? 1
    await later(
      tx,
      tx
        .insertInto('incident_words')
        .values(rows.slice(at, at + size))
        .onConflict((conflict) =>
          conflict
            .columns(['word', 'number'])
            .doUpdateSet({ weight: sql<number>`excluded.weight` })
            .where('incident_words.weight', '<', sql<number>`excluded.weight`),
        ),
    )
    at += size
  }
}

/** Indexes all facts of an incident again, whatever was indexed of it before. Gives how many facts it has. */
export async function indexIncident(tx: RecordsTransaction, incidentId: string): Promise<number> {
  const head = await headOf(tx, incidentId)
  if (head === undefined) return 0
  const { words, facts } = await wordsNow(tx, incidentId, head)
  await keepWords(tx, head.number, words)
  const row = { facts, version: indexVersion }
  await tx
    .insertInto('incident_search')
    .values({ number: head.number, ...row })
    .onConflict((conflict) => conflict.column('number').doUpdateSet(row))
    .execute()
  return facts
}

async function wordsNow(
  tx: RecordsTransaction,
  incidentId: string,
  head: { readonly title: string; readonly server: string },
) {
  const facts = await tx
    .selectFrom('incident_facts')
    .select(['kind', 'value'])
    .where('incident_id', '=', incidentId)
    .execute()
  const words = wordsOfHead(head)
  for (const fact of facts) addWords(words, wordsOfFact(fact))
  return { words, facts: facts.length }
}

/** Makes the words of an incident anew, in the transaction that erased something of it: what is not said any more is not found any more. */
export async function indexAnew(tx: RecordsTransaction, incidentId: string): Promise<void> {
  const head = await headOf(tx, incidentId)
  if (head === undefined) return
  await tx.deleteFrom('incident_words').where('number', '=', head.number).execute()
  await indexIncident(tx, incidentId)
}
