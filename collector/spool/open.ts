import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { ReportSpool } from '../pending.ts'
import { type Lane, passingEpoch, type Section } from '../wire/frames.ts'
import { isOfMedium, type SpoolFiles, spoolFiles } from './files.ts'
import { bootId, lockFolder } from './folder-lock.ts'
import { type SpoolLogger, stateOfDisk } from './health.ts'
import { type Ledger, ledgerRuns, readLedger, writeLedger } from './ledger.ts'
import { scanRecords } from './record.ts'
import {
  type FoundSegment,
  foundSegment,
  freshLanes,
  numbersOf,
  type Recovered,
  recover,
} from './recovery.ts'
import type { Segment } from './segments.ts'
import { Spool, type SpoolLimits } from './spool.ts'

export interface OpenOptions {
  /** The collector's own folder; the spool is the folder `spool` in it. */
  readonly folder: string
  readonly collector: string
  /** A spool was there before: when it is gone, reports were lost with it. */
  readonly hadSpool: boolean
  readonly limits: SpoolLimits
  readonly clock: Clock
  readonly logger: SpoolLogger
  /** Called once, when the files hold the first report. */
  readonly onFirst?: () => void
  /** For tests: which start of the machine this is, and the file system. */
  readonly boot?: string
  readonly files?: (folder: string) => SpoolFiles
}

/** A spool in use, or why there is none. */
export interface OpenedSpool {
  /** What sequences are counted in from now on. */
  readonly epoch: string
  /** Undefined: reports wait in memory only. */
  readonly spool: ReportSpool | undefined
  readonly section: Section
  readonly bytes: number
  close(): Promise<void>
}

/** Opens the spool with what an earlier process left in it. Never throws: without it reports wait in memory. */
export async function openSpool(options: OpenOptions): Promise<OpenedSpool> {
  const folder = join(options.folder, 'spool')
  let release = () => {}
  try {
    const files = (options.files ?? spoolFiles)(folder)
    release = await lockFolder(folder)
    const spool = await opened(options, files, release)
    return {
      epoch: spool.epoch,
      spool,
      get section() {
        return spool.section
      },
      get bytes() {
        return spool.bytes
      },
      close: () => spool.close(),
    }
  } catch (error) {
    try {
      release()
    } catch {
      // What failed above is told; the lock of a process that is gone is taken over.
    }
    const { state, detail } = stateOfDisk(error)
    options.logger.error({ err: error }, detail)
    const section = { name: 'spool', state, detail }
    const epoch = `${passingEpoch}${randomUUID()}`
    return { epoch, spool: undefined, section, bytes: 0, close: async () => {} }
  }
}

async function opened(
  options: OpenOptions,
  files: SpoolFiles,
  release: () => void,
): Promise<Spool> {
  const { collector, clock, logger, limits } = options
  const boot = options.boot ?? bootId()
  const found = await readSegments(files)
  const whole = await files.isWhole()
  const { ledger, isBlank } = await foundLedger(
    files,
    whole,
    found.length === 0 && !options.hadSpool,
  )
  const segments = found.map(({ segment }) => segment)
  const recovered = recover(
    found.map(({ content }) => content),
    { collector, boot, whole: whole || isBlank, ledger, monotonic: clock.monotonic() },
  )
  // A first segment that was being begun when the process was killed held nothing.
  const wasBegun = found.some(({ content }) => !content.isUnbegun)
  // The marker speaks of the epoch that ends.
  if (whole && recovered?.epoch === undefined) await files.setWhole(false)
  const lost = recovered?.lost ?? (options.hadSpool || wasBegun ? 1 : 0)
  const says = ({ content }: (typeof found)[number]) =>
    content.head !== undefined || content.events.length > 0
  for (const one of found)
    if (!says(one)) await files.remove(one.segment.serial).catch(() => undefined)
  if (recovered !== undefined) {
    const { waiting, reason } = recovered
    const fields = { waiting: waiting.length, lost, reason }
    if (reason !== '') logger.warn(fields, `a new epoch begins: ${reason}`)
    else if (waiting.length > 0)
      logger.info(fields, 'reports of an earlier start wait in the spool')
  }
  const epoch = recovered?.epoch ?? randomUUID()
  const isLedgered =
    ledger !== undefined &&
    recovered !== undefined &&
    (await takenOver(files, { collector, epoch, boot }, recovered))
  return new Spool({
    files,
    found: recovered ?? { next: freshLanes(lost), nextNumber: 1, waiting: [], lost },
    segments: found.filter(says).map(({ segment }) => segment),
    nextSerial: (segments.at(-1)?.serial ?? 0) + 1,
    collector,
    epoch,
    boot,
    whole: whole && recovered?.epoch !== undefined,
    isLedgered,
    onFirst: options.onFirst,
    limits,
    clock,
    logger,
    trouble: lost === 0 && !recovered?.underWay ? '' : troubleOf(lost, recovered),
    release,
  })
}

function troubleOf(lost: number, recovered: Recovered | undefined): string {
  if (recovered === undefined) return 'the spool is gone: reports of the last run may be lost'
  const { reason, isLeast, underWay, waiting } = recovered
  const count = isLeast ? `at least ${lost}, nobody knows how many,` : lost
  const more =
    underWay === 0
      ? ''
      : `; ${underWay} more were on their way, and are lost unless the hub has them`
  const cause = reason === '' ? 'the disk had refused them, or the spool is damaged' : reason
  return `${count} reports of the last run are lost: ${cause}${more}; ${waiting.length} are there`
}

/** The ledger where it counts, and whether it says that the files know all. From here on its absence says that it could not be written. */
async function foundLedger(
  files: SpoolFiles,
  whole: boolean,
  isFirst: boolean,
): Promise<{ ledger: Ledger | undefined; isBlank: boolean }> {
  const kept = readLedger(await files.readLedger())
  if (kept === 'blank') return { ledger: undefined, isBlank: true }
  if (whole || (isFirst && kept === undefined))
    return { ledger: undefined, isBlank: await blank(files) }
  return { ledger: kept, isBlank: false }
}

async function blank(files: SpoolFiles): Promise<boolean> {
  try {
    await files.writeLedger(writeLedger('blank')!)
    return true
  } catch {
    // No room for it yet: the first segment tries again.
    return false
  }
}

/** Makes the ledger say what this process found, so that its losses are not counted again; false when it cannot be written. */
async function takenOver(
  files: SpoolFiles,
  identity: Pick<Ledger, 'collector' | 'epoch' | 'boot'>,
  { next, nextNumber, waiting }: Recovered,
): Promise<boolean> {
  const done = (lane: Lane) =>
    waiting.reduce(
      (least, { given }) => (given?.lane === lane ? Math.min(least, given.sequence) : least),
      next[lane],
    ) - 1
  const lowest = waiting[0]?.number ?? nextNumber
  const positions = { next, done: { live: done('live'), backlog: done('backlog') }, lowest }
  const bytes = writeLedger({ ...identity, nextNumber, positions, ...ledgerRuns(waiting) })
  try {
    if (bytes === undefined) return false
    await files.writeLedger(bytes)
    return true
  } catch {
    return false
  }
}

/** A file that the medium gives back nothing of is a damaged one; that it is there must not hide the others. */
async function bytesOf(files: SpoolFiles, serial: number): Promise<Uint8Array> {
  try {
    return await files.read(serial)
  } catch (error) {
    if (!isOfMedium(error)) throw error
    return new Uint8Array(1)
  }
}

async function readSegments(
  files: SpoolFiles,
): Promise<{ segment: Segment; content: FoundSegment }[]> {
  const found = []
  for (const serial of await files.list()) {
    const bytes = await bytesOf(files, serial)
    const content = foundSegment(serial, scanRecords(bytes))
    const segment = { serial, ...numbersOf(content), bytes: bytes.length }
    found.push({ segment, content })
  }
  return found
}
