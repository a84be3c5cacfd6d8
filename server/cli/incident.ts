import type { FactAnswer, IncidentAnswer, IncidentDetailAnswer } from './answers.ts'
import { type Call, type Command, CommandError, sayJson } from './command.ts'
import type { Hub } from './hub.ts'
import { localTime, paintFor, plain } from './render.ts'
import { hostOf, summaryOf } from './watch-lines.ts'

export const incidentCommand: Command = {
  name: 'incident',
  summary: 'show one incident with its timeline',
  usage: 'NUMBER|ID [--json]',
  help: `Shows the record of an incident: what, when, by whom, its alerts and its runbook.
Each line of the timeline shows when it happened; when it was written down much later, that time too.

Examples:
  callward incident 12
  callward incident '#12' --json`,
  options: { json: { type: 'boolean' } },
  positionals: [1, 1],
  async run(call) {
    const hub = call.hub()
    const id = await incidentId(hub, call.positionals[0] ?? '')
    const answer = await hub.call<{ incident: IncidentDetailAnswer }>(
      'GET',
      `/api/v1/incidents/${encodeURIComponent(id)}`,
    )
    if (call.values.json === true) sayJson(call, answer)
    else show(call, hub, answer.incident)
    return 0
  },
}

async function incidentId(hub: Hub, text: string): Promise<string> {
  const number = /^#?(\d{1,9})$/.exec(text)?.[1]
  if (number === undefined) return text
  const { incidents } = await hub.call<{ incidents: IncidentAnswer[] }>(
    'GET',
    '/api/v1/incidents?state=all&limit=1000',
  )
  const found = incidents.find((incident) => incident.number === Number(number))
  if (found !== undefined) return found.id
  throw new CommandError(
    `There is no incident #${number} among the newest ${incidents.length}. List them with: callward incidents`,
  )
}

function show(call: Call, hub: Hub, incident: IncidentDetailAnswer): void {
  const paint = paintFor(call.terminal)
  const field = (name: string, value: string) => call.say(`  ${name.padEnd(14)}${value}`)
  call.say(
    `#${incident.number}  ${plain(incident.title)}${incident.simulated === true ? '  (simulated)' : ''}`,
  )
  field('severity', paint(incident.severity, incident.severity.toUpperCase()))
  field('state', paint(incident.state, incident.state))
  field('server', plain(incident.server))
  field('opened', localTime(incident.openedAt))
  field(
    'acknowledged',
    incident.acknowledgedAt
      ? `${localTime(incident.acknowledgedAt)} by ${plain(incident.acknowledgedBy ?? '-')}`
      : '-',
  )
  field('resolved', localTime(incident.resolvedAt))
  if (incident.runbook !== null) {
    field(
      'runbook',
      `${hub.url}/runbooks/${encodeURIComponent(incident.runbook.name)}  (as of ${incident.runbook.hash.slice(0, 12)})`,
    )
  }
  field('id', plain(incident.id))
  call.say('\nAlerts')
  for (const alert of incident.alerts) {
    call.say(
      `  ${paint(alert.severity, alert.severity.toUpperCase().padEnd(9))} ${plain(alert.state).padEnd(9)} ${hostOf(alert)}  ${summaryOf(alert)}`,
    )
  }
  call.say('\nTimeline')
  const corrected = new Set(incident.facts.map(({ supersedes }) => supersedes))
  for (const fact of incident.facts.toSorted(byOccurrence))
    call.say(factLine(fact, corrected.has(fact.id)))
}

function byOccurrence(a: FactAnswer, b: FactAnswer): number {
  return Date.parse(a.occurredAt) - Date.parse(b.occurredAt) || a.sequence - b.sequence
}

function factLine(fact: FactAnswer, corrected: boolean): string {
  const lateMs = Date.parse(fact.recordedAt) - Date.parse(fact.occurredAt)
  const marks = [
    ...(fact.certainty === 'actual' ? [] : [plain(fact.certainty)]),
    ...(lateMs >= 60_000 ? [`written down ${localTime(fact.recordedAt)}`] : []),
    ...(corrected ? ['corrected later'] : []),
  ]
  const kind = plain(fact.kind).replaceAll('_', ' ').padEnd(18)
  const mark = marks.length === 0 ? '' : `  (${marks.join('; ')})`
  return `  ${localTime(fact.occurredAt)}  ${kind} ${plain(fact.text)}  [${plain(fact.recordedBy)}]${mark}`
}
