import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Metric,
  type Roots,
  type Source,
  type SourceReading,
  seen,
  stateOfError,
  unseen,
} from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { diskMetrics } from './smart-figures.ts'
import { hour, minute } from './sysfs.ts'

/** Where packaging/callward-smart leaves its files. */
export const smartFolder = '/run/callward/smart'

const filesLimit = 256
const bytesLimit = 1024 * 1024
/** The timer runs each ten minutes; a reading this old says nothing about the disk any more. */
const staleAge: Millis = 3 * hour

interface DiskFile {
  readonly modified: Millis
  readonly size: number
  readonly metrics: readonly Metric[]
  readonly fault: string
}

/**
 * Health of disks (SMART, NVMe) from the spool folder that a timer of root fills; the collector itself may not ask a disk.
 * The folder is looked at once a minute, a file read again when it has changed. A disk that was not read lately has no figures.
 */
export function smartSource(roots: Roots): Source {
  const folder = roots.smart ?? smartFolder
  const files = new Map<string, DiskFile>()
  let lookedAt: Millis = Number.NaN
  return {
    name: 'smart',
    async read(now) {
      if (!(now >= lookedAt && now - lookedAt < minute)) {
        refresh(folder, files)
        lookedAt = now
      }
      return readingOf(folder, files, now)
    },
  }
}

/** Throws where the folder cannot be listed. */
function refresh(folder: string, files: Map<string, DiskFile>): void {
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => /^[\w.-]{1,64}\.json$/.test(name))
  } catch (error) {
    files.clear()
    if (stateOfError(error) === 'absent') return
    throw error
  }
  const present = new Set(names.sort().slice(0, filesLimit))
  for (const name of files.keys()) if (!present.has(name)) files.delete(name)
  for (const name of present) files.set(name, readDisk(folder, name, files.get(name)))
}

function readDisk(folder: string, name: string, before: DiskFile | undefined): DiskFile {
  const path = join(folder, name)
  const disk = name.slice(0, -'.json'.length)
  try {
    const stats = lstatSync(path)
    const { mtimeMs: modified, size } = stats
    // A pipe would hold up the tick, a link might lead to what is not ours to read.
    if (!stats.isFile()) throw new Error('not a plain file')
    if (before?.modified === modified && before.size === size) return before
    if (size > bytesLimit) throw new Error(`over ${bytesLimit} bytes`)
    const metrics = diskMetrics(disk, parseJson(readFileSync(path, 'utf8')), modified)
    return { modified, size, metrics, fault: '' }
  } catch (error) {
    const denied = stateOfError(error) === 'denied'
    const reason = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error)
    const fault = denied ? `${disk}: no permission to read ${path}` : `${disk}: ${reason}`
    return { modified: Number.NaN, size: -1, metrics: [], fault: fault.slice(0, 200) }
  }
}

/** Without the text in the message, which JSON.parse puts there. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('not JSON')
  }
}

function readingOf(
  folder: string,
  files: ReadonlyMap<string, DiskFile>,
  now: Millis,
): SourceReading {
  if (files.size === 0)
    return unseen(
      'absent',
      `${folder} holds no readings; install the timer callward-smart (docs/collector.md)`,
    )
  const metrics: Metric[] = []
  const faults: string[] = []
  for (const [name, file] of files) {
    if (file.fault !== '') faults.push(file.fault)
    else if (now - file.modified > staleAge)
      faults.push(
        `${name} is ${Math.round((now - file.modified) / hour)} h old: does the timer callward-smart run?`,
      )
    else metrics.push(...file.metrics)
  }
  if (faults.length === 0) return seen(metrics)
  const denied = faults.every((fault) => fault.includes('no permission'))
  return { state: denied ? 'denied' : 'error', detail: faults.join('; ').slice(0, 300), metrics }
}
