import type { Bundle, Entry, EntryValue } from './bundle.ts'

/** An entry that could be read. */
type ReadEntry = Entry & { readonly value: EntryValue }

/** The entries that say what was erased, by incident, kind and id of what lost its texts; the newest of each. */
export class Erasures {
  readonly #byObject = new Map<string, ReadEntry>()

  constructor({ manifest, entries, single }: Bundle) {
    const all = [...entries, ...single.map(({ entry }) => entry)]
    const told = all.filter((entry): entry is ReadEntry => entry.value !== undefined)
    for (const entry of told.sort((a, b) => a.index - b.index)) {
      const { action, object, content } = entry.value
      if (action !== 'erasure.made' || object.type !== 'incident') continue
      if (entry.index >= manifest.asOf) continue
      this.#byObject.set(`${object.id} ${String(content['kind'])} ${String(content['of'])}`, entry)
    }
  }

  /** What erased texts of an incident's fact or attachment after `added`. */
  of(added: ReadEntry, kind: 'fact' | 'attachment', id: string): ReadEntry | undefined {
    const found = this.#byObject.get(`${added.value.object.id} ${kind} ${id}`)
    return found !== undefined && found.index > added.index ? found : undefined
  }
}
