import Value from 'typebox/value'
import { systemClock } from '../clock.ts'
import { StartError } from '../errors.ts'
import { openEmbeddedStore } from '../store/embedded-store.ts'
import { silentLogger } from '../store/log.ts'
import { Forwarder } from '../store/victoria/forwarder.ts'
import { storeFaults, storeSettings, type VictoriaSettings } from '../store/victoria/settings.ts'
import { EngineAway, VictoriaClient } from '../store/victoria/victoria-client.ts'
import { type Call, CommandError, textOption, UsageError } from './command.ts'
import { progressOf } from './progress.ts'

function settingsOf(call: Call): VictoriaSettings {
  const { environment } = call.terminal
  const write = textOption(call, 'to')
  if (write === undefined) throw new UsageError('Say where to: --to http://10.20.0.9:8428')
  const given = {
    engine: 'victoriametrics',
    write,
    read: textOption(call, 'read'),
    tenant: textOption(call, 'tenant'),
    token: environment['CALLWARD_STORE_TOKEN'] || undefined,
    username: environment['CALLWARD_STORE_USERNAME'] || undefined,
    password: environment['CALLWARD_STORE_PASSWORD'] || undefined,
  }
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value))
  const settings: unknown = Value.Default(storeSettings, present)
  const faults = storeFaults(settings)
  if (faults.length > 0) throw new UsageError(faults.join('\n'))
  if (!Value.Check(storeSettings, settings))
    throw new UsageError(
      'The address begins with http:// or https://, the tenant is a number or two: --to http://10.20.0.9:8480 --tenant 12:3',
    )
  return settings
}

/** Forwards everything a store folder holds; its hub is stopped. Throws CommandError; what was done stays done. */
export async function migrate(call: Call, folder: string): Promise<number> {
  const settings = settingsOf(call)
  const store = await openEmbeddedStore({
    folder,
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
    freezeMillis: 0,
  }).catch((error: unknown) => {
    throw error instanceof StartError ? new CommandError(error.message) : error
  })
  const progress = progressOf(call)
  try {
    await store.maintain()
    const forwarder = new Forwarder({
      source: store,
      folder,
      client: new VictoriaClient(settings),
      logger: silentLogger,
      settleMillis: settings.settleSeconds * 1000,
    })
    const total = store.parts.bytes
    do progress('migrating', total - bytesOf(forwarder), total)
    while (await forwarder.round())
    const held = store.parts.all.reduce((sum, { samples }) => sum + samples, 0)
    const { samples, repaired, refused } = forwarder.counters
    progress.end()
    call.say(
      `${held} samples are in the folder; ${samples} were sent now, ${repaired} of them once more because they were lost there. Every series was counted in VictoriaMetrics.`,
    )
    if (refused === 0) return 0
    call.say(
      `${refused} samples were refused, or taken and not held: are they older than its -retentionPeriod?`,
    )
    return 1
  } catch (error) {
    if (!(error instanceof EngineAway)) throw error
    throw new CommandError(
      `${error.message}. What was counted there stays counted: mend it and give the same command again.`,
    )
  } finally {
    progress.end()
    await store.close()
  }
}

function bytesOf(forwarder: Forwarder): number {
  return forwarder.waiting.reduce((sum, { bytes }) => sum + bytes, 0)
}
