import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Roots, readKernelFile } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { type BootStart, bootStartOf } from './boot-units.ts'

/** Where systemd keeps its tree: cgroup v2, then the hybrid and old layouts of Debian 10 and CentOS 7. */
const hierarchies = ['fs/cgroup', 'fs/cgroup/systemd', 'fs/cgroup/unified'] as const

/** Folders and boot units change by a person's hand: looked for again after this. */
const lookAgainMilliseconds = 60_000

const processesLimit = 4096

/** Path of a unit's folder below a hierarchy; instances of a template have a slice of their own (man 7 systemd.special). */
export function unitPath(unit: string): string {
  const at = unit.indexOf('@')
  if (at < 0) return join('system.slice', unit)
  const slice = `system-${unit.slice(0, at).replaceAll('-', '\\x2d')}.slice`
  return join('system.slice', slice, unit)
}

/** What systemd's control groups tell about services, without asking systemd. */
export class ServiceUnits {
  readonly #roots: Roots
  #hierarchy: string | undefined
  readonly #boot = new Map<string, BootStart>()
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(roots: Roots) {
    this.#roots = roots
  }

  refresh(now: Millis): void {
    if (Math.abs(now - this.#lookedAt) < lookAgainMilliseconds) return
    this.#lookedAt = now
    this.#hierarchy = hierarchies
      .map((path) => join(this.#roots.sys, path))
      .find((path) => existsSync(join(path, 'system.slice')))
    this.#boot.clear()
  }

  /** What systemd does with these at boot, as of the last refresh. */
  bootStart(units: readonly string[]): BootStart {
    const key = units.join(' ')
    const found = this.#boot.get(key) ?? bootStartOf(this.#roots, units)
    this.#boot.set(key, found)
    return found
  }

  /** Ids of a unit's processes, those of folders it made for itself included; undefined where the unit does not run. */
  processesOf(unit: string): number[] | undefined {
    if (this.#hierarchy === undefined) return undefined
    const folder = join(this.#hierarchy, unitPath(unit))
    const own = processesIn(folder)
    if (own === undefined || own.length > 0) return own
    const below = namesIn(folder).flatMap((name) => processesIn(join(folder, name)) ?? [])
    return below.length > 0 ? below : undefined
  }

  /** CPU seconds of everything a unit has run since its start; only cgroup v2 tells. */
  cpuSecondsOf(unit: string): number | undefined {
    if (this.#hierarchy === undefined) return undefined
    const text = textOf(join(this.#hierarchy, unitPath(unit), 'cpu.stat'))
    const microseconds = Number(/^usage_usec (\d+)$/m.exec(text ?? '')?.[1])
    return Number.isFinite(microseconds) ? microseconds / 1_000_000 : undefined
  }
}

function processesIn(folder: string): number[] | undefined {
  const text = textOf(join(folder, 'cgroup.procs'))
  if (text === undefined) return undefined
  const ids = text.split('\n', processesLimit).map(Number)
  return ids.filter((pid) => Number.isInteger(pid) && pid > 0)
}

/** Undefined for whatever reason: then the processes are looked for by name. */
function textOf(path: string): string | undefined {
  try {
    return readKernelFile(path)
  } catch {
    return undefined
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
