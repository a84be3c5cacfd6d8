import { createHash } from 'node:crypto'
import type { Clock } from './clock.ts'
import { dropReasons } from './pending.ts'
import { ReportBuilder } from './report-builder.ts'
import type { Session, SessionFigures, SessionLogger } from './session.ts'
import { type Metric, metric, readSource, type Source, type TimedReading } from './source.ts'
import type { HostLabels, Lane, Millis, Section, SectionState } from './wire/frames.ts'

const states: readonly SectionState[] = ['ok', 'absent', 'denied', 'error']

export interface AgentOptions {
  readonly labels: HostLabels
  readonly intervalSeconds: number
  readonly sources: readonly Source[]
  readonly session: Session
  readonly clock: Clock
  readonly logger: SessionLogger
  readonly version: string
  readonly os: { readonly name: string; readonly version: string }
  /** What is not read in the tick but belongs to every report. */
  readonly surveyed?: { readonly sections: readonly Section[]; readonly metrics: readonly Metric[] }
  /** Its section, and the bytes it takes. */
  readonly spool?: { readonly section: Section; readonly bytes: number }
}

/** Milliseconds of the interval at which this instance reports, so that hosts spread over it. */
export function phaseMilliseconds(instance: string, intervalSeconds: number): number {
  return createHash('sha256').update(instance).digest().readUInt32LE(0) % (intervalSeconds * 1000)
}

/** Milliseconds until the next tick: the wall clock's multiple of the interval plus the phase, never twice for one. */
export function untilNextTick(now: Millis, intervalSeconds: number, phase: number): number {
  const interval = intervalSeconds * 1000
  const since = (((now - phase) % interval) + interval) % interval
  const left = interval - since
  // A timer may fire a little early: that tick has been, so wait for the one after.
  return left < interval / 10 ? left + interval : left
}

/** Reads all sources once an interval and hands the report to the session. */
export class Agent {
  readonly #options: AgentOptions
  readonly #builder: ReportBuilder
  readonly #sources: readonly Source[]
  readonly #startedAt: Millis
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: AgentOptions) {
    this.#options = options
    this.#builder = new ReportBuilder(options.labels)
    this.#sources = options.sources.map(oneAtATime)
    this.#startedAt = options.clock.now()
  }

  /** Reports at once, then at every interval. */
  start(): void {
    this.#stopped = false
    this.#ticking = this.tick().finally(() => this.#schedule())
  }

  /** Resolves when a tick under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#ticking
  }

  /** One report now, by the agent's clock. Never throws. */
  async tick(lane: Lane = 'live'): Promise<void> {
    const { clock, session, intervalSeconds, logger, surveyed, spool } = this.#options
    try {
      const wall = clock.now()
      const monotonic = clock.monotonic()
      const limit = Math.min(5000, intervalSeconds * 800)
      const readings = await Promise.all(this.#sources.map((one) => readSource(one, wall, limit)))
      const sections = [
        ...readings.map(sectionOf),
        ...(surveyed?.sections ?? []),
        ...(spool === undefined ? [] : [spool.section]),
      ]
      const metrics = [
        ...readings.flatMap((reading) => reading.metrics),
        ...(surveyed?.metrics ?? []),
        ...readings.map(durationMetric),
        ...sections.flatMap(sectionMetrics),
        ...this.#ownMetrics(),
      ]
      session.sections(sections)
      session.send({ lane, wall, monotonic, ...this.#builder.build(metrics) })
    } catch (error) {
      logger.error({ err: error }, 'this report failed; the next follows at its time')
    }
  }

  #schedule(): void {
    if (this.#stopped) return
    const { clock, intervalSeconds, labels } = this.#options
    const phase = phaseMilliseconds(labels.instance, intervalSeconds)
    const delay = untilNextTick(clock.now(), intervalSeconds, phase)
    this.#timer = setTimeout(() => this.start(), delay)
  }

  #ownMetrics(): Metric[] {
    const { session, version, os } = this.#options
    const figures = session.figures()
    const usage = process.resourceUsage()
    const of = (name: string, value: number) => metric(`callward_collector_${name}`, value)
    const metrics = [
      metric('callward_server_info', 1, { os: os.name, version: os.version }),
      metric('callward_collector_info', 1, { version }),
      of('reports_pending', figures.pending),
      ...dropReasons.map((reason) =>
        metric('callward_collector_reports_dropped_total', figures.droppedBy[reason], { reason }),
      ),
      of('reports_refused_total', figures.refused),
      of('connections_total', figures.connections),
      of('series_refused_total', this.#builder.refused),
      of('start_timestamp_seconds', this.#startedAt / 1000),
      of('cpu_seconds_total', (usage.userCPUTime + usage.systemCPUTime) / 1_000_000),
      of('resident_memory_bytes', process.memoryUsage.rss()),
    ]
    const offset = figures.clockOffsetSeconds
    if (offset !== undefined) metrics.push(metric('callward_clock_offset_seconds', offset))
    return [...metrics, ...this.#spoolMetrics(figures)]
  }

  #spoolMetrics({ pending, inMemory, oldestWall }: SessionFigures): Metric[] {
    const { spool } = this.#options
    if (spool === undefined) return []
    const oldest = oldestWall ?? this.#options.clock.now()
    return [
      metric('callward_collector_spool_bytes', spool.bytes),
      metric('callward_collector_spool_reports', pending - inMemory),
      metric('callward_collector_spool_oldest_timestamp_seconds', oldest / 1000),
    ]
  }
}

function sectionOf({ name, state, detail }: TimedReading): Section {
  return { name, state, detail }
}

function durationMetric({ name, durationSeconds }: TimedReading): Metric {
  return metric('callward_source_duration_seconds', durationSeconds, { source: name })
}

/** One series a state: 1 for the present one, 0 for the others. */
function sectionMetrics(section: Section): Metric[] {
  return states.map((state) => {
    const labels = { section: section.name, state }
    return metric('callward_section_state', section.state === state ? 1 : 0, labels)
  })
}

/** A source that has not answered yet is not asked again: hung readers must not pile up. */
function oneAtATime(source: Source): Source {
  let reading: ReturnType<Source['read']> | undefined
  return {
    name: source.name,
    async read(now) {
      if (reading !== undefined) throw new Error('the last reading has not come back yet')
      reading = (async () => source.read(now))()
      try {
        return await reading
      } finally {
        reading = undefined
      }
    },
  }
}
