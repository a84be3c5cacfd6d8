import { StartError } from '../errors.ts'
import {
  type ComparedDay,
  EngineAway,
  type MigratedTime,
  migrateFolder,
  migrationSettings,
} from '../store/victoria/migrate.ts'
import { type Call, CommandError, textOption, UsageError } from './command.ts'
import { countProgressOf } from './progress.ts'
import { table } from './render.ts'

function settingsOf(call: Call) {
  const { environment } = call.terminal
  const write = textOption(call, 'to')
  if (write === undefined) throw new UsageError('Say where to: --to http://10.20.0.9:8428')
  const settings = migrationSettings({
    write,
    read: textOption(call, 'read'),
    tenant: textOption(call, 'tenant'),
    settleSeconds: textOption(call, 'settle'),
    token: environment['CALLWARD_STORE_TOKEN'],
    username: environment['CALLWARD_STORE_USERNAME'],
    password: environment['CALLWARD_STORE_PASSWORD'],
  })
  if ('engine' in settings) return settings
  throw new UsageError(settings.join('\n'))
}

const timeShape = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/

function timeOf(call: Call, name: string): number | undefined {
  const text = textOption(call, name)
  if (text === undefined) return undefined
  const at = timeShape.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at))
    throw new UsageError(
      `--${name} is a day or a time in UTC: --${name} 2026-03-01, --${name} 2026-03-01T06:00Z`,
    )
  return at
}

function migratedTime(call: Call): MigratedTime | undefined {
  const [from, to] = [timeOf(call, 'from-time'), timeOf(call, 'to-time')]
  if (from === undefined && to === undefined) return undefined
  if (from !== undefined && to !== undefined && from >= to)
    throw new UsageError('--from-time must be before --to-time, which is not included')
  return { from: from ?? 0, to: to ?? Date.now() }
}

function showDays(call: Call, days: readonly ComparedDay[]): void {
  const rows = days.map(({ day, here, there, different }) => [
    day,
    here.samples.toLocaleString('en-US'),
    there.samples.toLocaleString('en-US'),
    String(Number(here.sum.toPrecision(12))),
    String(Number(there.sum.toPrecision(12))),
    different === 0 ? 'same' : `${different} series differ`,
  ])
  const head = ['DAY (UTC)', 'SAMPLES', 'THERE', 'SUM', 'THERE', 'STATE']
  if (rows.length > 0) table(call, head, rows)
}

/** `callward store migrate` for a store folder. Throws CommandError. */
export async function migrate(call: Call, folder: string): Promise<number> {
  const settings = settingsOf(call)
  const time = migratedTime(call)
  const progress = countProgressOf(call)
  const { held, sent, repaired, refused, days } = await migrateFolder(
    folder,
    settings,
    time,
    (phase, done, of) =>
      progress(phase === 'migrating' ? 'migrating samples' : 'comparing days', done, of),
  )
    .catch((error: unknown) => {
      if (error instanceof StartError) throw new CommandError(error.message)
      if (!(error instanceof EngineAway)) throw error
      throw new CommandError(
        `${error.message}. What was counted there stays counted: mend it and give the same command again.`,
      )
    })
    .finally(progress.end)
  showDays(call, days)
  call.say(
    `${held} samples are in the folder${time ? ' in this time' : ''}; ${sent} were sent now, ${repaired} of them once more because they were lost there. Every series was counted in VictoriaMetrics.`,
  )
  if (refused > 0)
    call.say(
      `${refused} samples were refused, or taken and not held: are they older than its -retentionPeriod?`,
    )
  const different = days.filter((day) => day.different > 0)
  if (different.length > 0)
    call.say(
      `${different.length} ${different.length === 1 ? 'day is' : 'days are'} not the same there. Bring them over once more with --from-time and --to-time; what stays different was refused, or written there by somebody else.`,
    )
  return refused > 0 || different.length > 0 ? 1 : 0
}
