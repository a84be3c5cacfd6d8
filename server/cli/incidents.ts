import type { IncidentAnswer } from './answers.ts'
import { type Call, type Command, sayJson, UsageError } from './command.ts'
import type { Hub } from './hub.ts'
import { importFile, recurrences, showFigures } from './incidents-figures.ts'
import { localTime, table } from './render.ts'

const works: Readonly<
  Partial<Record<string, (call: Call, hub: Hub, words: readonly string[]) => Promise<void>>>
> = { figures: showFigures, recurrences, import: importFile }

export const incidentsCommand: Command = {
  name: 'incidents',
  summary: 'list incidents',
  usage: '[--open] [--json] | figures | recurrences [sign MONTH DECISION "TEXT"] | import FILE',
  help: `Lists incidents, the newest first.

  --open    only those that are not resolved
  --json    the hub's answer

  figures                     failure rate, times to acknowledge and to restore, of each service (--from, --to, --service)
  recurrences                 what recurred within 6 months, and the months that wait for a signature
  recurrences sign MONTH no_recurrence|watched|recurring_major "TEXT"
  import FILE.csv|FILE.jsonl  incidents of the past (--dry-run names each fault and writes nothing)

Examples:
  callward incidents --open
  callward incidents figures --from 2026-10-01T00:00:00Z
  callward incidents import past.csv --dry-run
  callward incident 12`,
  options: {
    open: { type: 'boolean' },
    json: { type: 'boolean' },
    from: { type: 'string' },
    to: { type: 'string' },
    service: { type: 'string' },
    'dry-run': { type: 'boolean' },
  },
  positionals: [0, 5],
  async run(call) {
    const [word, ...words] = call.positionals
    const work = word === undefined ? undefined : works[word]
    if (work !== undefined) {
      await work(call, call.hub(), words)
      return 0
    }
    if (word !== undefined)
      throw new UsageError(`"${word}" is not known; it may be ${Object.keys(works).join(', ')}.`)
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
        incident.workflowState,
        incident.server,
        incident.title,
        localTime(incident.openedAt),
        incident.acknowledgedBy ?? '-',
        localTime(incident.resolvedAt),
      ])
      table(
        call,
        [
          'NUMBER',
          'SEVERITY',
          'STATE',
          'STANDS AT',
          'SERVER',
          'TITLE',
          'OPENED',
          'ACKNOWLEDGED BY',
          'RESOLVED',
        ],
        rows,
      )
    }
    return 0
  },
}
