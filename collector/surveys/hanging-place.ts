import { readKernelFile } from '../source.ts'
import { parseMounts } from '../sources/filesystem.ts'

/** Mounts that are never passed by as a whole: without them hardly anything can be read. */
const neverWhole: ReadonlySet<string> = new Set(['/', '/proc', '/sys', '/dev', '/run', '/usr'])

/** The mount that a path which hangs lies on, else the path alone; undefined for what is no path. */
export function hangingPlace(path: string, mounts = ownMounts()): string | undefined {
  if (!path.startsWith('/')) return undefined
  const below = parseMounts(mounts)
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => !neverWhole.has(point))
    .filter((point) => path === point || path.startsWith(`${point}/`))
  return below.reduce((longest, one) => (one.length > longest.length ? one : longest), '') || path
}

function ownMounts(): string {
  try {
    return readKernelFile('/proc/self/mounts')
  } catch {
    return ''
  }
}
