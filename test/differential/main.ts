import { parseArgs } from 'node:util'
import { inRequests, makeSeries } from './data.ts'
import { excluded } from './grammar.ts'
import { fill, startHub, startPrometheus } from './peers.ts'
import { reportText, runQueries } from './run.ts'

/** `node dist/test/differential/main.js --queries 20000 --seed N`: prints the coverage and every difference; exit code 1 when there are any. */
const { values } = parseArgs({
  options: {
    queries: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const [queries, seed] = [Number(values.queries), Number(values.seed)]
if (!Number.isInteger(queries) || queries < 1 || !Number.isInteger(seed))
  throw new Error('--queries and --seed take whole numbers')
for (const [name, reason] of Object.entries(excluded)) console.log(`not asked: ${name}: ${reason}`)

const [ours, theirs] = [await startHub(), await startPrometheus()]
try {
  const requests = inRequests(makeSeries(seed))
  await fill(theirs, requests)
  await fill(ours, requests)
  const began = performance.now()
  const report = await runQueries(
    { ours, theirs },
    {
      queries,
      seed,
      onProgress: (done) => {
        if (done % 1000 === 0) console.error(`${done} of ${queries}`)
      },
    },
  )
  console.log(reportText(report, seed))
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`)
  process.exitCode = report.differences.length === 0 ? 0 : 1
} finally {
  await ours.stop()
  await theirs.stop()
}
