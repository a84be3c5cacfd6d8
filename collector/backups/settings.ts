import { join } from 'node:path'
import Type from 'typebox'
import Value from 'typebox/value'
import { type BackupSettings, type Job, type JobKind, jobKinds, jobsLimit } from './job.ts'
import { checksOf, drillOf, drillSchema } from './settings-drill.ts'

const hourSeconds = 3600
const megabyte = 1024 * 1024

const text = (description: string, example: string, pattern = '^[^\\p{Cc}]{1,1024}$') =>
  Type.String({ pattern, description, examples: [example] })
const path = (example: string) => text('an absolute path', example, '^/[^\\p{Cc}]{0,1023}$')
const count = (description: string, example: number, minimum = 1, maximum = 1_000_000) =>
  Type.Number({ minimum, maximum, description, examples: [example] })
const maybe = Type.Optional

/** Not option-like: it becomes a word of a command line or a name. */
const word = '^[^-\\s\\p{Cc}][^\\s\\p{Cc}]{0,255}$'

const common = {
  name: Type.String({
    pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
    description: '1 to 63 small letters, digits and hyphens; it is a label of series',
    examples: ['recordings'],
  }),
  kind: Type.Union(
    jobKinds.map((kind) => Type.Literal(kind)),
    {
      description: jobKinds.join(', '),
      examples: ['restic'],
    },
  ),
  rpoHours: count('hours after which a backup is too old', 26, 0.01, 10_000),
  cadenceHours: maybe(count('hours between two runs of the backup', 24, 0.01, 10_000)),
  minimumBytes: maybe(count('bytes a good backup has at least', 1_000_000, 0, 1e15)),
  verifyEveryHours: maybe(count('hours between two verifications', 168, 0.01, 10_000)),
  verifySubset: maybe(
    text(
      'a share of the data that restic reads in a verification',
      '5%',
      '^[0-9.]{1,6}(%|[KMGT]|/[0-9]{1,4})?$',
    ),
  ),
  verifyMinutes: maybe(count('minutes a verification may take', 60, 0.01, 1440)),
  drill: maybe(drillSchema),
}

const credentials = {
  passwordFile: maybe(path('/etc/callward/restic-password')),
  environmentFile: maybe(path('/etc/callward/restic.env')),
}
const files = {
  folder: path('/var/backups/asterisk'),
  pattern: text('a file name with * and ?', 'asterisk-*.tar.gz', '^[^/\\p{Cc}]{1,255}$'),
}

const object = (own: Record<string, Type.TSchema>) =>
  Type.Object({ ...common, ...own }, { additionalProperties: false })

const schemas: Readonly<Record<JobKind, Type.TSchema>> = {
  restic: object({
    ...credentials,
    repository: maybe(text('the repository', '/srv/restic')),
    host: maybe(text('the host of the snapshots', 'pbx-01', word)),
    tag: maybe(text('a tag of the snapshots', 'recordings', word)),
  }),
  borg: object({
    ...credentials,
    repository: text('the repository', '/srv/borg', '^[^-\\p{Cc}][^\\p{Cc}]{0,1023}$'),
    archives: maybe(text('a glob of archive names', 'pbx-01-*', word)),
  }),
  pgbackrest: object({
    environmentFile: credentials.environmentFile,
    stanza: text('the stanza', 'main', word),
    config: maybe(path('/etc/pgbackrest.conf')),
  }),
  dump: object(files),
  tar: object(files),
  rsync: object({
    folder: files.folder,
    pattern: maybe(files.pattern),
    marker: maybe(text('a file the backup writes last', '.complete', '^[^/\\p{Cc}]{1,255}$')),
    manifest: maybe(
      text('a list of SHA-256 sums in the mirror', 'SHA256SUMS', '^[^/\\p{Cc}]{1,255}$'),
    ),
  }),
  snapshot: object({
    tool: Type.Union(
      ['folder', 'btrfs', 'zfs', 'lvm'].map((tool) => Type.Literal(tool)),
      { description: 'folder, btrfs, zfs, lvm', examples: ['folder'] },
    ),
    path: text(
      'a folder, dataset or volume group',
      '/srv/.snapshots',
      '^[^-\\p{Cc}][^\\p{Cc}]{0,1023}$',
    ),
  }),
}

const settingsSchema = Type.Object(
  {
    everyMinutes: maybe(count('minutes between two surveys', 5, 0.1, 1440)),
    scratch: maybe(path('/var/lib/callward/collector/backups/scratch')),
    reserveMegabytes: maybe(count('megabytes a drill leaves free', 1024, 1, 1e9)),
    jobs: maybe(
      Type.Array(Type.Unknown(), {
        maxItems: jobsLimit,
        description: `a list of at most ${jobsLimit} jobs`,
        examples: ['[{name: recordings, kind: restic, repository: /srv/restic, rpoHours: 26}]'],
      }),
    ),
  },
  { additionalProperties: false, description: 'keys of the backups', examples: ['{jobs: []}'] },
)

type Raw = Readonly<Record<string, never>>

/**
 * The section `backups:` of the collector's file. Adds one line a fault to `faults`, with the key and an example and never the
 * value, which may be a secret; what it returns is only good when it added none. `folder` is the collector's own.
 */
export function readBackups(value: unknown, folder: string, faults: string[]): BackupSettings {
  const settings = (value ?? {}) as Raw // each use below is behind the schema
  const before = faults.length
  faults.push(...faultsOf(settingsSchema, settings, 'backups'))
  if (faults.length > before) return { everySeconds: 300, reserveBytes: 0, jobs: [] }
  const scratch = settings['scratch'] ?? join(folder, 'backups', 'scratch')
  const raw: readonly unknown[] = settings['jobs'] ?? []
  const jobs = raw.map((one, i) => jobOf(one, `backups.jobs[${i}]`, scratch, faults))
  for (const [i, job] of jobs.entries()) {
    const twin = jobs.findIndex((one) => one?.name === job?.name)
    if (job !== undefined && twin < i)
      faults.push(`backups.jobs[${i}].name: is the name of backups.jobs[${twin}], too`)
  }
  return {
    everySeconds: (settings['everyMinutes'] ?? 5) * 60,
    reserveBytes: (settings['reserveMegabytes'] ?? 1024) * megabyte,
    jobs: jobs.filter((job) => job !== undefined),
  }
}

function jobOf(value: unknown, key: string, scratch: string, faults: string[]): Job | undefined {
  const raw = (typeof value === 'object' && value !== null ? value : {}) as Raw
  const kind = jobKinds.find((one) => one === raw['kind'])
  if (kind === undefined) {
    faults.push(`${key}.kind: must be one of ${jobKinds.join(', ')}, e.g. kind: restic`)
    return undefined
  }
  const own = faultsOf(schemas[kind], raw, key)
  if (own.length === 0) own.push(...crossFaults(raw, kind, key))
  faults.push(...own)
  if (own.length > 0) return undefined
  const { rpoHours, cadenceHours, verifyEveryHours, verifySubset, verifyMinutes, ...rest } = raw
  const { minimumBytes, drill, ...named } = rest as Raw
  const job = {
    ...named,
    marker: named['marker'] ?? '.complete',
    rpoSeconds: rpoHours! * hourSeconds,
    cadenceSeconds: cadenceHours === undefined ? undefined : cadenceHours * hourSeconds,
    minimumBytes: minimumBytes ?? 1,
    verifyEverySeconds: (verifyEveryHours ?? 168) * hourSeconds,
    verifySubset: verifySubset ?? '5%',
    verifyLimitSeconds: (verifyMinutes ?? 60) * 60,
    drill: drill === undefined ? undefined : drillOf(drill, kind, scratch),
  }
  return job as unknown as Job // its keys are those of the schema of its kind
}

function crossFaults(raw: Raw, kind: JobKind, key: string): string[] {
  const faults: string[] = []
  const fault = (at: string, what: string) => faults.push(`${key}.${at}: ${what}`)
  if (kind === 'restic' && raw['repository'] === undefined && raw['environmentFile'] === undefined)
    fault(
      'repository',
      'must be the repository, or environmentFile a file that sets RESTIC_REPOSITORY, e.g. repository: /srv/restic',
    )
  const drill = raw['drill'] as Raw | undefined
  if (drill === undefined) return faults
  if (kind === 'snapshot') fault('drill', 'a snapshot is not a backup: there is nothing to restore')
  if ((drill['everyHours'] === undefined) === (drill['at'] === undefined))
    fault('drill', 'must have either everyHours or at, e.g. drill: {everyHours: 168}')
  const { faults: wrong, checks } = checksOf(drill['checks'] ?? [])
  for (const [at, what] of wrong) fault(`drill.checks${at}`, what)
  const databases = kind === 'dump' || kind === 'pgbackrest'
  if (!databases && checks.some((one) => one.kind === 'rows'))
    fault(
      'drill.checks',
      'rows of a table are counted in a dump or a pgbackrest backup only, e.g. checks: [{files: 10}]',
    )
  if (databases && drill['mode'] === 'sample')
    fault('drill.mode', 'a database is restored whole, e.g. mode: whole')
  return faults
}

interface SchemaNode {
  readonly description?: string
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

function faultsOf(schema: Type.TSchema, value: unknown, key: string): string[] {
  const faults = new Set<string>()
  for (const { keyword, instancePath, params } of Value.Errors(schema, value)) {
    const path = instancePath.split('/').slice(1)
    const of = (name: string) =>
      (params as Record<string, readonly string[] | undefined>)[name] ?? []
    if (keyword === 'boolean' || keyword === 'const') continue // named by the error of what holds it
    if (keyword === 'additionalProperties') {
      const known = Object.keys(nodeAt(schema, path).properties ?? {}).join(', ')
      for (const one of of('additionalProperties'))
        faults.add(`${keyOf(key, [...path, one])}: there is no such key; known are ${known}`)
    } else if (keyword === 'required') {
      for (const one of of('requiredProperties'))
        faults.add(
          `${keyOf(key, [...path, one])}: is missing; must be ${shape(schema, [...path, one])}`,
        )
    } else faults.add(`${keyOf(key, path)}: must be ${shape(schema, path)}`)
  }
  return [...faults]
}

function nodeAt(schema: Type.TSchema, path: readonly string[]): SchemaNode {
  let node = schema as unknown as SchemaNode // walked by name
  for (const key of path) node = node.properties?.[key] ?? node.items ?? {}
  return node
}

function shape(schema: Type.TSchema, path: readonly string[]): string {
  const { description, examples } = nodeAt(schema, path)
  return `${description ?? 'valid'}, e.g. ${path.at(-1) ?? 'backups'}: ${String(examples?.[0] ?? '')}`
}

function keyOf(key: string, path: readonly string[]): string {
  return path.reduce((all, one) => (/^\d+$/.test(one) ? `${all}[${one}]` : `${all}.${one}`), key)
}
