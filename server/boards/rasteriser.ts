import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { CallwardError } from '../errors.ts'
import { workerArguments } from '../worker-arguments.ts'
import type { RasterAnswer, RasterTask } from './raster-worker.ts'

/** Pictures that are being made or wait for their turn; one is made at a time. */
const mostWaiting = 8
/** A picture takes a tenth of a second. */
const longestMillis = 20_000
/** Of one picture. Each pixel holds 4 bytes until the thread ends: so it does after as many, for the next one to start anew. */
export const mostPixels = 8_000_000

/** Why a picture was not made. */
export type Refusal = 'busy' | 'font' | 'late'

/** Makes PNGs in a thread of its own, which starts with the first one and is started anew when it died or took too long. */
export class Rasteriser {
  readonly #refused: (reason: Refusal) => void
  #thread: Worker | undefined
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #pixels = 0

  constructor(refused: (reason: Refusal) => void) {
    this.#refused = refused
  }

  /** Of an SVG of `pixels` at this scale. Throws too_many_requests, unprocessable when no font has a character, unavailable. */
  async png(svg: string, scale: number, pixels: number): Promise<Buffer> {
    if (this.#waiting >= mostWaiting) {
      this.#refused('busy')
      throw new CallwardError(
        'too_many_requests',
        `${mostWaiting} pictures are being made or wait; ask again in a few seconds.`,
      )
    }
    this.#waiting++
    const mine = this.#last.then(() => this.#made({ svg, scale }, pixels))
    this.#last = mine.catch(() => undefined)
    try {
      return this.#pictureOf(await mine)
    } finally {
      this.#waiting--
    }
  }

  #pictureOf(answer: RasterAnswer): Buffer {
    if (answer.kind === 'png') return Buffer.from(answer.png)
    if (answer.kind === 'failed') throw failed(answer.message)
    this.#refused('font')
    const some = answer.characters.slice(0, 10).join(' ')
    throw new CallwardError(
      'unprocessable',
      `No font on the hub's machine has these characters: ${some}. Install one there (for Chinese on Debian: fonts-noto-cjk), or take picture.svg, which is drawn with the reader's fonts.`,
    )
  }

  async #made(task: RasterTask, pixels: number): Promise<RasterAnswer> {
    const thread = this.#thread ?? this.#start()
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), longestMillis)
    thread.ref()
    try {
      const { signal } = late
      const answered = once(thread, 'message', { signal })
      const ended = once(thread, 'exit', { signal }).then(([code]) => {
        throw new Error(`its thread ended with ${code}`)
      })
      thread.postMessage(task)
      const [answer] = (await Promise.race([answered, ended])) as [RasterAnswer]
      this.#pixels += pixels
      if (this.#pixels >= mostPixels) await this.close()
      return answer
    } catch (error) {
      await this.close()
      if (late.signal.aborted) this.#refused('late')
      throw failed(late.signal.aborted ? `it took longer than ${longestMillis / 1000} s` : error)
    } finally {
      clearTimeout(timer)
      late.abort()
      thread.unref()
    }
  }

  #start(): Worker {
    const thread = new Worker(new URL('./raster-worker.js', import.meta.url), workerArguments())
    this.#thread = thread
    // Whoever waits is told by `once`; between pictures nobody does.
    thread.on('error', () => undefined)
    thread.once('exit', () => {
      if (this.#thread === thread) this.#thread = undefined
    })
    return thread
  }

  /** Ends the thread; it holds nothing that could be lost. */
  async close(): Promise<void> {
    const thread = this.#thread
    this.#thread = undefined
    this.#pixels = 0
    await thread?.terminate()
  }
}

function failed(why: unknown): CallwardError {
  const reason = why instanceof Error ? why.message : String(why)
  return new CallwardError(
    'unavailable',
    `No PNG was made: ${reason}. Ask again, or take picture.svg.`,
    { cause: why },
  )
}
