import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { countRows } from '../records/sqlite-copy.ts'
import { readTrailer, trailerBytes } from '../store/parts/part-format.ts'
import type { Store } from '../store/plugin.ts'
import type { Manifest } from './manifest.ts'
import { tarNameBytes } from './tar.ts'

/** A file of a backup: where it lies, what it is called there, and how much of it belongs. */
export interface Content {
  readonly path: string
  readonly from: string
  readonly bytes: number
}

/** Everything that one backup holds, fixed until `release`. */
export interface Contents {
  readonly files: readonly Content[]
  readonly store: Manifest['store']
  readonly records: Manifest['records']
  release(): Promise<void>
}

export interface ContentSources {
  /** The hub's data folder. */
  readonly data: string
  readonly store: Store
  readonly records: Records
  readonly configFile?: string | undefined
  readonly rulesFolder?: string | undefined
  readonly baselinesFolder?: string | undefined
  readonly regimesFolder?: string | undefined
}

/** Folder of copies that are gone when the backup is done. */
export function copiesFolder(data: string): string {
  return join(data, 'hub', 'backup.tmp')
}

/** Fixes the state of a running hub: the records, then all samples acknowledged so far. */
export async function fixContents(sources: ContentSources): Promise<Contents> {
  const { data, store } = sources
  const folder = copiesFolder(data)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { mode: 0o700 })
  let letGo = () => {}
  let released: Promise<void> | undefined
  const release = () => {
    letGo()
    letGo = () => {}
    released ??= rm(folder, { recursive: true, force: true })
    return released
  }
  try {
    // Before and after: what is attached or erased meanwhile is whole in either state of the records.
    await linkAttachments(data, folder)
    const records = await copyRecords(sources.records, folder)
    await linkAttachments(data, folder)
    // Series that are named from here on may be in the copy or not.
    const seriesBefore = store.stats().series
    const copy = await store.beginCopy()
    letGo = () => copy.release()
    const { series, oldest, newest } = store.stats()
    const storeFolder = join(data, 'hub', 'store')
    const samples = copy.files.map(({ path }) => samplesOf(join(storeFolder, path)))
    const files = [
      ...(await settingsOf(sources)),
      ...records.files,
      ...(await attachmentsOf(folder)),
      ...copy.files.map(({ path, bytes }) => ({
        path: `hub/store/${path}`,
        from: join(storeFolder, path),
        bytes,
      })),
    ]
    const inParts = (await Promise.all(samples)).filter((count) => count !== undefined)
    return {
      files,
      store: {
        series: Math.min(seriesBefore, series),
        partFiles: inParts.length,
        samplesInParts: inParts.reduce((sum, count) => sum + count, 0),
        oldest: oldest === undefined ? null : new Date(oldest).toISOString(),
        newest: newest === undefined ? null : new Date(newest).toISOString(),
      },
      records: records.summary,
      release,
    }
  } catch (error) {
    await release()
    throw error
  }
}

async function copyRecords(
  records: Records,
  folder: string,
): Promise<{ readonly files: readonly Content[]; readonly summary: Manifest['records'] }> {
  if (records.copyTo === undefined) return { files: [], summary: { kind: 'postgres' } }
  const from = join(folder, 'records.sqlite')
  await records.copyTo(from)
  const tables = await countRows(from)
  const { size } = await stat(from)
  return {
    files: [{ path: 'hub/records.sqlite', from, bytes: size }],
    summary: { kind: 'sqlite', tables },
  }
}

/** Attached files as they lie now; one that is erased later stays until the backup is done. */
async function linkAttachments(data: string, folder: string): Promise<void> {
  const from = join(data, 'hub', 'attachments')
  const to = join(folder, 'attachments')
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const name of await readdir(from).catch(() => []))
    if (/^[0-9a-f]{64}$/.test(name))
      await link(join(from, name), join(to, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
      })
}

async function attachmentsOf(folder: string): Promise<Content[]> {
  const from = join(folder, 'attachments')
  const found: Content[] = []
  for (const name of await readdir(from)) {
    const { size } = await stat(join(from, name))
    found.push({ path: `hub/attachments/${name}`, from: join(from, name), bytes: size })
  }
  return found
}

async function settingsOf(sources: ContentSources): Promise<Content[]> {
  const { data, configFile, rulesFolder, baselinesFolder, regimesFolder } = sources
  const candidates = [
    { path: 'demo', from: join(data, 'demo') },
    { path: 'hub/terminal.token', from: join(data, 'hub', 'terminal.token') },
    // Enrolled collectors trust no other hub.
    { path: 'hub/identity.key', from: join(data, 'hub', 'identity.key') },
    { path: 'hub/ledger.key', from: join(data, 'hub', 'ledger.key') },
    // Contact points are sealed with it.
    { path: 'hub/notify.key', from: join(data, 'hub', 'notify.key') },
    // Second factors are sealed with it.
    { path: 'hub/accounts.key', from: join(data, 'hub', 'accounts.key') },
  ]
  if (configFile !== undefined)
    candidates.push({ path: `config/${basename(configFile)}`, from: configFile })
  for (const [place, folder] of [
    ['rules', rulesFolder],
    ['baselines', baselinesFolder],
    ['regimes', regimesFolder],
  ]) {
    if (folder === undefined) continue
    for (const name of await readdir(folder).catch(() => []))
      if (/\.ya?ml$/.test(name))
        candidates.push({ path: `config/${place}/${name}`, from: join(folder, name) })
  }
  const found: Content[] = []
  for (const candidate of candidates) {
    if (Buffer.byteLength(candidate.path) > tarNameBytes)
      throw new CallwardError(
        'unprocessable',
        `The name of ${candidate.from} is too long for a backup; rename the file.`,
      )
    const size = await stat(candidate.from).then(
      (one) => (one.isFile() ? one.size : undefined),
      () => undefined,
    )
    if (size !== undefined) found.push({ ...candidate, bytes: size })
  }
  return found
}

/** Samples in a part file of a store; undefined for any other file. */
export async function samplesOf(path: string): Promise<number | undefined> {
  if (!path.endsWith('.part')) return undefined
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const trailer = Buffer.alloc(trailerBytes)
    await file.read(trailer, 0, trailerBytes, size - trailerBytes)
    return readTrailer(trailer).samples
  } finally {
    await file.close()
  }
}
