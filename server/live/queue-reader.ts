import { sql } from 'kysely'
import type { Records } from '../records/records.ts'
import { queuedAfter } from './live-store.ts'
import type { QueuedMessage } from './schema.ts'

/** Queues that one statement reads. */
const queuesPerStatement = 64

interface Reading {
  readonly principalId: string
  readonly after: number
  readonly limit: number
  resolve(messages: QueuedMessage[]): void
  reject(error: unknown): void
}

/** Reads people's queues; all that are asked for in one turn of the event loop share statements: after a commit everybody's are. */
export class QueueReader {
  readonly #records: Records
  #waiting: Reading[] = []

  constructor(records: Records) {
    this.#records = records
  }

  /** As `queuedAfter`. */
  read(principalId: string, after: number, limit: number): Promise<QueuedMessage[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ principalId, after, limit, resolve, reject })
      if (this.#waiting.length === 1) queueMicrotask(() => this.#readAll())
    })
  }

  #readAll(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (let from = 0; from < waiting.length; from += queuesPerStatement) {
      const some = waiting.slice(from, from + queuesPerStatement)
      this.#readSome(some).catch((error: unknown) => {
        for (const { reject } of some) reject(error)
      })
    }
  }

  async #readSome(readings: readonly Reading[]): Promise<void> {
    const [first] = readings
    if (first === undefined) return
    if (readings.length === 1) {
      first.resolve(await queuedAfter(this.#records, first.principalId, first.after, first.limit))
      return
    }
    const messages = await queuesAfter(this.#records, readings)
    for (const [index, { resolve }] of readings.entries()) resolve(messages[index]!)
  }
}

/** As `queuedAfter` for each of them, in their order. */
async function queuesAfter(
  records: Records,
  readings: readonly Pick<Reading, 'principalId' | 'after' | 'limit'>[],
): Promise<QueuedMessage[][]> {
  // Always as many rows: few different statements, which the database keeps prepared.
  const wanted = Array.from({ length: 2 ** Math.ceil(Math.log2(readings.length)) }, (_, index) => {
    const { principalId, after, limit } = readings[index] ?? { principalId: '', after: 0, limit: 0 }
    return sql`(cast(${index} as bigint), cast(${principalId} as text), cast(${after} as bigint), cast(${limit} as bigint))`
  })
  const { rows } = await sql<QueuedMessage & { place: number }>`
    with wanted (place, person, after, most) as (values ${sql.join(wanted)})
    select wanted.place as place, m.sequence as sequence, m.at as at, m.kind as kind, m.body as body
    from wanted join live_messages as m on m.principal_id = wanted.person
      and m.sequence > wanted.after
      and m.sequence < wanted.most + (select min(n.sequence) from live_messages as n
        where n.principal_id = wanted.person and n.sequence > wanted.after)
    order by wanted.place, m.sequence`.execute(records.read)
  const queues: QueuedMessage[][] = readings.map(() => [])
  for (const { place, sequence, at, kind, body } of rows)
    queues[Number(place)]!.push({ sequence: Number(sequence), at: Number(at), kind, body })
  return queues
}
