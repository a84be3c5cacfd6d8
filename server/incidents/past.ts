import type { Fact, NewFact } from '../../incidents/facts.ts'
import { faultsOfAddition, judge } from '../../incidents/judge.ts'
import { blank, type Picture } from '../../incidents/picture.ts'
import { advance } from '../../incidents/replay.ts'
import type { Role, State } from '../../incidents/workflow.ts'
import type { Millis } from '../clock.ts'

/** What was written together, and the step it came with. */
export interface PastChapter {
  readonly facts: readonly NewFact[]
  readonly step?: {
    readonly to: State
    readonly role: Role
    readonly by: string
    readonly at: Millis
  }
}

/** A whole history that is recorded at once. */
export interface PastIncident {
  readonly title: string
  readonly server: string
  /** The first one ends with the step to `recorded`. */
  readonly chapters: readonly PastChapter[]
}

/** The pictures after each chapter; the last one is the whole. */
export type PastVerdict =
  | { readonly lawful: true; readonly pictures: readonly Picture[] }
  /** `chapter` counts from 0. */
  | { readonly lawful: false; readonly chapter: number; readonly faults: readonly string[] }

/**
 * Takes a history of the past through the judge that today's steps pass, chapter by chapter. `stamp` gives each fact its id and the time it
 * is recorded, which is now: only its *occurred at* lies in the past.
 */
export function judgePast(
  { chapters }: PastIncident,
  stamp: (fact: NewFact) => Pick<Fact, 'id' | 'recordedAt'>,
): PastVerdict {
  const pictures: Picture[] = []
  let picture = blank
  for (const [chapter, { facts, step }] of chapters.entries()) {
    const written = step === undefined ? additions(picture, facts) : withStep(picture, facts, step)
    if ('faults' in written) return { lawful: false, chapter, faults: written.faults }
    const stamped = written.facts.map((fact) => ({ ...fact, ...stamp(fact) }) as Fact)
    const result = advance(picture, stamped)
    if (!result.legal) return { lawful: false, chapter, faults: result.illegal.reasons }
    picture = result.picture
    pictures.push(picture)
  }
  return { lawful: true, pictures }
}

type Written = { readonly facts: readonly NewFact[] } | { readonly faults: readonly string[] }

function withStep(
  picture: Picture,
  facts: readonly NewFact[],
  step: NonNullable<PastChapter['step']>,
): Written {
  const verdict = judge(picture, { ...step, with: facts })
  return verdict.allowed
    ? { facts: verdict.facts }
    : { faults: verdict.missing.map(({ text }) => text) }
}

/** Facts of one chapter do not look at each other here; `advance` judges them in order. */
function additions(picture: Picture, facts: readonly NewFact[]): Written {
  const faults = facts.flatMap((fact) => faultsOfAddition(picture, fact)).map(({ text }) => text)
  return faults.length > 0 ? { faults } : { facts }
}
