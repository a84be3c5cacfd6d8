import { createWriteStream, existsSync, rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Call, type Command, CommandError, textOption, UsageError } from './command.ts'

export const bundleCommand: Command = {
  name: 'bundle',
  summary: 'evidence of an incident or a period, for somebody who does not trust the hub',
  usage: '--incident N | --from TIME --to TIME [--since SIZE] [--out FILE]',
  help: `Writes an evidence bundle: what the hub shows, the ledger's entries, the proofs. "callward verify" checks it without the hub.
Takes an administrator's or an auditor's token; that it was made stands in the ledger. What it holds: docs/verifier.md.

  --incident  number or id of one incident
  --from, --to  entries recorded in this time, RFC 3339: at most 100,000
  --since     size (second line) of an older checkpoint: proves that the log grew out of it
  --out       the file, which must not exist yet. Default: callward-incident-N.zip or callward-period.zip

Examples:
  callward bundle --incident 12 --since 1734
  callward bundle --from 2026-05-01T00:00:00Z --to 2026-06-01T00:00:00Z --out may.zip`,
  options: {
    incident: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    since: { type: 'string' },
    out: { type: 'string' },
  },
  positionals: [0, 0],
  async run(call) {
    const { query, name } = asked(call)
    const path = textOption(call, 'out') ?? name
    if (existsSync(path))
      throw new CommandError(`${path} exists already. Give another name with --out.`)
    const response = await call.hub().stream('GET', `/api/v1/ledger/bundle?${query}`)
    try {
      const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
      await pipeline(body, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    } catch (error) {
      rmSync(path, { force: true })
      const { code } = error as NodeJS.ErrnoException
      throw new CommandError(
        `The bundle is not whole and was removed (${code ?? (error as Error).message}). Try again; the hub’s log may say more.`,
      )
    }
    call.say(path)
    call.terminal.stderr.write(`To verify: callward verify ${path} --key KEY --checkpoint FILE\n`)
    return 0
  },
}

function asked(call: Call): { readonly query: URLSearchParams; readonly name: string } {
  const query = new URLSearchParams()
  for (const name of ['incident', 'from', 'to', 'since']) {
    const value = textOption(call, name)
    if (value !== undefined) query.set(name, value)
  }
  const incident = query.get('incident')
  if (incident === null && !(query.has('from') && query.has('to')))
    throw new UsageError('Give --incident N, or --from TIME and --to TIME.')
  if (query.has('since') && !/^\d{1,15}$/.test(query.get('since') ?? ''))
    throw new UsageError('--since takes the size of a checkpoint, such as 1734.')
  const safe = (incident ?? '').replace(/[^0-9a-zA-Z-]/g, '_')
  return {
    query,
    name: incident === null ? 'callward-period.zip' : `callward-incident-${safe}.zip`,
  }
}
