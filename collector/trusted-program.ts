import { spawn } from 'node:child_process'
import { lstatSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'

/** What a program said, and how it ended. */
export interface Answer {
  /** Standard output and error together, in the order they came. */
  readonly text: string
  /** Exit code; undefined when it was ended or did not start. */
  readonly code: number | undefined
  /** Why there is no whole answer; empty otherwise. */
  readonly fault: string
  /** It was ended because its time was over. */
  readonly isLate: boolean
}

export interface AskLimits {
  readonly milliseconds: number
  readonly bytes: number
}

const nobody = 65534
const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin'
const plainEnvironment = { PATH: systemPath, LC_ALL: 'C', HOME: '/' }

/**
 * Environment of the collector's own child processes: nothing that could put another program or library first, nor make Node load
 * code, is handed on; what configures the collector is, without its token.
 */
export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept = Object.entries(own).flatMap(([key, value]) =>
    /^CALLWARD_/.test(key) && key !== 'CALLWARD_TOKEN' && value !== undefined
      ? [[key, value] as const]
      : [],
  )
  return { ...plainEnvironment, ...Object.fromEntries(kept) }
}

/**
 * Why a program must not be started by us: somebody beside root could have put it there. Looks at the file, every folder
 * above it, and every folder above a link to it. Undefined when all of them belong to root and nobody else may write.
 * Throws the system's error where it is not there.
 */
export function whyNotTrusted(path: string): string | undefined {
  const real = realpathSync(path)
  return (
    whyOthersMayWrite(path, real) ?? (lstatSync(real).isFile() ? undefined : `${real} is no file`)
  )
}

function whyOthersMayWrite(path: string, real: string): string | undefined {
  for (const one of new Set([...ancestry(path), ...ancestry(real)])) {
    const stats = lstatSync(one)
    if (stats.uid !== 0) return `${one} does not belong to root`
    if (stats.isSymbolicLink()) continue
    if ((stats.mode & 0o002) !== 0) return `${one} is writable by everybody`
    // Of root's group as well: these bits are also the mask of access lists.
    if ((stats.mode & 0o020) !== 0) return `${one} is writable by its group`
  }
  return undefined
}

/**
 * The folders a program may look for its helpers in: the system's, and those below /usr/local after them where root alone may write
 * there. Joined for PATH.
 */
export function trustedPath(
  local: readonly string[] = ['/usr/local/sbin', '/usr/local/bin'],
): string {
  const trusted = local.filter((folder) => {
    try {
      return whyOthersMayWrite(folder, realpathSync(folder)) === undefined
    } catch {
      return false // not there
    }
  })
  return [systemPath, ...trusted].join(':')
}

function ancestry(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...ancestry(above)]
}

/**
 * Starts a program with fixed arguments, without a shell, with hardly any environment, as nobody when we are root, and
 * gives back what it printed; ends it at either limit. Rejects only where the system lets us start nothing at all.
 */
export function ask(
  path: string,
  argv: readonly string[],
  { milliseconds, bytes }: AskLimits,
): Promise<Answer> {
  return new Promise((resolve) => {
    const asRoot = process.getuid?.() === 0
    const child = spawn(path, argv, {
      cwd: '/',
      env: plainEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(asRoot ? { uid: nobody, gid: nobody } : {}),
    })
    const pieces: Buffer[] = []
    let total = 0
    const end = (code: number | undefined, fault: string, isLate = false) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // A grandchild may hold the other ends open.
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({ text: Buffer.concat(pieces).toString('utf8'), code, fault, isLate })
    }
    const late = () => end(undefined, `no answer within ${milliseconds / 1000} s`, true)
    const timer = setTimeout(late, milliseconds)
    const keep = (piece: Buffer) => {
      total += piece.length
      if (total > bytes) end(undefined, `over ${bytes / 1024} KiB of output`)
      else pieces.push(piece)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    child.on('error', (error) => end(undefined, error.message))
    child.on('close', (code, signal) => {
      end(code ?? undefined, code === null ? `ended by ${signal}` : '')
    })
  })
}
