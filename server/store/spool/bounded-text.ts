import { EngineAway } from './retry-loop.ts'

/** Longest answer that is read of an engine the hub sends samples to, in bytes. */
export const mostAnswerBytes = 64 * 1024 * 1024

/** An answer is longer than what is read of it; asking for less may help. */
export class AnswerTooLong extends EngineAway {
  constructor(engine: string, maxBytes: number) {
    super(
      `The answer of ${engine} is longer than ${Math.round(maxBytes / 1_048_576)} MiB and was not read to its end`,
    )
  }
}

/** The text of an answer. Reads no more than `maxBytes`; throws AnswerTooLong beyond, and what the connection throws. */
export async function boundedText(
  { body }: Pick<Response, 'body'>,
  engine: string,
  maxBytes: number,
): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body ?? []) {
    bytes += piece.length
    if (bytes > maxBytes) throw new AnswerTooLong(engine, maxBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
