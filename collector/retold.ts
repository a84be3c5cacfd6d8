import type { Clock } from './clock.ts'
import type { SentReport } from './pending.ts'

/** A clock that is slewed is off by less; one that was set, mostly by more. */
const aheadMilliseconds = 2000

/**
 * A report as it is to be sent. One whose time is still to come was read while the clock was ahead: it is told by the clock of now and by how
 * long it has waited, or the hub would refuse it for good. Of one that waited while the machine was off, that time is not known and left out.
 */
export function retold(sent: SentReport, clock: Clock): SentReport {
  const now = clock.now()
  const { report, readAt } = sent
  if (report.wall <= now + aheadMilliseconds) return sent
  const wall = Math.round(now - Math.max(0, clock.monotonic() - readAt))
  return { ...sent, report: { ...report, wall } }
}
