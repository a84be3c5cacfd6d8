import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { stateOfError } from '../source.ts'
import type { SectionState } from '../wire/frames.ts'

/** What the check says of a collector's spool: looks only, and may run beside the collector. */
export function inspectSpool(collectorFolder: string): {
  state: SectionState
  files: number
  detail: string
} {
  const folder = join(collectorFolder, 'spool')
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.spool'))
    const bytes = names.reduce((sum, name) => sum + sizeOf(join(folder, name)), 0)
    accessSync(folder, constants.W_OK)
    return { state: 'ok', files: names.length, detail: `${bytes} bytes in ${folder}` }
  } catch (error) {
    const state = stateOfError(error)
    const detail = {
      absent: `the first start makes ${folder}`,
      denied: `no permission in ${folder}; give it to the collector's user`,
      error: String(error),
    }[state]
    return { state, files: 0, detail }
  }
}

/** 0 for a file that has just been removed. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
