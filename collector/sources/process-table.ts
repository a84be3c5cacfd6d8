import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { number, type Roots, readKernelFile, stateOfError } from '../source.ts'

/** Ticks a second of /proc/PID/stat: USER_HZ, 100 on every Linux port (man 5 proc). */
export const ticksPerSecond = 100

/** Most processes looked at; a host with more is not a call server any more. */
const processesLimit = 20_000

/** Characters of a command line that are looked at. */
const commandLineLimit = 4096

/** A process is looked at again after this many readings, and on its second: it may have become another program. */
const lookAgainReadings = 6

/** One line of /proc/PID/stat (man 5 proc). */
export interface Process {
  readonly pid: number
  /** The kernel's name: at most 15 characters of the program's file name. */
  readonly name: string
  /** `Z` and `X`: ended, not yet collected by its parent. */
  readonly state: string
  /** Own time and that of ended children it has waited for. */
  readonly cpuSeconds: number
  readonly threads: number
  /** Since boot, in hundredths of a second; with the pid it names a process for ever. */
  readonly startTicks: number
  readonly residentPages: number
}

/** Throws when the line is not one of /proc/PID/stat. The name may hold blanks and brackets. */
export function parseProcess(line: string): Process {
  const opened = line.indexOf('(')
  const closed = line.lastIndexOf(')')
  const fields = line.slice(closed + 2).split(' ')
  if (opened < 0 || closed < opened || fields.length < 22)
    throw new Error(`/proc/PID/stat: "${line.slice(0, 40)}" is not a process`)
  // Column n of the man page is fields[n - 3].
  const of = (column: number) => number(fields[column - 3], `stat column ${column}`)
  return {
    pid: number(line.slice(0, opened), 'pid'),
    name: line.slice(opened + 1, closed),
    state: fields[0] ?? '',
    cpuSeconds: (of(14) + of(15) + of(16) + of(17)) / ticksPerSecond,
    threads: of(20),
    startTicks: of(22),
    residentPages: of(24),
  }
}

/** What is kept of every process between readings. */
interface Known {
  readonly name: string
  readonly readings: number
  commandLine?: string
}

/** The host's processes by id, cheaply: a process that was looked at twice is looked at again only now and then. */
export class ProcessTable {
  readonly #proc: string
  #known = new Map<number, Known>()
  #reading = 0

  constructor(roots: Roots) {
    this.#proc = roots.proc
  }

  /**
   * Looks at what is new. False when other users' processes are hidden (mount option hidepid): then what is not
   * seen may be there all the same. Throws when there is no /proc to list.
   */
  refresh(): boolean {
    const names = readdirSync(this.#proc)
    this.#reading++
    const known = new Map<number, Known>()
    if (this.#look(1) === undefined) {
      this.#known = known
      if (names.some((name) => /^\d+$/.test(name))) return false
      throw Object.assign(new Error(`${this.#proc} lists no process`), {
        code: 'ENOENT',
        path: this.#proc,
      })
    }
    for (const name of names) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid <= 0 || known.size >= processesLimit) continue
      const before = this.#known.get(pid)
      const settled = before !== undefined && before.readings > 1
      if (settled && (pid + this.#reading) % lookAgainReadings !== 0) {
        known.set(pid, before)
        continue
      }
      const process = this.#look(pid)
      if (process === undefined) continue
      known.set(pid, { name: process.name, readings: (before?.readings ?? 0) + 1 })
    }
    this.#known = known
    return true
  }

  /** Ids of the processes whose name, and command line where asked, fit. */
  find(fits: (name: string, commandLine: () => string) => boolean): number[] {
    const found: number[] = []
    for (const [pid, known] of this.#known) {
      if (fits(known.name, () => this.#commandLineOf(pid, known))) found.push(pid)
    }
    return found
  }

  /** The process as it is now; undefined when it has ended or may not be read. */
  read(pid: number): Process | undefined {
    return this.#look(pid)
  }

  #look(pid: number): Process | undefined {
    const text = this.#readOf(pid, 'stat')
    return text === undefined ? undefined : parseProcess(text)
  }

  #commandLineOf(pid: number, known: Known): string {
    known.commandLine ??= (this.#readOf(pid, 'cmdline') ?? '')
      .slice(0, commandLineLimit)
      .replaceAll('\0', ' ')
      .trimEnd()
    return known.commandLine
  }

  /** Undefined when the process has ended meanwhile, or is hidden. */
  #readOf(pid: number, file: string): string | undefined {
    try {
      return readKernelFile(join(this.#proc, String(pid), file))
    } catch (error) {
      const ended = error instanceof Error && 'code' in error && error.code === 'ESRCH'
      if (ended || stateOfError(error) !== 'error') return undefined
      throw error
    }
  }
}
