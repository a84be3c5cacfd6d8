import type { SessionLogger } from '../session.ts'
import { type Metric, metric } from '../source.ts'
import type { Section } from '../wire/frames.ts'
import { type Lingering, runSurvey } from './run.ts'
import type { Findings, Survey } from './survey.ts'

export interface SurveyWatchOptions {
  /** The collector's main file. */
  readonly entry: string
  /** The collector's own; surveys get only what configures the collector. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly surveys: readonly Survey[]
  readonly onDocument: (name: string, document: unknown) => void
  readonly logger: SessionLogger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Taken {
  sections: readonly Section[]
  metrics: readonly Metric[]
  /** When it last succeeded, seconds since the epoch. */
  takenAtSeconds: number | undefined
}

/** Takes each survey now and at its interval, hands on its documents, and keeps its sections and figures for the reports. */
export class SurveyWatch {
  readonly #options: SurveyWatchOptions
  readonly #taken = new Map<string, Taken>()
  readonly #stopping = new AbortController()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #again = new Set<string>()
  readonly #lingering = new Map<string, Lingering>()
  #last: Promise<void> = Promise.resolve()

  constructor(options: SurveyWatchOptions) {
    this.#options = options
    for (const { name } of options.surveys) {
      const detail = 'not read yet since the start'
      const sections: Section[] = [{ name, state: 'absent', detail }]
      this.#taken.set(name, { sections, metrics: [], takenAtSeconds: undefined })
    }
  }

  get sections(): readonly Section[] {
    return [...this.#taken.values()].flatMap(({ sections }) => sections)
  }

  /** Figures of the last survey that succeeded, and when that was: what cannot be read any more grows old, it does not vanish. */
  get metrics(): readonly Metric[] {
    const intervals = this.#options.surveys.map(({ name, everyMilliseconds }) =>
      metric('callward_survey_interval_seconds', everyMilliseconds / 1000, { survey: name }),
    )
    const taken = [...this.#taken].flatMap(([survey, { metrics, takenAtSeconds }]) =>
      takenAtSeconds === undefined
        ? metrics
        : [...metrics, metric('callward_survey_timestamp_seconds', takenAtSeconds, { survey })],
    )
    return [...intervals, ...taken]
  }

  start(): void {
    for (const survey of this.#options.surveys) this.#queue(survey)
  }

  /** One after the other: a host has calls to carry. */
  #queue(survey: Survey): void {
    this.#last = this.#last.then(() => this.#take(survey))
  }

  async #take(survey: Survey): Promise<void> {
    const stop = this.#stopping.signal
    if (stop.aborted) return
    this.#timers.delete(survey.name)
    this.#again.delete(survey.name)
    const { entry, environment, now } = this.#options
    const lingering = this.#lingering
    const findings = await runSurvey(entry, survey, { stop, environment, lingering, now })
    if (stop.aborted) return
    this.#keep(survey, findings)
    if (this.#again.has(survey.name)) return this.#queue(survey)
    const timer = setTimeout(() => this.#queue(survey), survey.everyMilliseconds)
    timer.unref()
    this.#timers.set(survey.name, timer)
  }

  #keep({ name }: Survey, { sections, documents, metrics, isCut }: Findings): void {
    const last = this.#taken.get(name)
    const own = sections.find((section) => section.name === name)
    // The survey as a whole failed; a part that failed is the section of that part.
    const hasFailed =
      isCut === true || (own?.state === 'error' && Object.keys(documents).length === 0)
    const fault = own?.state === 'error' ? own : sections.find(({ state }) => state === 'error')
    if (own?.state === 'error' || isCut === true) {
      this.#options.logger.warn({ survey: name, detail: fault?.detail }, 'a survey is not complete')
    }
    this.#taken.set(name, {
      sections,
      metrics: hasFailed ? (last?.metrics ?? []) : metrics,
      takenAtSeconds: hasFailed ? last?.takenAtSeconds : this.#options.now() / 1000,
    })
    for (const [document, body] of Object.entries(documents))
      this.#options.onDocument(document, body)
  }

  /** Takes a survey as soon as the others let it: something it tells of has changed. */
  again(name: string): void {
    const survey = this.#options.surveys.find((one) => one.name === name)
    const timer = this.#timers.get(name)
    if (survey === undefined) return
    if (timer === undefined) {
      this.#again.add(name) // under way, perhaps past what has changed, or waiting
      return
    }
    clearTimeout(timer)
    this.#timers.delete(name)
    this.#queue(survey)
  }

  stop(): void {
    this.#stopping.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }
}
