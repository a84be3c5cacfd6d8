import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { ReportSpool } from '../pending.ts'
import type { Section } from '../wire/frames.ts'
import { type SpoolFiles, spoolFiles } from './files.ts'
import { bootId, lockFolder } from './folder-lock.ts'
import { type SpoolLogger, stateOfDisk } from './health.ts'
import { scanRecords } from './record.ts'
import { type FoundSegment, foundSegment, freshLanes, numbersOf, recover } from './recovery.ts'
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
    release = lockFolder(folder)
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
    const epoch = randomUUID()
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
  const [wall, monotonic] = [clock.now(), clock.monotonic()]
  const segments = found.map(({ segment }) => segment)
  const recovered = recover(
    found.map(({ content }) => content),
    { collector, boot, whole, wall, monotonic },
  )
  // A first segment that was being begun when the process was killed held nothing.
  const wasBegun = found.some(({ content }) => !content.isUnbegun)
  // The marker speaks of the epoch that ends.
  if (whole && recovered?.epoch === undefined) await files.setWhole(false)
  const lost = recovered?.lost ?? (options.hadSpool || wasBegun ? 1 : 0)
  const says = ({ content }: (typeof found)[number]) =>
    content.head !== undefined || content.events.length > 0
  for (const one of found) if (!says(one)) await files.remove(one.segment.serial)
  if (recovered !== undefined) {
    const { waiting, reason } = recovered
    const fields = { waiting: waiting.length, lost, reason }
    if (reason !== '') logger.warn(fields, `a new epoch begins: ${reason}`)
    else if (waiting.length > 0)
      logger.info(fields, 'reports of an earlier start wait in the spool')
  }
  return new Spool({
    files,
    found: recovered ?? { next: freshLanes(lost), nextNumber: 1, waiting: [], lost },
    segments: found.filter(says).map(({ segment }) => segment),
    nextSerial: (segments.at(-1)?.serial ?? 0) + 1,
    collector,
    epoch: recovered?.epoch ?? randomUUID(),
    boot,
    whole: whole && recovered?.epoch !== undefined,
    limits,
    clock,
    logger,
    trouble: lost === 0 ? '' : troubleOf(lost, recovered?.reason),
    release,
  })
}

function troubleOf(lost: number, reason: string | undefined): string {
  if (reason === undefined) return 'the spool is gone: reports of the last run may be lost'
  return `${lost} reports of the last run are lost${reason === '' ? ': the spool is damaged' : `: ${reason}`}`
}

async function readSegments(
  files: SpoolFiles,
): Promise<{ segment: Segment; content: FoundSegment }[]> {
  const found = []
  for (const serial of await files.list()) {
    const bytes = await files.read(serial)
    const content = foundSegment(serial, scanRecords(bytes))
    const segment = { serial, ...numbersOf(content), bytes: bytes.length }
    found.push({ segment, content })
  }
  return found
}
