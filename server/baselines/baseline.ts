import { parseSpec, type VersionSpec } from './version-spec.ts'

/** What a host of a role may run, approved by name. */
export interface Baseline {
  /** The label `role` of the hosts it is for. */
  readonly role: string
  readonly version: string
  readonly approvedBy: string
  /** RFC 3339 with its zone, or a day. */
  readonly approvedAt: string
  readonly packages: ReadonlyMap<string, VersionSpec>
  readonly services: ReadonlyMap<string, VersionSpec>
  /** SHA-256 by path, hex. */
  readonly files: ReadonlyMap<string, string>
  /** Names of packages and services, `*` for any characters; or paths. */
  readonly forbidden: readonly string[]
}

/** What is wrong at a key of a baseline file. */
export interface BaselineFault {
  /** `packages.asterisk`; empty for the whole file. */
  readonly path: readonly string[]
  readonly message: string
}

export const maxEntries = 20_000
const keys = [
  'role',
  'version',
  'approvedBy',
  'approvedAt',
  'packages',
  'services',
  'files',
  'forbidden',
]
const examples: Readonly<Record<string, string>> = {
  role: 'role: pbx',
  version: 'version: "2026-03"',
  approvedBy: 'approvedBy: Nguyen Thi Anh',
  approvedAt: 'approvedAt: "2026-03-02T10:00:00+07:00"',
  packages: 'packages: { asterisk: ">= 1:20.6" }',
  services: 'services: { asterisk: "20.6.0" }',
  files: 'files: { /etc/asterisk/pjsip.conf: 64 hexadecimal digits of its SHA-256 }',
  forbidden: 'forbidden: [telnetd, /etc/hosts.equiv]',
}

/** Reads what a baseline file holds; every fault is named with an example, and then there is no baseline. Never throws. */
export function parseBaseline(content: unknown): {
  readonly baseline: Baseline | undefined
  readonly faults: readonly BaselineFault[]
} {
  const faults: BaselineFault[] = []
  const fault = (path: readonly string[], message: string) => void faults.push({ path, message })
  if (!isRecord(content)) {
    fault([], `must be keys with values. Example:\n${Object.values(examples).join('\n')}`)
    return { baseline: undefined, faults }
  }
  for (const key of Object.keys(content))
    if (!keys.includes(key)) fault([key], `unknown key. Known keys: ${keys.join(', ')}`)
  const text = (key: string) => textOf(content[key], key, fault)
  const entries = <Value extends object>(
    key: string,
    read: (value: unknown, name: string) => Value | string,
  ) => mapOf(content[key], key, read, fault)
  const hashes = entries('files', hashOf)
  const baseline: Baseline = {
    role: text('role'),
    version: text('version'),
    approvedBy: text('approvedBy'),
    approvedAt: timeOf(content['approvedAt'], fault),
    packages: entries('packages', parseSpec),
    services: entries('services', parseSpec),
    files: new Map([...hashes].map(([path, { hash }]) => [path, hash])),
    forbidden: listOf(content['forbidden'], fault),
  }
  const { packages, services, files, forbidden } = baseline
  if (packages.size + services.size + files.size + forbidden.length === 0 && faults.length === 0)
    fault(
      [],
      `says nothing of any version, so nothing could ever differ. Example: ${examples['packages']}`,
    )
  return { baseline: faults.length === 0 ? baseline : undefined, faults }
}

type Fault = (path: readonly string[], message: string) => void

function textOf(value: unknown, key: string, fault: Fault): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= 200) return value.trim()
  const example = `Example: ${examples[key]}`
  if (value === undefined) fault([key], `is missing. ${example}`)
  else if (typeof value === 'number')
    fault([key], `is a number; put it in quotes. Example: ${key}: "${value}"`)
  else fault([key], `must be a text of 1 to 200 characters. ${example}`)
  return ''
}

function timeOf(value: unknown, fault: Fault): string {
  const text = value instanceof Date ? value.toISOString() : textOf(value, 'approvedAt', fault)
  const shape = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2}))?$/
  if (text !== '' && (!shape.test(text) || Number.isNaN(Date.parse(text))))
    fault(
      ['approvedAt'],
      `must be a day, or a time with its zone. Example: ${examples['approvedAt']}`,
    )
  return text
}

/** The hash, or a fault's text. */
function hashOf(value: unknown, path: string): { readonly hash: string } | string {
  if (!path.startsWith('/')) return `the path must begin with "/". ${examples['files']}`
  const [, hash] =
    typeof value === 'string' ? (/^(?:sha256:)?([0-9a-f]{64})$/i.exec(value) ?? []) : []
  if (hash === undefined) return `must be the file's SHA-256. Get it with: sha256sum ${path}`
  return { hash: hash.toLowerCase() }
}

function mapOf<Value extends object>(
  value: unknown,
  key: string,
  read: (value: unknown, name: string) => Value | string,
  fault: Fault,
): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>()
  if (value === undefined || value === null) return found
  if (!isRecord(value)) {
    fault([key], `must be names with versions. Example: ${examples[key]}`)
    return found
  }
  const entries = Object.entries(value)
  if (entries.length > maxEntries) fault([key], `has more than ${maxEntries} entries`)
  for (const [name, one] of entries.slice(0, maxEntries)) {
    const result = read(one, name)
    if (typeof result === 'string') fault([key, name], result)
    else found.set(name, result)
  }
  return found
}

function listOf(value: unknown, fault: Fault): readonly string[] {
  if (value === undefined || value === null) return []
  const list: unknown[] = Array.isArray(value) ? value : [value]
  const texts = list.filter((one): one is string => typeof one === 'string' && one.trim() !== '')
  if (!Array.isArray(value) || texts.length < list.length || list.length > maxEntries)
    fault(
      ['forbidden'],
      `must be a list of at most ${maxEntries} names or paths. Example: ${examples['forbidden']}`,
    )
  return texts.map((one) => one.trim())
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
