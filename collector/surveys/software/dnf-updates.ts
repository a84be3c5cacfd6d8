import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ask, whyNotTrusted } from '../../trusted-program.ts'
import { compareDebianVersions } from '../../wire/debian-version.ts'
import type { InstalledPackage } from './dpkg.ts'
import { instantText } from './text.ts'
import { type PendingUpdate, updatesFact } from './updates.ts'

const dnfPath = '/usr/bin/dnf'
const cacheFolder = '/var/cache/dnf'
const limits = { milliseconds: 60_000, bytes: 4 * 1024 * 1024 }

/** Security updates by dnf and its cache; the others are not known. Throws ENOENT without dnf, and what dnf complains about. */
export async function dnfUpdates(installed: readonly InstalledPackage[], now: number) {
  const distrust = whyNotTrusted(dnfPath)
  if (distrust !== undefined) throw new Error(`dnf was not asked: ${distrust}`)
  const argv = [
    '-q',
    '--cacheonly',
    `--setopt=cachedir=${cacheFolder}`,
    'updateinfo',
    'list',
    'security',
  ]
  const { text, code, fault } = await ask(dnfPath, argv, limits)
  if (code !== 0) throw new Error(`dnf updateinfo: ${fault || text.trim().split('\n').at(-1)}`)
  const checkedAt = newestMetadata(cacheFolder)
  return updatesFact({
    pending: securityRows(text, installed),
    checkedAt,
    checkedText: checkedAt === undefined ? undefined : instantText(checkedAt),
    securityOnly: true,
    note: 'by dnf, security updates only; unproven: not tested against a real dnf',
    now,
  })
}

/** Rows `ADVISORY SEVERITY/Sec. NAME-[EPOCH:]VERSION-RELEASE.ARCH`, one an advisory; the newest of a package counts. */
export function securityRows(
  text: string,
  installed: readonly InstalledPackage[],
): PendingUpdate[] {
  const versions = new Map(installed.map((one) => [`${one.name}.${one.architecture}`, one.version]))
  const found = new Map<string, PendingUpdate>()
  for (const line of text.split('\n')) {
    const [, kind, full] = line.trim().split(/\s+/)
    if (full === undefined || !/\/Sec\.$|^security$/i.test(kind ?? '')) continue
    const match = /^(.+)-([^-]+-[^-]+)\.([^.]+)$/.exec(full)
    if (match === null) throw new Error(`dnf updateinfo: not understood: ${line.slice(0, 100)}`)
    const [, name, to, architecture] = match as unknown as [string, string, string, string] // three groups, all matched
    const before = found.get(`${name}.${architecture}`)
    if (before !== undefined && compareDebianVersions(before.to, to) >= 0) continue
    const from = versions.get(`${name}.${architecture}`) ?? 'unknown'
    found.set(`${name}.${architecture}`, { name, from, to, security: true })
  }
  return [...found.values()]
}

/** When the newest of dnf's lists came; undefined when there is none. */
function newestMetadata(folder: string): number | undefined {
  const times = readdirSync(folder).flatMap((name) => {
    const path = join(folder, name, 'repodata/repomd.xml')
    return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? []
  })
  return times.length === 0 ? undefined : Math.max(...times)
}
