import { FrameError, type Lane, lanes, limits, type Report } from './frames.ts'
import {
  createRowDecoder,
  createRowEncoder,
  type RowDecoder,
  type RowEncoder,
} from './row-codec.ts'

/**
 * Binary report frame, little-endian:
 * `u8 kind=1 | u8 lane (0 live, 1 backlog) | u16 flags=0 | u32 columns | f64 sequence | f64 wall | f64 monotonic | row`.
 */
const headerBytes = 32
const kindReport = 1

const headerOf = new Uint8Array(headerBytes)
const header = new DataView(headerOf.buffer)

/** A report as it was read; its views hold until the lane's next one. */
export interface ReceivedReport extends Report {
  /** The frame's row, and the decoder that has just read it: what a journal keeps. */
  readonly row: Uint8Array
  readonly decoder: RowDecoder
}

/** The sending side of one session: a row codec for each lane. */
export class ReportEncoder {
  readonly #lanes: Readonly<Record<Lane, RowEncoder>> = {
    live: createRowEncoder(),
    backlog: createRowEncoder(),
  }

  /** The frame of the lane's next report. It must be sent: those after it build on it. */
  encode(report: Report): Uint8Array {
    const { lane, values, absent, stale } = report
    const frame = this.#lanes[lane].encode(values, absent, stale, headerBytes)
    const view = new DataView(frame.buffer, frame.byteOffset)
    frame[0] = kindReport
    frame[1] = lanes.indexOf(lane)
    view.setUint32(4, values.length, true)
    view.setFloat64(8, report.sequence, true)
    view.setFloat64(16, report.wall, true)
    view.setFloat64(24, report.monotonic, true)
    return frame
  }
}

/** The receiving side of one session. */
export class ReportDecoder {
  readonly #decoders: Record<Lane, RowDecoder | undefined> = { live: undefined, backlog: undefined }

  /** Reads a frame; `dictionary` is the dictionary's length. Throws FrameError, after which the session must end. */
  decode(frame: Uint8Array, dictionary: number): ReceivedReport {
    if (frame.length < headerBytes)
      throw new FrameError(`report of ${frame.length} bytes is shorter than its header`)
    if (frame[0] !== kindReport) throw new FrameError(`unknown frame kind ${frame[0]}`)
    const number = frame[1]!
    const lane = lanes[number]
    if (lane === undefined) throw new FrameError(`unknown lane ${number}`)
    for (let i = 0; i < headerBytes; i++) headerOf[i] = frame[i]!
    const flags = header.getUint16(2, true)
    if (flags !== 0) throw new FrameError(`unknown flags ${flags} of a report`)
    const columns = header.getUint32(4, true)
    if (columns !== dictionary || columns > limits.seriesPerSession)
      throw new FrameError(`report of ${columns} series, but the dictionary holds ${dictionary}`)
    const sequence = header.getFloat64(8, true)
    const wall = header.getFloat64(16, true)
    const monotonic = header.getFloat64(24, true)
    if (!Number.isSafeInteger(sequence) || sequence < 1)
      throw new FrameError(`sequence ${sequence} is not a positive whole number`)
    if (!Number.isFinite(wall) || !Number.isFinite(monotonic))
      throw new FrameError('a clock reading is not a number')
    const decoder = this.#decoders[lane] ?? createRowDecoder()
    this.#decoders[lane] = decoder
    const row = frame.subarray(headerBytes)
    const { values, absent, stale } = decoder.decode(row, columns)
    return { lane, sequence, wall, monotonic, values, absent, stale, row, decoder }
  }
}
