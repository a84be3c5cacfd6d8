import { createContext, Script } from 'node:vm'
import { type Metric, metric } from '../../source.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import { hashedFile, troubleOf, unread } from './config-files.ts'
import { type Listed, piecesOf, realPath, sectionFrom, type Trouble } from './paths.ts'
import { instantText } from './text.ts'

export interface LicenceRow {
  readonly path: string
  readonly state: SectionState
  readonly detail?: string
  readonly sha256?: string
  readonly expiresAt?: string
}

export interface LicenceSetting {
  readonly path: string
  /** Source of a regular expression (flag m); its first group is the date. */
  readonly expires?: string
}

const searchedBytes = 64 * 1024
const expressionMilliseconds = 1_000

/** Hash and date of expiry of licence files. A listed one that is not there is a fault. */
export function licences(
  settings: readonly LicenceSetting[],
  rootfs: string,
): { section: Section; licences: readonly LicenceRow[]; metrics: readonly Metric[] } {
  const listed = { rootfs, patterns: settings.map(({ path }) => path) }
  const byPath = new Map(settings.map((setting) => [setting.path, setting]))
  const rows = [...byPath.values()].map((setting) => licenceRow(setting, listed))
  const troubles = rows
    .flatMap(troubleOf)
    .map(
      (trouble): Trouble => (trouble.state === 'absent' ? { ...trouble, state: 'error' } : trouble),
    )
  const metrics = rows.flatMap(({ path, expiresAt }) =>
    expiresAt === undefined
      ? []
      : [
          metric('callward_licence_expires_timestamp_seconds', Date.parse(expiresAt) / 1000, {
            path,
          }),
        ],
  )
  const whenNone = 'none is listed: software.licences of the configuration says where they are'
  return {
    section: sectionFrom('licences', troubles, rows.length, whenNone),
    licences: rows,
    metrics,
  }
}

function licenceRow({ path, expires }: LicenceSetting, listed: Listed): LicenceRow {
  const { bytes: _bytes, modifiedAt: _modifiedAt, ...file } = hashedFile(path, listed)
  if (file.state !== 'ok' || expires === undefined) return file
  try {
    const text = firstBytes(realPath(path, listed)).toString('utf8')
    const instant = instantText(dateOf(firstGroup(expires, text)))
    if (instant === undefined) throw new Error('its date of expiry is not understood')
    return { ...file, expiresAt: instant }
  } catch (error) {
    return { ...file, ...unread(path, error) }
  }
}

function firstBytes(path: string): Buffer {
  const pieces: Buffer[] = []
  let total = 0
  for (const piece of piecesOf(path, 0)) {
    pieces.push(Buffer.from(piece))
    total += piece.length
    if (total >= searchedBytes) break
  }
  return Buffer.concat(pieces).subarray(0, searchedBytes)
}

/** An expression may take for ever on an unlucky text: it is ended after a second. */
export function firstGroup(expression: string, text: string): string {
  const script = new Script('new RegExp(expression, "m").exec(text)?.[1]')
  let found: unknown
  try {
    found = script.runInContext(createContext({ expression, text }), {
      timeout: expressionMilliseconds,
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const late = /timed out/.test(message)
    throw new Error(late ? 'the expression takes too long on it' : `the expression: ${message}`)
  }
  if (typeof found === 'string' && found !== '') return found
  throw new Error('the expression finds no date in its first 64 KiB')
}

const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')

/**
 * Milliseconds since the epoch of a date as licences write it: 2027-01-31, 2027/01/31, 20270131, with a time and zone or
 * without, 31-jan-2027, 31 January 2027, January 31, 2027, or seconds since the epoch. Without a time the day's beginning, UTC:
 * rather a day early. NaN for anything else.
 */
export function dateOf(text: string): number {
  const clean = text.trim().replace(/^["']|["']$/g, '')
  if (/^\d{9,11}$/.test(clean)) return Number(clean) * 1000
  const day = /^(\d{4})([-/]?)(\d{2})\2(\d{2})$/.exec(clean)
  if (day !== null) return utc(day[1], Number(day[3]) - 1, day[4])
  if (
    /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?$/.test(
      clean,
    )
  )
    return Date.parse(withZone(clean))
  const words = /^(\d{1,2})[- ]([a-z]{3})[a-z]*[- ,]+(\d{4})$/i.exec(clean)
  if (words !== null) return utc(words[3], monthOf(words[2]), words[1])
  const american = /^([a-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})$/i.exec(clean)
  if (american !== null) return utc(american[3], monthOf(american[1]), american[2])
  return Number.NaN
}

function withZone(text: string): string {
  const zoned = /(Z|UTC|GMT|[+-]\d{2}:?\d{2})$/.test(text.slice(10)) ? text : `${text}Z`
  return zoned
    .replace(/ ?(UTC|GMT)$/, 'Z')
    .replace(/ (?=[+-])/, '')
    .replace(' ', 'T')
}

function monthOf(name: string | undefined): number {
  const month = months.indexOf(name?.toLowerCase() ?? '')
  return month < 0 ? Number.NaN : month
}

/** NaN for a day the month does not have. */
function utc(year: string | undefined, month: number, day: string | undefined): number {
  const instant = Date.UTC(Number(year), month, Number(day))
  const isThere = month < 12 && new Date(instant).getUTCDate() === Number(day)
  return isThere ? instant : Number.NaN
}
