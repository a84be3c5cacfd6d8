import { runWitness, witnessHelp, witnessUsage } from '../../witness/program.ts'
import type { Terminal } from './command.ts'

export const witnessSummary = 'cosigns checkpoints on an auditor’s machine'
export const witnessHelpText = `Usage: callward witness ${witnessUsage}\n\n${witnessHelp}`

/** Runs the witness in this process until it is done, or until a signal ends it. */
export async function witness(args: readonly string[], terminal: Terminal): Promise<number> {
  const stop = new AbortController()
  const end = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  try {
    return await runWitness(args, terminal, stop.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end)
  }
}
