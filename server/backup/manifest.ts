import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

/** Name of the last entry of a backup. */
export const manifestName = 'manifest.json'

/** Header of the answer that tells about how many bytes will come. */
export const backupBytesHeader = 'callward-backup-bytes'

/** Raised when an older program could not restore what a newer one wrote. */
export const backupFormat = 1

const Count = Type.Integer({ minimum: 0 })
const Time = Type.Union([Type.String(), Type.Null()])

/** What a backup holds. */
export const Manifest = Type.Object({
  format: Type.Integer(),
  /** Version of the hub that made it. */
  callward: Type.String(),
  /** RFC 3339, UTC. */
  madeAt: Type.String(),
  /** Whether it is the demo's data. */
  demo: Type.Boolean(),
  store: Type.Object({
    /** Series known at that time. */
    series: Count,
    partFiles: Count,
    /** In part files; those of the last minutes are in the journal and are not counted. */
    samplesInParts: Count,
    oldest: Time,
    newest: Time,
  }),
  records: Type.Union([
    Type.Object({
      kind: Type.Literal('sqlite'),
      /** Rows by table. */
      tables: Type.Record(Type.String(), Count),
    }),
    /** Not in the backup. */
    Type.Object({ kind: Type.Literal('postgres') }),
  ]),
  /** Every other entry, in order. */
  files: Type.Array(
    Type.Object({
      path: Type.String({ minLength: 1 }),
      bytes: Count,
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    }),
  ),
})

export type Manifest = Readonly<Static<typeof Manifest>>

/** A backup that cannot be used; the message says why and names the file. */
export class BackupError extends Error {}

/** Throws BackupError. */
export function parseManifest(text: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BackupError(`${manifestName} is damaged`)
  }
  const { format, callward } = (value ?? {}) as Partial<Manifest>
  if (typeof format === 'number' && format > backupFormat)
    throw new BackupError(
      `it has format ${format} of Callward ${callward}, this version knows ${backupFormat}; restore it with that version`,
    )
  if (!Value.Check(Manifest, value)) throw new BackupError(`${manifestName} is not one of Callward`)
  const wrong = value.files.find(({ path }) => !pathAllowed(path))
  if (wrong) throw new BackupError(`it names a file outside the data folder, "${wrong.path}"`)
  return value
}

/** Only paths below the folder that is restored, and none that climbs. */
function pathAllowed(path: string): boolean {
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0]/.test(part))
}
