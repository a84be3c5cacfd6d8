/** What waits for its turn. */
export interface Turn {
  /** Ids of what it is about: two with a common one keep the order in which they came. */
  readonly ids: readonly string[]
  /** Virtual time at which it would begin and end if all lanes were served side by side. */
  readonly start: number
  readonly finish: number
}

/** Gives each lane its share: a newcomer waits for what others have in hand, never for all they have waiting (fair queueing, Demers et al. 1989). */
export class FairClock {
  #now = 0
  readonly #lanes = new Map<string, number>()

  /** When a lane's next piece of `size` begins and ends. */
  stamp(lane: string, size: number): { readonly start: number; readonly finish: number } {
    const start = Math.max(this.#now, this.#lanes.get(lane) ?? 0)
    const finish = start + Math.max(1, size)
    this.#lanes.set(lane, finish)
    return { start, finish }
  }

  /** One had its turn. */
  served({ start }: Turn): void {
    this.#now = Math.max(this.#now, start)
  }

  /** Nothing waits. */
  clear(): void {
    this.#now = 0
    this.#lanes.clear()
  }
}

/** The order in which those who came in the order of `waiting` have their turns. */
export function fairOrder<T extends Turn>(waiting: readonly T[]): T[] {
  const byId = new Map<string, T[]>()
  for (const one of waiting)
    for (const id of one.ids) {
      const same = byId.get(id)
      if (same === undefined) byId.set(id, [one])
      else same.push(one)
    }
  const order = new Set<T>()
  const take = (one: T) => {
    for (const id of one.ids) {
      for (const former of byId.get(id)!) {
        if (former === one) break
        if (!order.has(former)) take(former)
      }
    }
    order.add(one)
  }
  for (const one of waiting.toSorted((a, b) => a.finish - b.finish)) if (!order.has(one)) take(one)
  return [...order]
}
