import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { type Logger, pino } from 'pino'
import { Agent } from './agent.ts'
import { backupWorkHere, drillCommand } from './backups/command.ts'
import { BackupWatch } from './backups/watch.ts'
import { runCheck } from './check.ts'
import { systemClock } from './clock.ts'
import { type CollectorConfig, ConfigError, readConfig } from './config.ts'
import { enrolCommand, enrolHelp } from './enrolment/command.ts'
import { keyOf } from './enrolment/enrolled.ts'
import { EnrolmentError, readEnrolment } from './enrolment/files.ts'
import { readHostOs } from './host-os.ts'
import { FolderError, keptIdentity, noteSpool } from './identity.ts'
import { openSession } from './session.ts'
import { hostSources } from './sources/all.ts'
import { openSpool } from './spool/open.ts'
import { chosenSurveys, surveys } from './surveys/all.ts'
import { surveyHere } from './surveys/run.ts'
import { SurveyWatch } from './surveys/watch.ts'
import { tokenReader } from './token.ts'
import { version } from './version.ts'

const help = `callward-collector ${version}: reports this host to a Callward hub

  enrol      give this host a key of its own; \`callward enrol\` on the hub prints the line. enrol --help
  --check    print what each section can see on this host, and stop
  drill NAME restore the backup job NAME into a scratch folder now, print the evidence, and stop
  --help     this page
  --version  the version

Environment:
  CALLWARD_HUB         address of the hub             ws://127.0.0.1:9770
  CALLWARD_TOKEN       token of role collector
  CALLWARD_TOKEN_FILE  or a file that holds it        <data>/collector/token
  CALLWARD_DATA        folder for its own files       ./data
  CALLWARD_INTERVAL    seconds between reports, 1-60  10
  CALLWARD_CONFIG      YAML file                      none

An enrolled collector needs neither token nor address. For one with a token:
a hub with a certificate of an own authority: NODE_EXTRA_CA_CERTS=/path/ca.pem

Keys of the section "collector" of the YAML file: labels.{instance,server,customer,site,role,env},
interval, procRoot, sysRoot, rootfs, smartFolder, sections.<name>: false, hub, tokenFile, data,
services, udpPorts, chrony, software.{files,certificates,licences,tlsEndpoints,everyMinutes,...}, backups,
spool.{megabytes,hours}.

Examples:
  CALLWARD_HUB=wss://hub.bank.example CALLWARD_TOKEN_FILE=/etc/callward/token \\
    CALLWARD_CONFIG=/etc/callward/collector.yaml callward-collector
  callward-collector --check
  callward-collector --check --json
  sudo -u callward-collector env CALLWARD_CONFIG=/etc/callward/collector.yaml callward-collector drill recordings

  # collector.yaml
  collector:
    labels: {customer: bank-a, site: hanoi, role: pbx}
    sections: {entropy: false}
    services: [{name: asterisk}, {name: dialler, command: 'node .*dialler.js'}]
    backups:
      jobs:
        - {name: recordings, kind: restic, repository: /srv/restic, passwordFile: /etc/callward/restic-password,
           rpoHours: 26, drill: {everyHours: 168, checks: [{files: 20}]}}
`

const entry = fileURLToPath(import.meta.url)

async function main(argument: string | undefined, rest: readonly string[]): Promise<number> {
  if (argument === '--help' || argument === '-h') return print(help)
  if (argument === '--version') return print(`${version}\n`)
  const survey = surveys.find((one) => argument === '--survey' && one.name === rest[0])
  if (survey !== undefined) {
    await surveyHere(survey, readConfig(process.env, hostname()), rest.slice(1))
    return 0
  }
  if (argument === 'enrol' && rest[0] === '--help') return print(enrolHelp)
  const known = [undefined, '--check', 'enrol', 'drill', '--backup-work']
  if (!known.includes(argument)) {
    process.stderr.write(`Unknown argument "${argument}". Try --help.\n`)
    return 2
  }
  try {
    if (argument === 'enrol') {
      const config = readConfig(process.env, hostname())
      const { exitCode, start } = await enrolCommand(rest, config, version, (line) =>
        print(`${line}\n`),
      )
      if (!start) return exitCode
    }
    const config = ownConfig()
    if (argument === '--backup-work') return await backupWorkHere(rest[0] ?? '', config)
    if (argument === 'drill') {
      const { text, code } = await drillCommand(rest[0], config)
      print(text)
      return code
    }
    if (argument !== '--check') return await collect(config)
    return await runCheck(config, entry, process)
  } catch (error) {
    const isKnown =
      error instanceof ConfigError ||
      error instanceof FolderError ||
      error instanceof EnrolmentError
    if (!isKnown) throw error
    process.stderr.write(`${error.message}\n`)
    return error instanceof ConfigError ? 2 : 1
  }
}

/** The configuration, with what an enrolment in the collector's folder says where nothing else is said. */
function ownConfig(): CollectorConfig {
  const plain = readConfig(process.env, hostname())
  const enrolment = readEnrolment(plain.folder)
  return enrolment === undefined ? plain : readConfig(process.env, hostname(), enrolment)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

/** Runs until SIGTERM or SIGINT. */
async function collect(config: CollectorConfig): Promise<number> {
  // A tick of some milliseconds each ten seconds never earns back what V8's optimizer takes: 10 MiB and an eighth of the CPU (docs/benchmarks.md).
  setFlagsFromString('--no-opt')
  const identity = keptIdentity(config.folder)
  const logger: Logger = pino({
    name: 'collector',
    redact: ['token', '*.token', 'authorization', '*.authorization'],
  })
  const stop = new AbortController()
  const { labels, intervalSeconds } = config
  const { collector } = identity
  const opened = await openSpool({
    ...identity,
    folder: config.folder,
    limits: config.spool,
    clock: systemClock,
    logger,
    onFirst: () => {
      const fault = noteSpool(config.folder, identity)
      if (fault !== undefined) logger.warn({ fault }, 'identity.json could not be written')
    },
  })
  const { epoch, spool } = opened
  const key = keyOf(readEnrolment(config.folder), config, logger)
  const session = openSession({
    url: config.hub,
    token: tokenReader(config.token, config.tokenFile, logger, stop.signal),
    key,
    hello: { collector, epoch, version, labels, intervalSeconds },
    clock: systemClock,
    logger,
    spool,
  })
  const surveyed = new SurveyWatch({
    entry,
    environment: process.env,
    surveys: chosenSurveys(config),
    onDocument: (name, document) => {
      session.facts(name, document)
      if (name === 'backups') backups.seen(document)
    },
    logger,
    now: systemClock.now,
  })
  const backups = new BackupWatch({
    entry,
    config,
    logger,
    now: systemClock.now,
    onResult: () => surveyed.again('backups'),
  })
  const agent = new Agent({
    labels,
    intervalSeconds,
    sources: hostSources(config.roots, config.sections, config.watched),
    session,
    clock: systemClock,
    logger,
    version,
    os: readHostOs(config.roots.rootfs),
    surveyed,
    spool: opened,
  })
  const { instance } = labels
  logger.info({ hub: config.hub, instance, intervalSeconds, version }, 'the collector has started')
  agent.start()
  surveyed.start()
  if (config.sections['backups'] !== false) backups.start()
  const signal = await stopSignal()
  surveyed.stop()
  await backups.stop()
  await agent.stop()
  const left = await session.close(`stopped by ${signal}`)
  const isKept = opened.section.state === 'ok'
  await opened.close()
  stop.abort()
  const rest = isKept ? 'they wait in the spool' : 'they are lost'
  if (left > 0) logger.warn({ left }, `stopped with reports the hub has not acknowledged; ${rest}`)
  logger.info({ signal }, 'the collector has stopped')
  return 0
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}

process.exitCode = await main(process.argv[2], process.argv.slice(3))
// A hung mount holds a thread of the pool, which would keep the process for ever.
if (process.argv[2] !== '--survey') process.exit()
