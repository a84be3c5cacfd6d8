import { AsyncFiles, type PartFiles, SyncFiles } from './part-files.ts'

/** Stretches up to here are read at once while the disk is quick. */
const smallBytes = 64 * 1024
/** Longer than this a stretch did not come out of the page cache, or something else had the core. */
const slowMillis = 1
/** So long a minute may slow ones hold up the event loop; then nothing is read at once until the minute is over. */
const mostSlowMillis = 250
const minuteMillis = 60_000

/**
 * For the main thread. A small stretch mostly lies in the page cache, where reading it takes microseconds and waiting for another
 * thread ten times as long. Those that do not may hold up the event loop a quarter of a second a minute.
 */
export class QuickFiles implements PartFiles {
  private readonly waiting = new AsyncFiles()
  private readonly atOnce = new SyncFiles()
  private minute = Number.NEGATIVE_INFINITY
  private slowSum = 0

  read(path: string, offset: number, length: number): Promise<Buffer> | Buffer {
    const began = performance.now()
    if (began - this.minute > minuteMillis) {
      this.minute = began
      this.slowSum = 0
    }
    if (length > smallBytes || this.slowSum > mostSlowMillis)
      return this.waiting.read(path, offset, length)
    const bytes = this.atOnce.read(path, offset, length)
    const took = performance.now() - began
    if (took > slowMillis) this.slowSum += took
    return bytes
  }

  size(path: string): Promise<number> {
    return this.waiting.size(path)
  }

  forget(path: string): void {
    this.waiting.forget(path)
    this.atOnce.forget(path)
  }

  async close(): Promise<void> {
    await this.atOnce.close()
    await this.waiting.close()
  }
}
