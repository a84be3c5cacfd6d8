/** Milliseconds since the epoch, UTC. */
export type Millis = number

/** An instant of an incident, with when it was written down; never changed, only superseded. */
export interface Fact {
  readonly id: string
  /** What happened: `aware`, `classified`. */
  readonly name: string
  /** When; undefined for a fact that withdraws the one it supersedes. */
  readonly at: Millis | undefined
  readonly certainty: 'actual' | 'estimate'
  readonly recordedAt: Millis
  /** Id of the fact this one corrects. */
  readonly supersedes: string | undefined
  /** Why: of a pause. */
  readonly reason: string | undefined
}

/** A fact that holds, so it has an instant. */
export interface HeldFact extends Fact {
  readonly at: Millis
}

/** Which of several facts of one name. */
export type Pick = 'first' | 'latest'

/** Facts of one evaluation; more are refused. */
export const factsMax = 1000

/** Order of recording; ids part those of one instant, so that no order of a list matters. */
export function byRecording(a: Fact, b: Fact): number {
  return a.recordedAt - b.recordedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The facts that hold after supersession, by name, each name in order of their instants. */
export class FactBook {
  readonly #byName: ReadonlyMap<string, readonly HeldFact[]>

  constructor(facts: readonly Fact[]) {
    const superseded = new Set(facts.map((fact) => fact.supersedes))
    const byName = new Map<string, HeldFact[]>()
    for (const fact of facts) {
      if (fact.at === undefined || superseded.has(fact.id)) continue
      const some = byName.get(fact.name) ?? []
      some.push({ ...fact, at: fact.at })
      byName.set(fact.name, some)
    }
    for (const some of byName.values()) some.sort((a, b) => a.at - b.at || byRecording(a, b))
    this.#byName = byName
  }

  all(name: string): readonly HeldFact[] {
    return this.#byName.get(name) ?? []
  }

  pick(name: string, which: Pick): HeldFact | undefined {
    const some = this.all(name)
    return which === 'first' ? some[0] : some.at(-1)
  }

  /** The same book, but of this name only what came after an instant. */
  onlyAfter(name: string, at: Millis): FactBook {
    const held = [...this.#byName].flatMap(([key, some]) =>
      key === name ? some.filter((fact) => fact.at > at) : some,
    )
    return new FactBook(held.map((fact) => ({ ...fact, supersedes: undefined })))
  }
}
