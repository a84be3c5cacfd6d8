import { type NamedKey, readCheckpoint } from './checkpoint.ts'
import { witnessSaid } from './cosignature.ts'

/** What a witness has seen of a log, by its cosignatures. */
export interface Witnessed {
  readonly name: string
  /** Checkpoints it cosigned. */
  readonly count: number
  /** The largest of them; undefined: it cosigned none. */
  readonly largest: { readonly size: number; readonly seconds: number } | undefined
  /** A line bears its name and does not verify. */
  readonly faults: readonly string[]
}

/** What each witness cosigned of these notes; whether the notes are true is for others to say. */
export function witnessedBy(notes: readonly string[], keys: readonly NamedKey[]): Witnessed[] {
  const heads = notes.map(readCheckpoint).filter((head) => head !== undefined)
  return keys.map((key) => {
    let [count, largest]: [number, Witnessed['largest']] = [0, undefined]
    const faults: string[] = []
    for (const head of heads) {
      const said = witnessSaid(head, key)
      if (said.kind === 'invalid')
        faults.push(
          `The cosignature of ${key.name} under the checkpoint of ${head.size} entries is not good.`,
        )
      if (said.kind !== 'valid') continue
      count += 1
      if (largest === undefined || head.size >= largest.size)
        largest = { size: head.size, seconds: said.seconds }
    }
    return { name: key.name, count, largest, faults }
  })
}
