import type { Clock } from '../clock.ts'
import type { Section, SectionState } from '../wire/frames.ts'

/** A loss stays in the section for so long. */
const toldMilliseconds = 15 * 60_000
const retryMilliseconds = 5000
const deniedCodes = new Set(['EACCES', 'EPERM', 'EROFS'])

/** What the spool needs of pino. */
export interface SpoolLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** State and detail for an error of the disk. */
export function stateOfDisk(error: unknown): { state: SectionState; detail: string } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const reason = error instanceof Error ? error.message : String(error)
  const inMemory = 'reports wait in memory only and are lost with the collector'
  if (deniedCodes.has(code)) {
    const detail = `the spool cannot be written: ${reason}; ${inMemory}. Give the collector's user write permission there`
    return { state: 'denied', detail }
  }
  const help =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'Free space on that disk'
      : 'See the disk, then restart the collector'
  return { state: 'error', detail: `the spool cannot be used: ${reason}; ${inMemory}. ${help}` }
}

/** How the spool is: what its section says, when it is tried again, and one line in the log a change. */
export class SpoolHealth {
  readonly #clock: Clock
  readonly #logger: SpoolLogger
  #failure: { state: SectionState; detail: string } | undefined
  #retryAt = 0
  #isStuck = false
  #trouble = ''
  #troubleUntil = 0

  /** `trouble`: what an earlier process lost; empty when nothing. */
  constructor(clock: Clock, logger: SpoolLogger, trouble: string) {
    this.#clock = clock
    this.#logger = logger
    if (trouble !== '') this.lost(trouble)
  }

  get section(): Section {
    const name = 'spool'
    if (this.#failure !== undefined) return { name, ...this.#failure }
    if (this.#isStuck) {
      const detail = 'the disk does not answer; reports go out without being on it'
      return { name, state: 'error', detail }
    }
    if (this.#trouble !== '' && this.#clock.monotonic() < this.#troubleUntil)
      return { name, state: 'error', detail: this.#trouble }
    return { name, state: 'ok', detail: '' }
  }

  /** The disk has not answered for too long. */
  get isStuck(): boolean {
    return this.#isStuck
  }

  /** Whether a report is on disk before it is sent. */
  get isWorking(): boolean {
    return this.#failure === undefined && !this.#isStuck
  }

  /** Whether a write is worth trying now. */
  get mayTry(): boolean {
    return this.#failure === undefined || this.#clock.monotonic() >= this.#retryAt
  }

  works(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#logger.info({}, 'the spool can be written again: reports wait on disk')
  }

  failed(error: unknown): void {
    const failure = stateOfDisk(error)
    if (this.#failure?.detail !== failure.detail) this.#logger.error({ err: error }, failure.detail)
    this.#failure = failure
    this.#retryAt = this.#clock.monotonic() + retryMilliseconds
  }

  stuck(): void {
    if (this.#isStuck) return
    this.#isStuck = true
    this.#logger.error({}, 'the disk of the spool does not answer: reports go out without it')
  }

  answered(): void {
    if (!this.#isStuck) return
    this.#isStuck = false
    this.#logger.info({}, 'the disk of the spool answers again')
  }

  /** Reports were lost; said in the section for a quarter of an hour. */
  lost(what: string): void {
    this.#trouble = what
    this.#troubleUntil = this.#clock.monotonic() + toldMilliseconds
    this.#logger.error({}, what)
  }
}
