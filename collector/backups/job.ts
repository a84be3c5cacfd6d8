/** What a job's backups are made by. `snapshot` is told apart: it shares the fate of the disk it stands on. */
export const jobKinds = [
  'restic',
  'borg',
  'pgbackrest',
  'dump',
  'tar',
  'rsync',
  'snapshot',
] as const
export type JobKind = (typeof jobKinds)[number]

/** One thing a drill must find in what it restored. Paths are relative to the restored root. */
export type Check =
  | { readonly kind: 'manifest'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'files'; readonly minimum: number }
  | { readonly kind: 'bytes'; readonly minimum: number }
  | { readonly kind: 'rows'; readonly table: string; readonly minimum: number }

/** When a drill is due: so long after the last, or at a time of the day or week in the host's time zone. */
export type Cadence =
  | { readonly kind: 'every'; readonly seconds: number }
  | { readonly kind: 'at'; readonly weekday: number | undefined; readonly minutes: number }

export interface DrillPlan {
  readonly cadence: Cadence
  readonly mode: 'sample' | 'whole'
  /** Folder that belongs to drills alone; each works in a folder of its own below. */
  readonly scratch: string
  readonly rtoSeconds: number | undefined
  readonly maximumBytes: number
  readonly maximumSeconds: number
  readonly checks: readonly Check[]
  /** A dump is restored by a superuser of the throw-away cluster: for dumps that create extensions. */
  readonly superuser: boolean
  /** Where the rows of a restored cluster are counted. */
  readonly database: string
  readonly user: string
}

interface JobBase {
  /** Label of its series; the only thing of the configuration that leaves the host. */
  readonly name: string
  readonly rpoSeconds: number
  readonly cadenceSeconds: number | undefined
  readonly minimumBytes: number
  readonly verifyEverySeconds: number
  readonly verifySubset: string
  readonly verifyLimitSeconds: number
  readonly drill: DrillPlan | undefined
}

export interface ResticJob extends JobBase {
  readonly kind: 'restic'
  readonly repository: string | undefined
  readonly passwordFile: string | undefined
  readonly environmentFile: string | undefined
  readonly host: string | undefined
  readonly tag: string | undefined
}

export interface BorgJob extends JobBase {
  readonly kind: 'borg'
  readonly repository: string
  readonly passwordFile: string | undefined
  readonly environmentFile: string | undefined
  /** Glob of archive names. */
  readonly archives: string | undefined
}

export interface PgBackRestJob extends JobBase {
  readonly kind: 'pgbackrest'
  readonly stanza: string
  readonly config: string | undefined
  readonly environmentFile: string | undefined
}

/** Files of a folder: database dumps or archives. */
export interface FileJob extends JobBase {
  readonly kind: 'dump' | 'tar'
  readonly folder: string
  readonly pattern: string
}

/** A mirror (`pattern` undefined) or a folder a run. */
export interface RsyncJob extends JobBase {
  readonly kind: 'rsync'
  readonly folder: string
  readonly pattern: string | undefined
  /** File the backup writes last, in the mirror. */
  readonly marker: string
  /** SHA-256 list in the mirror, as `sha256sum` writes it. */
  readonly manifest: string | undefined
}

export interface SnapshotJob extends JobBase {
  readonly kind: 'snapshot'
  readonly tool: 'folder' | 'btrfs' | 'zfs' | 'lvm'
  /** Folder, btrfs mount, zfs dataset or volume group. */
  readonly path: string
}

export type Job = ResticJob | BorgJob | PgBackRestJob | FileJob | RsyncJob | SnapshotJob

export interface BackupSettings {
  readonly everySeconds: number
  /** Free bytes a drill leaves on the disk of its scratch folder. */
  readonly reserveBytes: number
  readonly jobs: readonly Job[]
}

/** Most jobs of one host, so that its series stay few. */
export const jobsLimit = 32
