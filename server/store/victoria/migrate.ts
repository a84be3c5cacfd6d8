import Value from 'typebox/value'
import { type Millis, systemClock } from '../../clock.ts'
import { openEmbeddedStore } from '../embedded-store.ts'
import { silentLogger } from '../log.ts'
import type { Part } from '../parts/part.ts'
import { type ComparedDay, compareDays } from './compare-days.ts'
import { Forwarder } from './forwarder.ts'
import { storeFaults, storeSettings, type VictoriaSettings } from './settings.ts'
import { VictoriaClient } from './victoria-client.ts'

export { EngineAway } from '../spool/retry-loop.ts'
export type { ComparedDay } from './compare-days.ts'

/** The setting made of what was given, or what is wrong with it; shows no secret. */
export function migrationSettings(
  given: Readonly<Record<string, string | undefined>>,
): VictoriaSettings | readonly string[] {
  const present = Object.entries({ ...given, engine: 'victoriametrics' }).filter(
    ([, value]) => value !== undefined && value !== '',
  )
  const settings: unknown = Value.Convert(
    storeSettings,
    Value.Default(storeSettings, Object.fromEntries(present)),
  )
  const faults = storeFaults(settings)
  if (faults.length > 0) return faults
  if (Value.Check(storeSettings, settings)) return settings
  return [
    'The address begins with http:// or https://, the tenant is one number or two, --settle is 10 to 600 seconds: --to http://10.20.0.9:8480 --tenant 12:3 --settle 30',
  ]
}

/** How a migration ended. */
export interface Migrated {
  /** Samples in the folder, of the time that was asked for. */
  readonly held: number
  /** Samples sent by this run, among them those sent once more because they were lost there. */
  readonly sent: number
  readonly repaired: number
  /** Samples that VictoriaMetrics refused, or took and does not hold. */
  readonly refused: number
  /** Both sides, by UTC day; days without samples are left out. */
  readonly days: readonly ComparedDay[]
}

/** What is brought over; milliseconds, [from, to). */
export interface MigratedTime {
  readonly from: Millis
  readonly to: Millis
}

/** Tells how far a migration is. */
export type MigrationProgress = (phase: 'migrating' | 'comparing', done: number, of: number) => void

/**
 * Forwards what a store folder holds, all or of some time, and compares both sides day by day; its hub is stopped. Throws StartError when
 * the folder cannot be opened and EngineAway; what was done stays done.
 */
export async function migrateFolder(
  folder: string,
  settings: VictoriaSettings,
  time: MigratedTime | undefined,
  onProgress: MigrationProgress,
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
    const client = new VictoriaClient(settings)
    const { from = store.parts.minTime, to = store.parts.maxTime + 1 } = time ?? {}
    const total = samplesOf(store.parts.overlapping(from, to - 1))
    let done = 0
    const forwarder = new Forwarder({
      source: store,
      folder,
      client,
      logger: silentLogger,
      settleMillis: settings.settleSeconds * 1000,
      onSent: (samples) => {
        done += samples
        onProgress('migrating', Math.min(done, total), total)
      },
    })
    onProgress('migrating', 0, total)
    if (time) await forwarder.span(from, to - 1)
    else while (await forwarder.round());
    const days = await compareDays(
      {
        store,
        client,
        signal: new AbortController().signal,
        onDay: (day, of) => onProgress('comparing', day, of),
      },
      from,
      to,
    )
    const held = days.reduce((sum, { here }) => sum + here.samples, 0)
    const { samples, repaired, refused } = forwarder.counters
    return { held, sent: samples, repaired, refused, days }
  } finally {
    await store.close()
  }
}

function samplesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { samples }) => sum + samples, 0)
}
