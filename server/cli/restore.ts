import { BackupError } from '../backup/manifest.ts'
import { type Restored, restoreBackup } from '../backup/restore.ts'
import { type Call, type Command, CommandError, textOption, UsageError } from './command.ts'
import { bytesText, progressOf } from './progress.ts'

export const restoreCommand: Command = {
  name: 'restore',
  summary: 'bring a backup back into an empty folder',
  usage: 'FILE --data FOLDER',
  help: `Restores what \`callward backup\` wrote, without a hub. Every file is compared with the manifest, then the store
is opened and the records are counted; only then the folder gets its contents.

  --data  the new data folder; empty, or not there yet

Examples:
  callward restore callward-backup-2026-11-22T013000Z.tar --data /var/lib/callward
  callward restore backup.tar --data ./data-restored && CALLWARD_DATA=./data-restored npm start`,
  options: { data: { type: 'string' } },
  positionals: [1, 1],
  async run(call) {
    const from = call.positionals[0]!
    const data = textOption(call, 'data')
    if (data === undefined) throw new UsageError('Say where to: --data FOLDER')
    const progress = progressOf(call)
    let restored: Restored
    try {
      restored = await restoreBackup(from, data, progress)
    } catch (error) {
      throw explained(error, data)
    } finally {
      progress.end()
    }
    report(call, data, restored)
    return 0
  },
}

function explained(error: unknown, data: string): unknown {
  if (error instanceof BackupError)
    return new CommandError(`Nothing was restored. ${error.message}`)
  const { code, path } = error as NodeJS.ErrnoException
  if (code?.startsWith('E') !== true) return error
  return new CommandError(`Nothing was restored: ${path ?? data} cannot be written (${code}).`)
}

function report(call: Call, data: string, restored: Restored): void {
  const { manifest, series, newest, rows, config } = restored
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  call.say(`Restored into ${data}: the hub of ${manifest.madeAt} (Callward ${manifest.callward}).`)
  call.say(
    `  files    ${manifest.files.length}, ${bytesText(bytes)}, every SHA-256 as in the manifest`,
  )
  call.say(`  samples  ${series} series, up to ${newest ?? 'none'}`)
  if (rows !== undefined)
    call.say(`  records  ${rows} rows, as many in each table as in the manifest`)
  else
    call.say(
      '  records  on PostgreSQL, not in the backup. Bring them back before the hub starts:\n' +
        '           pg_restore --clean --if-exists --dbname="$CALLWARD_RECORDS" callward-records.dump',
    )
  if (config !== undefined)
    call.say(`  config   the old hub's, in ${config}; it is not used until you put it in place`)
  call.say(`Start it: CALLWARD_DATA=${data} npm start${manifest.demo ? ' -- --demo' : ''}`)
}
