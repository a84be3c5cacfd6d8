import Value from 'typebox/value'
import { systemClock } from '../../clock.ts'
import { openEmbeddedStore } from '../embedded-store.ts'
import { silentLogger } from '../log.ts'
import { Forwarder } from './forwarder.ts'
import { storeFaults, storeSettings, type VictoriaSettings } from './settings.ts'
import { VictoriaClient } from './victoria-client.ts'

export { EngineAway } from '../spool/retry-loop.ts'

/** The setting made of what was given, or what is wrong with it; shows no secret. */
export function migrationSettings(
  given: Readonly<Record<string, string | undefined>>,
): VictoriaSettings | readonly string[] {
  const present = Object.entries({ ...given, engine: 'victoriametrics' }).filter(
    ([, value]) => value !== undefined && value !== '',
  )
  const settings: unknown = Value.Default(storeSettings, Object.fromEntries(present))
  const faults = storeFaults(settings)
  if (faults.length > 0) return faults
  if (Value.Check(storeSettings, settings)) return settings
  return [
    'The address begins with http:// or https://, the tenant is one number or two: --to http://10.20.0.9:8480 --tenant 12:3',
  ]
}

/** How a migration ended. */
export interface Migrated {
  /** Samples in the folder. */
  readonly held: number
  /** Samples sent by this run, among them those sent once more because they were lost there. */
  readonly sent: number
  readonly repaired: number
  /** Samples that VictoriaMetrics refused, or took and does not hold. */
  readonly refused: number
}

/**
 * Forwards everything that a store folder holds; its hub is stopped. Tells bytes done and of all. Throws StartError when the folder cannot
 * be opened and EngineAway; what was done stays done.
 */
export async function migrateFolder(
  folder: string,
  settings: VictoriaSettings,
  onProgress: (done: number, of: number) => void,
): Promise<Migrated> {
  const store = await openEmbeddedStore({
    folder,
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
    freezeMillis: 0,
  })
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
    do {
      const waiting = forwarder.waiting.reduce((sum, { bytes }) => sum + bytes, 0)
      onProgress(Math.max(0, total - waiting), total)
    } while (await forwarder.round())
    const held = store.parts.all.reduce((sum, { samples }) => sum + samples, 0)
    const { samples, repaired, refused } = forwarder.counters
    return { held, sent: samples, repaired, refused }
  } finally {
    await store.close()
  }
}
