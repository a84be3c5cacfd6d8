import { StartError } from '../errors.ts'
import { EngineAway, migrateFolder, migrationSettings } from '../store/victoria/migrate.ts'
import { type Call, CommandError, textOption, UsageError } from './command.ts'
import { progressOf } from './progress.ts'

function settingsOf(call: Call) {
  const { environment } = call.terminal
  const write = textOption(call, 'to')
  if (write === undefined) throw new UsageError('Say where to: --to http://10.20.0.9:8428')
  const settings = migrationSettings({
    write,
    read: textOption(call, 'read'),
    tenant: textOption(call, 'tenant'),
    token: environment['CALLWARD_STORE_TOKEN'],
    username: environment['CALLWARD_STORE_USERNAME'],
    password: environment['CALLWARD_STORE_PASSWORD'],
  })
  if ('engine' in settings) return settings
  throw new UsageError(settings.join('\n'))
}

/** `callward store migrate` for a store folder. Throws CommandError. */
export async function migrate(call: Call, folder: string): Promise<number> {
  const settings = settingsOf(call)
  const progress = progressOf(call)
  const { held, sent, repaired, refused } = await migrateFolder(folder, settings, (done, of) =>
    progress('migrating', done, of),
  )
    .catch((error: unknown) => {
      if (error instanceof StartError) throw new CommandError(error.message)
      if (!(error instanceof EngineAway)) throw error
      throw new CommandError(
        `${error.message}. What was counted there stays counted: mend it and give the same command again.`,
      )
    })
    .finally(progress.end)
  call.say(
    `${held} samples are in the folder; ${sent} were sent now, ${repaired} of them once more because they were lost there. Every series was counted in VictoriaMetrics.`,
  )
  if (refused === 0) return 0
  call.say(
    `${refused} samples were refused, or taken and not held: are they older than its -retentionPeriod?`,
  )
  return 1
}
