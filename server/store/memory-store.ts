import { checkBatch, prepareRows } from './batch-check.ts'
import { batchStream } from './batch-stream.ts'
import { Generation } from './head/generation.ts'
import { Head } from './head/head.ts'
import { Positions } from './journal/positions.ts'
import type { SeriesColumns, StoreReader } from './reader.ts'
import { RecentColumns } from './recent-columns.ts'
import { SeriesIndex } from './series/series-index.ts'
import { noParts, StoreReads } from './store-reads.ts'
import type { Batch, StoreStats, StoreWriter } from './writer.ts'

/** A store in memory only, for tests and dry runs; keeps everything until it is dropped. */
export interface MemoryStore extends StoreReader, StoreWriter {
  readonly columns: SeriesColumns
  stats(): StoreStats
}

/** Behaves as the embedded store does, but nothing outlives the process. */
export function createMemoryStore(): MemoryStore {
  const index = new SeriesIndex(Number.MAX_SAFE_INTEGER)
  const head = new Head([new Generation(1, 0)])
  const positions = new Positions()
  const reads = new StoreReads({ index, head, parts: noParts })
  let samplesAppended = 0
  const append = async (batch: Batch) => {
    checkBatch(batch, index.size)
    const { origin, rows } = batch
    if (origin) {
      if (origin.sequence <= positions.durable(origin)) return
      positions.restore({ ...origin, movedAt: 0 })
    }
    for (const row of prepareRows(rows, -Infinity, index).rows) {
      head.open.write(row)
      samplesAppended += row.ids.length
    }
  }
  return {
    append,
    stream: (key, events) => batchStream(key, events, append),
    columns: new RecentColumns(index, head),
    intern: (labels) => index.intern(labels),
    labels: (id) => index.labels(id),
    position: (stream) => positions.durable(stream),
    settled: async (stream) => positions.durable(stream),
    select: (...query) => reads.select(...query),
    series: (...query) => reads.series(...query),
    labelNames: (...query) => reads.labelNames(...query),
    labelValues: (...query) => reads.labelValues(...query),
    stats: () => ({
      series: index.live,
      samplesAppended,
      bytesOnDisk: 0,
      journalBytes: 0,
      oldest: head.all[0]?.minTime,
      newest: head.all.at(-1)?.maxTime,
    }),
  }
}
