import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { type NamedKey, readVerifierKey } from '../ledger/checkpoint.ts'
import { readWitnessKey } from '../ledger/cosignature.ts'
import { type ShownEntry, verifyLedger } from '../ledger/verify.ts'
import { type Witnessed, witnessedBy } from '../ledger/witnessed.ts'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { localTime, table } from './render.ts'

interface Status {
  readonly origin: string
  readonly epoch: number
  readonly openedAt: string
  readonly size: number
  readonly waitingSeconds: number
  readonly inconsistency: string | null
  readonly lastCheckpoint: {
    readonly size: number
    readonly root: string
    readonly signedAt: string
  } | null
  readonly verifierKeys: readonly string[]
  readonly epochs: readonly {
    readonly number: number
    readonly origin: string
    readonly size: number
    readonly openedAt: string
  }[]
}

interface Witness {
  readonly name: string
  readonly verifierKey: string
  readonly last: {
    readonly epoch: number
    readonly size: number
    readonly witnessedAt: string
  } | null
}

interface Page {
  readonly size: number
  readonly entries: readonly ShownEntry[]
  readonly next: number | null
}

interface Entry {
  readonly action: string
  readonly actor: string
  readonly object: { readonly type: string; readonly id: string }
  readonly occurredAt: string
}

const deeds: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  status,
  list,
  proof,
  checkpoint,
  verify,
  reopen,
}

export const ledgerCommand: Command = {
  name: 'ledger',
  summary: 'who changed what, and the proof that nobody rewrote it',
  usage: 'status|list|proof|checkpoint|verify|reopen [INDEX] [--object TYPE[:ID]] [--json]',
  help: `Reads and verifies the ledger; needs an admin's or an auditor's token.

  status      the current log, its size, its newest checkpoint, the keys that sign
  list        entries, the oldest first; --object TYPE or TYPE:ID, --from INDEX, --limit N
  proof       proves that entry INDEX is in the log
  checkpoint  signs and prints the newest checkpoint; keep it where the hub's administrators cannot reach it
  verify      recomputes every hash from the entries and compares with all checkpoints; --checkpoint FILE adds one that was kept,
              --key KEY trusts only that key (as "status" showed it earlier), --epoch N an earlier log;
              says what each witness has seen, by the keys the hub names or by --witness KEY alone
  reopen      on the hub's machine: asks for a new log at the next start; --data DIR --reason TEXT

  --json      the hub's answer

Examples:
  callward ledger status
  callward ledger list --object incident --limit 20
  callward ledger proof 42
  callward ledger checkpoint > checkpoint-today.txt
  callward ledger verify --checkpoint checkpoint-today.txt
  callward ledger reopen --data ./data --reason "restored from pg_dump of 1 May"`,
  options: {
    json: { type: 'boolean' },
    object: { type: 'string' },
    from: { type: 'string' },
    limit: { type: 'string' },
    checkpoint: { type: 'string' },
    key: { type: 'string' },
    witness: { type: 'string' },
    epoch: { type: 'string' },
    data: { type: 'string' },
    reason: { type: 'string' },
  },
  positionals: [1, 2],
  async run(call) {
    const [name = ''] = call.positionals
    const deed = Object.hasOwn(deeds, name) ? deeds[name] : undefined
    if (deed === undefined)
      throw new UsageError(`"${name}" is none of ${Object.keys(deeds).join(', ')}.`)
    return deed(call)
  },
}

async function status(call: Call): Promise<number> {
  const answer = await call.hub().call<Status>('GET', '/api/v1/ledger/status')
  if (call.values.json === true) {
    sayJson(call, answer)
    return 0
  }
  const { lastCheckpoint: last } = answer
  call.say(
    `Log          ${answer.origin} (number ${answer.epoch}, since ${localTime(answer.openedAt)})`,
  )
  call.say(`Entries      ${answer.size}`)
  call.say(
    `Checkpoint   ${last === null ? 'none yet' : `${last.size} entries, ${localTime(last.signedAt)}, root ${last.root}`}`,
  )
  if (answer.waitingSeconds > 1)
    call.say(`Waiting      the oldest entry has waited ${answer.waitingSeconds.toFixed(0)} s`)
  if (answer.inconsistency !== null) call.say(`WRONG        ${answer.inconsistency}`)
  for (const key of answer.verifierKeys) call.say(`Key          ${key}`)
  for (const { name, verifierKey, last } of await witnesses(call)) {
    const seen =
      last === null
        ? 'has cosigned nothing yet'
        : `${last.size} entries of log ${last.epoch}, ${localTime(last.witnessedAt)}`
    call.say(`Witness      ${name}: ${seen}; key ${verifierKey}`)
  }
  return answer.inconsistency === null ? 0 : 1
}

async function list(call: Call): Promise<number> {
  const query = new URLSearchParams({
    from: String(numberOption(call, 'from') ?? 0),
    limit: String(numberOption(call, 'limit') ?? 100),
  })
  const object = textOption(call, 'object')
  if (object !== undefined) {
    const colon = object.indexOf(':')
    query.set('objectType', colon < 0 ? object : object.slice(0, colon))
    if (colon >= 0) query.set('objectId', object.slice(colon + 1))
  }
  const page = await call.hub().call<Page>('GET', `/api/v1/ledger?${query}`)
  if (call.values.json === true) sayJson(call, page)
  else {
    const rows = page.entries.map(({ index, entry }) => {
      const { action, actor, object, occurredAt } = JSON.parse(entry) as Entry
      return [String(index), localTime(occurredAt), action, actor, `${object.type}:${object.id}`]
    })
    table(call, ['INDEX', 'OCCURRED', 'ACTION', 'BY', 'OBJECT'], rows)
    if (page.next !== null) call.say(`More: --from ${page.next}`)
  }
  return 0
}

async function proof(call: Call): Promise<number> {
  const index = wholeNumber(call.positionals[1], 'proof takes the INDEX of an entry')
  const answer = await call.hub().call<{
    index: number
    size: number
    entry: string
    leaf: string
    proof: string[]
    root: string
  }>('GET', `/api/v1/ledger/entries/${index}/proof`)
  if (call.values.json === true) sayJson(call, answer)
  else {
    call.say(answer.entry)
    call.say(`leaf   ${answer.leaf}`)
    for (const hash of answer.proof) call.say(`proof  ${hash}`)
    call.say(`root   ${answer.root} (${answer.size} entries)`)
  }
  return 0
}

async function checkpoint(call: Call): Promise<number> {
  call.terminal.stdout.write(await newestCheckpoint(call))
  return 0
}

async function newestCheckpoint(call: Call): Promise<string> {
  return (await call.hub().stream('GET', '/api/v1/ledger/checkpoint')).text()
}

async function verify(call: Call): Promise<number> {
  const hub = call.hub()
  const epoch = numberOption(call, 'epoch')
  // Covers what is there now; a hub that contradicts itself signs none, and what follows says why.
  if (epoch === undefined) await newestCheckpoint(call).catch(() => undefined)
  const before = await hub.call<Status>('GET', '/api/v1/ledger/status')
  const notes = await allCheckpoints(call, epoch ?? before.epoch)
  // Asked again: a checkpoint may have been signed meanwhile, and all of them must be covered.
  const stands = await hub.call<Status>('GET', '/api/v1/ledger/status')
  const one = stands.epochs.find(({ number }) => number === (epoch ?? before.epoch))
  if (one === undefined) throw new CommandError(`The ledger has no log ${epoch}.`)
  const { origin, size } = one
  const kept = textOption(call, 'checkpoint')
  const given = textOption(call, 'key')
  const found = await verifyLedger({
    origin,
    entries: allEntries(call, one.number, size),
    checkpoints: kept === undefined ? notes : [...notes, textOf(kept)],
    keys: (given === undefined ? stands.verifierKeys : [given]).map(publicKeyOf),
  })
  const seen = witnessedBy(
    kept === undefined ? notes : [...notes, textOf(kept)],
    await keysOf(call),
  )
  const lies = seen.flatMap(({ faults }) => faults)
  if (call.values.json === true) sayJson(call, { ...found, witnesses: seen })
  else {
    for (const one of seen) call.say(witnessedLine(one))
    for (const lie of lies) call.say(lie)
    for (const fault of found.faults) call.say(fault)
    if (found.unnamed > 0) call.say(`... and ${found.unnamed} more.`)
    call.say(
      found.faults.length + lies.length > 0
        ? `NOT verified: ${found.faults.length + found.unnamed + lies.length} fault(s) in ${found.entries} entries and ${found.checkpoints} checkpoints.`
        : `Verified: ${found.entries} entries, ${found.checkpoints} checkpoints, signatures included. Root ${found.root}; signed up to ${found.covered}.`,
    )
  }
  return found.faults.length + lies.length > 0 ? 1 : 0
}

async function witnesses(call: Call): Promise<readonly Witness[]> {
  const path = '/api/v1/ledger/witnesses'
  return (await call.hub().call<{ witnesses: Witness[] }>('GET', path)).witnesses
}

/** Keys of the witnesses to ask about: the pinned one, or those the hub names. */
async function keysOf(call: Call): Promise<NamedKey[]> {
  const pinned = textOption(call, 'witness')
  const texts =
    pinned === undefined ? (await witnesses(call)).map(({ verifierKey }) => verifierKey) : [pinned]
  return texts.map((text) => {
    const key = readWitnessKey(text)
    if (key === undefined)
      throw new UsageError(
        `"${text}" is no key of a witness. Give the one "callward witness show" prints.`,
      )
    return key
  })
}

function witnessedLine({ name, count, largest }: Witnessed): string {
  if (largest === undefined) return `Witness ${name} has seen none of it.`
  const at = localTime(new Date(largest.seconds * 1000).toISOString())
  return `Witness ${name} has seen ${largest.size} entries, ${at}; ${count} checkpoints cosigned.`
}

async function* allEntries(call: Call, epoch: number, size: number): AsyncGenerator<ShownEntry> {
  let from: number | null = 0
  while (from !== null && from < size) {
    const path: string = `/api/v1/ledger?epoch=${epoch}&from=${from}&limit=1000`
    const page: Page = await call.hub().call<Page>('GET', path)
    for (const entry of page.entries) if (entry.index < size) yield entry
    from = page.next
  }
}

async function allCheckpoints(call: Call, epoch: number): Promise<string[]> {
  const notes: string[] = []
  for (let after: number | null = -1; after !== null; ) {
    const path: string = `/api/v1/ledger/checkpoints?epoch=${epoch}&after=${after}&limit=1000`
    const page: { checkpoints: { note: string }[]; next: number | null } = await call
      .hub()
      .call('GET', path)
    notes.push(...page.checkpoints.map(({ note }) => note))
    after = page.next
  }
  return notes
}

async function reopen(call: Call): Promise<number> {
  const [data, reason] = [textOption(call, 'data'), textOption(call, 'reason')]
  if (data === undefined || reason === undefined)
    throw new UsageError('reopen takes --data DIR and --reason TEXT.')
  const hub = join(data, 'hub')
  if (!existsSync(join(hub, 'ledger.key')))
    throw new CommandError(`${data} is not the data folder of a hub that has a ledger.`)
  const epoch = { id: randomUUID(), reason, operator: userName() }
  writeFileSync(join(hub, 'ledger.epoch'), JSON.stringify(epoch), { mode: 0o600 })
  call.say('The hub opens a new log at its next start; its first entry names the one before.')
  return 0
}

/** A container may have no name for its user. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

function publicKeyOf(text: string): Buffer {
  const key = readVerifierKey(text)
  if (key === undefined)
    throw new UsageError(`"${text}" is no key. Give one as "callward ledger status" shows it.`)
  return key
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}); --checkpoint takes a file that "callward ledger checkpoint" wrote.`,
    )
  }
}

function numberOption(call: Call, name: string): number | undefined {
  const text = textOption(call, name)
  return text === undefined ? undefined : wholeNumber(text, `--${name} takes a whole number`)
}

function wholeNumber(text: string | undefined, what: string): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new UsageError(`${what}, such as 42.`)
  return Number(text)
}
