import type { Clock, Millis } from '../clock.ts'
import type { Disk } from './disk.ts'
import type { StoreLogger } from './log.ts'
import type { PartFolder } from './parts/part-folder.ts'
import type { SeriesColumns, StoreReader } from './reader.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { StoreStats, StoreWriter } from './writer.ts'

export interface EmbeddedStoreOptions {
  /** Made when missing; the store's alone. */
  readonly folder: string
  readonly clock: Clock
  /** Days that samples are kept; 0 keeps everything. Default 15. */
  readonly retentionDays?: number
  /** Samples from here on are kept whatever their age; Infinity while retention alone decides, which is the default. */
  readonly keepFrom?: () => Millis
  /** Free bytes below which samples are refused. Default: the larger of 512 MB and 2 % of the file system. */
  readonly reserveBytes?: number
  readonly logger?: StoreLogger
  /** Live series beyond which new ones are refused. Default 2,000,000. */
  readonly maxSeries?: number
  /** Age at which the open generation of samples is frozen and then sealed. Default 5 minutes. */
  readonly freezeMillis?: number
  /** Journal bytes after which the open generation is frozen before that age. Default 64 MB. */
  readonly segmentBytes?: number
  /** How long a commit waits for company, 0 to 50 ms. Default 5. */
  readonly lingerMillis?: number
  /** Bytes that may wait for the disk before samples are refused. Default 64 MB. */
  readonly maxWaitingBytes?: number
  /** How long after a failure the journal is tried again. Default 500 ms. */
  readonly recoveryMillis?: number
  /** Memory of samples that no part holds, beyond which samples are refused. Default 2 GiB. */
  readonly maxUnsealedBytes?: number
  /** How often sealing, merging and retention are looked at, milliseconds; 0: only when `maintain` is called. Default 15 s. */
  readonly maintenanceMillis?: number
  /** The file system of the journal; for tests. */
  readonly disk?: Disk
}

/** Figures beyond what every store has. */
export interface EmbeddedStoreStats extends StoreStats {
  readonly partFiles: number
  readonly journalSegments: number
  /** Memory of the samples that are not only in parts. */
  readonly headBytes: number
  /** Refused since the start: new series over the limit, and batches while the disk refused. */
  readonly seriesRefused: number
  readonly batchesRefused: number
  /** Samples older than the retention, dropped since the start. */
  readonly samplesTooOld: number
  /** Batches whose sequence was already in, dropped since the start. */
  readonly batchesRepeated: number
  /** Damaged journal segments, sealed files and columns met since the start. */
  readonly damaged: number
  /** Why samples are refused now. */
  readonly refusal: string | undefined
  /** Free on the disk of the store at the last look, seconds ago while samples come or are refused. */
  readonly freeBytes: number | undefined
  /** Free space below which samples are refused. */
  readonly reserveBytes: number
}

/** Files that may be copied while the store goes on. */
export interface StoreCopy {
  /** Paths within the store folder, and how much of each file belongs to the copy. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[]
  /** Lets the files change and go again. */
  release(): void
}

/** The store that the hub carries in itself. */
export interface EmbeddedStore extends StoreReader, StoreWriter {
  readonly columns: SeriesColumns
  /** The sealed files, and whose samples they hold: for what forwards them. */
  readonly parts: PartFolder
  readonly index: SeriesIndex
  stats(): EmbeddedStoreStats
  /** From here on the store holds all it was ever given: what is older is past its retention, or came before the store. */
  heldFrom(): Millis
  /** Samples before it are past their retention. */
  keptFrom(): Millis
  /** Older than this everything stands in sealed files. */
  sealedTo(): Millis
  /** Seals and merges what is due and removes what is past its retention. Runs by itself; tests call it. */
  maintain(): Promise<void>
  /** Seals everything and merges it fully. */
  compact(): Promise<void>
  /** Fixes everything acknowledged so far as files that stay as they are until `release`. Rejects when the disk refuses. */
  beginCopy(): Promise<StoreCopy>
  /** Commits what waits; everything stays replayable. */
  close(): Promise<void>
}
