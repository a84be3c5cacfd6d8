import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { StringDecoder } from 'node:string_decoder'
import { trustedPath, whyNotTrusted } from '../trusted-program.ts'
import { BackupError, fileTrouble, troubleOf } from './trouble.ts'

const outputCharactersLimit = 16 * 1024 * 1024
const saidCharactersLimit = 8192
const endedAfterMilliseconds = 5000

/** Fixed, so that a tool is never one that somebody's environment put first. */
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where a tool is, if root alone could have put it there: it gets passwords and what was backed up. Throws BackupError. */
export function trusted(program: string): string {
  if (program.startsWith('/')) return program
  const path = searchPath
    .split(':')
    .map((folder) => `${folder}/${program}`)
    .find((one) => existsSync(one))
  if (path === undefined)
    throw new BackupError('toolMissing', `${program} is not installed on this host`)
  if (whyNotTrusted(path) === undefined) return path
  throw new BackupError(
    'refused',
    `${program} was not started: others than root may write to it or to a folder above it`,
  )
}

export interface ToolCall {
  /** A name on the system's search path, or an absolute path. */
  readonly program: string
  readonly argv: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Where it works; a drill's own folder in a drill, so that what is left of it can be found. */
  readonly folder?: string
  readonly limitMilliseconds: number
  readonly signal?: AbortSignal | undefined
  /** Exit codes that are no failure; 0 unless said. */
  readonly goodCodes?: readonly number[]
  /** Called for every line instead of keeping the output. */
  readonly onLine?: (line: string) => void
  /** Whether what it has said so far shows that it cannot succeed: it is ended then, as failed. */
  readonly isHopeless?: (said: string) => boolean
  /** Never shown. */
  readonly secrets?: readonly string[]
  /** Given as standard input. */
  readonly input?: number
}

export interface ToolAnswer {
  readonly code: number
  readonly output: string
  readonly said: string
}

/**
 * Runs a tool with an environment of its own, never with credentials on the command line. Throws BackupError: not there, too
 * slow, stopped, more than 16 MiB of output, or an exit code that is not good.
 */
export function runTool(call: ToolCall): Promise<ToolAnswer> {
  const { program, argv, environment, folder, signal } = call
  const name = program.split('/').at(-1) ?? program
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(stopped())
    const child = spawn(trusted(program), [...argv], {
      env: { ...baseEnvironment(), ...environment },
      stdio: [call.input ?? 'ignore', 'pipe', 'pipe'],
      ...(folder === undefined ? {} : { cwd: folder }),
    })
    let output = ''
    let said = ''
    let ending: BackupError | undefined
    const end = (reason: BackupError) => {
      ending ??= reason
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), endedAfterMilliseconds).unref()
    }
    const late = new BackupError(
      'late',
      `${name} gave no answer within ${call.limitMilliseconds / 1000} s`,
    )
    const timer = setTimeout(() => end(late), call.limitMilliseconds)
    const stop = () => end(stopped())
    signal?.addEventListener('abort', stop)
    const lines = linesTo(call.onLine)
    const decoder = new StringDecoder('utf8')
    child.stdout!.on('data', (chunk: Buffer) => {
      if (lines !== undefined) return lines(decoder.write(chunk))
      output += decoder.write(chunk)
      if (output.length > outputCharactersLimit)
        end(new BackupError('failed', `${name} printed more than 16 MiB`))
    })
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-saidCharactersLimit)
      if (call.isHopeless?.(said) === true) end(troubleOf(name, 1, hideSecrets(said, call.secrets)))
    })
    child.on('error', (error) => {
      clearTimeout(timer)
      const isMissing = 'code' in error && error.code === 'ENOENT'
      const text = `${name} is not installed on this host`
      reject(isMissing ? new BackupError('toolMissing', text) : fileTrouble(error))
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      const shown = hideSecrets(
        `${said}${lines === undefined && code !== 0 ? output.slice(-2048) : ''}`,
        call.secrets,
      )
      if (ending !== undefined) return reject(ending)
      const good = call.goodCodes ?? [0]
      if (code !== null && good.includes(code)) return resolve({ code, output, said: shown })
      reject(troubleOf(name, code ?? undefined, shown))
    })
  })
}

function stopped(): BackupError {
  return new BackupError('stopped', 'it was stopped')
}

function baseEnvironment(): Record<string, string> {
  // UTC, since borg writes local times without a zone; C, since messages are read.
  return {
    PATH: trustedPath(),
    HOME: userInfo().homedir,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
  }
}

/** Hands on whole lines; a line over 64 KiB is dropped. */
function linesTo(
  onLine: ((line: string) => void) | undefined,
): ((text: string) => void) | undefined {
  if (onLine === undefined) return undefined
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > 65_536) rest = ''
    for (const line of lines) onLine(line)
  }
}

function hideSecrets(text: string, secrets: readonly string[] = []): string {
  return secrets.reduce(
    (all, one) => (one.length < 3 ? all : all.replaceAll(one, '[hidden]')),
    text,
  )
}

/** What a tool gets from the files the configuration names; read at each run, so that a changed password needs no restart. */
export interface Credentials {
  readonly environment: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
}

const fileBytesLimit = 65_536

/** `KEY=VALUE` lines of an environment file and the password in a file. Throws BackupError. */
export function credentialsOf(
  environmentFile: string | undefined,
  passwordFile: string | undefined,
): Credentials & { readonly password: string | undefined } {
  const environment: Record<string, string> = {}
  if (environmentFile !== undefined) {
    for (const line of readSmall(environmentFile, 'environmentFile').split('\n')) {
      const [, key, value] = /^\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line) ?? []
      if (key === undefined || value === undefined || /^(LD_.*|PATH|HOME|TZ)$/.test(key)) continue
      environment[key] = value.trim().replace(/^(["'])(.*)\1$/, '$2')
    }
  }
  const password =
    passwordFile === undefined
      ? undefined
      : readSmall(passwordFile, 'passwordFile').split('\n', 1)[0]?.trimEnd()
  const secrets = [...Object.values(environment), ...(password === undefined ? [] : [password])]
  return { environment, secrets, password }
}

function readSmall(path: string, key: string): string {
  try {
    // It can name programs to run (RESTIC_PASSWORD_COMMAND, BORG_RSH), and may hold a password: nobody else writes it.
    const { uid, mode } = statSync(path)
    const isOurs = uid === 0 || uid === process.getuid?.()
    if (!isOurs || (mode & 0o022) !== 0)
      throw new BackupError(
        'refused',
        `its ${key} was not used: it must belong to root or the collector’s user, and nobody else may write to it`,
      )
    const text = readFileSync(path, 'utf8')
    if (text.length <= fileBytesLimit) return text
  } catch (error) {
    if (error instanceof BackupError) throw error
    const { code } = fileTrouble(error).trouble
    const what = code === 'denied' ? 'may not be read' : 'cannot be read'
    throw new BackupError(
      code === 'denied' ? 'denied' : 'refused',
      `its ${key} ${what} by the collector’s user`,
    )
  }
  throw new BackupError('refused', `its ${key} is over 64 KiB`)
}

/** The JSON a tool printed. Throws BackupError where it is none. */
export function jsonOf(tool: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BackupError('failed', `the answer of ${tool} is not understood`)
  }
}

/** The record, or an empty one for anything else. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The list, or an empty one for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The number, if it is one that is finite and not below zero. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
