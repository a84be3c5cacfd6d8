import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { FrameError, limits } from '../../collector/wire/frames.ts'
import type { Answers } from './answers.ts'
import type { IngestMetrics } from './metrics.ts'
import type { TextFrame } from './schema.ts'

/** Documents being written to the records; beyond it the socket is paused. */
const documentsInFlight = 8

export interface DocumentsOptions {
  readonly app: FastifyInstance
  readonly metrics: IngestMetrics
  readonly answers: Answers
  /** The records have answered for one. */
  readonly onSettled: () => void
}

/** Facts and sections on their way to the records, one after the other: reports do not wait for them. */
export class Documents {
  readonly #app: FastifyInstance
  readonly #metrics: IngestMetrics
  readonly #answers: Answers
  readonly #onSettled: () => void
  #inFlight = 0
  /** Resolves when the records have answered for every document so far. */
  settled: Promise<void> = Promise.resolve()

  constructor({ app, metrics, answers, onSettled }: DocumentsOptions) {
    this.#app = app
    this.#metrics = metrics
    this.#answers = answers
    this.#onSettled = onSettled
  }

  get isFull(): boolean {
    return this.#inFlight >= documentsInFlight
  }

  /** What the records refuse ends the session; what comes after the end is not written. */
  save(collector: string, frame: Extract<TextFrame, { type: 'facts' | 'sections' }>): void {
    this.#inFlight++
    this.settled = this.settled
      .then(() => (this.#answers.ended ? undefined : this.#write(collector, frame)))
      .catch((error: unknown) => this.#answers.refuse(error))
      .finally(() => {
        this.#inFlight--
        this.#onSettled()
      })
  }

  #write(
    collector: string,
    frame: Extract<TextFrame, { type: 'facts' | 'sections' }>,
  ): Promise<void> {
    if (frame.type === 'facts') return this.#facts(collector, frame)
    const byName = new Map(frame.sections.map((section) => [section.name, section]))
    return this.#app.inventory.sections(collector, [...byName.values()])
  }

  async #facts(
    collector: string,
    { name, hash, document }: Extract<TextFrame, { type: 'facts' }>,
  ): Promise<void> {
    const body = JSON.stringify(document)
    if (body === undefined || Buffer.byteLength(body) > limits.factsBytes)
      throw new FrameError(`facts "${name}" are over ${limits.factsBytes} bytes`)
    const ours = createHash('sha256').update(body).digest('hex')
    if (ours !== hash) {
      this.#metrics.rejected.labels('facts_hash').inc()
      const message = `facts "${name}": the hash is not the document's SHA-256`
      this.#answers.send({ type: 'error', code: 'facts_hash', message })
      return
    }
    await this.#app.inventory.facts(collector, name, ours, body)
  }
}
