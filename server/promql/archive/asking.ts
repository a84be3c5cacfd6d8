import { type ArchiveAway, ArchiveRefusal } from '../../store/archive.ts'
import { executionFailure } from '../failure.ts'

/** Longest answer of an archive, and of the hub's own part beside it: both are read on the hub's own thread, some 8 ms a MiB. */
export const mostArchiveBytes = 16 * 1024 * 1024

/** What an archive answers; what it refuses is a `QueryFailure`. Throws `ArchiveAway` too. */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (cause) {
    if (cause instanceof ArchiveRefusal) throw executionFailure(cause.message)
    throw cause
  }
}

/** The warning of an answer that lacks an archive's part; `heldFrom` in milliseconds. */
export function onlyHere({ message }: ArchiveAway, heldFrom: number): string {
  return `${message}: only what the hub holds since ${new Date(heldFrom).toISOString()}`
}
