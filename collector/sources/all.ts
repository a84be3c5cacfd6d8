import type { Roots, Source } from '../source.ts'
import { cpuSource } from './cpu.ts'
import { diskSource } from './disk.ts'
import { filesystemSource } from './filesystem.ts'
import { conntrackSource, entropySource, filefdSource } from './kernel-limits.ts'
import { loadSource } from './load.ts'
import { memorySource } from './memory.ts'
import { netstatSource } from './netstat.ts'
import { networkSource } from './network.ts'
import { osUtilsReader } from './os-utils.ts'
import { pressureSource } from './pressure.ts'
import { sockstatSource } from './sockstat.ts'
import { softnetSource } from './softnet.ts'
import { timeSource } from './time.ts'
import { udpQueuesSource } from './udp-queues.ts'
import { unameSource } from './uname.ts'
import { vmstatSource } from './vmstat.ts'

/** Every source by section name, in the order the check prints them. */
export const sourceNames = [
  'cpu',
  'memory',
  'load',
  'pressure',
  'filesystem',
  'disk',
  'network',
  'netstat',
  'sockstat',
  'softnet',
  'udp_queues',
  'conntrack',
  'vmstat',
  'filefd',
  'entropy',
  'time',
  'uname',
] as const

export type SourceName = (typeof sourceNames)[number]

/** The sources that are not switched off. */
export function hostSources(
  roots: Roots,
  enabled: Readonly<Partial<Record<SourceName, boolean>>> = {},
): Source[] {
  const reader = osUtilsReader()
  const makers: Record<SourceName, () => Source> = {
    cpu: () => cpuSource(roots),
    memory: () => memorySource(roots, reader),
    load: () => loadSource(roots, reader),
    pressure: () => pressureSource(roots),
    filesystem: () => filesystemSource(roots),
    disk: () => diskSource(roots, reader),
    network: () => networkSource(roots, reader),
    netstat: () => netstatSource(roots),
    sockstat: () => sockstatSource(roots),
    softnet: () => softnetSource(roots),
    udp_queues: () => udpQueuesSource(roots),
    conntrack: () => conntrackSource(roots),
    vmstat: () => vmstatSource(roots),
    filefd: () => filefdSource(roots),
    entropy: () => entropySource(roots),
    time: () => timeSource(roots),
    uname: () => unameSource(roots),
  }
  return sourceNames.filter((name) => enabled[name] !== false).map((name) => makers[name]())
}
