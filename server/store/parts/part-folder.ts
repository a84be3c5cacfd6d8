import { readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Millis } from '../../clock.ts'
import { BytesError } from '../bytes.ts'
import type { Disk } from '../disk.ts'
import type { StoreLogger } from '../log.ts'
import type { ColumnSources } from './column-read.ts'
import { DirectoryCache } from './directories.ts'
import type { MergeTask } from './merge.ts'
import { type MergePlan, planMerge } from './merge-plan.ts'
import { openPart, type Part } from './part.ts'
import type { PartSource } from './part-source.ts'
import { PartWorker } from './part-worker-client.ts'
import { QuickFiles } from './quick-files.ts'

/** Unpacked directories kept in memory. */
const directoryBytes = 24 * 1024 * 1024

export interface PartFolderOptions {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
}

/** The sealed files of a store. */
export class PartFolder {
  private readonly options: PartFolderOptions
  private readonly worker = new PartWorker()
  private readonly files = new QuickFiles()
  private parts: readonly Part[] = []
  private nextNumber = 1
  /** The last of the tasks that write, one at a time. */
  private writing: Promise<unknown> = Promise.resolve()
  /** Files with damage that stopped a merge. */
  private readonly unmergeable = new Set<Part>()
  private holds = 0
  private heldBack: (() => void)[] = []
  private stopped = false
  /** Files and columns found damaged since the start. */
  damaged = 0
  /** Told of each file that goes because of its age. */
  readonly agedOut: ((part: Part) => void)[] = []
  /** What reads of these files stand on. */
  readonly sources: ColumnSources

  constructor(options: PartFolderOptions) {
    this.options = options
    this.sources = {
      files: this.files,
      directories: new DirectoryCache(directoryBytes),
      gapBytes: 32 * 1024,
      damaged: (part, error) => this.reportDamage(part.path, error),
    }
  }

  /** By ascending order: of equal (series, time) the entry of the later file wins. */
  get all(): readonly Part[] {
    return this.parts
  }

  get bytes(): number {
    return this.parts.reduce((sum, part) => sum + part.bytes, 0)
  }

  /** Order of the newest sealed generation; 0 when there is none. */
  get newestOrder(): number {
    return this.parts.at(-1)?.order ?? 0
  }

  /** Time of the first entry; Infinity when there is none. */
  get minTime(): Millis {
    return this.parts.reduce((least, part) => Math.min(least, part.minTime), Infinity)
  }

  /** Time of the last entry; -Infinity when there is none. */
  get maxTime(): Millis {
    return this.parts.reduce((most, part) => Math.max(most, part.maxTime), -Infinity)
  }

  /** Files with entries in [start, end], by ascending order. */
  overlapping(start: Millis, end: Millis): readonly Part[] {
    return this.parts.filter((part) => part.minTime <= end && part.maxTime >= start)
  }

  /** Reads the ends of all files; sets damaged files aside, removes unfinished ones. */
  async open(): Promise<void> {
    const { folder, disk } = this.options
    const opened: Part[] = []
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      if (name.endsWith('.tmp')) await unlink(path)
      const number = /^\d+-(\d+)\.part/.exec(name)?.[1]
      if (number === undefined) continue
      // A file set aside keeps its number taken.
      this.nextNumber = Math.max(this.nextNumber, Number(number) + 1)
      if (!name.endsWith('.part')) continue
      const part = await this.openOrSetAside(path)
      if (part) opened.push(part)
    }
    this.replace([], opened)
    await disk.syncFolder(folder)
  }

  private async openFile(path: string): Promise<Part> {
    const { files } = this
    const bytes = await files.size(path)
    return openPart(path, { bytes, read: (offset, length) => files.read(path, offset, length) })
  }

  private async openOrSetAside(path: string): Promise<Part | undefined> {
    try {
      return await this.openFile(path)
    } catch (error) {
      if (!(error instanceof BytesError)) throw error
      this.damaged++
      this.files.forget(path)
      await rename(path, `${path}.damaged`)
      this.options.logger.error(
        { err: error, path },
        'sealed file is damaged and set aside as .damaged; its samples cannot be read',
      )
      return undefined
    }
  }

  private replace(old: readonly Part[], fresh: readonly Part[]): void {
    this.parts = [...this.parts.filter((part) => !old.includes(part)), ...fresh].sort(
      (a, b) => a.order - b.order || a.number - b.number,
    )
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.writing.then(task)
    this.writing = done.catch(() => undefined)
    return done
  }

  private newPath(order: number): string {
    const name = `${String(order).padStart(8, '0')}-${this.nextNumber++}.part`
    return join(this.options.folder, name)
  }

  /**
   * Writes a frozen generation to a file of its own; the file counts, and is durable, when this resolves. Undefined when the
   * generation holds no entry. Rejects when the disk refuses; nothing is left behind then.
   */
  seal(source: PartSource): Promise<Part | undefined> {
    return this.inTurn(async () => {
      const path = this.newPath(source.order)
      const [part] = await this.write([path], async ([unfinished]) =>
        (await this.worker.seal(source, unfinished!)) ? [path] : [],
      )
      return part
    })
  }

  /** Writes files under names of their own, then gives those that count their right ones, durably. */
  private async write(
    paths: readonly string[],
    writeFiles: (unfinished: readonly string[]) => Promise<readonly string[]>,
    old: readonly Part[] = [],
  ): Promise<Part[]> {
    const { folder, disk } = this.options
    const unfinished = paths.map((path) => `${path}.tmp`)
    const renamed: string[] = []
    try {
      for (const path of await writeFiles(unfinished)) {
        await rename(`${path}.tmp`, path)
        renamed.push(path)
      }
      await disk.syncFolder(folder)
      const parts = await Promise.all(renamed.map((path) => this.openFile(path)))
      this.replace(old, parts)
      return parts
    } catch (error) {
      for (const path of renamed) await unlink(path).catch(() => undefined)
      throw error
    } finally {
      for (const path of unfinished) await unlink(path).catch(() => undefined)
    }
  }

  /** Merges what has become due by `now`; resolves to the number of merges. Rejects when the disk refuses; nothing is lost. */
  mergeDue(now: Millis): Promise<number> {
    return this.mergeWhile({ now, all: false })
  }

  /** Merges everything into one file a day. */
  async compact(): Promise<void> {
    await this.mergeWhile({ now: Infinity, all: true })
  }

  private async mergeWhile(due: { readonly now: Millis; readonly all: boolean }): Promise<number> {
    for (let merges = 0; ; merges++) {
      // Sealing gets its turn between two merges.
      const merged = await this.inTurn(async () => {
        const plan = this.stopped ? undefined : planMerge(this.parts, due, this.unmergeable)
        if (plan) await this.merge(plan)
        return plan !== undefined
      })
      if (!merged) return merges
    }
  }

  private async merge(plan: MergePlan): Promise<void> {
    const task = this.taskOf(plan)
    const files = [...task.outputs, ...task.rests]
    const unfinished = <T extends { readonly path: string }>(file: T): T => ({
      ...file,
      path: `${file.path}.tmp`,
    })
    const paths = files.map(({ path }) => path)
    try {
      await this.write(
        paths,
        async () => {
          await this.worker.merge({
            inputs: task.inputs,
            outputs: task.outputs.map(unfinished),
            rests: task.rests.map(unfinished),
          })
          return paths
        },
        plan.inputs,
      )
    } catch (error) {
      if (!(error instanceof BytesError)) throw error
      for (const part of plan.inputs) this.unmergeable.add(part)
      this.reportDamage(plan.inputs.map(({ path }) => path).join(', '), error)
      return
    }
    await this.remove(plan.inputs)
  }

  private taskOf({ inputs, outputs }: MergePlan): MergeTask {
    const merged = new Set(outputs.flatMap(({ slots }) => slots))
    return {
      inputs: inputs.map(({ path }) => path),
      outputs: outputs.map((output) => ({ ...output, path: this.newPath(output.order) })),
      rests: inputs.flatMap((part, input) =>
        part.slots.every(({ start }) => merged.has(start))
          ? []
          : [{ input, path: this.newPath(part.order) }],
      ),
    }
  }

  /** Unlinks files whose newest entry is older than `before`; returns how many. */
  removeOlder(before: Millis): Promise<number> {
    return this.inTurn(async () => {
      const old = this.parts.filter((part) => part.maxTime < before)
      this.replace(old, [])
      for (const part of old) for (const hear of this.agedOut) hear(part)
      await this.remove(old)
      return old.length
    })
  }

  /** Unlinks files that are not in the list any more; those that a read or a hold keeps go later. */
  private async remove(parts: readonly Part[]): Promise<void> {
    const now: Promise<void>[] = []
    for (const part of parts) {
      part.removed = true
      this.unmergeable.delete(part)
      const isFree = !part.inUse && this.holds === 0
      const removal = part
        .whenUnused()
        .then(() =>
          this.holds === 0 ? undefined : new Promise<void>((go) => this.heldBack.push(go)),
        )
        .then(() => this.unlink(part.path))
      if (isFree) now.push(removal)
    }
    await Promise.all(now)
    if (now.length > 0) await this.options.disk.syncFolder(this.options.folder)
  }

  private async unlink(path: string): Promise<void> {
    this.files.forget(path)
    try {
      await this.options.disk.unlink(path)
    } catch (error) {
      this.options.logger.warn(
        { err: error, path },
        'sealed file that is not needed any more cannot be removed; remove it by hand',
      )
    }
  }

  /** Keeps every file in place until the returned function is called: for copies. */
  hold(): () => void {
    this.holds++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.holds--
      if (this.holds > 0) return
      const go = this.heldBack
      this.heldBack = []
      for (const one of go) one()
    }
  }

  /** Logs and counts damage met while reading a file. */
  reportDamage(path: string, error: Error): void {
    this.damaged++
    this.options.logger.error(
      { err: error, path },
      'part of a sealed file is damaged and left out; check the disk',
    )
  }

  /** Ends when the present write is done; begins no further one. */
  async close(): Promise<void> {
    this.stopped = true
    await this.writing
    await this.worker.close()
    await this.files.close()
  }
}
