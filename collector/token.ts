import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { SessionLogger } from './session.ts'

const pollMilliseconds = 1000
const remindEvery = 60

/** Gives the token; waits for its file where it does not exist yet, since the hub writes it at its first start. */
export function tokenReader(
  token: string | undefined,
  file: string,
  logger: SessionLogger,
  stop: AbortSignal,
): () => Promise<string> {
  if (token !== undefined) return async () => token
  return async () => {
    for (let attempt = 0; ; attempt++) {
      const text = await readToken(file, attempt % remindEvery === 0 ? logger : undefined)
      if (text !== undefined) return text
      await wait(pollMilliseconds, undefined, { signal: stop })
    }
  }
}

async function readToken(
  file: string,
  logger: SessionLogger | undefined,
): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    if (text !== '') return text
    logger?.warn({ file }, 'the token file is empty: waiting for the token')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const waiting =
      code === 'ENOENT'
        ? 'waiting for the token file: the hub writes it at its first start; for a hub elsewhere copy it here or set CALLWARD_TOKEN'
        : 'the token file cannot be read: give the collector’s user read permission, or set CALLWARD_TOKEN'
    logger?.warn({ file, code }, waiting)
  }
  return undefined
}
