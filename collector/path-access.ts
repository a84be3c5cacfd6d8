import { accessSync, constants, lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { PathAccess } from './grants.ts'
import { stateOfError } from './source.ts'

const linksFollowedLimit = 5

/** Where the way to an absolute path ends for this process's user. Reads nothing of the file; never throws. */
export function pathAccess(path: string, links = linksFollowedLimit): PathAccess {
  const closedFolder = firstClosed(dirname(path))
  const unknown: PathAccess = { path, closedFolder, kind: 'unknown', readingGroup: undefined }
  if (closedFolder !== undefined) return unknown
  try {
    const stats = lstatSync(path)
    if (stats.isSymbolicLink() && links > 0) {
      const target = readlinkSync(path)
      return pathAccess(isAbsolute(target) ? target : resolve(dirname(path), target), links - 1)
    }
    const kind = stats.isDirectory() ? 'folder' : stats.isSocket() ? 'socket' : 'file'
    const needed = kind === 'socket' ? 0o060 : kind === 'folder' ? 0o050 : 0o040
    const groupReads = (stats.mode & needed) === needed && stats.gid !== 0
    return { ...unknown, kind, readingGroup: groupReads ? groupName(stats.gid) : undefined }
  } catch {
    return unknown // it has gone meanwhile, or the file system does not say
  }
}

function firstClosed(folder: string): string | undefined {
  let path = '/'
  for (const part of folder.split('/')) {
    path = join(path, part)
    try {
      accessSync(path, constants.X_OK)
    } catch (error) {
      return stateOfError(error) === 'denied' ? path : undefined
    }
  }
  return undefined
}

/** A group's name by /etc/group; undefined where that does not say. */
export function groupName(id: number): string | undefined {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((one) => one.split(':')[2] === String(id))
    return line?.split(':', 1)[0]
  } catch {
    return undefined
  }
}

/**
 * The group that sees all processes of a /proc mounted with hidepid, 0 for none; undefined where nothing is hidden.
 * `mounts` is /proc/mounts (man 5 proc, "hidepid" and "gid").
 */
export function hidepidGroupOf(mounts: string): number | undefined {
  const line = mounts.split('\n').find((one) => / \/proc proc /.test(one))
  const options = line?.split(' ')[3]?.split(',') ?? []
  const value = (key: string) =>
    options.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1)
  const hides = value('hidepid')
  if (hides === undefined || ['0', 'off'].includes(hides)) return undefined
  return Number(value('gid') ?? 0)
}
