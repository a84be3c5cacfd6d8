import { statSync } from 'node:fs'
import { join } from 'node:path'
import { number, type Roots, readKernelFile } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { type Process, ProcessTable, ticksPerSecond } from './process-table.ts'
import type { ServiceSpec } from './service-spec.ts'
import { ServiceUnits } from './service-units.ts'

/** Processes of all services read in full in one tick; with more, each is read every second or third tick. */
const fullReadingsLimit = 300

/** A service as it is now. */
export interface ServiceState {
  readonly name: string
  readonly up: boolean
  /** Of its main process, a change counted once; since this collector began to watch it. */
  readonly restarts: number
  /** Never falls; what ended processes used is in it as far as their parents or their unit tell. */
  readonly cpuSeconds: number
  readonly residentPages: number
  readonly threads: number
  /** Not counting those that have ended and wait for their parent. */
  readonly processes: readonly Process[]
  /** False where systemd says that it runs and /proc hides its processes: only `up` means something then. */
  readonly detailed: boolean
  /** Seconds since the epoch; undefined while it is down. */
  readonly startedAtSeconds: number | undefined
  /** The user it runs as; undefined while it is down. */
  readonly userId: number | undefined
}

/** What could be seen of the watched services at one reading. */
export interface ServicesSeen {
  readonly services: readonly ServiceState[]
  /** Names of configured services nothing can be said about. */
  readonly unknown: readonly string[]
  /** Services enabled at boot that do not run and are not missed, each with the reason. */
  readonly waived: readonly { readonly service: string; readonly reason: string }[]
  /** True where /proc hides other users' processes. */
  readonly hidden: boolean
}

/** A known service that has run this long belongs to the host; `kamailio -c`, or a server somebody tries, does not. */
const belongsAfterSeconds = 300

const identityOf = (process: Process) => `${process.pid}/${process.startTicks}`

/** One service over time: what must not be forgotten between two readings. */
class Watched {
  readonly spec: ServiceSpec
  /** It ran long enough here to be missed. */
  seen = false
  /** It was enabled at boot when last looked at. */
  enabled = false
  restarts = 0
  cpuSeconds = 0
  #named = false
  #main: Process | undefined
  #startedAtSeconds: number | undefined
  #userId: number | undefined
  #members: ReadonlyMap<number, Process> = new Map()
  #lastCpu: { readonly from: 'unit' | 'processes'; readonly seconds: number } | undefined

  constructor(spec: ServiceSpec) {
    this.spec = spec
  }

  get members(): ReadonlyMap<number, Process> {
    return this.#members
  }

  /** Takes in the processes found now. `unitSeconds`: its unit's own figure of CPU time; `hidden`: it runs unseen. */
  update(
    nowSeconds: number,
    members: ReadonlyMap<number, Process>,
    hidden: boolean,
    unitSeconds: number | undefined,
    facts: (main: Process) => { startedAtSeconds: number; userId: number | undefined },
  ): ServiceState {
    const living = [...members.values()].filter(({ state }) => state !== 'Z' && state !== 'X')
    const bearing = this.#bearing(living)
    this.#followMain(bearing, facts)
    this.#followCpu(members, unitSeconds)
    this.#members = members
    const up = bearing.length > 0 || hidden
    const age = nowSeconds - (this.#startedAtSeconds ?? nowSeconds)
    this.seen ||= up && age >= belongsAfterSeconds
    const sum = (of: (process: Process) => number) =>
      living.reduce((total, process) => total + of(process), 0)
    return {
      name: this.spec.name,
      up,
      restarts: this.restarts,
      cpuSeconds: this.cpuSeconds,
      residentPages: sum(({ residentPages }) => residentPages),
      threads: sum(({ threads }) => threads),
      processes: living,
      detailed: !hidden,
      startedAtSeconds: up ? this.#startedAtSeconds : undefined,
      userId: up ? this.#userId : undefined,
    }
  }

  /**
   * The processes that are the service, not its helpers. A unit in which only `safe_asterisk` is left waits to start
   * Asterisk: that is down. Where no name is known, every process of the unit is the service.
   */
  #bearing(living: readonly Process[]): readonly Process[] {
    const named = living.filter(({ name }) => this.spec.isMain(name))
    this.#named ||= this.spec.strict || named.length > 0
    return this.#named ? named : living
  }

  /**
   * The main process is the oldest that is the service. Another one is a restart, unless it ran beside the old one
   * already. While the service is down the old one is remembered.
   */
  #followMain(
    bearing: readonly Process[],
    facts: (main: Process) => { startedAtSeconds: number; userId: number | undefined },
  ): void {
    const main = bearing.reduce<Process | undefined>(
      (oldest, one) =>
        oldest === undefined ||
        one.startTicks < oldest.startTicks ||
        (one.startTicks === oldest.startTicks && one.pid < oldest.pid)
          ? one
          : oldest,
      undefined,
    )
    if (main === undefined) return
    if (this.#main !== undefined && identityOf(this.#main) === identityOf(main)) return
    const before = this.#members.get(main.pid)
    const ranBeside = before !== undefined && before.startTicks === main.startTicks
    if (this.#main !== undefined && !ranBeside) this.restarts++
    this.#main = main
    const { startedAtSeconds, userId } = facts(main)
    this.#startedAtSeconds = startedAtSeconds
    this.#userId = userId
  }

  /** The sum over processes falls when one ends whose parent is not of the service: the counter stands still then. */
  #followCpu(members: ReadonlyMap<number, Process>, unitSeconds: number | undefined): void {
    const from = unitSeconds === undefined ? 'processes' : 'unit'
    const seconds =
      unitSeconds ?? [...members.values()].reduce((total, one) => total + one.cpuSeconds, 0)
    const last = this.#lastCpu
    if (last === undefined) this.cpuSeconds = seconds
    else if (last.from === from) this.cpuSeconds += Math.max(0, seconds - last.seconds)
    this.#lastCpu = { from, seconds }
  }
}

/** Follows the services of a host from tick to tick; `scan` reads once for all sources of the same tick. */
export class ServiceWatch {
  readonly #roots: Roots
  readonly #table: ProcessTable
  readonly #units: ServiceUnits
  readonly #watched: readonly Watched[]
  #tick = 0
  #scanned: { readonly now: Millis; readonly seen: ServicesSeen } | undefined

  constructor(roots: Roots, specs: readonly ServiceSpec[]) {
    this.#roots = roots
    this.#table = new ProcessTable(roots)
    this.#units = new ServiceUnits(roots)
    this.#watched = specs.map((spec) => new Watched(spec))
  }

  /** Throws when there is no /proc to list. */
  scan(now: Millis): ServicesSeen {
    if (this.#scanned?.now === now) return this.#scanned.seen
    const visible = this.#table.refresh()
    this.#units.refresh(now)
    this.#tick++
    const services: ServiceState[] = []
    const unknown: string[] = []
    const waived: { service: string; reason: string }[] = []
    const found = this.#watched.map((one) => ({ one, ...this.#idsOf(one.spec, visible) }))
    const total = found.reduce((sum, { ids }) => sum + ids.length, 0)
    const turns = Math.ceil(total / fullReadingsLimit)
    const bootSeconds = this.#bootSeconds()
    for (const { one, ids, byUnit } of found) {
      const { spec } = one
      const members = this.#read(one, ids, turns)
      const boot = this.#units.bootStart(spec.bootUnits)
      const enabled = boot.kind !== 'none'
      // Stopped and `systemctl disable`d, or its package removed: somebody has said that it does not belong here any more.
      if (ids.length === 0 && one.enabled && !enabled) one.seen = false
      if (enabled || ids.length === 0) one.enabled = enabled
      const expected = spec.configured || one.seen || boot.kind === 'starts'
      if (ids.length === 0 && !expected) {
        if (boot.kind === 'waived') waived.push({ service: spec.name, reason: boot.reason })
        continue
      }
      if (ids.length === 0 && !visible) {
        unknown.push(spec.name)
        continue
      }
      const unitSeconds = byUnit ? this.#units.cpuSecondsOf(spec.unit) : undefined
      services.push(
        one.update(now / 1000, members, !visible && members.size === 0, unitSeconds, (main) => ({
          startedAtSeconds: bootSeconds + main.startTicks / ticksPerSecond,
          userId: this.#userOf(main.pid),
        })),
      )
    }
    const seen = { services, unknown, waived, hidden: !visible }
    this.#scanned = { now, seen }
    return seen
  }

  /** The service that runs as this user; undefined for root, for nobody's, and where two share the user. */
  serviceOfUser(userId: number): string | undefined {
    if (userId === 0) return undefined
    const owners = this.#scanned?.seen.services.filter((one) => one.userId === userId) ?? []
    return owners.length === 1 ? owners[0]?.name : undefined
  }

  /** Whether a process of this name was there at the last reading. */
  runs(processName: string): boolean {
    return this.#table.find((name) => name === processName).length > 0
  }

  /** By its unit where that has a folder, else by name. A process started by hand beside a running unit is not of it. */
  #idsOf(spec: ServiceSpec, visible: boolean): { ids: number[]; byUnit: boolean } {
    const ids = this.#units.processesOf(spec.unit)
    if (ids !== undefined && ids.length > 0) return { ids, byUnit: true }
    return { ids: visible ? this.#table.find(spec.fits) : [], byUnit: false }
  }

  #read(one: Watched, ids: readonly number[], turns: number): ReadonlyMap<number, Process> {
    const members = new Map<number, Process>()
    for (const pid of ids) {
      const before = one.members.get(pid)
      const due = before === undefined || (pid + this.#tick) % turns === 0
      const process = due ? this.#table.read(pid) : before
      if (process !== undefined) members.set(pid, process)
    }
    return members
  }

  #bootSeconds(): number {
    const text = readKernelFile(join(this.#roots.proc, 'stat'))
    return number(/^btime (\d+)$/m.exec(text)?.[1], 'btime')
  }

  #userOf(pid: number): number | undefined {
    return statSync(join(this.#roots.proc, String(pid)), { throwIfNoEntry: false })?.uid
  }
}
