import type { Batch, StreamEvents, StreamKey, StreamRow, StreamWriter } from './writer.ts'
import { StoreUnavailable } from './writer.ts'

/** A stream on top of `append`, for stores without a way of their own for streams. */
export function batchStream(
  key: StreamKey,
  events: StreamEvents,
  append: (batch: Batch) => Promise<void>,
): StreamWriter {
  const layout: number[] = []
  let open = true
  const marked = (bits: Uint8Array | undefined, column: number) =>
    bits !== undefined && ((bits[column >> 3] ?? 0) >> (column & 7)) % 2 === 1
  const batchOf = ({ sequence, t, values, absent, stale }: StreamRow): Batch => {
    const ended = layout.filter((_, column) => marked(stale, column))
    const present = [...layout.keys()].filter(
      (column) => !marked(absent, column) && !marked(stale, column),
    )
    return {
      origin: { ...key, sequence },
      rows: [
        {
          t,
          ids: Uint32Array.from(present, (column) => layout[column]!),
          values: Float64Array.from(present, (column) => values[column]!),
          stale: Uint32Array.from(ended),
        },
      ],
    }
  }
  return {
    get columns() {
      return layout.length
    },
    extend: (ids) => void layout.push(...ids),
    append(row) {
      append(batchOf(row)).then(
        () => open && events.committed(row.sequence),
        (error: unknown) => {
          if (!open) return
          open = false
          events.failed(
            error instanceof StoreUnavailable ? error : new StoreUnavailable(String(error)),
          )
        },
      )
      return row.values.byteLength
    },
    close: () => {
      open = false
    },
  }
}
