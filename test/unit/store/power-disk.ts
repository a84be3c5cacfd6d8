import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { join } from 'node:path'
import { type AppendFile, type Disk, realDisk } from '../../../server/store/disk.ts'

/**
 * The real disk, which remembers what of it would outlive a power cut: bytes up to the last fdatasync of their file, and names as they
 * stood at the last sync of their folder. Files that others write (sealed files) count as whole: they are synced before their rename.
 */
export class PowerDisk implements Disk {
  /** Called before and after each fdatasync of a journal segment. */
  onBoundary: () => Promise<void> = async () => undefined
  readonly space = realDisk.space
  private readonly root: string
  /** Second names of every file that a durable name may still stand for, by inode. */
  private readonly shadow: string
  private readonly synced = new Map<number, number>()
  private readonly names = new Map<string, ReadonlyMap<string, number>>()

  constructor(root: string, shadow: string) {
    this.root = root
    this.shadow = shadow
  }

  create(path: string): Promise<AppendFile> {
    return this.opened(path, realDisk.create, true)
  }

  append(path: string): Promise<AppendFile> {
    return this.opened(path, realDisk.append, false)
  }

  private async opened(path: string, open: Disk['create'], isNew: boolean): Promise<AppendFile> {
    const file = await open(path)
    const { ino, size } = statSync(path)
    if (isNew) this.synced.set(ino, 0)
    let written = isNew ? 0 : size
    return {
      async write(bytes) {
        await file.write(bytes)
        written += bytes.length
      },
      sync: async () => {
        const isSegment = path.endsWith('.wal')
        if (isSegment) await this.onBoundary()
        const reached = written
        await file.sync()
        this.synced.set(ino, reached)
        if (isSegment) await this.onBoundary()
      },
      close: () => file.close(),
    }
  }

  async truncate(path: string, lengthBytes: number): Promise<void> {
    await realDisk.truncate(path, lengthBytes)
    this.synced.set(statSync(path).ino, lengthBytes)
  }

  unlink(path: string): Promise<void> {
    return realDisk.unlink(path)
  }

  async syncFolder(folder: string): Promise<void> {
    await realDisk.syncFolder(folder)
    const durable = new Map<string, number>()
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isFile() || entry.name.startsWith('lock')) continue
      const path = join(folder, entry.name)
      const { ino } = statSync(path)
      durable.set(entry.name, ino)
      const second = join(this.shadow, String(ino))
      if (!existsSync(second)) linkSync(path, second)
    }
    this.names.set(folder, durable)
  }

  /**
   * Lays down in `target` what a power cut now would leave: the durable names, with their durable bytes and `luck` (0 to 1) of those
   * that were only written.
   */
  cut(target: string, luck: number): void {
    for (const folder of ['', 'journal', 'parts']) {
      mkdirSync(join(target, folder), { recursive: true })
      const durable = this.names.get(join(this.root, folder)) ?? new Map<string, number>()
      for (const [name, ino] of durable) {
        const path = join(target, folder, name)
        copyFileSync(join(this.shadow, String(ino)), path)
        const known = this.synced.get(ino)
        if (known === undefined) continue
        const { size } = statSync(path)
        if (size > known) truncateSync(path, known + Math.floor((size - known) * luck))
      }
    }
    // Written by the opening itself, before anything else.
    copyFileSync(join(this.root, 'format'), join(target, 'format'))
  }
}
