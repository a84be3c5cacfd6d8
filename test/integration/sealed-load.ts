import type { Test } from 'tap'
import type { EmbeddedStore } from '../../server/store/embedded-store.ts'
import { handClock, openStore, temporaryFolder } from '../unit/store/store-kit.ts'

export const tick = 10_000

/** A store that seals at each look at what is due, in a folder of its own. */
export async function sealingStore(t: Test, begin: number) {
  const folder = temporaryFolder(t)
  const store = await openStore(folder, handClock(begin), { freezeMillis: 0 })
  t.teardown(() => store.close())
  return { store, folder, begin }
}

/** A store of `series` series whose values say which sample they are, for an engine that is sent what is sealed. */
export class SealedLoad {
  readonly store: EmbeddedStore
  readonly folder: string
  readonly ids: Uint32Array
  readonly #begin: number
  ticks = 0

  /** `instance` is a label's value that the engine's format finds hard. */
  constructor(
    { store, folder, begin }: Awaited<ReturnType<typeof sealingStore>>,
    series: number,
    instance: string,
  ) {
    this.store = store
    this.folder = folder
    this.#begin = begin
    this.ids = Uint32Array.from({ length: series }, (_, n) =>
      store.intern({ __name__: 'callward_load', n: String(n), instance }),
    )
  }

  timeOf(at: number): number {
    return this.#begin + at * tick
  }

  /** Writes so many ticks and seals them. */
  async seal(ticks: number): Promise<void> {
    for (let i = 0; i < ticks; i++, this.ticks++) {
      const values = Float64Array.from(this.ids, (id) => this.ticks + id / 8)
      await this.store.append({ rows: [{ t: this.timeOf(this.ticks), ids: this.ids, values }] })
    }
    await this.store.maintain()
  }
}
