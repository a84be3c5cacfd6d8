import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Type from 'typebox'
import { Settings as TypeBoxSettings } from 'typebox/system'
import Value from 'typebox/value'
import { parse as parseYaml } from 'yaml'
import type { BackupSettings } from './backups/job.ts'
import { readBackups } from './backups/settings.ts'
import type { Roots } from './source.ts'
import { sourceNames, type Watched } from './sources/all.ts'
import { smartFolder } from './sources/smart.ts'
import { type SoftwareSettings, softwareSchema } from './surveys/software/settings.ts'
import { watchedFaults, watchedOf, watchedSchemas } from './watched.ts'
import type { HostLabels } from './wire/frames.ts'

const labelSchema = (example: string) =>
  Type.Optional(
    Type.String({
      pattern: '^[^\\p{Cc}]{1,128}$',
      description: '1 to 128 characters, no control characters',
      examples: [example],
    }),
  )

/** Kept here, since a survey reads this file. */
export const surveyNames = ['inventory', 'kernel_clock', 'software', 'backups'] as const

const rootSchema = (example: string) =>
  Type.String({ pattern: '^/', description: 'an absolute path', examples: [example] })

const sectionsSchema = Type.Object(
  Object.fromEntries(
    [...sourceNames, ...surveyNames].map((name) => [
      name,
      Type.Optional(Type.Boolean({ description: 'true or false', examples: [false] })),
    ]),
  ),
  {
    additionalProperties: false,
    description: 'true or false by section',
    examples: ['{entropy: false}'],
  },
)

const spoolSchema = Type.Object(
  {
    megabytes: Type.Optional(
      Type.Integer({
        minimum: 8,
        maximum: 65_536,
        description: 'a whole number of megabytes from 8 to 65536',
        examples: [64],
      }),
    ),
    hours: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 720,
        description: 'a whole number of hours from 1 to 720',
        examples: [72],
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'the limits of the spool',
    examples: ['{megabytes: 64, hours: 72}'],
  },
)

/** Everything that can be set. Keys of the YAML file are the same; `environment` says which variable sets a key. */
const settingsSchema = Type.Object(
  {
    hub: Type.String({
      pattern: '^wss?://[^/\\s]+',
      description: 'the address of the hub, ws:// or wss://',
      examples: ['ws://127.0.0.1:9770'],
    }),
    token: Type.Optional(
      Type.String({
        pattern: '^\\S+$',
        description: 'a token without blanks',
        examples: ['cw_...'],
      }),
    ),
    tokenFile: Type.Optional(
      Type.String({ minLength: 1, description: 'a path', examples: ['/etc/callward/token'] }),
    ),
    data: Type.String({ minLength: 1, description: 'a folder', examples: ['./data'] }),
    interval: Type.Integer({
      minimum: 1,
      maximum: 60,
      description: 'a whole number of seconds from 1 to 60',
      examples: [10],
    }),
    labels: Type.Object(
      {
        instance: labelSchema('pbx-01'),
        server: labelSchema('pbx-01'),
        customer: labelSchema('bank-a'),
        site: labelSchema('hanoi'),
        role: labelSchema('pbx'),
        env: labelSchema('production'),
      },
      {
        additionalProperties: false,
        description: 'labels of this host',
        examples: ['{role: pbx}'],
      },
    ),
    procRoot: rootSchema('/proc'),
    sysRoot: rootSchema('/sys'),
    rootfs: rootSchema('/'),
    smartFolder: rootSchema('/run/callward/smart'),
    sections: sectionsSchema,
    ...watchedSchemas,
    software: softwareSchema,
    backups: Type.Optional(Type.Unknown()), // read by backups/settings.ts
    spool: spoolSchema,
  },
  { additionalProperties: false },
)

type Settings = Type.Static<typeof settingsSchema>

const environmentKeys: Readonly<Record<string, string>> = {
  hub: 'CALLWARD_HUB',
  token: 'CALLWARD_TOKEN',
  tokenFile: 'CALLWARD_TOKEN_FILE',
  data: 'CALLWARD_DATA',
  interval: 'CALLWARD_INTERVAL',
}

export interface CollectorConfig {
  readonly hub: string
  readonly token: string | undefined
  /** Read at every connection when there is no `token`. */
  readonly tokenFile: string
  /** The collector's own folder below the data folder. */
  readonly folder: string
  readonly intervalSeconds: number
  readonly labels: HostLabels
  readonly roots: Roots
  /** Sources and surveys that are switched off, by name. */
  readonly sections: Readonly<Record<string, boolean | undefined>>
  readonly watched: Watched
  readonly software: SoftwareSettings
  readonly backups: BackupSettings
  /** Reports waiting on disk are bounded by both; the oldest go first. */
  readonly spool: { readonly bytes: number; readonly milliseconds: number }
}

/** Every fault of the configuration at once, one line each with the key and an example. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${faults.map((one) => `  ${one}`).join('\n')}`,
    )
    this.faults = faults
  }
}

/** What an enrolment says of this host, where nothing else is said. */
export interface EnrolledDefaults {
  readonly hub: string
  readonly instance: string
  readonly labels: {
    readonly customer?: string
    readonly site?: string
    readonly role?: string
    readonly env?: string
  }
}

/** Reads the environment given and the YAML file it names. Throws ConfigError. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  hostname: string,
  enrolled?: EnrolledDefaults,
): CollectorConfig {
  const faults: string[] = []
  const file = readYaml(environment['CALLWARD_CONFIG'], faults)
  const settings: Record<string, unknown> = {
    hub: enrolled?.hub ?? 'ws://127.0.0.1:9770',
    data: './data',
    interval: 10,
    labels: {},
    procRoot: '/proc',
    sysRoot: '/sys',
    rootfs: '/',
    smartFolder,
    sections: {},
    software: {},
    spool: {},
    ...file,
  }
  for (const [key, variable] of Object.entries(environmentKeys)) {
    const value = environment[variable]
    if (value === undefined || value === '') continue
    settings[key] = key === 'interval' ? numberOrText(value) : value
  }
  faults.push(...settingsFaults(settings))
  if (faults.length === 0) faults.push(...watchedFaults(settings as Settings))
  const folder = resolve(String(settings['data']), 'collector')
  const backups = readBackups(settings['backups'], folder, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return configOf(settings as Settings, hostname, enrolled, backups) // checked by the schema just above
}

function configOf(
  settings: Settings,
  hostname: string,
  enrolled: EnrolledDefaults | undefined,
  backups: BackupSettings,
): CollectorConfig {
  const folder = resolve(settings.data, 'collector')
  const instance = settings.labels.instance ?? enrolled?.instance ?? hostname
  const given = enrolled?.labels ?? {}
  return {
    hub: settings.hub,
    token: settings.token,
    tokenFile: settings.tokenFile ?? join(folder, 'token'),
    folder,
    intervalSeconds: settings.interval,
    labels: {
      job: 'callward',
      instance,
      customer: settings.labels.customer ?? given.customer ?? 'default',
      site: settings.labels.site ?? given.site ?? 'default',
      server: settings.labels.server ?? instance,
      role: settings.labels.role ?? given.role ?? 'server',
      env: settings.labels.env ?? given.env ?? 'production',
    },
    roots: {
      proc: settings.procRoot,
      sys: settings.sysRoot,
      rootfs: settings.rootfs,
      smart: settings.smartFolder,
    },
    sections: settings.sections,
    watched: watchedOf(settings),
    software: settings.software,
    backups,
    spool: {
      bytes: (settings.spool.megabytes ?? 64) * 1024 * 1024,
      milliseconds: (settings.spool.hours ?? 72) * 3_600_000,
    },
  }
}

function numberOrText(value: string): unknown {
  return Number.isFinite(Number(value)) ? Number(value) : value
}

function readYaml(path: string | undefined, faults: string[]): Record<string, unknown> {
  if (path === undefined || path === '') return {}
  try {
    const content: unknown = parseYaml(readFileSync(path, 'utf8')) ?? {}
    if (isRecord(content)) return ownSection(content, path, faults)
    faults.push(`CALLWARD_CONFIG: ${path} holds no keys, e.g. "collector: {labels: {role: pbx}}"`)
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
    faults.push(`CALLWARD_CONFIG: ${path} cannot be read: ${reason}`)
  }
  return {}
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The section `collector:` of a file shared with the hub, or all of a file without sections. */
function ownSection(
  content: Record<string, unknown>,
  path: string,
  faults: string[],
): Record<string, unknown> {
  if (!('collector' in content) && !isRecord(content['hub'])) return content
  const own = content['collector'] ?? {}
  for (const key of Object.keys(content)) {
    if (key === 'hub' || key === 'collector') continue
    faults.push(`CALLWARD_CONFIG: ${path}: unknown section "${key}"; known are hub, collector`)
  }
  if (isRecord(own)) return own
  faults.push(
    `CALLWARD_CONFIG: ${path}: collector must hold keys, e.g. "collector: {interval: 10}"`,
  )
  return {}
}

interface SchemaNode {
  readonly description?: string
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  /** Of every item of a list. */
  readonly items?: SchemaNode
}

function settingsFaults(settings: unknown): string[] {
  const faults = new Set<string>()
  TypeBoxSettings.Set({ maxErrors: 100 }) // 8 unless said otherwise; a person wants all of them
  for (const { keyword, instancePath, params } of Value.Errors(settingsSchema, settings)) {
    const path = instancePath.split('/').slice(1)
    if (keyword === 'boolean') continue // the schema of a key that is not allowed; named below
    if (keyword === 'additionalProperties') {
      const unknown =
        (params as { additionalProperties?: readonly string[] }).additionalProperties ?? []
      for (const key of unknown) faults.add(unknownKey([...path, key], path))
    } else {
      faults.add(faultLine(path))
    }
  }
  return [...faults]
}

function schemaAt(path: readonly string[]): SchemaNode {
  // The library's type names each property; here they are walked by name.
  let node = settingsSchema as unknown as SchemaNode
  for (const key of path) node = node.properties?.[key] ?? node.items ?? {}
  return node
}

function faultLine(path: readonly string[]): string {
  const node = schemaAt(path)
  const key = path.join('.')
  const variable = environmentKeys[key]
  const example = String(node.examples?.[0] ?? '')
  const where = variable === undefined ? key : `${variable} (key ${key})`
  const show = variable === undefined ? `${key}: ${example}` : `${variable}=${example}`
  return `${where}: must be ${node.description ?? 'valid'}, e.g. ${show}`
}

function unknownKey(path: readonly string[], parent: readonly string[]): string {
  const known = Object.keys(schemaAt(parent).properties ?? {}).join(', ')
  return `${path.join('.')}: there is no such key; known are ${known}`
}
