import { unlinkSync } from 'node:fs'
import { resolutions } from '../reader.ts'
import type { Entries } from '../samples.ts'
import type { SeriesId } from '../writer.ts'
import { type SyncFiles, slotBytes } from './part-files.ts'
import { dayMillis } from './part-format.ts'
import { PartWriter, type SlotWriter } from './part-writer.ts'
import { columnId, firstWithout, rollUp } from './rollup.ts'
import { writeEntries } from './series-entries.ts'

interface Spare {
  readonly resolution: number
  readonly path: string
  readonly file: PartWriter
  readonly slot: SlotWriter
}

/**
 * Rolls up a day while its samples are written: one slot a resolution, which grow beside the day's file and are put behind its samples
 * at the end. For worker threads.
 */
export class RollupWriter {
  private readonly spares: Spare[] = []

  /** `path` is that of the day's file, `start` the day's. */
  constructor(path: string, start: number) {
    try {
      for (const resolution of resolutions) {
        const own = `${path}.${resolution}.tmp`
        const file = new PartWriter(own, 0, 2)
        const slot = file.beginSlot(start, dayMillis, resolution)
        this.spares.push({ resolution, path: own, file, slot })
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Series come with ascending ids. */
  add(id: SeriesId, entries: Entries): void {
    if (id >= firstWithout) return
    for (const { resolution, slot } of this.spares)
      for (const rolled of rollUp(entries, resolution)) {
        slot.beginSeries(columnId(id, rolled.column))
        writeEntries(slot, rolled)
      }
  }

  /** Puts the slots into the day's file, whose samples are written; `files` is left open. */
  moveTo(day: PartWriter, files: SyncFiles): void {
    for (const { file, path } of this.spares) {
      for (const slot of file.end()) day.copySlot(slot, slotBytes(files, path, slot))
      files.forget(path)
    }
  }

  /** Removes what stood beside the day's file. */
  close(): void {
    for (const { file, path } of this.spares) {
      file.close()
      unlinkSync(path)
    }
  }
}
