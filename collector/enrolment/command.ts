import { parseArgs } from 'node:util'
import type { CollectorConfig } from '../config.ts'
import { enrol } from './enrol.ts'
import { EnrolmentError, enrolmentPath } from './files.ts'
import { machineFacts } from './machine.ts'

export const enrolHelp = `callward-collector enrol --hub URL --token TOKEN --hub-key SHA256:... [--host NAME] [--start]

Gives this host a key of its own and registers it with a hub. \`callward enrol\` on the hub prints the whole line.

  --hub      address of the hub, https:// off this machine
  --token    one-time token, good for 15 minutes
  --hub-key  fingerprint of the hub's public key; nothing is sent to a hub that cannot prove it
  --host     name of this host, where the token leaves it open   labels.instance, else the host's name
  --start    go on and report
`

/** What was asked of `enrol`. */
export interface EnrolCall {
  readonly exitCode: number
  /** Whether the collector goes on and reports. */
  readonly start: boolean
}

/** Runs `callward-collector enrol ARGUMENTS`; says in plain words what happened. */
export async function enrolCommand(
  argv: readonly string[],
  config: CollectorConfig,
  version: string,
  say: (line: string) => void,
): Promise<EnrolCall> {
  const values = parsed(argv)
  if (typeof values === 'string') {
    say(`${values}\n\n${enrolHelp}`)
    return { exitCode: 2, start: false }
  }
  const machine = machineFacts({ rootfs: config.roots.rootfs, sys: config.roots.sys })
  try {
    const made = await enrol({
      hub: values.hub,
      token: values.token,
      hubKey: values.hubKey,
      instance: values.host ?? config.labels.instance,
      version,
      folder: config.folder,
      machine,
    })
    say(`This host is enrolled as "${made.instance}" with the hub at ${made.hub}.`)
    say(
      `  its key       made here, in ${enrolmentPath(config.folder)}, readable by its user only; it never leaves this host`,
    )
    say(`  the hub's key ${values.hubKey}, proven just now and at every session from here on`)
    say(`  this machine  ${told(Object.keys(machine))}`)
    say('  the token     is used up')
    if (!values.start)
      say('Start the collector now, or restart it if it runs; it needs no token and no address.')
    return { exitCode: 0, start: values.start }
  } catch (error) {
    if (!(error instanceof EnrolmentError)) throw error
    say(`Not enrolled. ${error.message}`)
    return { exitCode: 1, start: false }
  }
}

function told(facts: readonly string[]): string {
  const strong = facts.filter((name) => name === 'machine-id' || name === 'product-uuid')
  return strong.length === 0
    ? 'shows no machine-id: only the count of sessions tells a copy of it'
    : `is known again by salted hashes of ${facts.join(', ')}`
}

interface EnrolValues {
  readonly hub: string
  readonly token: string
  readonly hubKey: string
  readonly host: string | undefined
  readonly start: boolean
}

function parsed(argv: readonly string[]): EnrolValues | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        hub: { type: 'string' },
        token: { type: 'string' },
        'hub-key': { type: 'string' },
        host: { type: 'string' },
        start: { type: 'boolean' },
      },
    })
    const { hub, token, 'hub-key': hubKey, host, start } = values
    if (hub === undefined || token === undefined || hubKey === undefined)
      return '--hub, --token and --hub-key are needed.'
    if (!/^SHA256:[A-Za-z0-9_-]{43}$/.test(hubKey))
      return '--hub-key is SHA256: and 43 characters, as callward enrol prints it.'
    return { hub, token, hubKey, host, start: start === true }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
