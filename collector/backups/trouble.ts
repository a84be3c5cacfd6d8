/** Why a tool could not do what it was asked for. */
export type TroubleCode =
  | 'wrongPassword'
  | 'missing'
  | 'denied'
  | 'locked'
  | 'damaged'
  | 'unreachable'
  | 'toolMissing'
  | 'late'
  | 'noRoom'
  | 'killed'
  | 'refused'
  | 'stopped'
  | 'tooSlow'
  | 'failed'

/** A sentence for a person, fit to leave the host: no path, no repository, no word of the tool. */
export interface Trouble {
  readonly code: TroubleCode
  readonly text: string
}

/** Thrown by everything here that runs a tool or reads a backup. */
export class BackupError extends Error {
  readonly trouble: Trouble
  /** What the tool said, credentials removed; for the terminal of this host only. */
  readonly said: string

  constructor(code: TroubleCode, text: string, said = '') {
    super(text)
    this.trouble = { code, text }
    this.said = said
  }
}

const texts: Readonly<Partial<Record<TroubleCode, string>>> = {
  wrongPassword: 'the password was refused: point passwordFile or environmentFile to the right one',
  missing: 'there is no repository or folder at the place configured, or its disk is not mounted',
  denied: 'no permission to read it: grant the collector’s user read access',
  locked: 'another run holds its lock',
  damaged: 'what is stored is damaged: its checksums do not fit',
  refused:
    'the repository has moved: if that is right, set BORG_RELOCATED_REPO_ACCESS_IS_OK=yes in its environmentFile',
  unreachable: 'the place it is stored at cannot be reached',
  killed:
    'the tool was ended for want of memory or processes: raise MemoryMax and TasksMax of callward-collector.service',
}

/** What tools say; the first match tells. Texts of restic 0.14 to 0.18, borg 1.2 and 1.4, pgBackRest 2.4x and PostgreSQL. */
const patterns: readonly (readonly [TroubleCode, RegExp])[] = [
  [
    'wrongPassword',
    /wrong password|no key found|passphrase supplied in .* is incorrect|can not acquire a passphrase|unable to decrypt|CipherError|an empty password/i,
  ],
  [
    'damaged',
    /ciphertext verification failed|hash does not match|invalid data returned|does not match (the )?id|integrity ?error|checksum (error|mismatch|validation|invalid)|invalid checksum|data ?corruption|Pack ID does not match|contains \d+ errors|end of file while|unexpected end of|unexpected EOF|could not read from input file|FormatError|file is damaged|crc32? error|crc error|repository contains errors|errors found|missing chunk|could not uncompress|could not read data/i,
  ],
  [
    'locked',
    /already locked|failed to create\/acquire the lock|unable to (create lock|acquire lock)/i,
  ],
  ['denied', /permission denied|access denied|operation not permitted|\bEACCES\b/i],
  [
    'unreachable',
    /connection refused|could not resolve|name or service not known|no route to host|network is unreachable|timed? ?out|connection closed by remote|no such host/i,
  ],
  [
    'missing',
    /does not exist|unable to open config file|no such file or directory|not a valid repository|missing stanza|\bENOENT\b/i,
  ],
  ['refused', /was previously located at/i],
  ['noRoom', /no space left|disk quota exceeded/i],
  [
    'killed',
    /out of memory|cannot allocate memory|\bMemoryError\b|failed to create new OS thread|pthread_create|could not fork|resource temporarily unavailable|out of shared memory/i,
  ],
]

/** The trouble of a tool that ended with `code` and said `said`. */
export function troubleOf(tool: string, code: number | undefined, said: string): BackupError {
  const known = resticCodes[code ?? 0]
  // Ended by a signal that was not ours, most likely the kernel's for want of memory: that says nothing about a backup.
  if (code === undefined) return new BackupError('killed', texts.killed!, said)
  const own = tool === 'pgbackrest' ? pgBackRestTrouble(code, said) : undefined
  if (own !== undefined) return own
  const found =
    tool === 'restic' && known !== undefined
      ? known
      : patterns.find(([, one]) => one.test(said))?.[0]
  const how = code === undefined ? 'was ended' : `ended with code ${code}`
  const text = `${tool} ${how}; on the host, callward-collector drill NAME shows what it says`
  return new BackupError(found ?? 'failed', (found && texts[found]) ?? text, said)
}

/** Since restic 0.17. */
const resticCodes: Readonly<Record<number, TroubleCode>> = {
  10: 'missing',
  11: 'locked',
  12: 'wrongPassword',
}

/**
 * Exit codes of pgBackRest that say nothing of what is stored (src/build/error/error.yaml of its sources). Refused: config,
 * command-required, option-invalid, option-invalid-value, option-required, pg-running, path-not-empty, param-required,
 * command-invalid, stop, feature-not-supported, link-expected, link-destination, host-invalid,
 * tablespace-map, link-map, user-missing, param-invalid. Then host-connect, protocol, service, execute; lock-acquire; memory.
 */
const pgBackRestCodes: ReadonlyMap<number, TroubleCode> = new Map([
  ...[27, 30, 31, 32, 37, 38, 40, 43, 48, 62, 67, 69, 70, 72, 76, 78, 89, 96].map(
    (code) => [code, 'refused'] as const,
  ),
  ...[49, 39, 101, 102].map((code) => [code, 'unreachable'] as const),
  [50, 'locked'],
  [94, 'killed'],
])

/** What an exit code of pgBackRest says for certain; undefined where its words must tell. */
export function pgBackRestTrouble(code: number, said: string): BackupError | undefined {
  const found = pgBackRestCodes.get(code)
  if (found === undefined) return undefined
  const text = `pgbackrest refuses its options or its configuration (code ${code}): this says nothing of the backup; on the host, callward-collector drill NAME shows what it says`
  return new BackupError(found, found === 'refused' ? text : texts[found]!, said)
}

/** The same of a log that pgBackRest has written errors to, as `ERROR: [031]: …`; the last one tells. */
export function pgBackRestTroubleIn(log: string): BackupError | undefined {
  const code = [...log.matchAll(/\bERROR: \[(\d{3})\]:/g)].at(-1)?.[1]
  return code === undefined ? undefined : pgBackRestTrouble(Number(code), log)
}

/** The trouble of reading files here, by the system's error code. */
export function fileTrouble(error: unknown): BackupError {
  if (error instanceof BackupError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const said = error instanceof Error ? error.message : String(error)
  const is = (trouble: TroubleCode) => new BackupError(trouble, texts[trouble]!, said)
  if (code === 'ENOENT' || code === 'ENOTDIR') return is('missing')
  if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') return is('denied')
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new BackupError('noRoom', 'no room on the disk of the scratch folder', said)
  if (code === 'EIO' || code.startsWith('Z_')) return is('damaged')
  if (code === 'ETIMEDOUT' || code === 'ESTALE' || code === 'EHOSTDOWN') return is('unreachable')
  return new BackupError('failed', `reading it failed${code === '' ? '' : ` (${code})`}`, said)
}

/**
 * The work of reading what was already listed: there, what is missing or cannot be read is damage. `also` are further codes
 * that say so of this tool.
 */
export async function stored<T>(work: Promise<T>, also: readonly TroubleCode[] = []): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { trouble, said } = fileTrouble(error)
    if (trouble.code === 'missing')
      throw new BackupError('damaged', 'parts of what is stored are missing', said)
    if (trouble.code === 'failed' || also.includes(trouble.code))
      throw new BackupError(
        'damaged',
        trouble.code === 'failed' ? trouble.text : 'the tool could not restore it',
        said,
      )
    throw error
  }
}

/** False where it only took too long: what is nice to know must not make the rest unknown. */
export async function inTime(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (error instanceof BackupError && error.trouble.code === 'late') return false
    throw error
  }
}
