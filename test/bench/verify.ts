import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compiled } from '../helpers/hub.ts'
import { type Benchmark, callward, inScratch, progress, repeats, Sheet, sized } from './kit.ts'
import { type Verified, verifyOnce } from './verify-once.ts'

const logEntries = sized(1_000_000, 20_000)
/** The longest tail that the bundle of an incident has. */
const incidentEntries = sized(19_990, 2_000)
const limitMillis = 600_000
const run = promisify(execFile)

/** Makes a bundle's files, once for all repeats. */
async function make(script: string, folder: string, entries: number): Promise<number> {
  await run(process.execPath, [join(compiled, script), folder, String(entries)], {
    timeout: limitMillis,
  })
  return statSync(join(folder, 'bundle.zip')).size / 1024 ** 2
}

/** Checks the bundle of a folder with key and older checkpoint, and that all its entries were checked. */
async function verify(folder: string, entries: number): Promise<Verified> {
  const key = readFileSync(join(folder, 'key.txt'), 'utf8')
  const older = join(folder, 'checkpoint.txt')
  const verified = await verifyOnce(join(folder, 'bundle.zip'), key, older)
  if (verified.entries < entries) throw new Error(`${verified.entries} entries were checked`)
  return verified
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
