import { readdirSync, statSync } from 'node:fs'
import { readKernelFile, stateOfError } from '../source.ts'
import type { Millis } from '../wire/frames.ts'

export const minute: Millis = 60_000
export const hour: Millis = 3_600_000

/** Codes of an attribute that is there but has no value now: link down, sensor asleep, driver without that figure. */
const noValueCodes = new Set(['EINVAL', 'ENODATA', 'EAGAIN', 'ENETDOWN', 'EISDIR'])

/** Whether the kernel offers that file. Asked before a file most hosts lack is read: a failed reading costs five times as much. */
export function isOffered(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The trimmed text of an attribute; undefined where there is no such file or it has no value now. */
export function readAttribute(path: string): string | undefined {
  try {
    return readKernelFile(path).trim()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (noValueCodes.has(code) || stateOfError(error) === 'absent') return undefined
    throw error
  }
}

/** The attribute as a number; undefined where it has no value now or no number. */
export function readNumber(path: string): number | undefined {
  const text = readAttribute(path)
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

/** Names in a folder that match, in the order of their numbers; none where there is no such folder. */
export function listFolder(folder: string, pattern: RegExp, limit = 4096): string[] {
  try {
    const names = readdirSync(folder).filter((name) => pattern.test(name))
    return names.sort((a, b) => trailingNumber(a) - trailingNumber(b)).slice(0, limit)
  } catch (error) {
    if (stateOfError(error) === 'absent') return []
    throw error
  }
}

function trailingNumber(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0)
}

/** What `read` gave or threw, asked again once that is `age` old: what hardly changes is not read in every tick. */
export function atMostEvery<T>(age: Millis, read: (now: Millis) => T): (now: Millis) => T {
  let at = Number.NaN
  let answer: () => T
  return (now) => {
    // The wall clock may step back: an answer from the future is old, too.
    if (!(now >= at && now - at < age)) {
      at = now
      try {
        const value = read(now)
        answer = () => value
      } catch (error) {
        answer = () => {
          throw error
        }
      }
    }
    return answer()
  }
}
