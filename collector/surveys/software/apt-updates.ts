import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { compareDebianVersions } from '../../wire/debian-version.ts'
import { field, stanzas } from './control-file.ts'
import { type InstalledPackage, latin1 } from './dpkg.ts'
import { decompressLz4 } from './lz4.ts'
import { piecesOf, readWhole } from './paths.ts'
import { instantText } from './text.ts'
import { type PendingUpdate, updatesFact, withoutUpdates } from './updates.ts'

const listBytesLimit = 256 * 1024 * 1024
const releaseBytesLimit = 16 * 1024 * 1024
const listsFolder = 'var/lib/apt/lists'

/** What a Release file says of the lists below it. */
interface Release {
  readonly prefix: string
  readonly isSecurity: boolean
  /** `never`: only when asked for by name (NotAutomatic); `later`: only for what came from there (backports). */
  readonly use: 'always' | 'later' | 'never'
  readonly checkedAt: number
}

/** The versions of one installed package that the lists offer. */
interface Offers {
  always: string | undefined
  later: string | undefined
  security: string | undefined
  isListed: boolean
}

/**
 * Updates apt would offer, by comparing what is installed with apt's own lists: nothing is started, nothing is locked. As apt
 * does, lists marked NotAutomatic count only for packages that came from them. Pins of /etc/apt/preferences are not read; a
 * note says so where there are any. `checkedOf` gives when apt last checked a Release file: apt sets its modification
 * time to the server's, so that the change time is the one of this host.
 */
export function aptUpdates(
  installed: readonly InstalledPackage[],
  rootfs: string,
  now: number,
  checkedOf: (stats: Stats) => number = ({ ctimeMs }) => ctimeMs,
) {
  const folder = realpathSync(join(rootfs, listsFolder))
  const names = readdirSync(folder).sort()
  const lists = names.filter((name) => /_Packages(\.[a-z0-9]+)?$/.test(name))
  if (lists.length === 0)
    return withoutUpdates('error', 'cannot know: apt has no lists; run apt-get update')
  const releases = names
    .filter((name) => /_(In)?Release$/.test(name))
    .map((name) => readRelease(folder, name, checkedOf))
  const wanted = new Map(installed.map((one) => [keyOf(one), one]))
  const offers = new Map<string, Offers>()
  for (const name of lists) {
    const release = releaseOf(name, releases)
    if (release?.use !== 'never') collect(join(folder, name), release, wanted, offers)
  }
  const checked = releases.map(({ checkedAt }) => checkedAt)
  const checkedAt = checked.length === 0 ? undefined : Math.min(...checked)
  const note = hasPins(rootfs) ? 'pins of /etc/apt/preferences are not taken into account' : ''
  const checkedText = checkedAt === undefined ? undefined : instantText(checkedAt)
  return updatesFact({ pending: pendingOf(wanted, offers), checkedAt, checkedText, note, now })
}

function keyOf({ name, architecture }: { name: string; architecture: string }): string {
  return `${name}:${architecture}`
}

function readRelease(folder: string, name: string, checkedOf: (stats: Stats) => number): Release {
  const path = join(folder, name)
  const text = readWhole(path, releaseBytesLimit).toString('latin1')
  // A signed file begins with the signature's own header.
  const head = text.replace(/^-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n/, '')
  const yes = (key: string) => field(head, key)?.toLowerCase() === 'yes'
  const origin = ['Suite', 'Codename', 'Label', 'Archive'].map((key) => field(head, key) ?? '')
  const use = !yes('NotAutomatic') ? 'always' : yes('ButAutomaticUpgrades') ? 'later' : 'never'
  return {
    prefix: name.replace(/(In)?Release$/, ''),
    isSecurity: origin.some((word) => /(^|[-/])security$/i.test(word)),
    use,
    checkedAt: checkedOf(statSync(path)),
  }
}

function releaseOf(list: string, releases: readonly Release[]): Release | undefined {
  return releases
    .filter(({ prefix }) => list.startsWith(prefix))
    .sort((a, b) => a.prefix.length - b.prefix.length)
    .at(-1)
}

function collect(
  path: string,
  release: Release | undefined,
  wanted: ReadonlyMap<string, InstalledPackage>,
  offers: Map<string, Offers>,
): void {
  for (const stanza of stanzas(latin1(contentOf(path)))) {
    const key = `${field(stanza, 'Package')}:${field(stanza, 'Architecture')}`
    const own = wanted.get(key)
    const version = own === undefined ? undefined : field(stanza, 'Version')
    if (own === undefined || version === undefined) continue
    const none: Offers = {
      always: undefined,
      later: undefined,
      security: undefined,
      isListed: false,
    }
    const offer = offers.get(key) ?? none
    if (release?.use === 'later') offer.later = newer(offer.later, version)
    else {
      offer.always = newer(offer.always, version)
      if (version === own.version) offer.isListed = true
    }
    if (release?.isSecurity === true) offer.security = newer(offer.security, version)
    offers.set(key, offer)
  }
}

function newer(known: string | undefined, version: string): string {
  return known === undefined || compareDebianVersions(version, known) > 0 ? version : known
}

function* contentOf(path: string): Generator<Buffer> {
  if (path.endsWith('_Packages')) yield* piecesOf(path, listBytesLimit)
  else if (path.endsWith('.lz4')) yield* decompressLz4(readWhole(path, listBytesLimit / 2))
  else if (path.endsWith('.gz'))
    yield gunzipSync(readWhole(path, listBytesLimit / 2), { maxOutputLength: listBytesLimit })
  else {
    const ending = path.slice(path.lastIndexOf('.'))
    throw new Error(`apt keeps its lists as ${ending}, which is not read: set Acquire::GzipIndexes`)
  }
}

function pendingOf(
  wanted: ReadonlyMap<string, InstalledPackage>,
  offers: ReadonlyMap<string, Offers>,
): PendingUpdate[] {
  return [...offers].flatMap(([key, offer]) => {
    const { name, version: from } = wanted.get(key)!
    const isNewer = (version: string | undefined): version is string =>
      version !== undefined && compareDebianVersions(version, from) > 0
    const to = isNewer(offer.always) ? offer.always : offer.isListed ? undefined : offer.later
    if (!isNewer(to)) return []
    return [{ name, from, to, security: isNewer(offer.security) }]
  })
}

function hasPins(rootfs: string): boolean {
  try {
    if (statSync(join(rootfs, 'etc/apt/preferences'), { throwIfNoEntry: false }) !== undefined)
      return true
    return readdirSync(join(rootfs, 'etc/apt/preferences.d')).length > 0
  } catch {
    return false
  }
}
