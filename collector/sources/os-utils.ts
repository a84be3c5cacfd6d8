import * as osUtils from 'node-os-utils'

/**
 * node-os-utils as a reader of text we have read ourselves: one read serves its parser and ours, the
 * root is configurable, a missing file keeps its error code (the package would fall back to other
 * figures in silence) and no child process is started.
 */
export interface OsUtilsReader {
  loadAverage(loadavg: string): Promise<{ load1: number; load5: number; load15: number }>
  /** Bytes. */
  memory(meminfo: string): Promise<{ total: number; free: number; cached: number; buffers: number }>
  /** By device, in the order of /proc/diskstats; bytes and milliseconds. */
  disks(diskstats: string): Promise<ReadonlyMap<string, DiskFigures>>
  /** By interface, in the order of /proc/net/dev. */
  interfaces(netDev: string): Promise<ReadonlyMap<string, InterfaceFigures>>
}

export interface DiskFigures {
  readonly reads: number
  readonly readBytes: number
  readonly readMilliseconds: number
  readonly writes: number
  readonly writtenBytes: number
  readonly writeMilliseconds: number
  readonly busyMilliseconds: number
}

export interface InterfaceFigures {
  readonly receivedBytes: number
  readonly receivedPackets: number
  readonly receiveErrors: number
  readonly receiveDropped: number
  readonly sentBytes: number
  readonly sentPackets: number
  readonly sendErrors: number
  readonly sendDropped: number
}

interface Result<T> {
  readonly success: boolean
  readonly data?: T
  readonly error?: { readonly message: string }
}

function figures<T>(what: string, result: Result<T>): T {
  if (result.success && result.data !== undefined) return result.data
  throw new Error(`${what}: ${result.error?.message ?? 'no figures'}`)
}

/** A reader of its own, so that two roots in one process do not mix. */
export function osUtilsReader(): OsUtilsReader {
  const { AdapterFactory, CPUMonitor, DiskMonitor, MemoryMonitor, NetworkMonitor } = osUtils
  AdapterFactory.clearCache()
  const adapter = AdapterFactory.create('linux')
  AdapterFactory.clearCache()
  const texts = new Map<string, string>()
  adapter.readFile = async (path) => {
    const text = texts.get(path)
    if (text === undefined) throw new Error(`BUG: ${path} was not handed to node-os-utils`)
    return text
  }
  adapter.executeCommand = async (command) => {
    throw new Error(`BUG: node-os-utils wants to run ${command}`)
  }
  const noCache = { cacheEnabled: false }
  const cpu = new CPUMonitor(adapter, noCache)
  const memory = new MemoryMonitor(adapter, noCache)
  const disk = new DiskMonitor(adapter, { ...noCache, includeStats: true })
  const network = new NetworkMonitor(adapter, { ...noCache, includeInterfaceStats: true })
  // Without a listener its `error` event would be thrown past the result.
  for (const monitor of [cpu, memory, disk, network]) monitor.on('error', () => {})
  return {
    async loadAverage(loadavg) {
      texts.set('/proc/loadavg', loadavg)
      return figures('load average', await cpu.loadAverage())
    },
    async memory(meminfo) {
      texts.set('/proc/meminfo', meminfo)
      const info = figures('memory', await memory.info())
      return {
        total: info.total.toBytes(),
        free: info.free.toBytes(),
        cached: info.cached.toBytes(),
        buffers: info.buffers.toBytes(),
      }
    },
    async disks(diskstats) {
      texts.set('/proc/diskstats', diskstats)
      const stats = figures('disk statistics', await disk.stats())
      return new Map(stats.map((one) => [one.device, diskFigures(one)]))
    },
    async interfaces(netDev) {
      texts.set('/proc/net/dev', netDev)
      const stats = figures('network statistics', await network.statsAsync({ skipCache: true }))
      return new Map(stats.map((one) => [one.interface, interfaceFigures(one)]))
    },
  }
}

function diskFigures(one: osUtils.DiskIOStats): DiskFigures {
  return {
    reads: one.readCount,
    readBytes: one.readBytes.toBytes(),
    readMilliseconds: one.readTime,
    writes: one.writeCount,
    writtenBytes: one.writeBytes.toBytes(),
    writeMilliseconds: one.writeTime,
    busyMilliseconds: one.ioTime,
  }
}

function interfaceFigures(one: osUtils.NetworkStats): InterfaceFigures {
  return {
    receivedBytes: one.rxBytes.toBytes(),
    receivedPackets: one.rxPackets,
    receiveErrors: one.rxErrors,
    receiveDropped: one.rxDropped,
    sentBytes: one.txBytes.toBytes(),
    sentPackets: one.txPackets,
    sendErrors: one.txErrors,
    sendDropped: one.txDropped,
  }
}
