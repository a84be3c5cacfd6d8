import {
  type Archive,
  ArchiveAway,
  type ArchiveLimits,
  type ArchiveSelection,
} from '../../store/archive.ts'
import { answered, mostArchiveBytes, onlyHere } from './asking.ts'

export interface ListedParts {
  readonly archive: Archive | undefined
  readonly bounds: { readonly timeoutMilliseconds: number; readonly maxAnswerBytes: number }
}

/** Asks an archive for a list. */
export type AskArchive<T> = (
  archive: Archive,
  selection: ArchiveSelection,
  limits: ArchiveLimits,
) => Promise<readonly T[]>

/** Entries of a list, and what is to be said about them. */
export interface Listed<T> {
  readonly entries: readonly T[]
  readonly warnings: readonly string[]
}

/**
 * What an archive adds to a list of the store that reaches back beyond it: nothing without one, and a warning while it is away, so that
 * what is chosen from lists can still be chosen. Throws `QueryFailure` and `query_too_large`.
 */
export async function olderEntries<T>(
  { archive, bounds }: ListedParts,
  selection: ArchiveSelection,
  signal: AbortSignal,
  ask: AskArchive<T>,
): Promise<Listed<T>> {
  const heldFrom = archive?.heldFrom() ?? Number.NEGATIVE_INFINITY
  if (archive === undefined || selection.start >= heldFrom) return { entries: [], warnings: [] }
  const older = { ...selection, end: Math.min(selection.end, heldFrom) }
  const { timeoutMilliseconds, maxAnswerBytes } = bounds
  const limits = {
    timeoutMilliseconds,
    maxBytes: Math.min(maxAnswerBytes, mostArchiveBytes),
    signal,
  }
  try {
    return { entries: await answered(ask(archive, older, limits)), warnings: [] }
  } catch (cause) {
    if (!(cause instanceof ArchiveAway)) throw cause
    return { entries: [], warnings: [onlyHere(cause, heldFrom)] }
  }
}
