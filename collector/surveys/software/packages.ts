import { stateOfError } from '../../source.ts'
import { compareDebianVersions } from '../../wire/debian-version.ts'
import { limits, type Section } from '../../wire/frames.ts'
import { dpkgPackages, type InstalledPackage } from './dpkg.ts'
import { matchesName, whyOf } from './paths.ts'
import { rpmPackages } from './rpm.ts'
import { printable } from './text.ts'

export interface PackagesDocument {
  readonly manager: 'dpkg' | 'rpm' | 'none'
  /** Version by name; `name:architecture` where two architectures are installed; several versions joined by `, `. */
  readonly packages: Readonly<Record<string, string>>
}

export interface Packages {
  readonly section: Section
  /** `unknown` when there is one that could not be read. */
  readonly manager: PackagesDocument['manager'] | 'unknown'
  /** Undefined when it is not known what is installed: the hub keeps what it was told last. */
  readonly document: PackagesDocument | undefined
  readonly installed: readonly InstalledPackage[]
}

/** What is installed, by dpkg's status file below `rootfs`, else by rpm. `names`: patterns of those to report, all by default. */
export async function packages(
  rootfs: string,
  names: readonly string[] | undefined,
): Promise<Packages> {
  try {
    const found = await installedPackages(rootfs)
    if (found === undefined) return none()
    return reported(found.manager, found.installed, names)
  } catch (error) {
    const section: Section = { name: 'packages', state: stateOfError(error), detail: whyOf(error) }
    return { section, manager: 'unknown', document: undefined, installed: [] }
  }
}

function none(): Packages {
  const detail = 'this host has neither dpkg nor rpm'
  const section: Section = { name: 'packages', state: 'absent', detail }
  const document = { manager: 'none', packages: {} } as const
  return { section, manager: 'none', document, installed: [] }
}

async function installedPackages(rootfs: string) {
  const dpkg = orAbsent(() => dpkgPackages(rootfs))
  if (dpkg !== undefined && dpkg.length > 0) return { manager: 'dpkg', installed: dpkg } as const
  // rpm would answer for the place we run in, not for the tree we look at.
  if (rootfs !== '/') return undefined
  try {
    return { manager: 'rpm', installed: await rpmPackages() } as const
  } catch (error) {
    if (stateOfError(error) !== 'absent') throw error
    return undefined
  }
}

function orAbsent<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (stateOfError(error) !== 'absent') throw error
    return undefined
  }
}

/** The document and its section; no document when it is over what one facts document may hold. */
export function reported(
  manager: 'dpkg' | 'rpm',
  installed: readonly InstalledPackage[],
  names: readonly string[] | undefined,
): Packages {
  const chosen = installed.filter(
    ({ name }) => names === undefined || names.some((pattern) => matchesName(name, pattern)),
  )
  const document = { manager, packages: versionsByName(chosen) }
  const bytes = Buffer.byteLength(JSON.stringify(document))
  if (bytes <= limits.factsBytes) {
    const section: Section = { name: 'packages', state: 'ok', detail: '' }
    return { section, manager, document, installed }
  }
  const detail = `${installed.length} packages are ${bytes} bytes, over the limit of ${limits.factsBytes}: say in software.packageNames which to report`
  const section: Section = { name: 'packages', state: 'error', detail }
  return { section, manager, document: undefined, installed }
}

function versionsByName(installed: readonly InstalledPackage[]): Record<string, string> {
  const architectures = new Map<string, Set<string>>()
  for (const { name, architecture } of installed) {
    const known = architectures.get(name) ?? new Set()
    architectures.set(name, known.add(architecture))
  }
  const versions = new Map<string, string[]>()
  for (const { name, architecture, version } of installed) {
    const several = (architectures.get(name)?.size ?? 0) > 1
    const key = printable(several ? `${name}:${architecture}` : name, 200)
    versions.set(key, [...(versions.get(key) ?? []), printable(version, 200)])
  }
  const joined = (all: readonly string[]) => [...all].sort(compareDebianVersions).join(', ')
  const entries = [...versions].map(([name, all]) => [name, joined(all)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
