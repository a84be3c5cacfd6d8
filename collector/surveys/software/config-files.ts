import { createHash } from 'node:crypto'
import { stateOfError } from '../../source.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import {
  expand,
  type Listed,
  piecesOf,
  realPath,
  sectionFrom,
  type Trouble,
  whyOf,
} from './paths.ts'
import { instantText, printable } from './text.ts'

/** A file by its hash; its content never leaves the host. */
export interface HashedFile {
  readonly path: string
  readonly state: SectionState
  /** Why not, unless `ok`. */
  readonly detail?: string
  /** Hex. */
  readonly sha256?: string
  readonly bytes?: number
  readonly modifiedAt?: string
}

export const filesLimit = 200
export const fileBytesLimit = 10 * 1024 * 1024

/** Hash, size and time of the files that patterns name. A file that is named and not there is said to be absent: no fault. */
export function configFiles(listed: Listed): { section: Section; files: readonly HashedFile[] } {
  const { paths, troubles } = expand(listed, filesLimit)
  const files = paths.map((path) => hashedFile(path, listed))
  const all = [...troubles, ...files.flatMap(troubleOf)]
  const whenNone = 'none is listed: software.files of the configuration says which to watch'
  return { section: sectionFrom('config_files', all, files.length, whenNone), files }
}

/** Reads one listed file to its end, at most 10 MiB. Never throws. */
export function hashedFile(path: string, listed: Listed): HashedFile {
  try {
    const hash = createHash('sha256')
    const pieces = piecesOf(realPath(path, listed), fileBytesLimit)
    let bytes = 0
    for (;;) {
      const { done, value } = pieces.next()
      if (done) {
        const modifiedAt = instantText(value.mtimeMs)
        const found = {
          path: printable(path, 512),
          state: 'ok',
          sha256: hash.digest('hex'),
          bytes,
        } as const
        return modifiedAt === undefined ? found : { ...found, modifiedAt }
      }
      hash.update(value)
      bytes += value.length
    }
  } catch (error) {
    return unread(path, error)
  }
}

/** A row for what could not be read. */
export function unread(path: string, error: unknown) {
  // Node gives names that are no UTF-8 with this character, and cannot open them.
  const nameless = path.includes('\ufffd')
  const state = nameless ? 'error' : stateOfError(error)
  const detail = nameless ? 'its name is not UTF-8' : whyOf(error)
  return { path: printable(path, 512), state, detail } as const
}

/** What a row means for its section. */
export function troubleOf(row: {
  readonly path: string
  readonly state: SectionState
  readonly detail?: string
}): Trouble[] {
  if (row.state === 'ok') return []
  return [{ path: row.path, state: row.state, detail: row.detail ?? '' }]
}
