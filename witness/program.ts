import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { NamedKey } from '../server/ledger/checkpoint.ts'
import { readLogKey } from '../server/ledger/cosignature.ts'
import { witnessServer } from './http.ts'
import { hubClient } from './hub-client.ts'
import { pull } from './pull.ts'
import { type FileShelf, type OwnKey, openShelf } from './shelf.ts'
import { type Answer, Witness } from './witness.ts'
import { WitnessFault, WitnessUsage } from './witness-fault.ts'

/** What the program may touch of its process. */
export interface WitnessTerminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

export const witnessUsage = 'serve|pull|show [--folder DIR] [--log VKEY]...'

export const witnessHelp = `Cosigns a hub's checkpoints, each only as a later state of the one before. Runs on the auditor's own machine.

  pull     fetches the hub's newest checkpoint and its proof, cosigns it, prints it and gives the hub the cosignature; for cron
  serve    waits for checkpoints over HTTP (C2SP tlog-witness); the hub's configuration names its address
  show     this witness's key, and the last checkpoint of each log it has cosigned

  --folder DIR     what it has seen, and its key (default: CALLWARD_WITNESS, else ~/.callward-witness); keep it out of the hub's reach
  --name NAME      at the first start: its name, such as auditor.bank.example/anna
  --log VKEY       a log's key as "callward ledger status" shows it, taken down from the administrator; may be given again
  --hub URL        pull: the hub
  --token TOKEN    pull: better CALLWARD_TOKEN; role auditor
  --listen ADDRESS serve: where (default 127.0.0.1:9780)

Exit codes: 0 done, 1 failed, 2 wrongly called, 3 something speaks against the log (read what was printed, keep the folder).

Examples:
  callward witness show --name auditor.bank.example/anna
  callward witness pull --hub https://callward.bank.example --log 'callward.ledger/...+1f2e3d4c+A...'
  callward witness serve --listen 10.20.0.7:9780 --log 'callward.ledger/...+1f2e3d4c+A...'
`

interface Asked {
  readonly folder: string
  readonly name: string | undefined
  readonly logs: readonly NamedKey[]
  readonly hub: string | undefined
  readonly token: string | undefined
  readonly listen: string
}

const alarmCode = 3

/** Runs `callward witness ARGUMENTS`; gives the exit code and writes its own messages. `until`: ends `serve`. */
export async function runWitness(
  argv: readonly string[],
  terminal: WitnessTerminal,
  until: AbortSignal,
): Promise<number> {
  try {
    const [verb, asked] = readArguments(argv, terminal)
    if (asked === undefined) {
      terminal.stdout.write(`Usage: callward witness ${witnessUsage}\n\n${witnessHelp}`)
      return verb === undefined ? 2 : 0
    }
    const { shelf, key } = await openShelf(asked.folder, asked.name)
    try {
      return await work(verb, asked, shelf, key, terminal, until)
    } finally {
      await shelf.close()
    }
  } catch (error) {
    return explained(error, terminal)
  }
}

async function work(
  verb: string | undefined,
  asked: Asked,
  shelf: FileShelf,
  key: OwnKey,
  terminal: WitnessTerminal,
  until: AbortSignal,
): Promise<number> {
  const { name, privateKey } = key
  const parts = { name, privateKey, pinned: asked.logs, shelf, now: () => Date.now() }
  const witness = new Witness(parts)
  if (verb === 'show') return show(shelf, key, terminal)
  if (verb === 'pull') return pullOnce(witness, asked, key, terminal)
  return serve(witness, asked, { shelf, key }, terminal, until)
}

function show(shelf: FileShelf, { verifierKey }: OwnKey, { stdout }: WitnessTerminal): number {
  stdout.write(`Key  ${verifierKey}\n`)
  for (const { origin, size, root, seconds } of shelf.logs()) {
    const fork = shelf.forkOf(origin)
    const state = fork === undefined ? '' : `; FORKED, see ${fork}`
    stdout.write(
      `Log  ${origin}: ${size} entries, root ${root.toString('base64')}, cosigned ${iso(seconds)}${state}\n`,
    )
  }
  return 0
}

async function pullOnce(
  witness: Witness,
  { hub, token, logs }: Asked,
  { verifierKey }: OwnKey,
  terminal: WitnessTerminal,
): Promise<number> {
  if (hub === undefined) throw new WitnessUsage('pull takes --hub URL.')
  if (token === undefined) throw new WitnessUsage('pull takes --token TOKEN or CALLWARD_TOKEN.')
  requireLogs(logs)
  const { answer, alarms, delivered, undelivered } = await pull(witness, hubClient(hub, token))
  if (answer.kind === 'cosigned') {
    terminal.stdout.write(answer.held.note)
    if (delivered !== undefined) terminal.stderr.write(`${printable(delivered)}\n`)
    if (undelivered)
      terminal.stderr.write(`The cosignature stands above. This witness's key: ${verifierKey}\n`)
  } else terminal.stderr.write(`Not cosigned: ${answer.reason}\n`)
  if (alarms.length > 0) {
    alarm(terminal, alarms)
    return alarmCode
  }
  return answer.kind === 'cosigned' && !undelivered ? 0 : 1
}

async function serve(
  witness: Witness,
  { listen, logs }: Asked,
  { shelf, key }: { readonly shelf: FileShelf; readonly key: OwnKey },
  terminal: WitnessTerminal,
  until: AbortSignal,
): Promise<number> {
  requireLogs(logs)
  const [host, port] = addressOf(listen)
  for (const { origin } of shelf.logs()) {
    const fork = shelf.forkOf(origin)
    if (fork !== undefined) alarm(terminal, [`${origin} has forked. Evidence: ${fork}`])
  }
  const stop = new AbortController()
  const say = (text: string) => terminal.stdout.write(`${new Date().toISOString()} ${text}\n`)
  let code = 0
  const server = witnessServer({
    witness,
    onAnswer: (answer) => {
      for (const line of linesOf(answer)) say(line)
      if (answer.kind !== 'refused' || answer.against !== 'fork') return
      alarm(terminal, [answer.reason, `Evidence: ${answer.evidence}`])
      code = alarmCode
      stop.abort()
    },
    onFault: (error) => terminal.stderr.write(`${String(error)}\n`),
  })
  server.listen(port, host)
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    throw new WitnessFault(`Cannot listen on ${listen} (${error.code}). Choose another --listen.`)
  })
  const own = server.address() as AddressInfo
  say(`witness ${key.verifierKey}`)
  say(`listening on http://${own.family === 'IPv6' ? `[${own.address}]` : own.address}:${own.port}`)
  await ended([until, stop.signal])
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), 2000)
  await closed
  clearTimeout(cut)
  return code
}

function linesOf(answer: Answer): string[] {
  if (answer.kind === 'refused') return [`refused (${answer.status}): ${printable(answer.reason)}`]
  const { origin, size } = answer.held
  const cosigned = `cosigned ${printable(origin)} at ${size} entries`
  return answer.isNewLog
    ? [
        `NEW LOG: a pinned key opened ${printable(origin)}; a restore does that. Its first entry must name the log before it.`,
        cosigned,
      ]
    : [cosigned]
}

/** Aborted, whichever first. */
async function ended(signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals])
  if (!any.aborted) await once(any, 'abort')
}

function alarm({ stderr }: WitnessTerminal, lines: readonly string[]): void {
  const rule = '!'.repeat(78)
  stderr.write(`\n${rule}\n!! WITNESS ALARM\n`)
  for (const line of lines) stderr.write(`!! ${printable(line)}\n`)
  stderr.write(`!! Keep this folder, and tell who the auditor reports to.\n${rule}\n`)
}

function readArguments(
  argv: readonly string[],
  { environment }: WitnessTerminal,
): [verb: string | undefined, asked: Asked | undefined] {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...{ folder: text, name: text, hub: text, token: text, listen: text },
      log: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const [verb, ...more] = positionals
  if (values.help === true) return ['help', undefined]
  if (verb === undefined) return [undefined, undefined]
  if (!['serve', 'pull', 'show'].includes(verb) || more.length > 0)
    throw new WitnessUsage(`"${positionals.join(' ')}" is none of serve, pull, show.`)
  const folder =
    values.folder ?? (environment.CALLWARD_WITNESS || join(homedir(), '.callward-witness'))
  return [
    verb,
    {
      folder,
      name: values.name,
      logs: (values.log ?? []).map(logKey),
      hub: values.hub ?? (environment.CALLWARD_HUB || undefined),
      token: values.token ?? (environment.CALLWARD_TOKEN?.trim() || undefined),
      listen: values.listen ?? '127.0.0.1:9780',
    },
  ]
}

function logKey(text: string): NamedKey {
  const key = readLogKey(text)
  if (key === undefined)
    throw new WitnessUsage(
      `"${text}" is no key of a log. Give one as "callward ledger status" shows it.`,
    )
  return key
}

function requireLogs(logs: readonly NamedKey[]): void {
  if (logs.length === 0)
    throw new WitnessUsage(
      'Give the key of the log: --log VKEY, as "callward ledger status" shows it.',
    )
}

function addressOf(listen: string): [host: string, port: number] {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(listen)
  const port = Number(match?.[2])
  if (match === null || port > 65_535)
    throw new WitnessUsage(`"${listen}" is not HOST:PORT. Example: --listen 127.0.0.1:9780`)
  return [match[1]!.replace(/^\[|\]$/g, ''), port]
}

function explained(error: unknown, { stderr }: WitnessTerminal): number {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof WitnessUsage || code?.startsWith('ERR_PARSE_ARGS') === true) {
    stderr.write(`callward witness: ${message}\nUsage: callward witness ${witnessUsage}\n`)
    return 2
  }
  if (!(error instanceof WitnessFault) && code === undefined) throw error
  stderr.write(`callward witness: ${printable(message)}\n`)
  return 1
}

/** Origins and what hubs answer are others' words: no control characters on the auditor's screen. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\ufffd')
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
