import type { Clock } from '../../clock.ts'
import type { Labels, StoreReader } from '../../store/reader.ts'
import type { Engine } from '../engine.ts'
import type { QueryDesk } from '../workers/query-desk.ts'

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

/** What the routes under /prom work with. */
export interface ApiContext {
  readonly engine: Engine
  readonly reader: StoreReader
  readonly queries: QueryDesk
  /** Bounds of the queries of this API. */
  readonly bounds: { readonly timeoutMilliseconds: number; readonly maxAnswerBytes: number }
  readonly clock: Clock
  readonly metadata: Readonly<Record<string, MetricMetadata>>
  /** The data of `rules` and `alerts`, in Prometheus's shapes; the parameters are the request's. */
  readonly rules: (parameters: ReadonlyMap<string, readonly string[]>) => unknown
  readonly alerts: () => unknown
  readonly targets: () => readonly ApiTarget[]
}
