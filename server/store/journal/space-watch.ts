import type { Disk } from '../disk.ts'
import type { StoreLogger } from '../log.ts'

const checkMillis = 1000

export interface SpaceWatchOptions {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  /** Free bytes that only records and the ledger may use. */
  readonly reserveBytes: number
  /** Memory of samples that wait for their part, and the most of it. */
  readonly unsealedBytes: () => number
  readonly maxUnsealedBytes: number
}

/** Knows whether the disk's free space is below the reserve, or memory holds too much because it is. */
export class SpaceWatch {
  private readonly options: SpaceWatchOptions
  private checkedAt = -Infinity
  private short = false
  private timer: NodeJS.Timeout | undefined
  private stopped = false
  /** What is short, in words; undefined while there is space. */
  shortage: string | undefined
  /** Free on the disk at the last look. */
  freeBytes: number | undefined

  constructor(options: SpaceWatchOptions) {
    this.options = options
  }

  /** Looks again when the last look is a second old; the answer comes later. */
  checkNowAndThen(): void {
    const now = performance.now()
    if (now - this.checkedAt >= checkMillis) void this.check()
  }

  /** Looks now, and each second from then on while something is short, whether or not anybody appends. */
  async check(): Promise<void> {
    this.checkedAt = performance.now()
    await this.look()
    if (this.shortage === undefined || this.stopped) return
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      void this.check()
    }, checkMillis).unref()
  }

  /** Looks no more by itself. */
  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  private async look(): Promise<void> {
    const { disk, folder, reserveBytes, logger } = this.options
    try {
      const { freeBytes } = await disk.space(folder)
      this.freeBytes = freeBytes
      const short = freeBytes < reserveBytes
      if (short !== this.short) {
        if (short)
          logger.error(
            { freeBytes, reserveBytes },
            'free space is below the reserve; samples are refused',
          )
        else logger.info({ freeBytes, reserveBytes }, 'free space is above the reserve again')
      }
      this.short = short
      this.shortage = short
        ? `${freeBytes} bytes are free on the disk of ${folder}, the reserve is ${reserveBytes}; free space there`
        : this.overflow()
    } catch (error) {
      logger.warn({ err: error }, 'free space cannot be read')
    }
  }

  private overflow(): string | undefined {
    const { unsealedBytes, maxUnsealedBytes } = this.options
    const held = unsealedBytes()
    return held > maxUnsealedBytes
      ? `${held} bytes of samples in memory wait to be sealed, the limit is ${maxUnsealedBytes}; see why sealed files cannot be written`
      : undefined
  }
}
