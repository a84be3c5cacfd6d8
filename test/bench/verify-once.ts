import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compiled } from '../helpers/hub.ts'
import { serverLauncher } from './kit.ts'

/** What one check of a bundle took. */
export interface Verified {
  readonly seconds: number
  readonly peakMebibytes: number
  readonly entries: number
}

const limitMillis = 600_000
const run = promisify(execFile)

/** `callward verify` from start to end on one core; `older` is the file of a checkpoint. Throws unless the verdict is "verified". */
export async function verifyOnce(bundle: string, key: string, older?: string): Promise<Verified> {
  // The end of the process says how much memory it had at most.
  const peak = 'process.once("exit",()=>process._rawDebug("peak",process.resourceUsage().maxRSS))'
  const command = [
    ...[...serverLauncher, process.execPath, '--import', `data:text/javascript,${peak}`],
    ...[join(compiled, 'server/cli/main.js'), 'verify', bundle, '--key', key, '--json'],
    ...(older === undefined ? [] : ['--checkpoint', older]),
  ]
  const began = performance.now()
  const { stdout, stderr } = await run(command[0]!, command.slice(1), { timeout: limitMillis })
  const seconds = (performance.now() - began) / 1000
  const { verdict, entries } = JSON.parse(stdout) as { verdict: string; entries: number }
  if (verdict !== 'verified') throw new Error(`${bundle}: ${verdict}: ${stdout.slice(0, 1000)}`)
  return { seconds, peakMebibytes: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024, entries }
}
