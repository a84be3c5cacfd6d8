import type { Roots, Source } from '../source.ts'
import type { ChronyAddress } from './chrony.ts'
import { clockSyncSource } from './clock-sync.ts'
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
import { serviceFilesSource } from './service-files.ts'
import { type ServiceSetting, serviceSpecs } from './service-spec.ts'
import { ServiceWatch } from './service-watch.ts'
import { servicesSource } from './services.ts'
import { kernelPageBytes, sockstatSource } from './sockstat.ts'
import { softnetSource } from './softnet.ts'
import { timeSource } from './time.ts'
import { udpQueuesSource } from './udp-queues.ts'
import { udpSocketsSource } from './udp-sockets.ts'
import { udpTablesReader } from './udp-table.ts'
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
  'services',
  'service_files',
  'udp_sockets',
  'clock_sync',
] as const

export type SourceName = (typeof sourceNames)[number]

/** What to watch beside what every host has; all of it may be left out. */
export interface Watched {
  readonly services?: readonly ServiceSetting[]
  /** Ports and ranges of ports, `5060` or `10000-20000`. */
  readonly udpPorts?: readonly string[]
  readonly chrony?: ChronyAddress
}

/** The sources that are not switched off. */
export function hostSources(
  roots: Roots,
  enabled: Readonly<Partial<Record<SourceName, boolean>>> = {},
  watched: Watched = {},
): Source[] {
  const reader = osUtilsReader()
  const udpTables = udpTablesReader(roots)
  const services = new ServiceWatch(roots, serviceSpecs(watched.services))
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
    udp_queues: () => udpQueuesSource(udpTables),
    conntrack: () => conntrackSource(roots),
    vmstat: () => vmstatSource(roots),
    filefd: () => filefdSource(roots),
    entropy: () => entropySource(roots),
    time: () => timeSource(roots),
    uname: () => unameSource(roots),
    services: () => servicesSource(services, kernelPageBytes()),
    service_files: () => serviceFilesSource(roots, services),
    udp_sockets: () =>
      udpSocketsSource(udpTables, (user) => services.serviceOfUser(user), watched.udpPorts),
    clock_sync: () =>
      clockSyncSource(roots, {
        runs: (processName) => services.runs(processName),
        ...(watched.chrony === undefined ? {} : { address: watched.chrony }),
      }),
  }
  return sourceNames.filter((name) => enabled[name] !== false).map((name) => makers[name]())
}
