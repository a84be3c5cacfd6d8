import type { IncidentAnswer } from './answers.ts'
import { type Command, sayJson } from './command.ts'
import { localTime, table } from './render.ts'

export const incidentsCommand: Command = {
  name: 'incidents',
  summary: 'list incidents',
  usage: '[--open] [--json]',
  help: `Lists incidents, the newest first.

  --open    only those that are not resolved
  --json    the hub's answer

Examples:
  callward incidents --open
  callward incident 12`,
  options: { open: { type: 'boolean' }, json: { type: 'boolean' } },
  positionals: [0, 0],
  async run(call) {
    const open = call.values.open === true
    const path = `/api/v1/incidents?state=${open ? 'open' : 'all'}`
    const answer = await call.hub().call<{ incidents: IncidentAnswer[] }>('GET', path)
    if (call.values.json === true) sayJson(call, answer)
    else if (answer.incidents.length === 0)
      call.say(open ? 'No incident is open.' : 'There is no incident yet.')
    else {
      const rows = answer.incidents.map((incident) => [
        `#${incident.number}`,
        incident.severity.toUpperCase(),
        incident.state.toUpperCase(),
        incident.server,
        incident.title,
        localTime(incident.openedAt),
        incident.acknowledgedBy ?? '-',
        localTime(incident.resolvedAt),
      ])
      table(
        call,
        ['NUMBER', 'SEVERITY', 'STATE', 'SERVER', 'TITLE', 'OPENED', 'ACKNOWLEDGED BY', 'RESOLVED'],
        rows,
      )
    }
    return 0
  },
}
