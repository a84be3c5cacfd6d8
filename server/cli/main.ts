import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { alertsCommand } from './alerts.ts'
import { approvalsCommand } from './approvals.ts'
import { backupCommand } from './backup.ts'
import { bundleCommand } from './bundle.ts'
import { canaryCommand } from './canary.ts'
import { changeCommand } from './change.ts'
import { clocksCommand } from './clocks.ts'
import { collectorCommand } from './collector.ts'
import { collectorsCommand } from './collectors.ts'
import { type Call, type Command, CommandError, type Terminal, UsageError } from './command.ts'
import { correlationCommand } from './correlation.ts'
import { enrolCommand } from './enrol.ts'
import { holdCommand } from './hold.ts'
import { hostsCommand } from './hosts.ts'
import { hubOf } from './hub.ts'
import { incidentCommand } from './incident.ts'
import { incidentsCommand } from './incidents.ts'
import { ledgerCommand } from './ledger.ts'
import { notifyCommand } from './notify.ts'
import { oncallCommand } from './oncall.ts'
import { pagesCommand } from './pages.ts'
import { peopleCommand } from './people.ts'
import { restoreCommand } from './restore.ts'
import { routingCommand } from './routing.ts'
import { rulesCommand } from './rules.ts'
import { runbooksCommand } from './runbooks.ts'
import { searchCommand } from './search.ts'
import { signInCommand } from './sign-in.ts'
import { silencesCommand } from './silences.ts'
import { start, startHelp } from './start.ts'
import { storeCommand } from './store.ts'
import { teamsCommand } from './teams.ts'
import { tokenCommand } from './token.ts'
import { verifyCommand } from './verify.ts'
import { versionCommand } from './version.ts'
import { watchCommand } from './watch.ts'
import { witness, witnessHelpText, witnessSummary } from './witness.ts'

const commands: readonly Command[] = [
  watchCommand,
  alertsCommand,
  pagesCommand,
  silencesCommand,
  incidentsCommand,
  incidentCommand,
  searchCommand,
  runbooksCommand,
  holdCommand,
  clocksCommand,
  rulesCommand,
  hostsCommand,
  oncallCommand,
  changeCommand,
  notifyCommand,
  routingCommand,
  correlationCommand,
  canaryCommand,
  enrolCommand,
  collectorsCommand,
  approvalsCommand,
  peopleCommand,
  teamsCommand,
  signInCommand,
  tokenCommand,
  backupCommand,
  restoreCommand,
  ledgerCommand,
  bundleCommand,
  verifyCommand,
  storeCommand,
  collectorCommand,
  versionCommand,
]

const commonOptions = {
  hub: { type: 'string' },
  token: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options']

const commonHelp = `Common options:
  --hub URL      the hub (default: CALLWARD_HUB, else http://127.0.0.1:9770)
  --token TOKEN  better: CALLWARD_TOKEN or CALLWARD_ADMIN_TOKEN, which other users of this machine cannot see;
                 without any, the file hub/terminal.token in CALLWARD_DATA, ./data or ./data-demo
  --help         this text

Exit codes: 0 done, 1 failed, 2 wrongly called.`

/** The process this program runs in; the one place of the terminal that reads it. */
function ownTerminal(): Terminal {
  return {
    environment: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
  }
}

/** Runs `callward ARGUMENTS` and resolves with the exit code; writes its own messages and never throws for a user's fault. */
export async function run(
  argv: readonly string[],
  terminal: Terminal = ownTerminal(),
): Promise<number> {
  // A reader that left (`callward alerts | head`) is no fault.
  terminal.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    return showHelp(terminal, rest[0], name === undefined ? 2 : 0)
  }
  if (name === 'start') return startOrExplain(rest, terminal)
  // It talks to hubs as a stranger does, and takes none of the common options.
  if (name === 'witness') return witness(rest, terminal)
  const command = commands.find((one) => one.name === (name === '--version' ? 'version' : name))
  if (command === undefined) {
    terminal.stderr.write(`callward: there is no command "${name}". See: callward --help\n`)
    return 2
  }
  try {
    return await runCommand(command, rest, terminal)
  } catch (error) {
    return explained(error, command.name, command.usage, terminal)
  }
}

/** `start` runs the hub instead of talking to one, so it takes none of the common options. */
async function startOrExplain(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await start(args)
  } catch (error) {
    return explained(asUsage(error), 'start', '[--demo]', terminal)
  }
}

/** Exit code of a fault the user can mend, told on standard error; anything else is thrown on. */
function explained(error: unknown, name: string, usage: string, { stderr }: Terminal): number {
  if (error instanceof UsageError) {
    stderr.write(`callward ${name}: ${error.message}\nUsage: callward ${name} ${usage}\n`)
    return 2
  }
  if (!(error instanceof CommandError)) throw error
  stderr.write(`callward ${name}: ${error.message}\n`)
  return 1
}

async function runCommand(command: Command, args: string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(command, args)
  if (values.help === true) return showHelp(terminal, command.name, 0)
  const [fewest, most] = command.positionals
  if (positionals.length < fewest) throw new UsageError('An argument is missing.')
  if (positionals.length > most)
    throw new UsageError(`"${positionals[most]}" is one argument too many.`)
  const call: Call = {
    values,
    positionals,
    terminal,
    hub: () => hubOf(call),
    say: (line) => void terminal.stdout.write(`${line}\n`),
  }
  return command.run(call)
}

function parse(command: Command, args: string[]): Pick<Call, 'values' | 'positionals'> {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...command.options, ...commonOptions },
      allowPositionals: true,
      strict: true,
    })
    // A command whose option may come twice knows that its value is a list.
    return { values: values as Call['values'], positionals }
  } catch (error) {
    throw asUsage(error)
  }
}

function asUsage(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  return code?.startsWith('ERR_PARSE_ARGS') === true ? new UsageError(message) : error
}

function showHelp(terminal: Terminal, name: string | undefined, exitCode: number): number {
  const command = commands.find((one) => one.name === name)
  if (name === 'start') {
    terminal.stdout.write(startHelp)
    return exitCode
  }
  if (name === 'witness') {
    terminal.stdout.write(witnessHelpText)
    return exitCode
  }
  const text =
    command === undefined
      ? overview()
      : `Usage: callward ${command.name} ${command.usage}\n\n${command.help}\n\n${commonHelp}`
  const stream = exitCode === 0 ? terminal.stdout : terminal.stderr
  stream.write(`${text}\n`)
  return exitCode
}

function overview(): string {
  const list = [
    { name: 'start', summary: 'run the hub (as npm start does)' },
    ...commands,
    { name: 'witness', summary: witnessSummary },
  ]
  const lines = list.map(({ name, summary }) => `  ${name.padEnd(11)}${summary}`)
  return `Usage: callward COMMAND [OPTIONS]\n\n${lines.join('\n')}\n\ncallward COMMAND --help shows options and examples.\n\n${commonHelp}`
}

const started = process.argv[1]
if (started !== undefined && import.meta.url === pathToFileURL(realpathSync(started)).href) {
  process.exitCode = await run(process.argv.slice(2))
}
