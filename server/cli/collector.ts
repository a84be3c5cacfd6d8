import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../assets.ts'
import { type Command, UsageError } from './command.ts'

export const collectorCommand: Command = {
  name: 'collector',
  summary: 'say what the collector can see of this machine, and how to grant the rest',
  usage: 'check [--json]',
  help: `check  reads everything a collector reads on this machine, as the user you are, and groups what it found:
       seen, absent here, denied (with the commands that grant it), in error. It talks to no hub and writes no file.
       --json  the same for programs

Ends with exit code 1 when a section is in error or nothing is seen; what is denied is no error.
On a host with the package or the one file: callward-collector --check

Examples:
  callward collector check
  callward collector check --json | jq -r '.sections[] | select(.state == "denied") | .grant.commands[]'`,
  options: { json: { type: 'boolean' } },
  positionals: [1, 1],
  async run(call) {
    if (call.positionals[0] !== 'check') throw new UsageError('Say what to do: check')
    return runCollector(['--check', ...(call.values['json'] === true ? ['--json'] : [])], {
      ...call.terminal.environment,
    })
  },
}

/** Runs the collector of this installation on the terminal of this process; resolves with its exit code. */
function runCollector(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const script = join(packageRoot, 'dist', 'collector', 'main.js')
  const options = ['--enable-source-maps', script, ...argv]
  const child = spawn(process.execPath, options, { env, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
