import t from 'tap'
import { startHub } from '../differential/peers.ts'
import { runFuzz } from './run.ts'
import { fuzzTargets } from './targets.ts'

/** The short run; the long one is `node dist/test/fuzz/main.js` (docs/testing.md). */
const inputs = 4000

t.test('nothing that is sent breaks what reads it', { timeout: 110_000 }, async (t) => {
  const seed = Number(process.env['CALLWARD_SEED'] ?? Date.now() % 1_000_000)
  t.comment(`seed ${seed}; CALLWARD_SEED=${seed} repeats the run`)
  const peer = await startHub()
  t.teardown(() => peer.stop())
  for (const target of fuzzTargets) {
    const alone = await runFuzz(target, { inputs, seed })
    const few = { inputs: target.name === 'session frames' ? 50 : 200, seed: seed + 1 }
    const parts = [alone, await runFuzz(target, { ...few, hub: { peer, every: 1 } })]
    for (const { faults } of parts) for (const fault of faults) t.fail(`${target.name}: ${fault}`)
    t.equal(alone.inputs, inputs)
    const share = alone.accepted / alone.inputs
    t.ok(share >= 0.2, `${target.name}: ${(100 * share).toFixed(1)} % on the valid path`)
  }
})
