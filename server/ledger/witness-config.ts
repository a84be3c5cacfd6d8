import { readWitnessKey } from './cosignature.ts'

/** A witness as the configuration names it. */
export interface ConfiguredWitness {
  readonly name: string
  /** Where it is offered checkpoints; absent: it fetches them. */
  readonly url?: string
  /** Its key as C2SP signed-note writes it. */
  readonly key: string
}

/** What is wrong with the witnesses of a configuration, whatever it holds; the shape of each is checked elsewhere. */
export function witnessFaults(witnesses: unknown): string[] {
  if (!Array.isArray(witnesses)) return []
  const faults: string[] = []
  const seen = new Set<unknown>()
  for (const one of witnesses as readonly unknown[]) {
    const { name, key } = (one ?? {}) as { name?: unknown; key?: unknown }
    if (typeof key === 'string' && readWitnessKey(key) === undefined)
      faults.push(
        `"${key.slice(0, 100)}" is no key of a witness. Give the one that "callward witness show" prints.`,
      )
    for (const mark of [name, key].filter((mark) => typeof mark === 'string')) {
      if (seen.has(mark)) faults.push(`"${String(mark).slice(0, 100)}" is there twice.`)
      seen.add(mark)
    }
  }
  return faults
}
