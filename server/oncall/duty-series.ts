import type { Millis } from '../clock.ts'
import type { HubFigure } from '../hub-figures.ts'
import type { ShiftReadiness } from './readiness.ts'

/** How one schedule stands now. */
export interface Standing {
  readonly id: string
  /** People on call who have an account in force. */
  readonly reachable: number
  /** Nobody is, and that is not meant so. */
  readonly uncovered: boolean
}

/** What rules watch of on-call duty: figures by schedule, never a person's name. Pure. */
export function dutyFigures(
  standings: readonly Standing[],
  shifts: readonly ShiftReadiness[],
  provenAt: Millis | undefined,
): HubFigure[] {
  if (standings.length === 0) return []
  const figures: HubFigure[] = []
  for (const { id, reachable, uncovered } of standings) {
    const labels = { schedule: id }
    figures.push({ name: 'callward_oncall_current', value: reachable, labels })
    figures.push({ name: 'callward_oncall_uncovered', value: Number(uncovered), labels })
  }
  const counts = new Map<string, { count: number; labels: { schedule: string; reason: string } }>()
  for (const { scheduleId, reason } of shifts) {
    if (reason === null) continue
    const key = JSON.stringify([scheduleId, reason])
    const found = counts.get(key) ?? { count: 0, labels: { schedule: scheduleId, reason } }
    found.count += 1
    counts.set(key, found)
  }
  for (const { count, labels } of counts.values())
    figures.push({ name: 'callward_oncall_shift_unready', value: count, labels })
  if (provenAt !== undefined) {
    const name = 'callward_oncall_proof_timestamp_seconds'
    figures.push({ name, value: provenAt / 1000, labels: {} })
  }
  return figures
}
