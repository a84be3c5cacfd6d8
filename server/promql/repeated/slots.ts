import { noLabels } from '../eval/label-set.ts'
import type { Row } from '../eval/rows.ts'

/**
 * Room for the samples of one instant while a plan runs: `values[i]` counts only where `present[i]` is 1. All plans of an engine share
 * it, for they run one after the other and never wait; each part of a plan has its own range.
 */
export interface Slots {
  readonly values: Float64Array
  readonly present: Uint8Array
  /** A slot as the row of one step that the functions over rows work on. */
  row(slot: number): Row
}

/** Most slots of one plan. */
export const maxSlots = 16_384

/** Empty room for so many samples. */
export function makeSlots(size: number = maxSlots): Slots {
  const values = new Float64Array(size)
  const present = new Uint8Array(size)
  const rows: (Row | undefined)[] = []
  return {
    values,
    present,
    row(slot) {
      rows[slot] ??= {
        labels: noLabels,
        values: values.subarray(slot, slot + 1),
        present: present.subarray(slot, slot + 1),
        dropName: false,
      }
      return rows[slot]
    },
  }
}
