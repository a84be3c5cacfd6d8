import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Metric, metric, number } from '../source.ts'
import type { Labels, Millis } from '../wire/frames.ts'
import { atMostEvery, minute, readAttribute } from './sysfs.ts'

const bytesPerMegabit = 1_000_000 / 8

/** What /sys/class/net says about every interface; throws where that folder cannot be read. */
export type InterfaceReader = (now: Millis) => Metric[]

/**
 * Link state, speed and duplex. The list of interfaces, and what only an administrator or a new link changes, are
 * read once a minute, and again when the carrier has changed. Names: node_exporter `netclass`.
 */
export function interfaceReader(folder: string): InterfaceReader {
  const devices = atMostEvery(minute, () =>
    readdirSync(folder).map((device) => oneInterface(join(folder, device), device)),
  )
  return (now) => devices(now).flatMap((one) => one(now))
}

/** Read when the link has changed, and once a minute. */
const settledFiles = [
  ['carrier', 'carrier', 1],
  ['carrier_changes', 'carrier_changes_total', 1],
  ['carrier_up_count', 'carrier_up_changes_total', 1],
  ['carrier_down_count', 'carrier_down_changes_total', 1],
  ['mtu', 'mtu_bytes', 1],
  ['tx_queue_len', 'transmit_queue_length', 1],
  ['speed', 'speed_bytes', bytesPerMegabit],
] as const

function oneInterface(folder: string, device: string): InterfaceReader {
  const operstateFile = join(folder, 'operstate')
  const changesFile = join(folder, 'carrier_changes')
  const noHandlerFile = join(folder, 'statistics/rx_nohandler')
  const labels = { device }
  let link: string | undefined
  let settled: readonly Metric[] = []
  return () => {
    const operstate = readAttribute(operstateFile)
    if (operstate === undefined) return [] // bonding_masters and the like, or gone since the listing
    const now = `${operstate} ${readAttribute(changesFile)}`
    if (now !== link) {
      settled = settledMetrics(folder, device, operstate)
      link = now
    }
    const metrics = [metric('node_network_up', operstate === 'up' ? 1 : 0, labels), ...settled]
    const noHandler = readAttribute(noHandlerFile)
    if (noHandler !== undefined) {
      const packets = number(noHandler, `${device} rx_nohandler`)
      metrics.push(metric('node_network_receive_nohandler_total', packets, labels))
    }
    return metrics
  }
}

function settledMetrics(folder: string, device: string, operstate: string): Metric[] {
  const metrics = [metric('node_network_info', 1, description(folder, device, operstate))]
  for (const [file, name, factor] of settledFiles) {
    const text = readAttribute(join(folder, file))
    if (text === undefined) continue
    const value = number(text, `${device} ${file}`)
    if (file === 'speed' && value < 0) continue
    metrics.push(metric(`node_network_${name}`, value * factor, { device }))
  }
  return metrics
}

function description(folder: string, device: string, operstate: string): Labels {
  const of = (file: string) => (readAttribute(join(folder, file)) ?? '').slice(0, 128)
  return {
    device,
    operstate,
    duplex: of('duplex'),
    address: of('address'),
    broadcast: of('broadcast'),
    ifalias: of('ifalias'),
  }
}
