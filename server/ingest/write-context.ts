import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Labels } from '../../collector/wire/frames.ts'
import type { Clock } from '../clock.ts'
import type {} from '../enrolment/plugin.ts'
import { shownError } from '../error-answers.ts'
import { CallwardError } from '../errors.ts'
import { type SeriesId, StoreUnavailable } from '../store/writer.ts'
import type { Written } from './sample-columns.ts'
import { type Dropped, prepareWrite } from './write-batch.ts'
import type { WriteMetrics, WriteProtocol } from './write-metrics.ts'
import { WriteRefused } from './write-refused.ts'

/** What the write protocols share. */
export interface WriteContext {
  readonly clock: Clock
  readonly metrics: WriteMetrics
  readonly budget: BodyBudget
}

/** Bodies that are being received or dealt with, all write routes together. */
export class BodyBudget {
  readonly #most: number
  #taken = 0

  /** `most` in bytes. */
  constructor(most: number) {
    this.#most = most
  }

  /** Takes a request's bytes until its answer is sent or its sender gone. Throws CallwardError `unavailable`. */
  admit(request: FastifyRequest, reply: FastifyReply): void {
    const declared = Number(request.headers['content-length'] ?? Number.NaN)
    // A body sent in chunks counts as what it may become.
    const bytes = Number.isFinite(declared) ? declared : request.routeOptions.bodyLimit
    if (this.#taken > 0 && this.#taken + bytes > this.#most)
      throw new CallwardError(
        'unavailable',
        'The hub holds as many bytes of unfinished writes as it may; send again shortly.',
      )
    this.#taken += bytes
    reply.raw.once('close', () => {
      this.#taken -= bytes
    })
  }
}

/** Interns labels that others than collectors send. Throws CallwardError for those of enrolled hosts' collectors and of the hub. */
export function internForeign(app: FastifyInstance, labels: Labels): SeriesId {
  app.enrolment.requireForeign(labels)
  return app.store.intern(labels)
}

/**
 * Stores what a request brought. Resolves when it is durable, with what was left out of it. Throws StoreUnavailable or
 * CallwardError when nothing was stored.
 */
export async function commitWrite(
  app: FastifyInstance,
  context: WriteContext,
  protocol: WriteProtocol,
  written: Written,
): Promise<readonly Dropped[]> {
  const { metrics, clock } = context
  const write = prepareWrite(written, clock.now())
  for (const { reason, samples } of write.dropped)
    metrics.rejected.labels(protocol, reason).inc(samples)
  if (write.samples === 0) return write.dropped
  const durable = app.store.append(write.batch)
  // The samples can be read from here on; rules do not wait for the disk.
  for (const instance of write.instances) app.rules.hostReported(instance)
  await durable
  metrics.samples.labels(protocol).inc(write.samples)
  return write.dropped
}

/** A write that failed as its sender sees it. */
export interface WriteFault {
  readonly status: number
  readonly reason: string
  readonly message: string
}

/**
 * Status and sentence of a failed write. Senders drop what is answered with 4xx, 429 included, and send again after 5xx: what may
 * succeed later is always 503.
 */
export function writeFault(error: Error, request: FastifyRequest): WriteFault {
  if (error instanceof WriteRefused)
    return { status: error.status, reason: error.reason, message: error.message }
  if (error instanceof StoreUnavailable)
    return {
      status: 503,
      reason: 'storage_unavailable',
      message: `Nothing was stored: ${error.message}`,
    }
  const shown = shownError(error)
  if (shown.code === 'internal') request.log.error({ err: error }, 'a write failed')
  const status = later.has(shown.code) ? 503 : shown.status
  return { status, reason: shown.code, message: shown.message }
}

const later: ReadonlySet<string> = new Set([
  'storage_unavailable',
  'too_many_requests',
  'unavailable',
])

/** Seconds after which a sender may try again. */
export const retryAfterSeconds = '5'
