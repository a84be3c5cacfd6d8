import type { HostAnswer } from './answers.ts'
import { type Command, sayJson } from './command.ts'
import { localTime, table } from './render.ts'

export const hostsCommand: Command = {
  name: 'hosts',
  summary: 'list the watched servers',
  usage: '[--json]',
  help: `Lists every server a collector reports from, with its state and last report.

Examples:
  callward hosts
  callward hosts --json | jq -r '.hosts[] | select(.state != "ok") | .instance'`,
  options: { json: { type: 'boolean' } },
  positionals: [0, 0],
  async run(call) {
    const answer = await call.hub().call<{ hosts: HostAnswer[] }>('GET', '/api/v1/hosts')
    if (call.values.json === true) sayJson(call, answer)
    else if (answer.hosts.length === 0) {
      call.say(
        'No collector has reported yet. Start one on a call-system server: see README.md, "Add a second host"',
      )
    } else {
      const rows = answer.hosts.map((host) => [
        `${host.instance}${host.simulated ? ' (simulated)' : ''}`,
        host.state.toUpperCase(),
        host.role,
        `${host.customer}/${host.site}`,
        String(host.firing),
        `${localTime(host.lastReportAt)}${host.connected ? '' : ' (not connected)'}`,
        host.version,
      ])
      table(
        call,
        ['HOST', 'STATE', 'ROLE', 'CUSTOMER/SITE', 'FIRING', 'LAST REPORT', 'COLLECTOR'],
        rows,
      )
    }
    return 0
  },
}
