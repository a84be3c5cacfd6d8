import type { Matcher, ReadLimits, SeriesSamples, StoreReader } from '../../store/reader.ts'
import type { Budget } from './budget.ts'

/** What an evaluation needs of a store. */
export interface ReadRequest {
  readonly matchers: readonly Matcher[]
  readonly start: number
  readonly end: number
  readonly limits: ReadLimits
}

/** Yielded to let others run. */
export const pause = 'pause'

/**
 * A computation that stops where it needs series or has worked for long; it is given the series, and goes
 * on. So one evaluator serves those who can wait and those who cannot.
 */
export type Evaluation<T> = Generator<ReadRequest | typeof pause, T, readonly SeriesSamples[]>

const nothing: readonly SeriesSamples[] = []

/** Runs an evaluation that may wait for the store and for others. */
export async function runWaiting<T>(
  work: Evaluation<T>,
  reader: StoreReader,
  budget: Budget,
): Promise<T> {
  let state = work.next(nothing)
  while (state.done !== true) {
    if (state.value === pause) {
      await budget.pause()
      state = work.next(nothing)
      continue
    }
    const { matchers, start, end, limits } = state.value
    let found: readonly SeriesSamples[]
    try {
      found = await reader.select(matchers, start, end, limits)
    } catch (cause) {
      state = work.throw(cause)
      continue
    }
    state = work.next(found)
  }
  return state.value
}

/** Runs an evaluation in one go; undefined when `read` cannot answer one of its reads. */
export function runNow<T>(
  work: Evaluation<T>,
  read: (request: ReadRequest) => readonly SeriesSamples[] | undefined,
): T | undefined {
  let state = work.next(nothing)
  while (state.done !== true) {
    const found = state.value === pause ? nothing : read(state.value)
    if (found === undefined) return undefined
    state = work.next(found)
  }
  return state.value
}
