import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  type Source,
  type SourceReading,
  seen,
  stateOfError,
} from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { type InterfaceReader, interfaceReader } from './network-interfaces.ts'
import type { InterfaceFigures, OsUtilsReader } from './os-utils.ts'

/**
 * /proc/net/dev and /sys/class/net. Names: node_exporter `netdev` and `netclass`. An interface that
 * does not know its speed (-1) has no speed, as with node_exporter's --collector.netclass.ignore-invalid-speed.
 */
export function networkSource(roots: Roots, reader: OsUtilsReader): Source {
  const folder = join(roots.sys, 'class/net')
  const interfaces = interfaceReader(folder)
  return {
    name: 'network',
    async read(now) {
      const text = readKernelFile(join(roots.proc, 'net/dev'))
      const known = await reader.interfaces(text)
      const metrics: Metric[] = []
      for (const line of text.split('\n').slice(2)) {
        const colon = line.lastIndexOf(':')
        if (colon < 0) continue
        const device = line.slice(0, colon).trim()
        const columns = line
          .slice(colon + 1)
          .trim()
          .split(/\s+/)
          .map((field) => number(field, device))
        const figures = known.get(device)
        if (figures !== undefined) metrics.push(...trafficMetrics(device, figures))
        else metrics.push(...trafficMetrics(device, figuresOfColumns(columns)))
        metrics.push(...furtherMetrics(device, columns))
      }
      return withInterfaceStates(folder, interfaces, now, metrics)
    },
  }
}

/** For kernels that leave no space after the colon, which node-os-utils skips. */
function figuresOfColumns(columns: readonly number[]): InterfaceFigures {
  const at = (column: number) => {
    const value = columns[column]
    if (value === undefined)
      throw new Error(`/proc/net/dev: ${columns.length} columns, 16 expected`)
    return value
  }
  return {
    receivedBytes: at(0),
    receivedPackets: at(1),
    receiveErrors: at(2),
    receiveDropped: at(3),
    sentBytes: at(8),
    sentPackets: at(9),
    sendErrors: at(10),
    sendDropped: at(11),
  }
}

function trafficMetrics(device: string, figures: InterfaceFigures): Metric[] {
  const labels = { device }
  const of = (name: string, value: number) => metric(`node_network_${name}_total`, value, labels)
  return [
    of('receive_bytes', figures.receivedBytes),
    of('receive_packets', figures.receivedPackets),
    of('receive_errs', figures.receiveErrors),
    of('receive_drop', figures.receiveDropped),
    of('transmit_bytes', figures.sentBytes),
    of('transmit_packets', figures.sentPackets),
    of('transmit_errs', figures.sendErrors),
    of('transmit_drop', figures.sendDropped),
  ]
}

const furtherColumns = [
  ['receive_fifo', 4],
  ['receive_frame', 5],
  ['receive_compressed', 6],
  ['receive_multicast', 7],
  ['transmit_fifo', 12],
  ['transmit_colls', 13],
  ['transmit_carrier', 14],
  ['transmit_compressed', 15],
] as const

function furtherMetrics(device: string, columns: readonly number[]): Metric[] {
  return furtherColumns.flatMap(([name, column]) => {
    const value = columns[column]
    return value === undefined ? [] : [metric(`node_network_${name}_total`, value, { device })]
  })
}

function withInterfaceStates(
  folder: string,
  interfaces: InterfaceReader,
  now: Millis,
  traffic: Metric[],
): SourceReading {
  try {
    traffic.push(...interfaces(now))
    return seen(traffic)
  } catch (error) {
    const state = stateOfError(error)
    return { state, detail: `${folder}: link state and speed are not seen`, metrics: traffic }
  }
}
