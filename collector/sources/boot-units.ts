import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Roots, readKernelFile, stateOfError } from '../source.ts'

/** Whether systemd starts a unit at boot; `waived`: it is enabled, and yet nothing is to be missed when it does not run. */
export type BootStart =
  | { readonly kind: 'starts' }
  | { readonly kind: 'waived'; readonly reason: string }
  | { readonly kind: 'none' }

/** Where systemd looks for units, the first wins (man 5 systemd.unit, "Unit File Load Path"). */
const unitFolders = [
  'etc/systemd/system',
  'run/systemd/system',
  'run/systemd/generator',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
  'lib/systemd/system',
  'run/systemd/generator.late',
] as const

const bootFolder = 'etc/systemd/system/multi-user.target.wants'
const unitBytesLimit = 64 * 1024
const dropInsLimit = 64
const linksLimit = 5

/** Whether systemd is process 1 of the host, by the sign it leaves for that question (man 3 sd_booted). */
export function systemdRuns({ rootfs }: Roots): boolean {
  return statsOf(join(rootfs, 'run/systemd/system'))?.isDirectory() === true
}

/**
 * What systemd does with a unit at boot, by its files alone. A mask, a missing unit file and a missing link in
 * multi-user.target.wants mean `none`. A condition that is not met, or cannot be judged from here, waives it: systemd then skips
 * the unit without calling it failed. So does a host on which systemd does not run.
 */
export function bootStart(roots: Roots, unit: string): BootStart {
  try {
    if (lstat(join(roots.rootfs, bootFolder, unit)) === undefined) return { kind: 'none' }
    if (!systemdRuns(roots)) return { kind: 'waived', reason: 'systemd does not run here' }
    const file = unitFile(roots.rootfs, unit)
    if (file === undefined) return { kind: 'none' }
    const settings = settingsOf([file, ...dropIns(roots.rootfs, unit)].map(readUnit))
    const reason =
      whySkipped(settings.conditions, roots) ?? whyNothing(roots.rootfs, unit, settings)
    return reason === undefined ? { kind: 'starts' } : { kind: 'waived', reason }
  } catch (error) {
    const why = stateOfError(error) === 'denied' ? 'may not be read' : 'cannot be read'
    return { kind: 'waived', reason: `its unit file ${why}` }
  }
}

/** The first that would be started; else why the first enabled one is not missed. */
export function bootStartOf(roots: Roots, units: readonly string[]): BootStart {
  const all = units.map((unit) => bootStart(roots, unit))
  return (
    all.find(({ kind }) => kind === 'starts') ??
    all.find(({ kind }) => kind === 'waived') ?? { kind: 'none' }
  )
}

/** One `Condition…=` line: its kind without the word Condition, and its value. */
export interface Condition {
  readonly kind: string
  readonly value: string
}

export interface UnitSettings {
  readonly conditions: readonly Condition[]
  readonly type: string
}

/** Conditions and type of a unit and its drop-ins, in the order systemd reads them. An empty condition takes back those before it. */
export function settingsOf(texts: readonly string[]): UnitSettings {
  let conditions: Condition[] = []
  let type = ''
  for (const text of texts) {
    for (const line of text.replace(/\\\r?\n/g, ' ').split('\n')) {
      const [, key, value = ''] =
        /^\s*(Type|Condition[A-Za-z0-9]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
      if (key === 'Type') type = value
      else if (key !== undefined && value === '') conditions = []
      else if (key !== undefined) conditions.push({ kind: key.slice('Condition'.length), value })
    }
  }
  return { conditions, type }
}

/** All must hold, and of those with a bar at least one (man 5 systemd.unit, "Conditions"). Undefined when the unit is started. */
export function whySkipped(conditions: readonly Condition[], roots: Roots): string | undefined {
  const judged = conditions.map((one) => ({ ...one, verdict: verdictOf(one, roots) }))
  const said = ({ kind, value }: Condition) => `Condition${kind}=${value}`.slice(0, 120)
  const must = judged.filter(({ value }) => !value.startsWith('|'))
  const unmet = must.find(({ verdict }) => verdict === 'unmet')
  if (unmet !== undefined) return `${said(unmet)} is not met`
  const unclear = must.find(({ verdict }) => verdict === 'unclear')
  if (unclear !== undefined) return `${said(unclear)} cannot be judged from here`
  const any = judged.filter(({ value }) => value.startsWith('|'))
  if (any.length === 0 || any.some(({ verdict }) => verdict === 'met')) return undefined
  return `none of ${any.map(said).join(', ')}`.slice(0, 200).concat(' is met')
}

type Verdict = 'met' | 'unmet' | 'unclear'

function verdictOf({ kind, value }: Condition, roots: Roots): Verdict {
  const [, not, text = ''] = /^\|?\s*(!?)\s*(.*)$/.exec(value) ?? []
  const holds = holdsOf(kind, text, roots)
  if (holds === undefined) return 'unclear'
  return holds === (not !== '!') ? 'met' : 'unmet'
}

/** Places that are on the root file system or in memory: a look elsewhere could hang the tick. */
const localPath = /^\/(etc|usr|lib|bin|sbin|run|dev|proc|sys)(\/|$)/

/** Bits of /proc/PID/status CapBnd (linux/capability.h); units of the services known here ask for no others. */
const capabilityBits: Readonly<Record<string, bigint>> = {
  CAP_NET_ADMIN: 12n,
  CAP_SYS_ADMIN: 21n,
  CAP_SYS_TIME: 25n,
}

/** Whether the condition holds; undefined where that cannot be told without asking systemd. */
function holdsOf(kind: string, text: string, roots: Roots): boolean | undefined {
  if (kind === 'Capability') return hasCapability(text, roots)
  if (!localPath.test(text) || /%|\/\.\.(\/|$)/.test(text)) return undefined
  const path = join(roots.rootfs, text)
  try {
    const stats = followed(roots.rootfs, path)
    if (kind === 'PathExists') return stats !== undefined
    if (kind === 'PathIsDirectory') return stats?.isDirectory() === true
    if (kind === 'PathIsSymbolicLink') return lstat(path)?.isSymbolicLink() === true
    if (kind === 'FileNotEmpty') return stats?.isFile() === true && stats.size > 0
    if (kind === 'FileIsExecutable') return stats?.isFile() === true && (stats.mode & 0o111) !== 0
    if (kind === 'DirectoryNotEmpty')
      return stats?.isDirectory() === true && readdirSync(path).length > 0
  } catch {
    // Behind a folder this user may not enter.
  }
  return undefined
}

function hasCapability(name: string, { proc }: Roots): boolean | undefined {
  const bit = capabilityBits[name.trim()]
  try {
    const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readKernelFile(join(proc, '1/status')))?.[1]
    if (bit === undefined || mask === undefined) return undefined
    return ((BigInt(`0x${mask}`) >> bit) & 1n) === 1n
  } catch {
    return undefined
  }
}

/** A unit of type oneshot only starts others, such as postgresql.service those of Debian's clusters: without any there is nothing. */
function whyNothing(rootfs: string, unit: string, { type }: UnitSettings): string | undefined {
  if (type !== 'oneshot') return undefined
  const wanted = unitFolders.flatMap((folder) => namesIn(join(rootfs, folder, `${unit}.wants`)))
  return wanted.length > 0 ? undefined : `${unit} starts nothing here`
}

/** The file of a unit; undefined where there is none, and where it is masked. Throws when it may not be looked at. */
function unitFile(rootfs: string, unit: string): string | undefined {
  for (const folder of unitFolders) {
    const path = join(rootfs, folder, unit)
    if (lstat(path) === undefined) continue
    const at = located(rootfs, path)
    const stats = lstat(at)
    return stats?.isFile() === true && stats.size > 0 ? at : undefined
  }
  return undefined
}

/** Drop-ins of a unit by their names; of two with one name the first folder's. */
function dropIns(rootfs: string, unit: string): string[] {
  const found = new Map<string, string>()
  for (const folder of unitFolders) {
    const path = join(rootfs, folder, `${unit}.d`)
    for (const name of namesIn(path).filter((one) => one.endsWith('.conf')))
      if (!found.has(name)) found.set(name, located(rootfs, join(path, name)))
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, dropInsLimit)
  return sorted.map(([, path]) => path).filter((path) => lstat(path)?.isFile() === true)
}

function readUnit(path: string): string {
  if ((lstat(path)?.size ?? 0) > unitBytesLimit) throw new Error(`${path} is over 64 KiB`)
  return readKernelFile(path)
}

/** Where a path is once links at its end are followed, those to absolute paths below `rootfs`. */
function located(rootfs: string, path: string, links = linksLimit): string {
  if (links === 0 || lstat(path)?.isSymbolicLink() !== true) return path
  const target = readlinkSync(path)
  const next = target.startsWith('/') ? join(rootfs, target) : resolve(dirname(path), target)
  return located(rootfs, next, links - 1)
}

function followed(rootfs: string, path: string): Stats | undefined {
  return lstat(located(rootfs, path))
}

/** Undefined where there is nothing. Throws when it may not be looked at. */
function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (stateOfError(error) === 'absent') return undefined
    throw error
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstat(path)
  } catch {
    return undefined
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
