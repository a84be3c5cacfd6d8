// The witness as a program of its own: bundled into one file that needs nothing but Node (bin/bundle-witness.mjs).
import { runWitness } from './program.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
process.exitCode = await runWitness(
  process.argv.slice(2),
  { environment: process.env, stdout: process.stdout, stderr: process.stderr },
  stop.signal,
)
