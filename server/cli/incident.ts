import type { FactAnswer, IncidentDetailAnswer } from './answers.ts'
import { type Call, type Command, sayJson, UsageError } from './command.ts'
import type { Hub } from './hub.ts'
import { attachFile, incidentFiles } from './incident-files.ts'
import { record, showKinds, works } from './incident-work.ts'
import { localTime, paintFor, plain } from './render.ts'
import { hostOf, summaryOf } from './watch-lines.ts'

export const incidentCommand: Command = {
  name: 'incident',
  summary: 'show one incident, or work on it: record, next, take, fact, step, post-mortem',
  usage:
    'NUMBER|ID [next|take|fact|step|assign|accept|notice|clocks|evidence|post-mortem|...] | record "TEXT" | kinds [KIND]',
  help: `Shows the record of an incident: what, when, by whom, its alerts and its runbook.
Each line of the timeline shows when it happened; when it was written down much later, that time too.

  NUMBER                                     its record, each fact with its number (--facts: with its id too)
  NUMBER next                                where it stands, what the next step still lacks, the rarer steps, what is owed
  NUMBER ack ["NOTE"]                        take it: the pages of its alerts stop
  NUMBER note "TEXT"                         write a note
  NUMBER take ROLE [PERSON]                  have a part: commander, technician, verifier, reviewer ...
  NUMBER fact KIND "TEXT" [FIELD=VALUE ...]  write a fact; lists by commas (--at TIME, --estimate, --supersedes NUMBER|ID)
  NUMBER step STATE --as ROLE [KIND "TEXT" FIELD=VALUE ...]
                                             take a step, with a fact that belongs to it
  NUMBER attach FILE                         attach a file of at most 25 MiB, kept by its SHA-256 (--name NAME)
  NUMBER files [ID]                          what is attached; with an ID fetches that file (--out FILE)
  NUMBER panels                              panels of boards that are kept with it
  NUMBER panel BOARD PANEL                   attach a panel as it stands now, by its number or title, over the incident's time and servers
                                             (--before MINUTES, --after MINUTES, --server NAMES; without names: which there are)
  NUMBER assign [TECHNICIAN] ["TEXT"]         ask somebody; without a name the schedule decides (assignments: who was asked)
  NUMBER accept | decline "REASON"           answer, when you were asked
  NUMBER notice AUDIENCE FORM ["TEXT"]       to management, departments or customers: opening, update, restored, closing
                                             (--preview, --language zh; notices: what was sent, when the next is due)
  NUMBER clocks                              time limits, when they end, by which rule
  NUMBER evidence [SHA-256]                  what the hub froze at detection
  NUMBER post-mortem                         the document (--format markdown|html|json, --language en|zh|vi|ru, --zone ZONE)
  record "WHAT WAS SEEN" --service NAMES     record one by hand (--host, --severity, --since TIME, --cause TEXT)
  kinds [KIND]                               kinds of facts and their fields

Examples:
  callward incident 12
  callward incident record "Callers hear nothing" --service hotline --severity sev2
  callward incident 12 take commander
  callward incident 12 step plan_active --as commander plan_activated "None fits." reason=does_not_apply
  callward incident 12 fact root_cause "The disk was full." codes=system_failure/hardware_capacity evidence=3,7
  callward incident 12 panel server "CPU: utilisation" --before 120
  callward incident 12 post-mortem --format html --language zh > incident-12.html`,
  options: {
    json: { type: 'boolean' },
    facts: { type: 'boolean' },
    preview: { type: 'boolean' },
    as: { type: 'string' },
    at: { type: 'string' },
    estimate: { type: 'boolean' },
    supersedes: { type: 'string' },
    format: { type: 'string' },
    language: { type: 'string' },
    zone: { type: 'string' },
    service: { type: 'string' },
    host: { type: 'string' },
    severity: { type: 'string' },
    since: { type: 'string' },
    cause: { type: 'string' },
    name: { type: 'string' },
    out: { type: 'string' },
    before: { type: 'string' },
    after: { type: 'string' },
    server: { type: 'string' },
  },
  positionals: [1, 40],
  async run(call) {
    const hub = call.hub()
    const [first = '', word, ...words] = call.positionals
    if (first === 'record') await record(call, hub, call.positionals.slice(1))
    else if (first === 'kinds') await showKinds(call, hub, call.positionals.slice(1))
    else if (word === 'attach') await attachFile(call, nameOf(first), words)
    else if (word === 'files') await incidentFiles(call, nameOf(first), words[0])
    else if (word === undefined) await showOne(call, hub, nameOf(first))
    else {
      const work = Object.hasOwn(works, word) ? works[word] : undefined
      if (work === undefined)
        throw new UsageError(`"${word}" is not known; it may be ${Object.keys(works).join(', ')}.`)
      await work(call, hub, nameOf(first), words)
    }
    return 0
  },
}

async function showOne(call: Call, hub: Hub, id: string): Promise<void> {
  const answer = await hub.call<{ incident: IncidentDetailAnswer }>(
    'GET',
    `/api/v1/incidents/${encodeURIComponent(id)}`,
  )
  if (call.values.json === true) sayJson(call, answer)
  else show(call, hub, answer.incident)
}

/** The number people say aloud, or an id. */
function nameOf(text: string): string {
  return /^#?(\d{1,9})$/.exec(text)?.[1] ?? text
}

function show(call: Call, hub: Hub, incident: IncidentDetailAnswer): void {
  const paint = paintFor(call.terminal)
  const field = (name: string, value: string) => call.say(`  ${name.padEnd(14)}${value}`)
  call.say(
    `#${incident.number}  ${plain(incident.title)}${incident.simulated === true ? '  (simulated)' : ''}`,
  )
  field('severity', paint(incident.severity, incident.severity.toUpperCase()))
  field('state', `${paint(incident.state, incident.state)}  (${incident.workflowState})`)
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
      `  ${paint(alert.severity, alert.severity.toUpperCase().padEnd(9))} ${plain(alert.state).padEnd(9)} ${hostOf(alert)}  ${summaryOf(alert)}${alert.related === true ? '  (related: the incident recovers without it)' : ''}`,
    )
  }
  call.say('\nTimeline')
  const corrected = new Set(incident.facts.map(({ supersedes }) => supersedes))
  for (const fact of incident.facts.toSorted(byOccurrence))
    call.say(factLine(fact, corrected.has(fact.id), call.values['facts'] === true))
}

function byOccurrence(a: FactAnswer, b: FactAnswer): number {
  return Date.parse(a.occurredAt) - Date.parse(b.occurredAt) || a.sequence - b.sequence
}

function factLine(fact: FactAnswer, corrected: boolean, withId: boolean): string {
  const lateMs = Date.parse(fact.recordedAt) - Date.parse(fact.occurredAt)
  const marks = [
    ...(fact.certainty === 'actual' ? [] : [plain(fact.certainty)]),
    ...(lateMs >= 60_000 ? [`written down ${localTime(fact.recordedAt)}`] : []),
    ...(corrected ? ['corrected later'] : []),
  ]
  const kind = plain(fact.kind).replaceAll('_', ' ').padEnd(18)
  const mark = marks.length === 0 ? '' : `  (${marks.join('; ')})`
  const number = String(fact.sequence).padStart(3)
  return `  ${number}  ${localTime(fact.occurredAt)}  ${kind} ${plain(fact.text)}  [${plain(fact.recordedBy)}]${mark}${withId ? `  ${fact.id}` : ''}`
}
