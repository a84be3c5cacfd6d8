import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { stateOfError } from '../../source.ts'
import type { SectionState } from '../../wire/frames.ts'
import { approach } from '../course.ts'
import { counted, printable } from './text.ts'

/** Names read of one folder; a folder of more is a fault, since the first of them would be chance. */
export const folderNamesLimit = 20_000
const foldersLimit = 2_000
const pieceBytes = 256 * 1024

/** Why a path could not be read. */
export interface Trouble {
  /** Pattern, folder or file. */
  readonly path: string
  readonly state: Exclude<SectionState, 'ok'>
  readonly detail: string
}

export interface Expansion {
  /** As the host names them, below `/`; sorted, each once. */
  readonly paths: readonly string[]
  /** Those of them that a pattern without wildcards names. */
  readonly named: ReadonlySet<string>
  readonly troubles: readonly Trouble[]
}

/** What may be read: these patterns, and where links may lead. `*` and `?` stand for any text but `/` and a leading dot. */
export interface Listed {
  readonly rootfs: string
  readonly patterns: readonly string[]
  /** Patterns a link may lead to beside those listed. */
  readonly mayLinkTo?: readonly string[]
}

/** The paths that patterns name: those without a wildcard whether they exist or not. At most `limit`. */
export function expand({ rootfs, patterns }: Listed, limit: number): Expansion {
  const named = new Set(patterns.filter((pattern) => !hasWildcard(pattern)))
  const troubles: Trouble[] = []
  const found = new Set(named)
  for (const pattern of patterns) {
    if (!hasWildcard(pattern)) continue
    for (const path of expandOne(rootfs, pattern, troubles)) found.add(path)
  }
  const paths = [...found].sort()
  const left = paths.length - limit
  if (left > 0) {
    const detail = `${counted(left, 'file')} beyond the first ${limit} left out: list fewer`
    troubles.push({ path: patterns.join(', ').slice(0, 200), state: 'error', detail })
  }
  return { paths: paths.slice(0, limit), named, troubles }
}

function hasWildcard(text: string): boolean {
  return /[*?]/.test(text)
}

function expandOne(rootfs: string, pattern: string, troubles: Trouble[]): string[] {
  let folders = ['']
  for (const [index, part] of parts(pattern).entries()) {
    const isLast = index === parts(pattern).length - 1
    const next = hasWildcard(part)
      ? folders.flatMap((folder) => matches(rootfs, folder, part, isLast, troubles))
      : folders.map((folder) => `${folder}/${part}`)
    if (next.length > foldersLimit && !isLast) {
      const detail = `matches over ${foldersLimit} folders: name them`
      troubles.push({ path: pattern, state: 'error', detail })
      return []
    }
    folders = next
  }
  return hasWildcard(pattern.slice(pattern.lastIndexOf('/')))
    ? folders
    : folders.filter((path) => mayExist(join(rootfs, path)))
}

function parts(path: string): string[] {
  return path.split('/').slice(1)
}

/** What cannot be looked at may be there: reading it will say why not. */
function mayExist(path: string): boolean {
  try {
    approach(path)
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return stateOfError(error) !== 'absent'
  }
}

/** Names of a folder that match; folders only, and none behind a link, where the pattern goes on below. */
function matches(
  rootfs: string,
  folder: string,
  pattern: string,
  isLast: boolean,
  troubles: Trouble[],
): string[] {
  const found: string[] = []
  try {
    approach(join(rootfs, folder))
    const entries = opendirSync(join(rootfs, folder))
    try {
      let count = 0
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        if (++count > folderNamesLimit)
          throw new Error(`holds over ${folderNamesLimit} names: name the files you want`)
        const wanted = isLast ? !entry.isDirectory() : entry.isDirectory()
        if (wanted && matchesName(entry.name, pattern)) found.push(`${folder}/${entry.name}`)
      }
    } finally {
      entries.closeSync()
    }
  } catch (error) {
    const state = stateOfError(error)
    if (state !== 'absent') troubles.push({ path: folder || '/', state, detail: whyOf(error) })
    return []
  }
  return found
}

/** Whether one name matches a pattern of `*` and `?`, in time that grows with both lengths only. */
export function matchesName(name: string, pattern: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false
  let at = 0
  let next = 0
  let star = -1
  let mark = 0
  while (at < name.length) {
    if (pattern[next] === '*') {
      star = next++
      mark = at
    } else if (next < pattern.length && (pattern[next] === '?' || pattern[next] === name[at])) {
      at++
      next++
    } else if (star >= 0) {
      next = star + 1
      at = ++mark
    } else return false
  }
  while (pattern[next] === '*') next++
  return next === pattern.length
}

function matchesPath(path: string, pattern: string): boolean {
  const [names, patterns] = [parts(path), parts(pattern)]
  return (
    names.length === patterns.length && names.every((name, i) => matchesName(name, patterns[i]!))
  )
}

/**
 * Where a listed path really is. Links are followed only to what is listed as well: the folder that a pattern
 * begins with may be a link, since the configuration names it. Throws the system's error, or one that says what to list.
 */
export function realPath(path: string, listed: Listed): string {
  approach(join(listed.rootfs, path))
  const root = realpathSync(listed.rootfs)
  const real = realpathSync(join(listed.rootfs, path))
  const inside = root === '/' ? real : real.slice(root.length)
  if (root !== '/' && !real.startsWith(`${root}/`)) throw new Error('a link that leaves the rootfs')
  if (inside === path) return real
  const isListed = listed.patterns.some((pattern) => matchesPath(inside, placed(pattern, listed)))
  const isTarget = (listed.mayLinkTo ?? []).some((pattern) => matchesPath(inside, pattern))
  if (isListed || isTarget) return real
  throw new Error('a link to a path that is not listed: list its target, or in software.mayLinkTo')
}

/** The pattern with its leading folders where they really are. */
function placed(pattern: string, { rootfs }: Listed): string {
  const names = pattern.split('/')
  const first = names.findIndex(hasWildcard)
  const folder = first < 0 ? dirname(pattern) : names.slice(0, first).join('/') || '/'
  const rest = first < 0 ? names.slice(-1) : names.slice(first)
  try {
    approach(join(rootfs, folder))
    const root = realpathSync(rootfs)
    const real = realpathSync(join(rootfs, folder))
    const inside = root === '/' ? real : real.slice(root.length)
    return `${inside === '/' ? '' : inside}/${rest.join('/')}`
  } catch {
    return pattern
  }
}

/**
 * The content of a regular file in pieces that are only valid until the next one, at most `limitBytes` in all (0: no limit).
 * Never waits: a pipe, a socket or a device is refused before it is read. Throws the system's error.
 */
export function* piecesOf(path: string, limitBytes: number): Generator<Buffer, Stats> {
  approach(path)
  if (!lstatSync(path).isFile()) throw new Error('no regular file')
  const flags =
    constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY
  const file = openSync(path, flags)
  let piece = Buffer.alloc(0)
  try {
    const stats = fstatSync(file)
    // A folder above it may have become a link since its path was resolved.
    if (!stats.isFile() || readlinkSync(`/proc/self/fd/${file}`) !== path)
      throw new Error('it was replaced while it was read')
    const tooLarge = () => new Error(`over the limit of ${limitBytes / 1024} KiB`)
    if (limitBytes > 0 && stats.size > limitBytes) throw tooLarge()
    piece = Buffer.alloc(Math.min(pieceBytes, Math.max(4096, stats.size + 1)))
    let total = 0
    for (;;) {
      const read = readSync(file, piece, 0, piece.length, null)
      if (read === 0) return stats
      total += read
      if (limitBytes > 0 && total > limitBytes) throw tooLarge()
      yield piece.subarray(0, read)
    }
  } finally {
    piece.fill(0) // it may have held a key
    closeSync(file)
  }
}

/** A whole small file. Throws like `piecesOf`. */
export function readWhole(path: string, limitBytes: number): Buffer {
  return Buffer.concat([...copies(piecesOf(path, limitBytes))])
}

function* copies(pieces: Iterable<Buffer>): Generator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece)
}

/** One line that says why, without the path; the system's errors in its words. */
export function whyOf(error: unknown): string {
  const state = stateOfError(error)
  if (state === 'absent') return 'it is not there'
  if (state === 'denied')
    return "grant the collector's user read access to it and its folders (setfacl -m u:callward-collector:rX)"
  const message = error instanceof Error ? error.message : String(error)
  return printable(message.split('\n', 1)[0] ?? '', 200)
}

/** The section of something that reads many files. `absent` ones are no fault unless given as troubles. */
export function sectionFrom(
  name: string,
  troubles: readonly Trouble[],
  seen: number,
  whenNone: string,
): { name: string; state: SectionState; detail: string } {
  const worst = (['error', 'denied'] as const).find((state) =>
    troubles.some((trouble) => trouble.state === state),
  )
  if (worst !== undefined) return { name, state: worst, detail: said(troubles, worst) }
  if (seen > 0) return { name, state: 'ok', detail: '' }
  return { name, state: 'absent', detail: whenNone }
}

function said(troubles: readonly Trouble[], worst: SectionState): string {
  const bad = troubles.filter(({ state }) => state !== 'absent')
  const first = bad.find(({ state }) => state === worst)!
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : ''
  return `${printable(first.path, 200)}: ${first.detail}${more}`
}
