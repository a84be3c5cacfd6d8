import { createHash, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { Agent } from '../agent.ts'
import type { Clock } from '../clock.ts'
import { openSession, type Session } from '../session.ts'
import { tokenReader } from '../token.ts'
import { version } from '../version.ts'
import type { Millis } from '../wire/frames.ts'
import { type SimulatedHostPlan, simulatedFacts, simulatedHosts } from './hosts.ts'
import { SimulatedHost } from './simulated-host.ts'
import { faultsAt } from './story.ts'

const historyHours = 3
const historyStepMilliseconds = 60_000
const storyStepMilliseconds = 250

interface DemoSettings {
  readonly hub: string
  readonly token: () => Promise<string>
  readonly intervalSeconds: number
  /** Seconds of the story a second of the demo. */
  readonly speed: number
  readonly logger: Logger
}

/** One simulated host: the real agent and the real session over sources that are made up. */
interface RunningHost {
  readonly agent: Agent
  readonly session: Session
  /** Makes the host hang or come back as the story says. */
  follow(): Promise<void>
}

/** Stable id of a simulated host, so that a restarted demo is the same collector; UUID version 8 (RFC 9562 §5.8). */
function collectorId(instance: string): string {
  const hash = createHash('sha256').update(`callward demo ${instance}`).digest('hex')
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

function demoFaults(plan: SimulatedHostPlan, startedAt: Millis, speed: number) {
  return (at: Millis) => faultsAt(plan.labels.instance, ((at - startedAt) / 1000) * speed)
}

async function startHost(
  plan: SimulatedHostPlan,
  startedAt: Millis,
  settings: DemoSettings,
): Promise<RunningHost> {
  const faults = demoFaults(plan, startedAt, settings.speed)
  let past: Millis | undefined
  const sessionClock: Clock = {
    now: () => Date.now() + faults(Date.now()).clockOffsetSeconds * 1000,
    monotonic: () => performance.now(),
  }
  // While the history is made, the agent lives in the past; the session never does.
  const agentClock: Clock = {
    now: () => past ?? sessionClock.now(),
    monotonic: () => performance.now() - (past === undefined ? 0 : startedAt - past),
  }
  const { labels } = plan
  const { intervalSeconds, token, logger } = settings
  const session = openSession({
    url: settings.hub,
    token,
    hello: {
      collector: collectorId(labels.instance),
      epoch: randomUUID(),
      version,
      labels,
      intervalSeconds,
    },
    clock: sessionClock,
    logger: logger.child({ instance: labels.instance }),
  })
  const from = startedAt - historyHours * 3_600_000
  const host = new SimulatedHost(plan, from, startedAt, faults)
  const os = { name: 'Debian GNU/Linux', version: '12' }
  const sources = host.sources()
  const agent = new Agent({
    labels,
    intervalSeconds,
    sources,
    session,
    clock: agentClock,
    logger,
    version,
    os,
  })
  for (past = from; past < startedAt; past += historyStepMilliseconds) await agent.tick('backlog')
  past = undefined
  for (const [name, document] of Object.entries(simulatedFacts(plan))) session.facts(name, document)
  agent.start()
  return { agent, session, follow: follower(agent, session, () => faults(Date.now()).silent) }
}

function follower(agent: Agent, session: Session, isSilent: () => boolean): () => Promise<void> {
  let silent = false
  return async () => {
    if (isSilent() === silent) return
    silent = !silent
    if (silent) {
      session.freeze()
      await agent.stop()
    } else {
      session.thaw()
      agent.start()
    }
  }
}

function readSettings(logger: Logger, stop: AbortSignal): DemoSettings | string[] {
  const { env } = process
  const hub = env['CALLWARD_HUB'] || 'ws://127.0.0.1:9770'
  const file =
    env['CALLWARD_TOKEN_FILE'] || resolve(env['CALLWARD_DATA'] || './data', 'collector/token')
  const speed = Number(env['CALLWARD_DEMO_SPEED'] || 1)
  const intervalSeconds = Number(env['CALLWARD_INTERVAL'] || 5)
  const faults: string[] = []
  if (!/^wss?:\/\/[^/\s]+/.test(hub))
    faults.push('CALLWARD_HUB: must be ws:// or wss://, e.g. ws://127.0.0.1:9770')
  if (!(speed > 0 && speed <= 100))
    faults.push('CALLWARD_DEMO_SPEED: must be a number up to 100, e.g. 1')
  if (!Number.isInteger(intervalSeconds) || intervalSeconds < 1 || intervalSeconds > 60) {
    faults.push('CALLWARD_INTERVAL: must be a whole number of seconds from 1 to 60, e.g. 5')
  }
  if (faults.length > 0) return faults
  const token = tokenReader(env['CALLWARD_TOKEN'] || undefined, file, logger, stop)
  return { hub, token, intervalSeconds, speed, logger }
}

async function main(): Promise<number> {
  const logger = pino({ name: 'demo', level: process.env['CALLWARD_DEMO_LOG'] || 'warn' })
  const stop = new AbortController()
  const settings = readSettings(logger, stop.signal)
  if (Array.isArray(settings)) {
    process.stderr.write(`${settings.join('\n')}\n`)
    return 2
  }
  process.once('SIGTERM', () => stop.abort())
  process.once('SIGINT', () => stop.abort())
  await settings.token().catch(() => undefined) // one line in the log while it waits, not twelve
  const startedAt = Date.now()
  const hosts: RunningHost[] = []
  for (const plan of simulatedHosts) hosts.push(await startHost(plan, startedAt, settings))
  process.stdout.write(`${hosts.length} simulated hosts report to ${settings.hub}\n`)
  while (!stop.signal.aborted) {
    for (const host of hosts) await host.follow()
    await wait(storyStepMilliseconds, undefined, { signal: stop.signal }).catch(() => undefined)
  }
  for (const { agent } of hosts) await agent.stop()
  await Promise.all(hosts.map(({ session }) => session.close('the demo has ended')))
  return 0
}

process.exitCode = await main()
process.exit()
