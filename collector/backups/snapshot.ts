import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sight } from './evidence.ts'
import { reach } from './files.ts'
import type { SnapshotJob } from './job.ts'
import { type Around, type BackupKind, copyId } from './kind.ts'
import { jsonOf, listOf, recordOf, runTool } from './tool.ts'
import { BackupError, fileTrouble } from './trouble.ts'

/** Snapshots are counted and dated, and never called a backup: they are lost with the disk they stand on. */
export const snapshotKind: BackupKind<SnapshotJob> = { look, verify: nothing, restore: nothing }

async function nothing(): Promise<never> {
  throw new BackupError(
    'refused',
    'a snapshot is not a backup: there is nothing to verify or restore',
  )
}

async function look(job: SnapshotJob, around: Around): Promise<Sight> {
  const times = (await timesOf(job, around)).sort((a, b) => a - b)
  const newest = times.at(-1)
  return {
    state: 'seen',
    copies: times.length,
    newest:
      newest === undefined
        ? undefined
        : { id: copyId(newest), at: newest, bytes: undefined, seconds: undefined },
    earlierBytes: [],
    attempt: undefined,
    isCompleteByLook: true,
  }
}

async function timesOf({ tool, path }: SnapshotJob, around: Around): Promise<number[]> {
  if (tool === 'folder') return folderTimes(path, around)
  const [program, argv] = {
    zfs: ['zfs', ['list', '-Hp', '-t', 'snapshot', '-o', 'creation', '-r', path]],
    btrfs: ['btrfs', ['subvolume', 'list', '-s', path]],
    lvm: ['lvs', ['--reportformat', 'json', '-o', 'lv_name,lv_time,origin', path]],
  }[tool] as [string, string[]]
  const { limitMilliseconds, signal } = around
  const { output } = await runTool({ program, argv, limitMilliseconds, signal })
  if (tool === 'zfs') return readZfsTimes(output)
  return tool === 'btrfs' ? readBtrfsTimes(output) : readLvmTimes(output)
}

async function folderTimes(path: string, { signal }: Around): Promise<number[]> {
  await reach(path, signal)
  try {
    const folders = (await readdir(path, { withFileTypes: true })).filter((one) =>
      one.isDirectory(),
    )
    const stats = await Promise.all(folders.map((one) => lstat(join(path, one.name))))
    // A snapshot's own times are those of what it shows; when it was made stands in its birth time, where there is one.
    return stats.map((one) => Math.max(one.birthtimeMs, one.ctimeMs))
  } catch (error) {
    throw fileTrouble(error)
  }
}

/** Seconds, one a line (`zfs list -Hp -o creation`). */
export function readZfsTimes(output: string): number[] {
  return numbered(
    output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number(line) * 1000),
  )
}

/** `ID 260 gen 12 … otime 2026-08-25 09:15:00 path …` a line (`btrfs subvolume list -s`), times UTC here. */
export function readBtrfsTimes(output: string): number[] {
  const lines = output.split('\n').filter((line) => line !== '')
  return numbered(
    lines.map((line) => {
      const [, day, time] = /otime (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(line) ?? []
      return Date.parse(`${day}T${time}Z`)
    }),
  )
}

/** Logical volumes that have an origin (`lvs --reportformat json`). */
export function readLvmTimes(output: string): number[] {
  const [report] = listOf(recordOf(jsonOf('lvs', output))['report']).map(recordOf)
  const snapshots = listOf(report?.['lv'])
    .map(recordOf)
    .filter((one) => String(one['origin'] ?? '') !== '')
  return numbered(
    snapshots.map((one) =>
      Date.parse(
        String(one['lv_time'])
          .replace(/ ([+-]\d{4})$/, '$1')
          .replace(' ', 'T'),
      ),
    ),
  )
}

function numbered(times: readonly number[]): number[] {
  if (times.every(Number.isFinite)) return [...times]
  throw new BackupError('failed', 'the list of snapshots is not understood')
}
