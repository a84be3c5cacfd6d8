/**
 * What a part is written from: a frozen generation as it lies in memory. The large arrays stand in SharedArrayBuffers, so another
 * thread reads them without a copy; nobody changes them any more.
 *
 * A series may stand in several groups and in the loose columns; two groups never hold the same (series, time), and at a time that
 * both a group and the loose columns hold, the loose entry wins. Cells that are no sample (see `absentHigh` and `staleHigh` in
 * samples.ts) are told by the upper word of the value.
 */
export interface PartSource {
  /** Of equal (series, time) the entry of the part with the higher order wins. */
  readonly order: number
  readonly groups: readonly GroupSource[]
  readonly loose: LooseSource
}

/** The rows of one stream of reports: series that share their times. */
export interface GroupSource {
  /** Series of the columns; none twice. */
  readonly ids: Uint32Array
  readonly rows: number
  /** Rows that a column has room for: row r of column c is at `values[c * capacity + r]`. */
  readonly capacity: number
  /** Ascending, `rows` of them; longer by unused room. */
  readonly times: Float64Array
  readonly values: Float64Array
  /** False when every cell is a sample. */
  readonly sparse: boolean
}

/** Entries of single series. */
export interface LooseSource {
  /** Ascending. */
  readonly ids: Uint32Array
  /** For each series where its entries lie, and how many: `count` ascending times from `slabs[slab][offset]`, their values from `offset + room`. */
  readonly slab: Uint32Array
  readonly offset: Uint32Array
  readonly room: Uint32Array
  readonly count: Uint32Array
  readonly slabs: readonly Float64Array[]
}
