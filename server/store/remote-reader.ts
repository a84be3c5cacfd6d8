import type { MessagePort } from 'node:worker_threads'
import { CallwardError } from '../errors.ts'
import type { Matcher, ReadLimits, SeriesSamples, StoreReader } from './reader.ts'

interface Call {
  readonly id: number
  readonly method: keyof StoreReader
  readonly query: readonly unknown[]
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** Answers, on the store's thread, the reads that `remoteReader` asks over the other end of `port`. */
export function serveReads(port: MessagePort, reader: StoreReader): void {
  port.on('message', (call: Call) => {
    const run = reader[call.method] as (...query: readonly unknown[]) => Promise<unknown>
    run.apply(reader, [...call.query]).then(
      (value) => port.postMessage({ id: call.id, value } satisfies Answer),
      (error: unknown) =>
        port.postMessage({
          id: call.id,
          error: {
            code: error instanceof CallwardError ? error.code : 'internal',
            message: error instanceof Error ? error.message : String(error),
          },
        } satisfies Answer),
    )
  })
}

/** A reader for another thread. */
export function remoteReader(port: MessagePort): StoreReader {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let next = 0
  port.on('message', ({ id, value, error }: Answer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error) asked?.reject(new CallwardError(error.code as 'internal', error.message))
    else asked?.resolve(value)
  })
  const ask = (method: keyof StoreReader, ...query: readonly unknown[]) =>
    new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, { resolve, reject })
      port.postMessage({ id, method, query } satisfies Call)
    })
  return {
    select: (matchers: readonly Matcher[], start, end, limits: ReadLimits = {}) => {
      const { signal: _, ...plain } = limits
      return ask('select', matchers, start, end, plain) as Promise<readonly SeriesSamples[]>
    },
    series: (...query) => ask('series', ...query) as ReturnType<StoreReader['series']>,
    labelNames: (...query) => ask('labelNames', ...query) as ReturnType<StoreReader['labelNames']>,
    labelValues: (...query) =>
      ask('labelValues', ...query) as ReturnType<StoreReader['labelValues']>,
  }
}
