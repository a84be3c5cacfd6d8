import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  readOptionalKernelFile,
  type Source,
  seen,
} from '../source.ts'

/** node_exporter's default choice of fields, which has the UDP losses that matter to SIP and RTP. */
const chosenFields =
  /^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$/

/** /proc/net/{snmp,netstat,snmp6}. Names: node_exporter `netstat`. */
export function netstatSource(roots: Roots): Source {
  return {
    name: 'netstat',
    async read() {
      return seen([
        ...parseNetstat(readKernelFile(join(roots.proc, 'net/netstat'))),
        ...parseNetstat(readKernelFile(join(roots.proc, 'net/snmp'))),
        ...parseSnmp6(readOptionalKernelFile(join(roots.proc, 'net/snmp6')) ?? ''),
      ])
    },
  }
}

/** Pairs of lines: names, then values, both behind the same protocol. Throws when they do not match. */
export function parseNetstat(text: string): Metric[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const metrics: Metric[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const [protocol, ...names] = lines[i]!.split(/\s+/)
    const [same, ...values] = (lines[i + 1] ?? '').split(/\s+/)
    if (protocol !== same || names.length !== values.length) {
      throw new Error(
        `${protocol ?? ''} ${names.length} names, ${same ?? ''} ${values.length} values`,
      )
    }
    for (let k = 0; k < names.length; k++) {
      const field = `${protocol!.slice(0, -1)}_${names[k]}`
      if (chosenFields.test(field))
        metrics.push(metric(`node_netstat_${field}`, number(values[k], field)))
    }
  }
  return metrics
}

/** `Udp6InErrors 3` becomes node_netstat_Udp6_InErrors 3. */
export function parseSnmp6(text: string): Metric[] {
  const metrics: Metric[] = []
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(/\s+/)
    const six = name.indexOf('6')
    if (six < 0) continue
    const field = `${name.slice(0, six + 1)}_${name.slice(six + 1)}`
    if (chosenFields.test(field))
      metrics.push(metric(`node_netstat_${field}`, number(value, field)))
  }
  return metrics
}
