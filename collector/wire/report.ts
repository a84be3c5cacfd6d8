import { type Lane, limits, type Report } from './frames.ts'

/**
 * Binary report frame, little-endian:
 * `u8 kind=1 | u8 lane (0 live, 1 backlog) | u16 zero | u32 n | u32 s | u32 zero | f64 sequence | f64 wall |
 * f64 monotonic | n × f64 value | n × u32 index | s × u32 stale index`.
 */
const headerBytes = 40
const kindReport = 1
const lanes: readonly Lane[] = ['live', 'backlog']

/** Thrown for a frame that cannot be read; the session is closed with `badFrame`. */
export class FrameError extends Error {}

export function encodeReport(report: Report): Buffer {
  const n = report.values.length
  const s = report.stale.length
  if (report.indexes.length !== n)
    throw new Error(`BUG: ${report.indexes.length} indexes for ${n} values`)
  const frame = Buffer.alloc(headerBytes + n * 12 + s * 4)
  frame.writeUInt8(kindReport, 0)
  frame.writeUInt8(lanes.indexOf(report.lane), 1)
  frame.writeUInt32LE(n, 4)
  frame.writeUInt32LE(s, 8)
  frame.writeDoubleLE(report.sequence, 16)
  frame.writeDoubleLE(report.wall, 24)
  frame.writeDoubleLE(report.monotonic, 32)
  let at = headerBytes
  for (let i = 0; i < n; i++, at += 8) frame.writeDoubleLE(report.values[i]!, at)
  for (let i = 0; i < n; i++, at += 4) frame.writeUInt32LE(report.indexes[i]!, at)
  for (let i = 0; i < s; i++, at += 4) frame.writeUInt32LE(report.stale[i]!, at)
  return frame
}

/** Reads a report frame; `dictionaryLength` bounds every index. Throws FrameError. */
export function decodeReport(frame: Buffer, dictionaryLength: number): Report {
  if (frame.length < headerBytes)
    throw new FrameError(`report of ${frame.length} bytes is shorter than its header`)
  if (frame.readUInt8(0) !== kindReport)
    throw new FrameError(`unknown frame kind ${frame.readUInt8(0)}`)
  const lane = lanes[frame.readUInt8(1)]
  if (lane === undefined) throw new FrameError(`unknown lane ${frame.readUInt8(1)}`)
  const n = frame.readUInt32LE(4)
  const s = frame.readUInt32LE(8)
  if (n > limits.seriesPerSession || s > limits.seriesPerSession)
    throw new FrameError(`${n} values, ${s} stale marks: over the limit`)
  if (frame.length !== headerBytes + n * 12 + s * 4)
    throw new FrameError(
      `report of ${frame.length} bytes, ${headerBytes + n * 12 + s * 4} expected`,
    )
  const sequence = frame.readDoubleLE(16)
  const wall = frame.readDoubleLE(24)
  const monotonic = frame.readDoubleLE(32)
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new FrameError(`sequence ${sequence} is not a positive whole number`)
  if (!Number.isFinite(wall) || !Number.isFinite(monotonic))
    throw new FrameError('a clock reading is not a number')
  const values = new Float64Array(n)
  const valueAt = headerBytes
  for (let i = 0; i < n; i++) values[i] = frame.readDoubleLE(valueAt + i * 8)
  const indexes = readIndexes(frame, headerBytes + n * 8, n, dictionaryLength)
  const stale = readIndexes(frame, headerBytes + n * 12, s, dictionaryLength)
  return { lane, sequence, wall, monotonic, indexes, values, stale }
}

function readIndexes(frame: Buffer, from: number, count: number, bound: number): Uint32Array {
  const indexes = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const index = frame.readUInt32LE(from + i * 4)
    if (index >= bound) throw new FrameError(`series ${index} is not in the dictionary of ${bound}`)
    indexes[i] = index
  }
  return indexes
}
