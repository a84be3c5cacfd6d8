import type { Roots, Source } from '../source.ts'
import { arpSource } from './arp.ts'
import { bondingSource } from './bonding.ts'
import type { ChronyAddress } from './chrony.ts'
import { clockSyncSource } from './clock-sync.ts'
import { cpuSource } from './cpu.ts'
import { cpuFrequencySource } from './cpu-frequency.ts'
import { diskSource } from './disk.ts'
import { edacSource } from './edac.ts'
import { filesystemSource } from './filesystem.ts'
import { hwmonSource } from './hwmon.ts'
import { conntrackSource, entropySource, filefdSource } from './kernel-limits.ts'
import { loadSource } from './load.ts'
import { dmiSource, nvmeSource } from './machine-info.ts'
import { memorySource } from './memory.ts'
import { netstatSource } from './netstat.ts'
import { networkSource } from './network.ts'
import { osUtilsReader } from './os-utils.ts'
import { pcieSource } from './pcie.ts'
import { powerSupplySource } from './power-supply.ts'
import { pressureSource } from './pressure.ts'
import { raidSource } from './raid.ts'
import { schedstatSource } from './schedstat.ts'
import { serviceFilesSource } from './service-files.ts'
import { type ServiceSetting, serviceSpecs } from './service-spec.ts'
import { ServiceWatch } from './service-watch.ts'
import { servicesSource } from './services.ts'
import { smartSource } from './smart.ts'
import { kernelPageBytes, sockstatSource } from './sockstat.ts'
import { softnetSource } from './softnet.ts'
import { tcpStatesSource } from './tcp-states.ts'
import { thermalSource } from './thermal.ts'
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
  'raid',
  'smart',
  'nvme',
  'hwmon',
  'thermal',
  'edac',
  'pcie',
  'bonding',
  'power_supply',
  'dmi',
  'cpu_frequency',
  'schedstat',
  'arp',
  'tcp_states',
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
    raid: () => raidSource(roots),
    smart: () => smartSource(roots),
    nvme: () => nvmeSource(roots),
    hwmon: () => hwmonSource(roots),
    thermal: () => thermalSource(roots),
    edac: () => edacSource(roots),
    pcie: () => pcieSource(roots),
    bonding: () => bondingSource(roots),
    power_supply: () => powerSupplySource(roots),
    dmi: () => dmiSource(roots),
    cpu_frequency: () => cpuFrequencySource(roots),
    schedstat: () => schedstatSource(roots),
    arp: () => arpSource(roots),
    tcp_states: () => tcpStatesSource(roots),
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
