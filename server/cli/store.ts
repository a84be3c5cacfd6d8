import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import { StartError } from '../errors.ts'
import { openEmbeddedStore } from '../store/embedded-store.ts'
import { inspectStore, type StoreInspection } from '../store/inspect.ts'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { bytesText, progressOf } from './progress.ts'
import { table } from './render.ts'
import { migrate } from './store-migrate.ts'

/** A compaction reads and writes every part file. */
const compactTimeoutMilliseconds = 24 * 3_600_000

export const storeCommand: Command = {
  name: 'store',
  summary: 'look into the time series on disk, compact them, bring them to VictoriaMetrics',
  usage:
    'inspect [--data FOLDER] [--verify] [--json] | compact [--data FOLDER] | migrate --to URL [--read URL] [--tenant ID] [--from-time T] [--to-time T] [--data FOLDER]',
  help: `inspect  shows the part files and journal segments of a data folder, whether its hub runs or not
         --data    the hub's data folder (default: CALLWARD_DATA, else ./data)
         --verify  reads everything and checks every checksum
         --json    the figures
compact  merges the part files as far as they go, now rather than by and by: in the running hub (takes an
         administrator's token), or with --data in the data folder of a hub that is stopped
migrate  brings all samples of a data folder whose hub is stopped to VictoriaMetrics, oldest files first, and counts every
         series there when it has had time to write to its disk; what is short is sent again. Broken off at whatever
         point, the same command goes on; a hub with the same store: setting goes on where it ended
         --to      where VictoriaMetrics takes samples: a single node, or vminsert
         --read    where it answers, of a cluster: vmselect (default: as --to)
         --tenant  of a cluster: accountID, or accountID:projectID
         --settle  seconds after which VictoriaMetrics is asked what it has on its disk (default: 30)
         --from-time, --to-time  only samples from then on, up to then (not included): a day or a time in UTC. What is
                   there already is looked up and not sent again
         It ends with a table of samples and sums by day, here and there; a difference makes the exit code 1
         CALLWARD_STORE_TOKEN, or CALLWARD_STORE_USERNAME with CALLWARD_STORE_PASSWORD, let it in

What inspect finds damaged makes it end with exit code 1.

Examples:
  callward store inspect --data /var/lib/callward --verify
  callward store compact
  callward store compact --data /var/lib/callward
  callward store migrate --data /var/lib/callward --to http://10.20.0.9:8428
  callward store migrate --to http://10.20.0.9:8480 --read http://10.20.0.10:8481 --tenant 12
  callward store migrate --to http://10.20.0.9:8428 --from-time 2026-03-01 --to-time 2026-03-08`,
  options: {
    data: { type: 'string' },
    verify: { type: 'boolean' },
    json: { type: 'boolean' },
    to: { type: 'string' },
    read: { type: 'string' },
    tenant: { type: 'string' },
    settle: { type: 'string' },
    'from-time': { type: 'string' },
    'to-time': { type: 'string' },
  },
  positionals: [1, 1],
  async run(call) {
    const [action] = call.positionals
    if (action === 'inspect') return inspect(call)
    if (action === 'compact') return compact(call)
    if (action === 'migrate') return migrate(call, storeFolderOf(dataOf(call)))
    throw new UsageError('Say what to do: inspect, compact or migrate')
  },
}

function dataOf(call: Call): string {
  return textOption(call, 'data') ?? (call.terminal.environment.CALLWARD_DATA || './data')
}

async function inspect(call: Call): Promise<number> {
  const data = dataOf(call)
  const verify = call.values.verify === true
  const progress = progressOf(call)
  const inspection = await inspectStore(storeFolderOf(data), {
    verify,
    onProgress: (done, of) => {
      if (verify) progress('verifying', done, of)
    },
  }).finally(progress.end)
  if (call.values.json === true) sayJson(call, inspection)
  else show(call, inspection, verify)
  return inspection.isWhole ? 0 : 1
}

function show(call: Call, found: StoreInspection, verified: boolean): void {
  const time = (at: number) => new Date(at).toISOString().replace('T', ' ').slice(0, 19)
  const { totals } = found
  const parts = found.parts.map((part) => [
    part.name,
    `level ${part.level}`,
    bytesText(part.bytes),
    String(part.series),
    String(part.samples),
    part.bytesPerSample.toFixed(2),
    time(part.minTime),
    time(part.maxTime),
    part.problems.join('; ') || 'whole',
  ])
  if (parts.length > 0)
    table(
      call,
      ['PART', 'LEVEL', 'SIZE', 'SERIES', 'SAMPLES', 'B/SAMPLE', 'FROM (UTC)', 'TO (UTC)', 'STATE'],
      parts,
    )
  const segments = found.segments.map((segment) => [
    segment.name,
    bytesText(segment.bytes),
    time(segment.modifiedAt),
    segment.generation === undefined ? 'head not readable' : `generation ${segment.generation}`,
    stateOf(segment.wholeBytes, segment.bytes),
  ])
  if (segments.length > 0)
    table(call, ['SEGMENT', 'SIZE', 'WRITTEN (UTC)', 'HOLDS', 'STATE'], segments)
  for (const name of found.damagedFiles) call.say(`set aside as damaged: ${name}`)
  for (const name of found.unfinishedFiles) call.say(`unfinished: ${name}`)
  call.say(
    `${bytesText(totals.bytes)}: ${totals.samples} samples of ${totals.series} series in ${parts.length} part files (${totals.bytesPerSample.toFixed(2)} B/sample), ${segments.length} journal segments.`,
  )
  if (!found.isWhole)
    call.say('Not whole: see STATE. Check the disk, and restore a backup if need be.')
  else if (verified) call.say('Whole: every checksum was checked.')
  else call.say('Whole as far as the ends of the files tell; --verify reads everything.')
}

function stateOf(wholeBytes: number | undefined, bytes: number): string {
  if (wholeBytes === undefined) return 'not verified'
  return wholeBytes === bytes ? 'whole' : `${bytes - wholeBytes} bytes behind the last whole record`
}

async function compact(call: Call): Promise<number> {
  const data = textOption(call, 'data')
  const done = data === undefined ? await compactInHub(call) : await compactFolder(data)
  call.say(
    `Compacted in ${done.seconds.toFixed(1)} s: ${bytesText(done.bytesBefore)} became ${bytesText(done.bytesAfter)}.`,
  )
  return 0
}

interface Compacted {
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly seconds: number
}

async function compactInHub(call: Call): Promise<Compacted> {
  return call
    .hub()
    .call<Compacted>('POST', '/api/v1/store/compact', undefined, compactTimeoutMilliseconds)
}

async function compactFolder(data: string): Promise<Compacted> {
  const started = performance.now()
  const store = await openEmbeddedStore({
    folder: storeFolderOf(data),
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
  }).catch((error: unknown) => {
    throw error instanceof StartError ? new CommandError(error.message) : error
  })
  try {
    const bytesBefore = store.stats().bytesOnDisk
    await store.compact()
    const bytesAfter = store.stats().bytesOnDisk
    return { bytesBefore, bytesAfter, seconds: (performance.now() - started) / 1000 }
  } finally {
    await store.close()
  }
}

/** The store in a data folder. Throws CommandError when there is none. */
function storeFolderOf(data: string): string {
  const folder = join(data, 'hub', 'store')
  if (!existsSync(folder))
    throw new CommandError(
      `There is no store in ${data}. Give the hub's data folder (the one of CALLWARD_DATA).`,
    )
  return folder
}
