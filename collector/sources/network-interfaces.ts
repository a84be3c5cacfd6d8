import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Metric, metric, number } from '../source.ts'
import type { Labels, Millis } from '../wire/frames.ts'
import { atMostEvery, minute, readAttribute } from './sysfs.ts'

const bytesPerMegabit = 1_000_000 / 8

/** What /sys/class/net says about every interface; throws where that folder cannot be read. */
export type InterfaceReader = (now: Millis) => Metric[]

/**
 * Link state, speed and duplex. The list of interfaces and what only an administrator or a new link changes are
 * read once a minute, and again when the carrier has changed. Names: node_exporter `netclass`.
 */
export function interfaceReader(folder: string): InterfaceReader {
  const devices = atMostEvery(minute, () =>
    readdirSync(folder).map((device) => oneInterface(join(folder, device), device)),
  )
  return (now) => devices(now).flatMap((one) => one(now))
}

const movingFiles = [
  ['mtu', 'mtu_bytes', 1],
  ['carrier', 'carrier', 1],
  ['carrier_changes', 'carrier_changes_total', 1],
  ['carrier_up_count', 'carrier_up_changes_total', 1],
  ['carrier_down_count', 'carrier_down_changes_total', 1],
  ['tx_queue_len', 'transmit_queue_length', 1],
  ['speed', 'speed_bytes', bytesPerMegabit],
  ['statistics/rx_nohandler', 'receive_nohandler_total', 1],
] as const

function oneInterface(folder: string, device: string): InterfaceReader {
  const files = movingFiles.map(
    ([file, name, factor]) => [join(folder, file), file, `node_network_${name}`, factor] as const,
  )
  let carrierChanges: number | undefined
  let described: Labels | undefined
  return () => {
    const operstate = readAttribute(join(folder, 'operstate'))
    if (operstate === undefined) return [] // bonding_masters and the like, or gone since the listing
    const metrics = [metric('node_network_up', operstate === 'up' ? 1 : 0, { device })]
    for (const [path, file, name, factor] of files) {
      const text = readAttribute(path)
      if (text === undefined) continue
      const value = number(text, `${device} ${file}`)
      if (file === 'speed' && value < 0) continue
      metrics.push(metric(name, value * factor, { device }))
      if (file === 'carrier_changes' && value !== carrierChanges) {
        carrierChanges = value
        described = undefined
      }
    }
    if (described?.['operstate'] !== operstate) described = description(folder, device, operstate)
    metrics.push(metric('node_network_info', 1, described ?? { device }))
    return metrics
  }
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
