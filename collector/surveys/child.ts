import { type ChildProcess, spawn } from 'node:child_process'
import { childEnvironment } from '../trusted-program.ts'
import type { Section } from '../wire/frames.ts'
import type { Findings, Survey } from './survey.ts'

/** What a survey's process tells, one JSON object a line. */
export type SurveyLine =
  | { readonly at: string }
  | { readonly part: string }
  | { readonly section: Section }
  | { readonly findings: Findings }

const lineCharactersLimit = 8 * 1024 * 1024
/** SIGKILL takes effect at once, but for a process that waits in the kernel. */
const endMilliseconds = 5000

export interface ChildOptions {
  readonly limitMilliseconds: number
  readonly stallMilliseconds: number
  readonly endMilliseconds: number
  readonly stop: AbortSignal
  /** The collector's own; of it only what configures the collector is handed on. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Ends a child and what it started. */
  readonly kill: (child: ChildProcess) => void
}

/** How a child ended. */
export interface ChildEnd {
  readonly findings: Findings | undefined
  /** Why there are no findings. */
  readonly why: string
  /** It did not turn to anything else for too long. */
  readonly isHung: boolean
  /** What it was at; empty when it did not say. */
  readonly at: string
  /** The part it was at, and the sections of those before. */
  readonly part: string
  readonly sections: readonly Section[]
  /** False where it could not be ended; `gone` settles when it has. */
  readonly isGone: boolean
  readonly gone: Promise<void>
}

/** What a child has told so far. */
class Told {
  at = ''
  part = ''
  readonly sections: Section[] = []
  findings: Findings | undefined
  #rest = ''

  /** Takes in output. Throws for what is no line of ours. */
  take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > lineCharactersLimit) throw new Error('over 8 MiB of output')
    for (const line of lines) this.#takeLine(JSON.parse(line) as SurveyLine) // our own child wrote it
  }

  #takeLine(line: SurveyLine): void {
    if ('at' in line) this.at = line.at
    else if ('part' in line) this.part = line.part
    else if ('section' in line) this.sections.push(line.section)
    else if (typeof line.findings?.documents === 'object') this.findings = line.findings
    else throw new Error('no documents')
  }
}

/** Runs one child to its findings, its end, or a limit; then ends it with all it started. Rejects only where no process can be started. */
export async function runChild(
  entry: string,
  survey: Survey,
  passed: readonly string[],
  options: Partial<ChildOptions> & Pick<ChildOptions, 'limitMilliseconds'>,
): Promise<ChildEnd> {
  const told = new Told()
  // A group of its own, so that a child's hung command is killed with it.
  const child = spawn(process.execPath, [entry, '--survey', survey.name, ...passed], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: childEnvironment(options.environment ?? {}),
  })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve()) // not started
  })
  const { isHung, why } = await followed(child, told, survey, options)
  const kill = options.kill ?? killGroup
  kill(child)
  const isGone = await within(gone, options.endMilliseconds ?? endMilliseconds)
  child.stdout?.destroy()
  if (!isGone) child.unref()
  const { findings, at, part, sections } = told
  return { findings, why, isHung, at, part, sections, isGone, gone }
}

/** Settles when the child has told its findings, has ended, or shall be ended; `why` is empty in the first case. */
function followed(
  child: ChildProcess,
  told: Told,
  survey: Survey,
  options: Partial<ChildOptions> & Pick<ChildOptions, 'limitMilliseconds'>,
): Promise<{ isHung: boolean; why: string }> {
  const { limitMilliseconds, stop } = options
  const stallMilliseconds = options.stallMilliseconds ?? survey.stallMilliseconds
  return new Promise((resolve) => {
    const end = (why: string, isHung = false) => {
      clearTimeout(limit)
      clearTimeout(stall)
      stop?.removeEventListener('abort', stopped)
      resolve({ isHung, why })
    }
    const where = () => (told.at === '' ? '' : ` at ${told.at}`)
    const late = (milliseconds: number) => () =>
      end(`no answer within ${Math.round(milliseconds) / 1000} s${where()}`, true)
    const limit = setTimeout(late(limitMilliseconds), limitMilliseconds)
    let stall: NodeJS.Timeout | undefined
    const goesOn = () => {
      clearTimeout(stall)
      if (stallMilliseconds !== undefined)
        stall = setTimeout(late(stallMilliseconds), stallMilliseconds)
    }
    goesOn()
    const stopped = () => end('stopped')
    stop?.addEventListener('abort', stopped)
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      goesOn()
      try {
        told.take(chunk)
      } catch (error) {
        end(`its answer is not understood: ${String(error)}`)
      }
      if (told.findings !== undefined) end('')
    })
    child.once('error', (error) => end(error.message))
    child.once('close', (code) => end(`its process ended with code ${code}`))
  })
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

/** Whether it settled in time. */
async function within(settled: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const inTime = await Promise.race([settled.then(() => true), late])
  clearTimeout(timer)
  return inTime
}
