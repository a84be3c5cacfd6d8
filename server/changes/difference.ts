import type { FileEntry, PackagesDocument, SoftwareDocument } from './documents.ts'

export type ItemKind = 'package' | 'service' | 'file' | 'kernel'

/** One thing whose version changed. `null`: it was not there before, or is not there any more. */
export interface VersionItem {
  readonly kind: ItemKind
  /** Name or path; `running` for the kernel. */
  readonly subject: string
  readonly from: string | null
  readonly to: string | null
}

type Versions = ReadonlyMap<string, string>

/** What changed between two lists of packages, by name. */
export function packageDifference(
  before: PackagesDocument,
  after: PackagesDocument,
): VersionItem[] {
  const old = new Map(Object.entries(before.packages))
  const now = new Map(Object.entries(after.packages))
  return difference('package', withSuffixes(old, now), withSuffixes(now, old))
}

/**
 * What changed in what runs and in the watched files, in the order kernel, services, files. What is seen for the first time behind
 * a blind spot is no change: nobody knows what was there.
 */
export function softwareDifference(
  before: SoftwareDocument,
  after: SoftwareDocument,
): VersionItem[] {
  const blind = new Set((before.files ?? []).filter(isBlind).map(({ path }) => path))
  const kernel = difference('kernel', kernelVersion(before), kernelVersion(after))
  const files = difference('file', fileVersions(before.files), fileVersions(after.files))
  return [
    ...kernel.filter(({ from }) => from !== null),
    ...difference('service', serviceVersions(before), serviceVersions(after)),
    ...files.filter(({ from, subject }) => from !== null || !blind.has(subject)),
  ]
}

/**
 * What the next document is compared with: `after`, where it says nothing of something (a service that does not run, a file that
 * may not be read, no kernel) what was known before. So a change that happens behind a blind spot is seen when sight returns.
 */
export function knownSoftware(
  before: SoftwareDocument | undefined,
  after: SoftwareDocument,
): SoftwareDocument {
  if (before === undefined) return after
  const named = new Set(serviceVersions(after).keys())
  const silent = (before.services ?? []).filter(
    ({ name, version }) => !named.has(name) && version !== '',
  )
  const old = new Map((before.files ?? []).map((file) => [file.path, file]))
  const running = after.kernel?.running || before.kernel?.running
  return {
    services: [...(after.services ?? []).filter(({ version }) => version !== ''), ...silent],
    // A document without the list says nothing of files; an empty list says that none is watched.
    files: (after.files ?? before.files ?? []).map((file) =>
      isBlind(file) ? (old.get(file.path) ?? file) : file,
    ),
    kernel: running === undefined ? {} : { running },
  }
}

/** Versions of services by name; several that run under one name are told together. Without those that say none. */
export function serviceVersions({ services = [] }: SoftwareDocument): Versions {
  const versions = new Map<string, Set<string>>()
  for (const { name, version } of services) {
    if (version === '') continue
    const known = versions.get(name) ?? new Set<string>()
    versions.set(name, known.add(version))
  }
  return new Map([...versions].map(([name, all]) => [name, [...all].sort().join(', ')]))
}

function kernelVersion({ kernel }: SoftwareDocument): Versions {
  return new Map(kernel?.running ? [['running', kernel.running]] : [])
}

/** Blind entries have no version; a file that is absent has one, since it may come. */
function fileVersions(files: readonly FileEntry[] = []): Versions {
  return new Map(
    files.flatMap(({ path, state, sha256 }): [string, string][] => {
      if (state === 'absent') return [[path, 'absent']]
      return state === 'ok' && sha256 !== undefined ? [[path, `sha256:${sha256}`]] : []
    }),
  )
}

function isBlind({ state, sha256 }: FileEntry): boolean {
  return state === 'denied' || state === 'error' || (state === 'ok' && sha256 === undefined)
}

function difference(kind: ItemKind, before: Versions, after: Versions): VersionItem[] {
  const items: VersionItem[] = []
  for (const [subject, to] of after) {
    const from = before.get(subject) ?? null
    if (from !== to) items.push({ kind, subject, from, to })
  }
  for (const [subject, from] of before)
    if (!after.has(subject)) items.push({ kind, subject, from, to: null })
  return items.sort((a, b) => (a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0))
}

/**
 * The packages of one list under the names of the other: a package gets ":arch" behind its name when a second architecture of it
 * is installed, and loses it with that one; neither changed the first.
 */
function withSuffixes(mine: Versions, theirs: Versions): Versions {
  const suffixed = new Map<string, string[]>()
  for (const name of theirs.keys()) {
    const colon = name.indexOf(':')
    if (colon < 0 || mine.has(name)) continue
    const bare = name.slice(0, colon)
    if (mine.has(bare) && !theirs.has(bare))
      suffixed.set(bare, [...(suffixed.get(bare) ?? []), name])
  }
  if (suffixed.size === 0) return mine
  return new Map(
    [...mine].map(([name, version]) => {
      const names = suffixed.get(name)
      if (names === undefined) return [name, version] as const
      const same = names.find((one) => theirs.get(one) === version)
      return [same ?? names.sort()[0]!, version] as const
    }),
  )
}
