import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Metric,
  metric,
  type Roots,
  type Source,
  type SourceReading,
  seen,
  unseen,
} from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { bootStartOf } from './boot-units.ts'
import { askTracking, type ChronyAddress, NoChrony, type Tracking } from './chrony.ts'

/** chronyd answers from memory; a busy host may take a moment. */
const askLimitMilliseconds = 500

/** timesyncd asks its server at least every 34 minutes (man 5 timesyncd.conf, PollIntervalMaxSec); three times that. */
const timesyncdLimitSeconds = 3 * 2048

const notSynchronised = 3
const bootUnits = ['chrony.service', 'chronyd.service'] as const

export interface ClockSyncOptions {
  readonly address?: ChronyAddress
  readonly ask?: (address: ChronyAddress, sequence: number) => Promise<Tracking>
  /** Whether a process of this name runs, as far as can be seen. */
  readonly runs?: (processName: string) => boolean
}

const defaultAddress: ChronyAddress = { host: '127.0.0.1', port: 323 }

/**
 * Whether the clock follows a time source, and how well: asked of chronyd, else read from systemd-timesyncd's mark.
 * A chronyd that answered before, or that a systemd that runs starts at boot, and is not there now, is down; one that runs with
 * its command port closed is denied; without any sign of a time service the section is absent.
 */
export function clockSyncSource(roots: Roots, options: ClockSyncOptions = {}): Source {
  const address = options.address ?? defaultAddress
  const ask = options.ask ?? ((to, sequence) => askTracking(to, sequence, askLimitMilliseconds))
  let sequence = 0
  let answered = false
  return {
    name: 'clock_sync',
    async read(now): Promise<SourceReading> {
      try {
        sequence = (sequence + 1) >>> 0
        const tracking = await ask(address, sequence)
        answered = true
        return seen(chronyMetrics(tracking))
      } catch (error) {
        if (!(error instanceof NoChrony)) throw error
        const timesyncd = timesyncdMetrics(roots, now)
        if (timesyncd !== undefined) return seen(timesyncd)
        if (answered) return seen(stateMetrics('chronyd', false, false))
        if (options.runs?.('chronyd') === true) {
          const advice = 'set cmdport in chrony.conf, or "chrony" to the address it listens at'
          return unseen('denied', `chronyd runs, but ${error.message}; ${advice}`)
        }
        const boot = bootStartOf(roots, bootUnits)
        if (boot.kind === 'starts') return seen(stateMetrics('chronyd', false, false))
        const waived = boot.kind === 'waived' ? `; chrony is enabled, but ${boot.reason}` : ''
        const first = boot.kind === 'waived' ? 'start it' : 'install chrony'
        const advice = `${first}, or set "chrony" to the address chronyd listens at`
        return unseen(
          'absent',
          `no time service seen: ${error.message}, no systemd-timesyncd${waived}; ${advice}`,
        )
      }
    },
  }
}

function chronyMetrics(tracking: Tracking): Metric[] {
  const { reference, stratum, leapStatus } = tracking
  const followed = leapStatus !== notSynchronised && reference !== '' && reference !== 'local'
  const metrics = [
    ...stateMetrics('chronyd', true, followed),
    metric('callward_ntp_leap_status', leapStatus),
    metric('callward_ntp_stratum', stratum),
  ]
  if (reference !== '') metrics.push(metric('callward_ntp_reference_info', 1, { reference }))
  if (leapStatus === notSynchronised) return metrics
  metrics.push(
    metric('callward_ntp_offset_seconds', tracking.offsetSeconds),
    metric('callward_ntp_root_delay_seconds', tracking.rootDelaySeconds),
    metric('callward_ntp_root_dispersion_seconds', tracking.rootDispersionSeconds),
  )
  if (tracking.updatedAtSeconds > 0)
    metrics.push(metric('callward_ntp_last_update_timestamp_seconds', tracking.updatedAtSeconds))
  return metrics
}

function stateMetrics(daemon: string, up: boolean, synchronised: boolean): Metric[] {
  return [
    metric('callward_ntp_up', up ? 1 : 0, { daemon }),
    metric('callward_ntp_synchronised', synchronised ? 1 : 0, { daemon }),
  ]
}

/** Undefined when it does not run. It touches its mark at each answer of its server; the mark says nothing about the offset. */
function timesyncdMetrics({ rootfs }: Roots, now: Millis): Metric[] | undefined {
  const folder = join(rootfs, 'run/systemd/timesync')
  if (modifiedSeconds(folder) === undefined) return undefined
  const at = modifiedSeconds(join(folder, 'synchronized'))
  const fresh = at !== undefined && now / 1000 - at < timesyncdLimitSeconds
  const metrics = stateMetrics('systemd-timesyncd', true, fresh)
  if (at !== undefined) metrics.push(metric('callward_ntp_last_update_timestamp_seconds', at))
  return metrics
}

function modifiedSeconds(path: string): number | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined ? undefined : stats.mtimeMs / 1000
}
