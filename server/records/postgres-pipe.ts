import type { CompiledQuery } from 'kysely'
import type pg from 'pg'
import { type Bindable, bindable } from './bindings.ts'
import { fromPostgres, type RecordsError } from './records-error.ts'

/** A statement on its way. */
interface Entry {
  /** The transaction it belongs to; undefined: the group itself. */
  readonly scope: number | undefined
  readonly text: string
  readonly values?: readonly Bindable[]
  /** Prepared once under this name. */
  readonly name?: string
  resolve?(result: pg.QueryResult): void
  reject?(cause: unknown): void
}

type Outcome = { readonly result: pg.QueryResult } | { readonly error: unknown }

const begin = 'savepoint callward_write'
const release = 'release savepoint callward_write'
/** Makes the group durable. */
export const commitText = 'commit'
const undo = 'rollback to savepoint callward_write; release savepoint callward_write'
/** Gathered statements that go without waiting for a question. */
const maxGathered = 64
/** Prepared statements of a connection; what is beyond is parsed each time. */
const maxPrepared = 128

/** Names of prepared statements by their text: of those nobody waits for, which give no rows. */
export class PreparedNames {
  readonly #names = new Map<string, string>()

  of(text: string): { name?: string } {
    const known = this.#names.get(text)
    if (known !== undefined) return { name: known }
    if (this.#names.size >= maxPrepared) return {}
    const name = `callward_${this.#names.size + 1}`
    this.#names.set(text, name)
    return { name }
  }
}

/**
 * The statements of one group on one connection, in order, many on the wire at a time. A transaction whose statement fails is rolled
 * back alone: what was sent after it had no effect, and what of that belongs to others is sent again.
 */
export class PostgresPipe {
  readonly #client: pg.PoolClient
  readonly #names: PreparedNames
  /** Transactions that were rolled back for a statement that failed: nothing of theirs is sent any more. */
  readonly #failed = new Map<number, RecordsError>()
  /** Those whose callers took them back, too: they know. */
  readonly #takenBack = new Set<number>()
  #gathered: Entry[] = []
  #sending = false
  #broken: RecordsError | undefined

  constructor(client: pg.PoolClient, names: PreparedNames, opening: string) {
    this.#client = client
    this.#names = names
    this.#gathered.push({ scope: undefined, text: opening })
  }

  /** Why the whole group is lost. */
  get broken(): RecordsError | undefined {
    return this.#broken
  }

  /** Transactions that were rolled back alone after a statement nobody waited for failed. */
  get failed(): ReadonlyMap<number, unknown> {
    return new Map([...this.#failed].filter(([scope]) => !this.#takenBack.has(scope)))
  }

  begin(scope: number): void {
    this.#gather({ scope, text: begin })
  }

  /** Keeps what a transaction did, for the commit. */
  release(scope: number): void {
    if (!this.#failed.has(scope)) this.#gather({ scope, text: release })
  }

  /** Its failure was told to whoever waited for it; what nobody waited for is undone with it. */
  rollback(scope: number): void {
    this.#takenBack.add(scope)
    if (!this.#failed.has(scope)) this.#gather({ scope, text: undo })
  }

  send(scope: number, { sql, parameters }: CompiledQuery): void {
    const values = bindable(parameters)
    if (!this.#failed.has(scope)) this.#gather({ scope, text: sql, values, ...this.#names.of(sql) })
  }

  /** Throws RecordsError. */
  async ask(
    scope: number | undefined,
    text: string,
    values?: readonly Bindable[],
  ): Promise<pg.QueryResult> {
    const failed = this.#broken ?? (scope === undefined ? undefined : this.#failed.get(scope))
    if (failed !== undefined) throw failed
    const answer = new Promise<pg.QueryResult>((resolve, reject) => {
      const parameters = values === undefined || values.length === 0 ? {} : { values }
      this.#gathered.push({ scope, text, ...parameters, resolve, reject })
    })
    this.#start()
    return answer
  }

  #gather(entry: Entry): void {
    this.#gathered.push(entry)
    if (this.#gathered.length >= maxGathered) this.#start()
  }

  #start(): void {
    if (this.#sending) return
    this.#sending = true
    void this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    // All of this turn go together.
    await null
    while (this.#gathered.length > 0) {
      let entries = this.#alive(this.#gathered.splice(0))
      while (entries.length > 0) entries = this.#alive(await this.#sendThese(entries))
    }
    this.#sending = false
  }

  /** Gives what is to be sent again. */
  async #sendThese(all: readonly Entry[]): Promise<Entry[]> {
    if (this.#broken !== undefined) {
      refuse(all, this.#broken)
      return []
    }
    // These two are done also after a failure, which they would hide: they go when it is known that there was none.
    const cut = all.findIndex(
      ({ text }, index) => index > 0 && (text === undo || text === commitText),
    )
    const entries = cut < 0 ? all : all.slice(0, cut)
    const rest = cut < 0 ? [] : all.slice(cut)
    const outcomes = await this.#exchange(entries)
    for (const [index, { resolve }] of entries.entries()) {
      const outcome = outcomes[index]!
      if ('result' in outcome) {
        resolve?.(outcome.result)
        continue
      }
      await this.#undo(entries[index]!, fromPostgres(outcome.error))
      if (this.#broken === undefined) return all.slice(index)
      refuse(all.slice(index), this.#broken)
      return []
    }
    return [...rest]
  }

  /** Rolls the transaction of a failed statement back, or gives the group up. */
  async #undo({ scope, text }: Entry, cause: RecordsError): Promise<void> {
    const ofOurs = text === begin || text === release || text === undo
    if (scope === undefined || ofOurs) {
      this.#broken = cause
      return
    }
    const [undone] = await this.#exchange([{ scope: undefined, text: undo }])
    if (undone === undefined || 'error' in undone) this.#broken = cause
    else this.#failed.set(scope, cause)
  }

  /** Without those of transactions that are rolled back. */
  #alive(entries: readonly Entry[]): Entry[] {
    return entries.filter((entry) => {
      const { scope, reject } = entry
      const cause = scope === undefined ? undefined : this.#failed.get(scope)
      if (cause === undefined) return true
      reject?.(cause)
      return false
    })
  }

  #exchange(entries: readonly Entry[]): Promise<Outcome[]> {
    const { stream } = (this.#client as unknown as { connection: { stream: Corkable } }).connection
    return new Promise((resolve) => {
      const outcomes: Outcome[] = new Array(entries.length)
      let missing = entries.length
      stream.cork()
      for (const [index, { text, values, name }] of entries.entries()) {
        const answered = (error: Error | null, result: pg.QueryResult | pg.QueryResult[]) => {
          outcomes[index] = error
            ? { error }
            : { result: Array.isArray(result) ? result.at(-1)! : result }
          missing -= 1
          if (missing === 0) resolve(outcomes)
        }
        const query = {
          text,
          ...(name === undefined ? {} : { name }),
          ...(values === undefined ? {} : { values: [...values] }),
        }
        this.#client.query(query, answered as () => void)
      }
      stream.uncork()
    })
  }
}

interface Corkable {
  cork(): void
  uncork(): void
}

function refuse(entries: readonly Entry[], cause: RecordsError): void {
  for (const { reject } of entries) reject?.(cause)
}
