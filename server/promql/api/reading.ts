import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { CallwardError } from '../../errors.ts'
import type { Turns } from '../../sort-in-turns.ts'
import { type FailureKind, QueryFailure } from '../failure.ts'
import type { AnswerBytes } from '../workers/query-request.ts'
import type { ApiContext } from './context.ts'

/** From this length on an answer is sent piece by piece, as fast as its asker reads. */
const streamedBytes = 262_144

/** Sends an answer that was written in pieces. */
export function sendPieces(
  reply: FastifyReply,
  pieces: AnswerBytes,
  type = 'application/json; charset=utf-8',
): FastifyReply {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const buffers = pieces.map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  )
  reply.type(type).header('content-length', length)
  const [only] = buffers
  if (only !== undefined && buffers.length === 1) return reply.send(only)
  if (length < streamedBytes) return reply.send(Buffer.concat(buffers, length))
  return reply.send(Readable.from(buffers, { objectMode: false }))
}

/** A signal that aborts when the asker goes away before the answer is sent. */
export function abortOnClose(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

const sliceMilliseconds = 5

/** Turns for others while an answer is put together; `take` throws when its asker has gone. */
class ReadingTurns implements Turns {
  private readonly signal: AbortSignal
  private sliceEnd = performance.now() + sliceMilliseconds
  private asked = 0

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  get due(): boolean {
    this.asked = (this.asked + 1) & 7
    return this.asked === 0 && performance.now() > this.sliceEnd
  }

  async take(): Promise<void> {
    await nextTurn()
    this.signal.throwIfAborted()
    this.sliceEnd = performance.now() + sliceMilliseconds
  }
}

function kindOf({ code }: CallwardError): FailureKind {
  if (code === 'query_too_large') return 'execution'
  return code === 'query_timeout' ? 'timeout' : 'unavailable'
}

/**
 * Runs a read of the store that is no query: it waits for its turn with the queries and ends when its asker goes. Throws `QueryFailure`,
 * a store's refusal in the API's words.
 */
export async function reading<T>(
  { gate }: ApiContext,
  reply: FastifyReply,
  work: (signal: AbortSignal, turns: Turns) => Promise<T>,
): Promise<T> {
  const signal = abortOnClose(reply)
  try {
    return await gate.run(signal, () => work(signal, new ReadingTurns(signal)))
  } catch (cause) {
    if (signal.aborted) throw new QueryFailure('canceled', 'the request was canceled', { cause })
    if (!(cause instanceof CallwardError)) throw cause
    throw new QueryFailure(kindOf(cause), cause.message, { cause })
  }
}
