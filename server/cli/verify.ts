import { readFileSync, statSync } from 'node:fs'
import { reportLines } from '../../verifier/report-text.ts'
import {
  limits,
  readCheckpoint,
  readVerifierKey,
  type Trust,
  Unreadable,
  verifyBundle,
} from '../../verifier/verify.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'check an evidence bundle without the hub that wrote it',
  usage: 'FILE --key KEY [--checkpoint FILE] [--witness KEY]... [--json]',
  help: `Checks an evidence bundle on this machine: nothing is asked of a hub. Says what is proven, names each entry or row that
is not what it was, and says what was not checked. What that proves and what not: docs/verifier.md.

  --key         the hub's key, as "callward ledger status" showed it when it was set up
  --checkpoint  a checkpoint that was kept where the hub's administrators cannot reach it
  --witness     key of a witness that must have cosigned the bundle's or the older checkpoint; may be given several times
  --json        the whole report

Exit codes: 0 nothing is wrong, 1 something is, 2 the file is no bundle that can be read.

Examples:
  callward verify callward-incident-12.zip --key 'callward.ledger/...+1f2e3d4c+A...' --checkpoint checkpoint-2026-05-01.txt`,
  options: {
    key: { type: 'string' },
    checkpoint: { type: 'string' },
    witness: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
  positionals: [1, 1],
  async run(call) {
    try {
      const report = await verifyBundle(fileOf(call.positionals[0] ?? ''), trustOf(call))
      if (call.values.json === true) sayJson(call, report)
      else for (const line of reportLines(report)) call.say(line)
      return report.verdict === 'verified' ? 0 : 1
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      call.terminal.stderr.write(`callward verify: ${error.message}\n`)
      return 2
    }
  },
}

function trustOf(call: Call): Trust {
  const key = textOption(call, 'key')
  if (key === undefined)
    throw new UsageError(
      'Give the hub’s key as it was written down: --key KEY. Without it anybody could have signed.',
    )
  const kept = textOption(call, 'checkpoint')
  // Parsed as a list: `multiple` above.
  const witnesses = (call.values['witness'] ?? []) as unknown as readonly string[]
  return {
    key: keyOf(key, 1),
    witnesses: witnesses.map((text) => keyOf(text, 4)),
    ...(kept === undefined ? {} : { older: checkpointOf(kept) }),
  }
}

function keyOf(text: string, type: 1 | 4): NonNullable<Trust['key']> {
  const key = readVerifierKey(text)
  if (key === undefined) throw new UsageError(`"${text}" is no key: NAME+8 hex digits+base64.`)
  if (key.type !== type)
    throw new UsageError(
      type === 1
        ? 'That is the key of a witness.'
        : 'A witness has a key for cosignatures; this one signs checkpoints.',
    )
  return key
}

function checkpointOf(path: string): NonNullable<Trust['older']> {
  const note = readCheckpoint(Buffer.from(fileOf(path)).toString('utf8'))
  if (note === undefined) throw new Unreadable(`${path} is no signed checkpoint.`)
  return note
}

function fileOf(path: string): Uint8Array {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) throw new Unreadable(`${path} is no file.`)
    if (stats.size > limits.fileBytes)
      throw new Unreadable(`${path} has more than ${limits.fileBytes} bytes.`)
    return readFileSync(path)
  } catch (error) {
    if (error instanceof Unreadable) throw error
    throw new Unreadable(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}
