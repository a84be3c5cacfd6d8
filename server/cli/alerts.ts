import type { AlertAnswer } from './answers.ts'
import { type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, table } from './render.ts'
import { hostOf, summaryOf } from './watch-lines.ts'

const states = ['firing', 'pending', 'all']

export const alertsCommand: Command = {
  name: 'alerts',
  summary: 'list alerts that are firing',
  usage: '[--state firing|pending|all] [--json]',
  help: `Lists alerts, the newest first.

  --state   firing (default), pending (true, but not yet for long enough), or all
  --json    the hub's answer

Examples:
  callward alerts
  callward alerts --state all --json | jq '.alerts[].fingerprint'`,
  options: { state: { type: 'string' }, json: { type: 'boolean' } },
  positionals: [0, 0],
  async run(call) {
    const state = textOption(call, 'state') ?? 'firing'
    if (!states.includes(state))
      throw new UsageError(`--state is one of ${states.join(', ')}, not "${state}".`)
    const answer = await call
      .hub()
      .call<{ alerts: AlertAnswer[] }>('GET', `/api/v1/alerts?state=${state}`)
    if (call.values.json === true) sayJson(call, answer)
    else if (answer.alerts.length === 0)
      call.say(`No alert is ${state === 'all' ? 'known' : state}.`)
    else {
      const rows = newestFirst(answer.alerts).map((alert) => [
        alert.severity.toUpperCase(),
        alert.state,
        hostOf(alert),
        summaryOf(alert),
        localTime(alert.firedAt ?? alert.activeAt),
        alert.acknowledgedBy ?? '-',
        alert.incident ? `#${alert.incident.number}` : '-',
        alert.fingerprint,
      ])
      table(
        call,
        [
          'SEVERITY',
          'STATE',
          'HOST',
          'SUMMARY',
          'SINCE',
          'ACKNOWLEDGED BY',
          'INCIDENT',
          'FINGERPRINT',
        ],
        rows,
      )
    }
    return 0
  },
}

function newestFirst(alerts: readonly AlertAnswer[]): readonly AlertAnswer[] {
  const since = ({ firedAt, activeAt }: AlertAnswer) => firedAt ?? activeAt
  return alerts.toSorted((a, b) => since(b).localeCompare(since(a)))
}
