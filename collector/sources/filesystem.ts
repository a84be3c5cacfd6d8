import { statfs as systemStatfs } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Metric,
  metric,
  type Roots,
  readKernelFile,
  readOptionalKernelFile,
  type Source,
  type SourceReading,
  seen,
  stateOfError,
} from '../source.ts'

/** node_exporter's defaults. */
const excludedMountPoints =
  /^\/(dev|proc|run\/credentials\/.+|sys|var\/lib\/docker\/.+|var\/lib\/containers\/storage\/.+)($|\/)/
const excludedTypes =
  /^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$/

/** One line of /proc/mounts (man 5 fstab), octal escapes resolved. */
export interface Mount {
  readonly device: string
  readonly mountPoint: string
  readonly type: string
  readonly readOnly: boolean
}

export interface FilesystemFigures {
  readonly bsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
}

export interface FilesystemOptions {
  readonly statfs?: (path: string) => Promise<FilesystemFigures>
  /** A mount that has not answered after this is reported with device_error and left alone until it answers. */
  readonly limitMilliseconds?: number
}

/** Hung calls held at once. Each keeps a thread of Node's pool of four; the rest of the collector needs the others. */
const hungCallsLimit = 2

/** Sizes of every mounted file system. Names: node_exporter `filesystem`. A hung NFS stalls only its own figures. */
export function filesystemSource(roots: Roots, options: FilesystemOptions = {}): Source {
  const statfs = options.statfs ?? systemStatfs
  const limitMilliseconds = options.limitMilliseconds ?? 2000
  const hung = new Set<string>()
  const measure = async (mount: Mount): Promise<FilesystemFigures> => {
    if (hung.has(mount.mountPoint)) throw new Error('still not answering')
    if (hung.size >= hungCallsLimit) throw new Error('not asked while other mounts hang')
    hung.add(mount.mountPoint)
    const call = statfs(join(roots.rootfs, mount.mountPoint)).finally(() =>
      hung.delete(mount.mountPoint),
    )
    return withinLimit(call, limitMilliseconds)
  }
  return {
    name: 'filesystem',
    async read() {
      const metrics: Metric[] = []
      const faults: unknown[] = []
      const { mounts, isOwn } = readMounts(roots)
      for (const mount of watchedMounts(mounts)) {
        const labels = { device: mount.device, mountpoint: mount.mountPoint, fstype: mount.type }
        metrics.push(metric('node_filesystem_readonly', mount.readOnly ? 1 : 0, labels))
        try {
          metrics.push(...sizeMetrics(await measure(mount), labels))
          metrics.push(metric('node_filesystem_device_error', 0, labels))
        } catch (error) {
          metrics.push(metric('node_filesystem_device_error', 1, labels))
          faults.push(new MountFault(mount.mountPoint, error))
        }
      }
      const reading =
        faults.length === 0 ? seen(metrics) : withFaults(metrics, faults as MountFault[])
      return isOwn ? onlyOwn(reading) : reading
    },
  }
}

/** The host's mounts are denied; what is seen of them from here is no whole answer, however well it was read. */
function onlyOwn({ state, detail, metrics }: SourceReading): SourceReading {
  const own =
    '/proc/1/mounts is hidden (hidepid, or ProtectProc= of the service): these are the mounts this process sees itself, and some of the host’s may be missing'
  if (state === 'ok') return { state: 'denied', detail: own, metrics }
  return { state, detail: `${detail}; ${own}`, metrics }
}

class MountFault {
  readonly mountPoint: string
  readonly cause: unknown

  constructor(mountPoint: string, cause: unknown) {
    this.mountPoint = mountPoint
    this.cause = cause
  }
}

function withFaults(metrics: readonly Metric[], faults: readonly MountFault[]): SourceReading {
  const states = faults.map((fault) => stateOfError(fault.cause))
  const state = states.every((one) => one === 'denied') ? 'denied' : 'error'
  const lines = faults.map(({ mountPoint, cause }) => {
    return `${mountPoint}: ${cause instanceof Error ? cause.message : String(cause)}`
  })
  return { state, detail: lines.join('; ').slice(0, 300), metrics }
}

function sizeMetrics(figures: FilesystemFigures, labels: Metric['labels']): Metric[] {
  const of = (name: string, value: number) => metric(`node_filesystem_${name}`, value, labels)
  return [
    of('size_bytes', figures.blocks * figures.bsize),
    of('free_bytes', figures.bfree * figures.bsize),
    of('avail_bytes', figures.bavail * figures.bsize),
    of('files', figures.files),
    of('files_free', figures.ffree),
  ]
}

/** The mounts of process 1, which a container sees as the host's; this process's own where those are hidden. */
function readMounts(roots: Roots): { readonly mounts: readonly Mount[]; readonly isOwn: boolean } {
  const textOf = (path: string) => readKernelFile(join(roots.proc, path))
  try {
    return { mounts: parseMounts(textOf('1/mounts'), roots.rootfs), isOwn: false }
  } catch {
    const info = readOptionalKernelFile(join(roots.proc, 'self/mountinfo'))
    const mounts =
      info === undefined
        ? parseMounts(textOf('mounts'), roots.rootfs)
        : parseMountinfo(info, roots.rootfs)
    return { mounts, isOwn: true }
  }
}

/**
 * The mounts of this process. What a service may not write is mounted read-only for it alone: whether the file system itself is, the
 * last column tells (man 5 proc_pid_mountinfo, "super options").
 */
export function parseMountinfo(text: string, rootfs = '/'): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ')
    const mountPoint = left?.split(' ').map(withoutEscapes)[4]
    const [type, device, options] = (right ?? '').split(' ').map(withoutEscapes)
    if (mountPoint === undefined || type === undefined || device === undefined) return []
    const readOnly = (options ?? '').split(',').includes('ro')
    return [{ device, mountPoint: belowRoot(mountPoint, rootfs), type, readOnly }]
  })
}

/** Mount points below `rootfs` are named as the host names them. */
export function parseMounts(text: string, rootfs = '/'): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [device, mountPoint, type, options] = line.split(' ').map(withoutEscapes)
    if (device === undefined || mountPoint === undefined || type === undefined) continue
    const readOnly = (options ?? '').split(',').includes('ro')
    mounts.push({ device, mountPoint: belowRoot(mountPoint, rootfs), type, readOnly })
  }
  return mounts
}

function belowRoot(mountPoint: string, rootfs: string): string {
  const root = rootfs.replace(/\/+$/, '')
  if (root === '' || (mountPoint !== root && !mountPoint.startsWith(`${root}/`))) return mountPoint
  return mountPoint.slice(root.length) || '/'
}

function withoutEscapes(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

function watchedMounts(mounts: readonly Mount[]): Mount[] {
  const watched = new Map<string, Mount>()
  for (const mount of mounts) {
    if (excludedMountPoints.test(mount.mountPoint) || excludedTypes.test(mount.type)) continue
    const key = JSON.stringify([mount.device, mount.mountPoint, mount.type])
    if (!watched.has(key)) watched.set(key, mount)
  }
  return [...watched.values()]
}

async function withinLimit<T>(call: Promise<T>, limitMilliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `no answer within ${limitMilliseconds / 1000} s`
    timer = setTimeout(() => reject(new Error(message)), limitMilliseconds)
  })
  try {
    return await Promise.race([call, late])
  } finally {
    clearTimeout(timer)
    call.catch(() => {}) // answered with an error after the limit: already reported as hung
  }
}
