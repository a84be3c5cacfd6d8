import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { WriteRefused } from './write-refused.ts'

const inflate = promisify(gunzip)

/** The bytes of a gzip body. Throws WriteRefused when it is not whole, or over `most` bytes when decoded. */
export async function unzipped(body: Buffer, most: number): Promise<Buffer> {
  try {
    return await inflate(body, { maxOutputLength: most })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new WriteRefused(
        'too_large',
        `The body is over ${most} bytes when decoded; send less in one request.`,
      )
    throw new WriteRefused('malformed', 'The body is not whole gzip data.')
  }
}

/** Runs one work after the other: a small gzip body may become a large one, so only one is dealt with at a time. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => undefined)
    return mine
  }
}
