import { startHub } from '../differential/peers.ts'
import { runFuzz } from './run.ts'
import { fuzzTargets } from './targets.ts'

/** A child process of main.ts: one piece of a run, told and reported by messages. */
process.once(
  'message',
  async (message: { target: string; inputs: number; seed: number; every: number }) => {
    const { inputs, seed, every } = message
    const target = fuzzTargets.find(({ name }) => name === message.target)
    if (target === undefined) throw new Error(`BUG: no target ${message.target}`)
    const peer = every > 0 ? await startHub() : undefined
    const report = await runFuzz(target, {
      inputs,
      seed,
      ...(peer === undefined ? {} : { hub: { peer, every } }),
      onProgress: (done) => process.send?.({ done }),
    })
    await peer?.stop()
    process.send?.({ report })
    process.disconnect()
  },
)
