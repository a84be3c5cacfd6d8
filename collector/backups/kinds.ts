import { borgKind } from './borg.ts'
import { dumpKind } from './dump.ts'
import type { Job, JobKind } from './job.ts'
import type { BackupKind } from './kind.ts'
import { pgBackRestKind } from './pgbackrest.ts'
import { resticKind } from './restic.ts'
import { rsyncKind } from './rsync.ts'
import { snapshotKind } from './snapshot.ts'
import { tarKind } from './tar.ts'

const kinds: Readonly<Record<JobKind, BackupKind<never>>> = {
  restic: resticKind,
  borg: borgKind,
  pgbackrest: pgBackRestKind,
  dump: dumpKind,
  tar: tarKind,
  rsync: rsyncKind,
  snapshot: snapshotKind,
}

/** What looks at, verifies and restores this job. */
export function kindOf(job: Job): BackupKind<Job> {
  return kinds[job.kind] as BackupKind<Job> // the table's key is the job's own kind
}
