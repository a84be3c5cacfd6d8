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
}

/** Facts too slow or too rare for the tick: taken in a short-lived child process, which may start commands. */
export interface Survey {
  /** Its name in the configuration (`sections.<name>: false`), in logs and in the label `survey`. */
  readonly name: string
  readonly everyMilliseconds: number
  /** Milliseconds between two, where the configuration sets them. */
  intervalOf?(config: CollectorConfig): number
  /** The child is ended after this. */
  readonly limitMilliseconds: number
  /** May throw; that becomes a section in state `error`. */
  take(config: CollectorConfig): Promise<Findings>
}
