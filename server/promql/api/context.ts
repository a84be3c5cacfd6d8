import type { Clock } from '../../clock.ts'
import type { Archive } from '../../store/archive.ts'
import type { Labels, StoreReader } from '../../store/reader.ts'
import type { Engine } from '../engine.ts'
import type { QueryDesk } from '../workers/query-desk.ts'
import type { Gate } from './gate.ts'

/** What Prometheus's `metadata` endpoint tells of a metric. */
export interface MetricMetadata {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'info' | 'stateset' | 'unknown'
  readonly help: string
  /** Base unit such as `seconds`; empty when there is none. */
  readonly unit: string
}

/** A collector as Prometheus's `targets` shows it. */
export interface ApiTarget {
  readonly labels: Labels
  readonly health: 'up' | 'down' | 'unknown'
  /** Milliseconds; undefined before the first report. */
  readonly lastReport: number | undefined
  /** Why it is not up, or empty. */
  readonly lastError: string
  readonly intervalSeconds: number
}

/** Bounds of what this API answers. */
export interface ApiBounds {
  readonly timeoutMilliseconds: number
  /** Series that one selector may give, and their samples; series of a list. */
  readonly maxSeries: number
  readonly maxSamples: number
  readonly maxAnswerBytes: number
}

/** What the routes under /prom work with. */
export interface ApiContext {
  readonly engine: Engine
  readonly reader: StoreReader
  /** Holds what is older than the store; undefined: nobody does. */
  readonly archive: Archive | undefined
  readonly queries: Pick<QueryDesk, 'answer'>
  /** Where queries, and all else that reads the store, wait for their turn. */
  readonly gate: Gate
  readonly bounds: ApiBounds
  readonly clock: Clock
  readonly metadata: Readonly<Record<string, MetricMetadata>>
  /** The data of `rules` and `alerts`, in Prometheus's shapes; the parameters are the request's. */
  readonly rules: (parameters: ReadonlyMap<string, readonly string[]>) => unknown
  readonly alerts: () => unknown
  readonly targets: () => readonly ApiTarget[]
}
