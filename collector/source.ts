import { readFileSync } from 'node:fs'
import type { Labels, Millis, SectionState } from './wire/frames.ts'

/** One figure of a source; the agent adds the host's labels. */
export interface Metric {
  readonly name: string
  readonly help?: string
  readonly labels: Labels
  readonly value: number
}

/** What a source saw: figures, and how well it could see. */
export interface SourceReading {
  readonly state: SectionState
  /** One line for a person; empty when `ok`. */
  readonly detail: string
  readonly metrics: readonly Metric[]
}

/** A family of figures. `read` may throw: `readSource` turns that into a state. */
export interface Source {
  /** Section name, and label `source` of its duration. */
  readonly name: string
  read(now: Millis): Promise<SourceReading>
}

/** Where the host's trees are mounted; `/proc`, `/sys`, `/` unless the collector runs in a container. */
export interface Roots {
  readonly proc: string
  readonly sys: string
  readonly rootfs: string
  /** Spool folder of disk readings; `/run/callward/smart` unless said otherwise. */
  readonly smart?: string
}

export interface TimedReading extends SourceReading {
  readonly name: string
  readonly durationSeconds: number
}

const noLabels: Labels = {}

export function metric(name: string, value: number, labels: Labels = noLabels): Metric {
  return { name, labels, value }
}

export function seen(metrics: readonly Metric[]): SourceReading {
  return { state: 'ok', detail: '', metrics }
}

export function unseen(state: Exclude<SectionState, 'ok'>, detail: string): SourceReading {
  return { state, detail, metrics: [] }
}

/**
 * Reads a kernel file. Synchronous on purpose: /proc and /sys answer from memory in about 15 µs,
 * through the thread pool it costs ten times the CPU. Throws the system's error with its code.
 */
export function readKernelFile(path: string): string {
  return readFileSync(path, 'utf8')
}

/** Like `readKernelFile`, or undefined where the kernel does not offer that file. */
export function readOptionalKernelFile(path: string): string | undefined {
  try {
    return readKernelFile(path)
  } catch (error) {
    if (stateOfError(error) === 'absent') return undefined
    throw error
  }
}

/** The number in `text`. Throws when it is none: a figure that could not be read must not become 0. */
export function number(text: string | undefined, what: string): number {
  const value = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) throw new Error(`${what}: "${text ?? ''}" is not a number`)
  return value
}

const absentCodes = new Set(['ENOENT', 'ENOTDIR', 'EOPNOTSUPP', 'ENOTSUP', 'ENODEV', 'ENXIO'])
const deniedCodes = new Set(['EACCES', 'EPERM'])

/** State of a section whose reading threw `error`. */
export function stateOfError(error: unknown): Exclude<SectionState, 'ok'> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (absentCodes.has(code)) return 'absent'
  return deniedCodes.has(code) ? 'denied' : 'error'
}

function detailOfError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const path = error instanceof Error && 'path' in error ? String(error.path) : ''
  const state = stateOfError(error)
  if (state === 'absent') return `this host does not offer ${path || message}`
  if (state === 'denied')
    return `no permission to read ${path || message}; grant the collector's user read access`
  return message.split('\n', 1)[0] ?? ''
}

/** Reads one source within `limitMilliseconds`; never throws. A late answer is dropped and the state is `error`. */
export async function readSource(
  source: Source,
  now: Millis,
  limitMilliseconds: number,
): Promise<TimedReading> {
  const started = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<SourceReading>((resolve) => {
    const detail = `no answer within ${limitMilliseconds / 1000} s`
    timer = setTimeout(() => resolve(unseen('error', detail)), limitMilliseconds)
  })
  // An async function, so that a source that throws before its first await is caught as well.
  const read = (async () => source.read(now))()
  let reading: SourceReading
  try {
    reading = await Promise.race([read, late])
  } catch (error) {
    reading = unseen(stateOfError(error), detailOfError(error))
  } finally {
    clearTimeout(timer)
  }
  read.catch(() => {}) // a failure after the limit was already reported as `no answer`
  return { ...reading, name: source.name, durationSeconds: (performance.now() - started) / 1000 }
}
