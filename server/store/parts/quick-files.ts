import { AsyncFiles, type PartFiles, SyncFiles } from './part-files.ts'

/** Stretches up to here are read at once while the disk is quick. */
const smallBytes = 64 * 1024
/** Stretches that take longer come from a disk that lets others wait: after some of them nothing is read at once for a while. */
const slowMillis = 3
const mostSlow = 4
const minuteMillis = 60_000

/**
 * For the main thread. A small stretch mostly lies in the page cache, where reading it takes microseconds and waiting for another
 * thread ten times as long. Those that do not show how slow the disk is, and hold up the event loop some times a minute at most.
 */
export class QuickFiles implements PartFiles {
  private readonly waiting = new AsyncFiles()
  private readonly atOnce = new SyncFiles()
  /** When the last few slow stretches were read. */
  private readonly slow: number[] = []

  read(path: string, offset: number, length: number): Promise<Buffer> | Buffer {
    const began = performance.now()
    if (
      length > smallBytes ||
      (this.slow.length === mostSlow && began - this.slow[0]! < minuteMillis)
    )
      return this.waiting.read(path, offset, length)
    const bytes = this.atOnce.read(path, offset, length)
    const now = performance.now()
    if (now - began > slowMillis) {
      this.slow.push(now)
      if (this.slow.length > mostSlow) this.slow.shift()
    }
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
