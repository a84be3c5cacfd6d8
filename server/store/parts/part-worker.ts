import { parentPort } from 'node:worker_threads'
import { BytesError } from '../bytes.ts'
import { systemCode } from '../disk.ts'
import { type MergeTask, mergeParts } from './merge.ts'
import type { PartSource } from './part-source.ts'
import { writeGeneration } from './seal.ts'

/** What the worker is asked; `id` comes back with the answer. */
export type PartTask =
  | {
      readonly kind: 'seal'
      readonly id: number
      readonly path: string
      readonly source: PartSource
    }
  | { readonly kind: 'merge'; readonly id: number; readonly task: MergeTask }
  | { readonly kind: 'close' }

export interface PartAnswer {
  readonly id: number
  /** False when a generation held no entry. */
  readonly isFilled: boolean
  readonly error?: {
    readonly message: string
    readonly code: string | undefined
    /** The bytes of an input are damaged. */
    readonly isDamage: boolean
  }
}

const port = parentPort!

async function run(task: Exclude<PartTask, { kind: 'close' }>): Promise<boolean> {
  if (task.kind === 'seal') return writeGeneration(task.path, task.source)
  await mergeParts(task.task)
  return true
}

port.on('message', async (task: PartTask) => {
  if (task.kind === 'close') {
    port.close()
    return
  }
  const { id } = task
  try {
    port.postMessage({ id, isFilled: await run(task) } satisfies PartAnswer)
  } catch (error) {
    port.postMessage({
      id,
      isFilled: false,
      error: {
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
        code: systemCode(error),
        isDamage: error instanceof BytesError,
      },
    } satisfies PartAnswer)
  }
})
