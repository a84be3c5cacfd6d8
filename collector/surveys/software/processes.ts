import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Metric, metric, type Roots } from '../../source.ts'
import { approach } from '../course.ts'
import { programsOf, type ServiceKind } from './services.ts'

/** Whether the processes of a service run the program that is on the disk. */
export interface RunningService {
  readonly service: string
  /** Undefined when it cannot be known. */
  readonly outdated?: boolean
  readonly detail?: string
}

/** Ticks of /proc/PID/stat a second: USER_HZ is 100 wherever Linux runs. */
const ticksPerSecond = 100
/** The kernel tells the boot in whole seconds. */
const slackSeconds = 5
const mapsBytesLimit = 4 * 1024 * 1024
/** Words of control groups in which a process has a file system of its own. */
const containers = /docker|kubepods|libpod|containerd|lxc|machine\.slice/

interface Process {
  readonly folder: string
  readonly service: ServiceKind
}

/**
 * The services that run, and which of them were replaced on the disk since they started. By the link to the program and its
 * libraries where those may be seen (own processes, or as root); else the program's change time against the process's start.
 */
export function runningServices(kinds: readonly ServiceKind[], roots: Roots): RunningService[] {
  const found = new Map<string, RunningService>()
  const bootSeconds = bootTime(roots.proc)
  for (const process of processesOf(kinds, roots.proc)) {
    const { name } = process.service
    const judged = judge(process, roots, bootSeconds)
    const before = found.get(name)
    // One old process makes a service old; knowing of one is better than of none.
    if (before === undefined || rank(judged) > rank(before)) found.set(name, judged)
  }
  return [...found.values()].sort((a, b) => (a.service < b.service ? -1 : 1))
}

function rank({ outdated }: RunningService): number {
  return outdated === true ? 2 : outdated === false ? 1 : 0
}

export function runningMetrics(running: readonly RunningService[]): Metric[] {
  return running.flatMap(({ service, outdated }) =>
    outdated === undefined
      ? []
      : [metric('callward_process_outdated', outdated ? 1 : 0, { service })],
  )
}

function processesOf(kinds: readonly ServiceKind[], proc: string): Process[] {
  const byName = new Map<string, ServiceKind>()
  for (const kind of kinds) {
    const names =
      kind.processes ??
      kind.programs.map((path) => basename(path)).filter((one) => !one.includes('*'))
    for (const name of names) if (!byName.has(name)) byName.set(name.slice(0, 15), kind)
  }
  return readdirSync(proc).flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    const folder = join(proc, pid)
    const service = byName.get(
      orUndefined(() => readFileSync(join(folder, 'comm'), 'utf8').trim()) ?? '',
    )
    if (service === undefined || isElsewhere(folder)) return []
    return [{ folder, service }]
  })
}

/** In a container its paths are not ours. */
function isElsewhere(folder: string): boolean {
  const groups = orUndefined(() => readFileSync(join(folder, 'cgroup'), 'utf8')) ?? ''
  const own = orUndefined(() => readFileSync('/proc/self/cgroup', 'utf8')) ?? ''
  return groups !== own && containers.test(groups)
}

function judge(
  { folder, service }: Process,
  roots: Roots,
  bootSeconds: number | undefined,
): RunningService {
  const { name } = service
  // The kernel lets a look at a process that waits for a dead disk wait as well.
  const answers = orUndefined(() => approach(folder) === undefined)
  if (answers === undefined) return { service: name, detail: 'its process does not answer' }
  const program = orUndefined(() => readlinkSync(join(folder, 'exe')))
  if (program?.endsWith(' (deleted)') === true)
    return { service: name, outdated: true, detail: 'its program was replaced since it started' }
  if (program !== undefined) {
    const library = deletedLibrary(folder)
    if (library === undefined) return { service: name, outdated: false }
    return {
      service: name,
      outdated: true,
      detail: `its library ${library} was replaced since it started`,
    }
  }
  return judgeByTime(folder, service, roots, bootSeconds)
}

/** A library that is mapped and no longer on the disk. */
function deletedLibrary(folder: string): string | undefined {
  const maps = orUndefined(() =>
    readFileSync(join(folder, 'maps'), 'utf8').slice(0, mapsBytesLimit),
  )
  return /^\S+ \S+ \S+ \S+ \d+ +\/(?:usr\/|opt\/)?(?:\S*\/)?lib\S*\/([^/\s]+\.so[.\d]*) \(deleted\)$/m.exec(
    maps ?? '',
  )?.[1]
}

function judgeByTime(
  folder: string,
  service: ServiceKind,
  roots: Roots,
  bootSeconds: number | undefined,
): RunningService {
  const programs = programsOf(service, roots.rootfs)
  const said = orUndefined(() => readFileSync(join(folder, 'cmdline'), 'utf8').split('\0', 1)[0])
  const program =
    programs.find((path) => path === said) ?? (programs.length === 1 ? programs[0] : undefined)
  const startSeconds = orUndefined(() => startTicks(folder) / ticksPerSecond)
  if (program === undefined || startSeconds === undefined || bootSeconds === undefined)
    return { service: service.name, detail: 'which program it runs cannot be seen' }
  const changed = orUndefined(() => statSync(join(roots.rootfs, program)).ctimeMs / 1000)
  if (changed === undefined) return { service: service.name, detail: 'its program cannot be seen' }
  if (bootSeconds + startSeconds + slackSeconds >= changed)
    return { service: service.name, outdated: false }
  return { service: service.name, outdated: true, detail: 'its program changed since it started' }
}

/** Field 22 of /proc/PID/stat; the name before it may hold anything, closed by the last parenthesis. */
function startTicks(folder: string): number {
  const text = readFileSync(join(folder, 'stat'), 'utf8')
  const ticks = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  if (!Number.isFinite(ticks)) throw new Error('no start time')
  return ticks
}

function bootTime(proc: string): number | undefined {
  return orUndefined(() => {
    const seconds = Number(/^btime (\d+)$/m.exec(readFileSync(join(proc, 'stat'), 'utf8'))?.[1])
    return Number.isFinite(seconds) ? seconds : undefined
  })
}

/** Processes end while they are read, and most may not be looked into: both are no fault. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
