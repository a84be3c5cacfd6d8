import { Worker } from 'node:worker_threads'
import { workerArguments } from '../../worker-arguments.ts'
import { BytesError } from '../bytes.ts'
import type { MergeTask } from './merge.ts'
import type { PartSource } from './part-source.ts'
import type { PartAnswer, PartTask } from './part-worker.ts'

interface Waiting {
  resolve(isFilled: boolean): void
  reject(error: Error): void
}

/** The thread that writes part files; started by its first task, started anew when it died. */
export class PartWorker {
  private worker: Worker | undefined
  private readonly waiting = new Map<number, Waiting>()
  private next = 0

  /** Writes a frozen generation to a new file, durable; false when it holds no entry. */
  seal(source: PartSource, path: string): Promise<boolean> {
    return this.ask((id) => ({ kind: 'seal', id, source, path }))
  }

  /** Rejects with a BytesError when an input is damaged. */
  async merge(task: MergeTask): Promise<void> {
    await this.ask((id) => ({ kind: 'merge', id, task }))
  }

  private ask(taskOf: (id: number) => PartTask): Promise<boolean> {
    const worker = this.worker ?? this.start()
    const id = this.next++
    return new Promise<boolean>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage(taskOf(id))
    })
  }

  private start(): Worker {
    const worker = new Worker(new URL('./part-worker.js', import.meta.url), {
      ...workerArguments(),
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    })
    this.worker = worker
    worker.on('message', (answer: PartAnswer) => this.answered(worker, answer))
    worker.on('error', (error) =>
      this.died(worker, error instanceof Error ? error : new Error(String(error))),
    )
    worker.on('exit', (code) =>
      this.died(worker, new Error(`the thread that writes part files ended with ${code}`)),
    )
    return worker
  }

  private answered(worker: Worker, { id, isFilled, error }: PartAnswer): void {
    const asked = this.waiting.get(id)
    this.waiting.delete(id)
    if (this.waiting.size === 0) worker.unref()
    if (!error) asked?.resolve(isFilled)
    else if (error.isDamage) asked?.reject(new BytesError(error.message))
    else asked?.reject(Object.assign(new Error(error.message), { code: error.code }))
  }

  private died(worker: Worker, error: Error): void {
    if (this.worker !== worker) return
    this.worker = undefined
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    for (const { reject } of waiting) reject(error)
  }

  /** Ends the thread when its tasks are done. */
  async close(): Promise<void> {
    const { worker } = this
    if (!worker) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.ref()
    worker.postMessage({ kind: 'close' } satisfies PartTask)
    await ended
  }
}
