import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import type { FuzzReport } from './run.ts'
import { fuzzTargets } from './targets.ts'

/**
 * `node dist/test/fuzz/main.js --inputs 1000000 --seed N`: the inputs in equal parts to every target, in child processes of one
 * piece each. A child that is silent for three minutes hangs and is ended. Exit code 1 when anything went wrong.
 */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    target: { type: 'string' },
    piece: { type: 'string', default: '25000' },
    every: { type: 'string', default: '100' },
  },
})
const silence = 180_000
const [inputs, seed, piece] = [Number(values.inputs), Number(values.seed), Number(values.piece)]
if (![inputs, seed, piece].every((number) => Number.isInteger(number) && number > 0))
  throw new Error('--inputs, --seed and --piece take whole numbers')

interface Message {
  readonly done?: number
  readonly report?: FuzzReport
}

/** Runs one piece in a child process; a fault when the child ends or falls silent before its report. */
async function runPiece(target: string, count: number, pieceSeed: number): Promise<FuzzReport> {
  const child = fork(new URL('./piece.js', import.meta.url))
  let report: FuzzReport | undefined
  let reached = 0
  let hung = false
  const end = () => {
    hung = true
    child.kill('SIGKILL')
  }
  let timer = setTimeout(end, silence)
  child.on('message', (message: Message) => {
    clearTimeout(timer)
    timer = setTimeout(end, silence)
    reached = message.done ?? reached
    report = message.report ?? report
  })
  const exited = once(child, 'exit')
  child.send({ target, inputs: count, seed: pieceSeed, every: Number(values.every) })
  const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  if (report !== undefined) return report
  const why = hung ? `silent for ${silence} ms` : `it ended with ${signal ?? code}`
  const fault = `seed ${pieceSeed}, after input ${reached}: ${why}`
  return {
    target,
    inputs: reached,
    accepted: 0,
    toHub: 0,
    slowestMillis: 0,
    growth: 0,
    faults: [fault],
  }
}

const chosen = fuzzTargets.filter(
  ({ name }) => values.target === undefined || name === values.target,
)
const each = Math.ceil(inputs / chosen.length)
let failed = false
for (const { name } of chosen) {
  const began = performance.now()
  const total = { inputs: 0, accepted: 0, toHub: 0, slowest: 0, growth: 0 }
  for (let done = 0, part = 0; done < each; done += piece, part++) {
    const report = await runPiece(name, Math.min(piece, each - done), seed + part)
    total.inputs += report.inputs
    total.accepted += report.accepted
    total.toHub += report.toHub
    total.slowest = Math.max(total.slowest, report.slowestMillis)
    total.growth = Math.max(total.growth, report.growth)
    for (const fault of report.faults) {
      failed = true
      console.log(`FAULT ${name}: ${fault}`)
    }
    console.error(`${name}: ${total.inputs} of ${each}`)
  }
  const share = total.accepted / total.inputs
  if (share < 0.2) failed = true
  console.log(
    `${name}: ${total.inputs} inputs from seed ${seed}, ${(100 * share).toFixed(1)} % on the valid path, ${total.toHub} to a hub, slowest ${total.slowest.toFixed(0)} ms, heap grew by at most ${(total.growth / 1024 / 1024).toFixed(1)} MiB, ${((performance.now() - began) / 1000).toFixed(0)} s`,
  )
}
process.exitCode = failed ? 1 : 0
