import { type Call, type Command, sayJson, UsageError } from './command.ts'
import { localTime, plain, table } from './render.ts'

interface RunAnswer {
  readonly startedAt: string
  readonly startedBy: string
  readonly ok: boolean
  readonly stages: readonly {
    readonly stage: string
    readonly ok: boolean
    readonly seconds: number | null
    readonly reason: string
  }[]
}

interface RunsAnswer {
  readonly nextAt: string | null
  readonly runs: readonly RunAnswer[]
}

export const canaryCommand: Command = {
  name: 'canary',
  summary: 'send a test alert through rules, records and channels, and see how the last ones went',
  usage: '[show | run] [--json]',
  help: `A test alert takes the way of a real one; it is informational, opens no incident and wakes nobody.

  show    the last flights and when the next is due
  run     one now; it takes up to a minute; exit code 1 where a stage failed
  --json  the hub's answer

The daily one is set in the hub's configuration: canary: { at: '09:30', contactPoint: ID }

Examples:
  callward canary run
  callward canary show`,
  options: { json: { type: 'boolean' } },
  positionals: [0, 1],
  async run(call) {
    const [action = 'show'] = call.positionals
    if (action === 'show') return show(call)
    if (action === 'run') return run(call)
    throw new UsageError(`"${action}" is none of show, run.`)
  },
}

const longestMillis = 190_000

async function run(call: Call): Promise<number> {
  const answer = await call.hub().call<RunAnswer>('POST', '/api/v1/canary/run', {}, longestMillis)
  if (call.values.json === true) sayJson(call, answer)
  else stagesOf(call, answer)
  return answer.ok ? 0 : 1
}

async function show(call: Call): Promise<number> {
  const answer = await call.hub().call<RunsAnswer>('GET', '/api/v1/canary')
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  const [newest] = answer.runs
  if (newest !== undefined) {
    stagesOf(call, newest)
    call.say('')
    const rows = answer.runs.map(({ startedAt, startedBy, ok, stages }) => [
      localTime(startedAt),
      ok ? 'OK' : 'FAILED',
      startedBy,
      stages.find((stage) => !stage.ok)?.reason ?? '',
    ])
    table(call, ['FLIGHT', 'STATE', 'BY', 'REASON'], rows)
  } else call.say('No canary has flown yet. Send one: callward canary run')
  call.say(
    answer.nextAt === null
      ? 'None is planned; set hub.canary in the configuration.'
      : `The next is due ${localTime(answer.nextAt)}.`,
  )
  return 0
}

function stagesOf(call: Call, { stages, startedAt }: RunAnswer): void {
  call.say(plain(`Flight of ${localTime(startedAt)}`))
  const rows = stages.map(({ stage, ok, seconds, reason }) => [
    stage,
    ok ? 'OK' : 'FAILED',
    seconds === null ? '' : `${seconds.toFixed(3)} s`,
    reason,
  ])
  table(call, ['STAGE', 'STATE', 'TOOK', 'REASON'], rows)
}
