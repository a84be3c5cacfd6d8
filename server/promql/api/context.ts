import type { Clock } from '../../clock.ts'
import type { StoreReader } from '../../store/reader.ts'
import type { Engine } from '../engine.ts'
import type { Gate } from './gate.ts'

/** What Prometheus's `metadata` endpoint tells of a metric. */
export interface MetricMetadata {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'info' | 'stateset' | 'unknown'
  readonly help: string
  /** Base unit such as `seconds`; empty when there is none. */
  readonly unit: string
}

/** What the routes under /prom work with. */
export interface ApiContext {
  readonly engine: Engine
  readonly reader: StoreReader
  readonly gate: Gate
  readonly clock: Clock
  readonly metadata: Readonly<Record<string, MetricMetadata>>
  /** The data of `rules` and `alerts`, in Prometheus's shapes; the parameters are the request's. */
  readonly rules: (parameters: ReadonlyMap<string, readonly string[]>) => unknown
  readonly alerts: () => unknown
}
