import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Metric, metric, type Roots, stateOfError } from '../../source.ts'
import { compareDebianVersions } from '../../wire/debian-version.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import type { InstalledPackage } from './dpkg.ts'
import type { Packages } from './packages.ts'
import { whyOf } from './paths.ts'
import { printable } from './text.ts'

export interface RebootFact {
  readonly state: SectionState
  readonly needed?: boolean
  readonly reasons?: readonly string[]
  readonly detail?: string
}

export interface KernelFact {
  readonly running: string
  /** Newest installed of the same flavour; undefined where no kernel is installed as a package. */
  readonly newest?: string
}

export interface Reboot {
  readonly section: Section
  readonly reboot: RebootFact
  readonly kernel: KernelFact
  readonly metrics: readonly Metric[]
}

const packagesShown = 20

/** Whether the host waits for a reboot: by the file that Debian's packages leave, and by its kernels. */
export function rebootNeeded(
  manager: Packages['manager'],
  installed: readonly InstalledPackage[],
  roots: Roots,
): Reboot {
  const running = readFileSync(join(roots.proc, 'sys/kernel/osrelease'), 'utf8').trim()
  const kernels = installedKernels(manager, installed)
  const newest = newestLike(running, [...kernels.keys()])
  const kernel = newest === undefined ? { running } : { running, newest }
  try {
    const reasons = [
      ...demanded(roots.rootfs),
      ...kernelReasons(kernel, kernels, bootedVersion(roots.proc)),
    ]
    const known = newest !== undefined || reasons.length > 0 || kernels.size > 0
    if (!known) return { ...unknownReboot(), kernel }
    const needed = reasons.length > 0
    return {
      section: { name: 'reboot', state: 'ok', detail: '' },
      reboot: { state: 'ok', needed, ...(needed ? { reasons } : {}) },
      kernel,
      metrics: [metric('callward_reboot_required', needed ? 1 : 0)],
    }
  } catch (error) {
    const [state, detail] = [stateOfError(error), whyOf(error)]
    return {
      section: { name: 'reboot', state, detail },
      reboot: { state, detail },
      kernel,
      metrics: [],
    }
  }
}

function unknownReboot() {
  const detail = 'no kernel is installed as a package, and no package asks for a reboot'
  const section: Section = { name: 'reboot', state: 'absent', detail }
  return { section, reboot: { state: 'absent', detail } as const, metrics: [] }
}

/** What the file `reboot-required` of Debian and Ubuntu says. */
function demanded(rootfs: string): string[] {
  for (const folder of ['run', 'var/run']) {
    const path = join(rootfs, folder, 'reboot-required')
    if (statSync(path, { throwIfNoEntry: false }) === undefined) continue
    const names = orEmpty(() => readFileSync(`${path}.pkgs`, 'utf8'))
    const asking = [...new Set(names.split('\n').filter((name) => name !== ''))].sort()
    if (asking.length === 0) return ['a package asks for it']
    return [printable(`asked for by ${asking.slice(0, packagesShown).join(', ')}`, 1000)]
  }
  return []
}

function orEmpty(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

function kernelReasons(
  { running, newest }: KernelFact,
  kernels: ReadonlyMap<string, string>,
  booted: string | undefined,
): string[] {
  if (newest !== undefined && newest !== running)
    return [`kernel ${running} runs, ${newest} is installed`]
  const version = kernels.get(running)
  if (booted === undefined || version === undefined || compareDebianVersions(booted, version) >= 0)
    return []
  return [`kernel ${running} of ${booted} runs, ${version} is installed`]
}

/** The package version that Debian's kernels name themselves by in /proc/version. */
function bootedVersion(proc: string): string | undefined {
  return / Debian (\S+) \(/.exec(orEmpty(() => readFileSync(join(proc, 'version'), 'utf8')))?.[1]
}

/** Package version by kernel release. */
function installedKernels(
  manager: Packages['manager'],
  installed: readonly InstalledPackage[],
): Map<string, string> {
  const kernels = new Map<string, string>()
  for (const { name, version, architecture } of installed) {
    const debian = /^linux-image-(?:unsigned-)?(\d.*?)(?<!-dbg)(?<!-unsigned)$/.exec(name)?.[1]
    if (manager === 'dpkg' && debian !== undefined) kernels.set(debian, version)
    if (manager === 'rpm' && /^kernel(-core|-rt|-uek|-default|-ml|-lt)?$/.test(name))
      kernels.set(`${version.replace(/^\d+:/, '')}.${architecture}`, version)
  }
  return kernels
}

/** Its number and what it is built for: 6.1.0-35-cloud-amd64 is 6.1.0-35 for cloud-amd64. */
function flavour(release: string): { number: string; kind: string } {
  const match = /^(.*?)[-.]([a-z_][a-z0-9_-]*)$/.exec(release)
  return { number: match?.[1] ?? release, kind: match?.[2] ?? '' }
}

/** The newest release of the flavour that runs. */
export function newestLike(running: string, releases: readonly string[]): string | undefined {
  const { kind } = flavour(running)
  const like = releases.filter((release) => flavour(release).kind === kind)
  return like.sort((a, b) => compareDebianVersions(flavour(a).number, flavour(b).number)).at(-1)
}
