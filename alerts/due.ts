import type { Millis } from './alert.ts'

/** Something that wants to be looked at. */
export interface Due {
  readonly at: Millis
  readonly kind: 'silence' | 'alert' | 'group'
  readonly key: string
}

const ranks = { silence: 0, alert: 1, group: 2 }

function before(a: Due, b: Due): boolean {
  if (a.at !== b.at) return a.at < b.at
  if (a.kind !== b.kind) return ranks[a.kind] < ranks[b.kind]
  return a.key < b.key
}

/** What is due, earliest first; at one instant silences before alerts before groups, then by key. A binary heap. */
export class DueQueue {
  readonly #heap: Due[] = []

  get first(): Due | undefined {
    return this.#heap[0]
  }

  push(due: Due): void {
    const heap = this.#heap
    let i = heap.push(due) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(due, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = due
  }

  pop(): Due | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
    return first
  }
}
