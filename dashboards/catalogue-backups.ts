import type { Metric } from './catalogue.ts'

function backup(name: string, help: string, unit = '', labels: readonly string[] = []): Metric {
  const own = ['backup', ...labels]
  return {
    name: `callward_${name}`,
    type: 'gauge',
    unit,
    labels: own,
    from: 'collector: backups',
    help,
  }
}

/** What the survey of backups says; `backup` is the job's name. What is not known has no series. */
export const backupMetrics: readonly Metric[] = [
  backup(
    'backup_posture',
    '1 for the present state (protected, attention, unprotected, unknown) of a backup job, 0 for the other three.',
    '',
    ['state'],
  ),
  backup(
    'backup_reason',
    '1 for each reason why a job is not protected, with the posture it leads to; absent where there is none.',
    '',
    ['reason', 'state'],
  ),
  backup(
    'backup_last_success_timestamp_seconds',
    'When the newest finished backup was made.',
    'seconds',
  ),
  backup('backup_rpo_seconds', 'Age from which a backup is too old.', 'seconds'),
  backup('backup_size_bytes', 'Size of the newest finished backup.', 'bytes'),
  backup('backup_size_median_bytes', 'Median size of up to 30 backups before the newest.', 'bytes'),
  backup(
    'backup_duration_seconds',
    'How long the newest backup took, where its tool tells.',
    'seconds',
  ),
  backup('backup_copies', 'Finished backups there are.'),
  backup(
    'backup_verify_ok',
    '1 when the last verification of what is stored found no fault, 0 when it did.',
  ),
  backup('backup_verify_timestamp_seconds', 'When what is stored was last verified.', 'seconds'),
  backup('restore_drill_ok', '1 when the last restore drill passed, 0 when it failed.'),
  backup(
    'restore_drill_timestamp_seconds',
    'When the last restore drill came to a result.',
    'seconds',
  ),
  backup('restore_drill_duration_seconds', 'How long the last restore drill took.', 'seconds'),
  backup('restore_drill_rto_seconds', 'How long a restore may take.', 'seconds'),
  backup(
    'restore_drill_overdue',
    '1 when no restore drill has come to a result within its period.',
  ),
]
