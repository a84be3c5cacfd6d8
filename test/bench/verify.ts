import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compiled } from '../helpers/hub.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  progress,
  repeats,
  Sheet,
  serverLauncher,
  sized,
} from './kit.ts'

const logEntries = sized(1_000_000, 20_000)
/** The longest tail that the bundle of an incident has. */
const incidentEntries = sized(19_990, 2_000)
const limitMillis = 600_000
const run = promisify(execFile)

interface Measured {
  readonly seconds: number
  readonly peakMebibytes: number
}

/** Makes a bundle's files, once for all repeats. */
async function make(script: string, folder: string, entries: number): Promise<number> {
  await run(process.execPath, [join(compiled, script), folder, String(entries)], {
    timeout: limitMillis,
  })
  return statSync(join(folder, 'bundle.zip')).size / 1024 ** 2
}

/** `callward verify` from start to end on one core. */
async function verify(folder: string, entries: number): Promise<Measured> {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  // The end of the process says how much memory it had at most.
  const peak = 'process.once("exit",()=>process._rawDebug("peak",process.resourceUsage().maxRSS))'
  const command = [
    ...[...serverLauncher, process.execPath, '--import', `data:text/javascript,${peak}`],
    ...[join(compiled, 'server/cli/main.js'), 'verify', join(folder, 'bundle.zip')],
    ...['--key', read('key.txt'), '--checkpoint', join(folder, 'checkpoint.txt'), '--json'],
  ]
  const began = performance.now()
  const { stdout, stderr } = await run(command[0]!, command.slice(1), { timeout: limitMillis })
  const seconds = (performance.now() - began) / 1000
  const report = JSON.parse(stdout) as { verdict: string; entries: number }
  if (report.verdict !== 'verified' || report.entries < entries)
    throw new Error(`${report.entries} entries: ${report.verdict}`)
  return { seconds, peakMebibytes: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024 }
}

/** What an auditor waits for: a whole log and one incident, each a bundle checked by `callward verify`. */
export const verification: Benchmark = {
  name: 'verify',
  async run() {
    const sheet = new Sheet()
    const sizes: string[] = []
    await inScratch(async (folder) => {
      progress(`a bundle of ${logEntries} entries is made`)
      sizes.push((await make('test/bench/verify-load.js', folder, logEntries)).toFixed(0))
      for (let repeat = 1; repeat <= repeats; repeat++) {
        progress(`verify ${logEntries} entries, ${repeat} of ${repeats}`)
        const { seconds, peakMebibytes } = await verify(folder, logEntries)
        const goal = { reach: { is: 20 }, floor: { is: 30 } }
        const name = `a log of ${logEntries} entries`
        sheet.add({ name, unit: 's', better: 'less', goal }, callward, seconds)
        sheet.add({ name: 'memory for it', unit: 'MiB', better: 'less' }, callward, peakMebibytes)
      }
    })
    await inScratch(async (folder) => {
      progress(`the bundle of an incident is made`)
      sizes.push((await make('test/bench/verify-incident.js', folder, incidentEntries)).toFixed(0))
      for (let repeat = 1; repeat <= repeats; repeat++) {
        const { seconds } = await verify(folder, incidentEntries - 10)
        const goal = { reach: { is: 1.5 }, floor: { is: 2 } }
        const name = `an incident with ${incidentEntries} entries after it`
        sheet.add({ name, unit: 's', better: 'less', goal }, callward, seconds)
      }
    })
    return {
      title: 'Verifying evidence',
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        `\`callward verify\` with key and older checkpoint, from the start of the process to its end, on one core; the bundles have ${sizes.join(' and ')} MiB.`,
        'The entries of the log are of change records and silences, about 350 bytes each, and no row is shown; the bundle of the incident is as long as one can be, and is made by the hub’s code.',
      ],
    }
  },
}
