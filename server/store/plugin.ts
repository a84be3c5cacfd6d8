import fp from 'fastify-plugin'
import type { Clock, Millis } from '../clock.ts'
import type { Archive } from './archive.ts'
import { type EmbeddedStore, openEmbeddedStore } from './embedded-store.ts'
import { influxOutletting } from './influx/outletting.ts'
import type { InfluxSettings } from './influx/settings.ts'
import type { SeriesColumns, StoreReader } from './reader.ts'
import { victoriaForwarding } from './victoria/forwarding.ts'
import type { VictoriaSettings } from './victoria/settings.ts'
import type { StoreStats, StoreWriter } from './writer.ts'

/** Time series of the hub: read, write, figures, upkeep. */
export interface Store
  extends StoreReader,
    StoreWriter,
    Pick<EmbeddedStore, 'beginCopy' | 'compact'> {
  readonly columns: SeriesColumns
  /** Holds what is older than the store; absent: nobody does. */
  readonly archive?: Archive
  stats(): StoreStats & {
    /** Why samples are refused now; undefined when they are not. */
    readonly refusal?: string | undefined
    /** Free on the disk of the store; undefined while nobody has looked, or there is no disk. */
    readonly freeBytes?: number | undefined
    /** Free space below which samples are refused. */
    readonly reserveBytes?: number
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    store: Store
  }
}

export interface StoreOptions {
  /** Folder of the store, its alone; made when missing. */
  readonly folder: string
  /** 0 keeps everything. */
  readonly retentionDays: number
  /** Samples from here on are kept whatever their age (legal holds). */
  readonly keepFrom?: () => Millis
  readonly clock: Clock
  /** Free bytes below which samples are refused. Default: the larger of 512 MB and 2 % of the file system. */
  readonly reserveBytes?: number
  /** Where samples are forwarded to; absent: nowhere. */
  readonly victoria?: VictoriaSettings | undefined
  /** Where samples are sent to as well; absent: nowhere. */
  readonly influx?: InfluxSettings | undefined
}

/** Opens the embedded store and closes it with the application. */
export const storePlugin = fp(
  async (app, options: StoreOptions) => {
    const store = await openEmbeddedStore({ ...options, logger: app.log })
    app.decorate('store', store)
    app.addHook('onClose', () => store.close())
    if (options.victoria) {
      const archive = victoriaForwarding(app, store, { ...options, settings: options.victoria })
      Object.assign(store, { archive })
    }
    if (options.influx) influxOutletting(app, store, { ...options, settings: options.influx })
  },
  { name: 'callward-store' },
)
