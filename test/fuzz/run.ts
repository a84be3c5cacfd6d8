import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { HttpAnswer, HubPeer } from '../differential/peers.ts'
import type { FuzzTarget } from './targets.ts'

/** An input must be dealt with in this time, milliseconds. A query may use its own limit of one second; the rest is for slow machines. */
const slowestMillis = 8000
/** What the heap may have grown by after a collection, bytes. */
const mostGrowth = 64 * 1024 * 1024
const heapEvery = 20_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

export interface FuzzReport {
  readonly target: string
  readonly inputs: number
  readonly accepted: number
  /** Inputs that a whole hub got too. */
  readonly toHub: number
  readonly slowestMillis: number
  /** Largest growth of the heap seen, bytes. */
  readonly growth: number
  readonly faults: readonly string[]
}

export interface FuzzOptions {
  readonly inputs: number
  readonly seed: number
  /** Inputs left out at the beginning of the sequence: a piece of a larger run. */
  readonly skip?: number
  /** A hub, and every how many-th input it gets. */
  readonly hub?: { readonly peer: HubPeer; readonly every: number }
  readonly onProgress?: (done: number) => void
}

function shown(input: Uint8Array): string {
  return `${Buffer.from(input).toString('base64')} (${JSON.stringify(Buffer.from(input).toString('latin1').slice(0, 200))})`
}

/** What is wrong with an answer, whatever was sent. */
function faultOf({ status, body }: HttpAnswer): string | undefined {
  if (status === 500 || /\bBUG\b|"internal"/.test(body)) return `${status} ${body.slice(0, 300)}`
  return undefined
}

/** Gives a target `inputs` inputs; never throws, what goes wrong is in the report. */
export async function runFuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const { inputs, seed, skip = 0, hub, onProgress } = options
  const read = target.reader()
  const faults: string[] = []
  let [done, accepted, toHub, slowest, growth] = [0, 0, 0, 0, 0]
  collectGarbage()
  const heapBefore = process.memoryUsage().heapUsed
  let index = -1
  for (const input of target.inputs(seed)) {
    index++
    if (index < skip) continue
    if (done === inputs || faults.length >= 20) break
    const began = performance.now()
    try {
      if ((await read(input)) === 'accepted') accepted++
    } catch (error) {
      faults.push(`input ${index} of seed ${seed}: ${(error as Error).stack} by ${shown(input)}`)
    }
    const took = performance.now() - began
    slowest = Math.max(slowest, took)
    if (took > slowestMillis)
      faults.push(`input ${index} of seed ${seed} took ${took.toFixed(0)} ms: ${shown(input)}`)
    if (hub !== undefined && done % hub.every === 0) {
      toHub++
      const fault = faultOf(await target.send(hub.peer, input))
      if (fault !== undefined)
        faults.push(`input ${index} of seed ${seed}: ${fault} by ${shown(input)}`)
    }
    done++
    if (done % heapEvery === 0 || done === inputs) {
      collectGarbage()
      growth = Math.max(growth, process.memoryUsage().heapUsed - heapBefore)
    }
    if (done % 500 === 0) onProgress?.(done)
  }
  // A hub keeps what it is sent: only the readers alone are held to a heap that does not grow.
  if (hub === undefined && growth > mostGrowth)
    faults.push(`the heap grew by ${(growth / 1024 / 1024).toFixed(0)} MiB`)
  return {
    target: target.name,
    inputs: done,
    accepted,
    toHub,
    slowestMillis: slowest,
    growth,
    faults,
  }
}
