import type { CollectorConfig } from '../config.ts'
import type { Metric } from '../source.ts'
import type { Section } from '../wire/frames.ts'

/** What a survey found out. */
export interface Findings {
  readonly sections: readonly Section[]
  /** Facts by document name; sent when they change. */
  readonly documents: Readonly<Record<string, unknown>>
  /** Said again in every report until the next survey. */
  readonly metrics: readonly Metric[]
  /** It did not come to its end: there are sections alone, and the figures and documents before it stay. */
  readonly isCut?: true
}

/** Facts too slow or too rare for the tick: taken in a short-lived child process, which may start commands. */
export interface Survey {
  /** Its name in the configuration (`sections.<name>: false`), in logs and in the label `survey`. */
  readonly name: string
  /** Its sections in the order they are read, where it has others than one of its name: `onPart` is told of each. */
  readonly parts?: readonly string[]
  readonly everyMilliseconds: number
  /** Milliseconds between two, where the configuration sets them. */
  intervalOf?(config: CollectorConfig): number
  /** The child is ended after this; all children of one survey together have no more. */
  readonly limitMilliseconds: number
  /** A child that has not turned to something else for so long hangs; never less than one look may take. The whole limit unless said. */
  readonly stallMilliseconds?: number
  /** May throw; that becomes a section in state `error`. */
  take(config: CollectorConfig, onPart: OnPart): Promise<Findings>
}

/** Told of each part of a survey: with its section when it is finished, without when it begins. */
export type OnPart = (name: string, section?: Section) => void
