import { ask, whyNotTrusted } from '../../trusted-program.ts'
import type { InstalledPackage } from './dpkg.ts'

const rpmPath = '/usr/bin/rpm'
const limits = { milliseconds: 30_000, bytes: 16 * 1024 * 1024 }
const format =
  '\\{"name":"%{NAME}","epoch":"%{EPOCH}","version":"%{VERSION}","release":"%{RELEASE}","arch":"%{ARCH}"\\}\\n'

/** Installed packages by rpm. Throws ENOENT where there is no rpm, and what rpm complains about. */
export async function rpmPackages(): Promise<InstalledPackage[]> {
  const distrust = whyNotTrusted(rpmPath)
  if (distrust !== undefined) throw new Error(`rpm was not asked: ${distrust}`)
  const { text, code, fault } = await ask(rpmPath, ['-qa', '--qf', format], limits)
  if (code !== 0) throw new Error(`rpm -qa: ${fault || text.split('\n', 1)[0]}`)
  return rpmRows(text)
}

/** Packages of `rpm -qa` in our format: one JSON object a line. Keys of signatures are no packages. Throws for other lines. */
export function rpmRows(text: string): InstalledPackage[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(rpmRow)
    .filter(({ name }) => name !== 'gpg-pubkey')
}

function rpmRow(line: string): InstalledPackage {
  let row: Readonly<Record<string, unknown>> = {}
  try {
    row = JSON.parse(line) as Readonly<Record<string, unknown>> // checked member by member below
  } catch {
    // Said below.
  }
  const { name, epoch, version, release, arch } = row
  if (typeof name !== 'string' || typeof version !== 'string' || typeof release !== 'string')
    throw new Error(`rpm -qa: not understood: ${line.slice(0, 100)}`)
  const isZero = epoch === undefined || epoch === '(none)' || epoch === '0'
  const architecture = typeof arch === 'string' && arch !== '(none)' ? arch : ''
  return { name, architecture, version: `${isZero ? '' : `${epoch}:`}${version}-${release}` }
}
