import Type from 'typebox'
import type { Cadence, Check, DrillPlan, JobKind } from './job.ts'

const maybe = Type.Optional
const number = (description: string, example: number, minimum = 1, maximum = 1_000_000) =>
  Type.Number({ minimum, maximum, description, examples: [example] })
const inside = (example: string) =>
  Type.String({
    pattern: '^(?!/)(?!(.*/)?\\.\\.(/|$))[^\\p{Cc}]{1,1024}$',
    description: 'a path below the restored root, without ..',
    examples: [example],
  })
const identifier = '[A-Za-z_][A-Za-z0-9_]{0,62}'

const checkSchema = Type.Object(
  {
    manifest: maybe(inside('etc/asterisk/SHA256SUMS')),
    file: maybe(inside('etc/asterisk/pjsip.conf')),
    files: maybe(number('a least number of files', 100, 1, 1e9)),
    bytes: maybe(number('a least number of bytes', 1_000_000, 1, 1e15)),
    table: maybe(
      Type.String({
        pattern: `^(${identifier}\\.)?${identifier}$`,
        description: 'a table',
        examples: ['public.cdr'],
      }),
    ),
    rows: maybe(number('a least number of rows', 1000, 0, 1e15)),
  },
  { additionalProperties: false, description: 'a check', examples: ['{files: 100}'] },
)

/** The key `drill:` of a job. */
export const drillSchema = Type.Object(
  {
    everyHours: maybe(number('hours between two drills', 168, 0.01, 10_000)),
    at: maybe(
      Type.String({
        pattern: '^((sun|mon|tue|wed|thu|fri|sat) )?([01][0-9]|2[0-3]):[0-5][0-9]$',
        description: 'a time of the day or the week',
        examples: ['"sun 03:30"'],
      }),
    ),
    mode: maybe(
      Type.Union([Type.Literal('sample'), Type.Literal('whole')], {
        description: 'sample or whole',
        examples: ['whole'],
      }),
    ),
    scratch: maybe(
      Type.String({
        pattern: '^/[^\\p{Cc}]{0,1023}$',
        description: 'an absolute path to a folder of its own',
        examples: ['/var/lib/callward/drills'],
      }),
    ),
    rtoMinutes: maybe(number('minutes a restore may take', 60, 0.001)),
    maxMegabytes: maybe(number('megabytes a drill may restore', 2048, 1, 1e9)),
    maxMinutes: maybe(number('minutes a drill may take', 240, 0.01)),
    checks: maybe(
      Type.Array(checkSchema, {
        maxItems: 50,
        description: 'a list of checks',
        examples: ['[{files: 100}]'],
      }),
    ),
    superuser: maybe(Type.Boolean({ description: 'true or false', examples: [false] })),
    database: maybe(
      Type.String({
        pattern: `^${identifier}$`,
        description: 'a database',
        examples: ['asterisk'],
      }),
    ),
    user: maybe(
      Type.String({
        pattern: `^${identifier}$`,
        description: 'a database user',
        examples: ['postgres'],
      }),
    ),
  },
  { additionalProperties: false, description: 'a drill', examples: ['{everyHours: 168}'] },
)

type Raw = Readonly<Record<string, never>>
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const megabyte = 1024 * 1024

/** The plan of a drill that fits the schema. Databases are restored whole, all else by sample unless said otherwise. */
export function drillOf(drill: Raw, kind: JobKind, scratch: string): DrillPlan {
  const whole = kind === 'dump' || kind === 'pgbackrest'
  return {
    cadence: cadenceOf(drill),
    mode: drill['mode'] ?? (whole ? 'whole' : 'sample'),
    scratch: drill['scratch'] ?? scratch,
    rtoSeconds: drill['rtoMinutes'] === undefined ? undefined : drill['rtoMinutes'] * 60,
    maximumBytes: (drill['maxMegabytes'] ?? 2048) * megabyte,
    maximumSeconds: (drill['maxMinutes'] ?? 240) * 60,
    checks: checksOf(drill['checks'] ?? []).checks,
    superuser: drill['superuser'] ?? false,
    database: drill['database'] ?? 'postgres',
    user: drill['user'] ?? 'postgres',
  }
}

function cadenceOf(drill: Raw): Cadence {
  const at = drill['at'] as string | undefined
  if (at === undefined) return { kind: 'every', seconds: drill['everyHours']! * 3600 }
  const [time, day] = at.split(' ').reverse() as [string, string?]
  const [hour, minute] = time.split(':').map(Number) as [number, number]
  const weekday = day === undefined ? undefined : weekdays.indexOf(day)
  return { kind: 'at', weekday, minutes: hour * 60 + minute }
}

/** Checks of the file, and what is wrong with them: where (`[0]`) and what. */
export function checksOf(raw: readonly Raw[]): {
  checks: Check[]
  faults: [at: string, what: string][]
} {
  const checks: Check[] = []
  const faults: [string, string][] = []
  for (const [i, one] of raw.entries()) {
    const { rows, ...kinds } = one
    const [first, second] = Object.keys(kinds)
    if (first === undefined || second !== undefined || (rows !== undefined && first !== 'table')) {
      faults.push([
        `[${i}]`,
        'must be one check, e.g. {table: public.cdr, rows: 1000} or {files: 100}',
      ])
      continue
    }
    checks.push(checkOf(first, kinds[first]!, rows ?? 1))
  }
  return { checks, faults }
}

function checkOf(kind: string, value: never, rows: number): Check {
  if (kind === 'table') return { kind: 'rows', table: value, minimum: rows }
  if (kind === 'files' || kind === 'bytes') return { kind, minimum: value }
  return { kind: kind === 'manifest' ? 'manifest' : 'file', path: value }
}
