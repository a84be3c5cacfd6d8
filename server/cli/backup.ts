import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeBackupFile } from '../backup/backup-file.ts'
import { BackupError, backupBytesHeader, type Manifest } from '../backup/manifest.ts'
import { type Call, type Command, CommandError, sayJson, textOption } from './command.ts'
import { bytesText, progressOf } from './progress.ts'

export const backupCommand: Command = {
  name: 'backup',
  summary: 'copy the whole running hub to a file',
  usage: '[--to FOLDER|FILE]',
  help: `Makes a backup of the hub while it runs: samples, records, tokens, configuration; one tar file, proven after
writing. Takes an administrator's token; keep the file as you keep passwords. What it holds: docs/backup.md.

  --to    a folder, in which the file gets a name with the time; or the file, which must not exist yet.
          Default: this folder
  --json  the manifest

Examples:
  callward backup
  callward backup --to /var/backups/callward
  callward backup --to /mnt/backups/hub-before-upgrade.tar --hub https://callward.bank.example`,
  options: { to: { type: 'string' }, json: { type: 'boolean' } },
  positionals: [0, 0],
  async run(call) {
    const target = targetOf(textOption(call, 'to') ?? '.', new Date())
    const response = await call.hub().stream('POST', '/api/v1/backup')
    const progress = progressOf(call)
    let manifest: Manifest
    try {
      const bytes = Number(response.headers.get(backupBytesHeader)) || undefined
      const stream = response.body as unknown as AsyncIterable<Uint8Array>
      manifest = await writeBackupFile(target, stream, bytes, progress)
    } catch (error) {
      throw explained(error, target)
    } finally {
      progress.end()
    }
    report(call, target, manifest)
    return 0
  },
}

function targetOf(to: string, now: Date): string {
  const isFolder = to.endsWith('/') || statSync(to, { throwIfNoEntry: false })?.isDirectory()
  const time = now.toISOString().replace(/\.\d+/, '').replaceAll(':', '')
  const path = isFolder === true ? join(to, `callward-backup-${time}.tar`) : to
  if (existsSync(path))
    throw new CommandError(`${path} exists already. Give another name with --to.`)
  return path
}

function explained(error: unknown, target: string): unknown {
  if (error instanceof BackupError)
    return new CommandError(`The backup is not whole and was removed: ${error.message}`)
  const { code, message, cause } = error as NodeJS.ErrnoException & { cause?: Error }
  if (code?.startsWith('E') === true && cause === undefined)
    return new CommandError(
      `${target} cannot be written (${code}). Give another folder or file with --to.`,
    )
  if (message === 'terminated')
    return new CommandError(
      'The hub ended the backup early; its log says why. Nothing is left behind. Try again.',
    )
  return error
}

function report(call: Call, path: string, manifest: Manifest): void {
  if (call.values.json === true) {
    sayJson(call, manifest)
    return
  }
  const { store, records } = manifest
  call.say(path)
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  const { stderr } = call.terminal
  stderr.write(
    `${bytesText(bytes)} in ${manifest.files.length} files, every one proven; ${store.series} series up to ${store.newest ?? 'no sample'}.\n`,
  )
  if (records.kind === 'postgres')
    stderr.write(
      'The records (accounts, alerts, incidents) are on PostgreSQL and NOT in this file. Back them up as well:\n' +
        '  pg_dump --format=custom --file=callward-records.dump "$CALLWARD_RECORDS"\n',
    )
  stderr.write(`To restore: callward restore ${path} --data NEW_FOLDER\n`)
}
