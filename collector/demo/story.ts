/** Seconds after which the story begins again. */
export const cycleSeconds = 360

/** The hosts the story happens to. */
export const storyHosts = {
  fillingDisk: 'demo-recorder-1',
  driftingClock: 'demo-dialler-2',
  silent: 'demo-sbc-2',
} as const

/** What is wrong with one host at one moment. */
export interface HostFaults {
  /** Share of /var/spool/recordings that is taken beyond its usual growth, 0 to 1. */
  readonly recordingsExtraRatio: number
  /** Host's clock minus true time. */
  readonly clockOffsetSeconds: number
  /** Hung: the socket stays open, nothing is said. */
  readonly silent: boolean
}

const healthy: HostFaults = { recordingsExtraRatio: 0, clockOffsetSeconds: 0, silent: false }

/** [second of the cycle, value], linear in between, constant outside. */
type Course = readonly (readonly [number, number])[]

/** From 61 % used to full: under 10 % free by second 53, under 3 % by 60; cleaned up after 200. */
const fillCourse: Course = [
  [25, 0],
  [60, 0.375],
  [200, 0.375],
  [215, 0],
]
const driftCourse: Course = [
  [30, 0],
  [55, 8],
  [240, 8],
  [265, 0],
]
const silence = { from: 45, until: 150 }

/** The faults of `instance` at `elapsedSeconds` since the demo's start; before 0 all is well. */
export function faultsAt(instance: string, elapsedSeconds: number): HostFaults {
  if (elapsedSeconds < 0) return healthy
  const second = elapsedSeconds % cycleSeconds
  if (instance === storyHosts.fillingDisk) {
    return { ...healthy, recordingsExtraRatio: valueAt(fillCourse, second) }
  }
  if (instance === storyHosts.driftingClock) {
    return { ...healthy, clockOffsetSeconds: valueAt(driftCourse, second) }
  }
  if (instance === storyHosts.silent) {
    return { ...healthy, silent: second >= silence.from && second < silence.until }
  }
  return healthy
}

function valueAt(course: Course, second: number): number {
  let [fromSecond, fromValue] = course[0]!
  if (second <= fromSecond) return fromValue
  for (const [toSecond, toValue] of course) {
    if (second < toSecond) {
      const share = (second - fromSecond) / (toSecond - fromSecond)
      return fromValue + (toValue - fromValue) * share
    }
    fromSecond = toSecond
    fromValue = toValue
  }
  return fromValue
}
