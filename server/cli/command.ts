import type { ReadStream, WriteStream } from 'node:tty'
import type { ParseArgsConfig } from 'node:util'
import type { Hub } from './hub.ts'

/** What a command may touch of the process it runs in. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: ReadStream
  readonly stdout: WriteStream
  readonly stderr: WriteStream
}

/** One call of a command, its options parsed. */
export interface Call {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
  readonly terminal: Terminal
  /** The hub the common options name. Throws CommandError without a token. */
  hub(): Hub
  /** Writes one line to standard output. */
  say(line: string): void
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows the name in the usage line. */
  readonly usage: string
  /** Paragraphs and examples for `--help`. */
  readonly help: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** Most and fewest positional arguments. */
  readonly positionals: readonly [fewest: number, most: number]
  /** Exit code; failures are thrown. */
  run(call: Call): Promise<number>
}

/** It was called wrongly: exit code 2, with the usage line. */
export class UsageError extends Error {}

/** It could not be done: exit code 1; the message says what to do next. */
export class CommandError extends Error {}

/** Text of an option, undefined when not given. */
export function textOption(call: Call, name: string): string | undefined {
  const value = call.values[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Prints JSON for programs. */
export function sayJson(call: Call, value: unknown): void {
  call.say(JSON.stringify(value, undefined, 2))
}
