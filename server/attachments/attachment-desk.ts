import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { limits } from './attachment.ts'
import type { AttachmentFiles, Written } from './attachment-files.ts'
import type { Attachment, AttachmentStore } from './attachment-store.ts'

/** What comes with a file. */
export interface Upload {
  readonly incidentId: string
  readonly name: string
  readonly mediaType: string
  readonly by: string
  readonly body: AsyncIterable<Uint8Array>
  /** Bytes that were announced. */
  readonly expectedBytes: number | undefined
  readonly expectedSha256?: string | undefined
}

export interface DeskOptions {
  readonly records: Records
  readonly store: AttachmentStore
  readonly files: AttachmentFiles
  /** In the transaction that attaches. */
  readonly attached: (
    tx: Parameters<AttachmentStore['add']>[0],
    attachment: Attachment,
  ) => Promise<void>
}

/** Files and their records together: a record has its file, a file that no record names is taken away. */
export class AttachmentDesk {
  readonly #options: DeskOptions
  /** Naming and removing of files one after the other: the same content may come while it is erased. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** The answer means durable. Throws CallwardError; then nothing is left behind. */
  async attach(upload: Upload): Promise<Attachment> {
    const { records, store, files } = this.#options
    const { incidentId, expectedBytes, expectedSha256, body } = upload
    await store.checkRoom(records.read, incidentId, expectedBytes ?? 0)
    const written = await files.receive(store.newId(), body, limits.fileBytes, expectedBytes)
    if (expectedSha256 !== undefined && expectedSha256 !== written.sha256) {
      await files.drop(written.id)
      throw new CallwardError(
        'bad_request',
        `The file came with the SHA-256 ${written.sha256}, you said ${expectedSha256}: send it again.`,
      )
    }
    return this.#inTurn(() => this.#record(upload, written))
  }

  async #record(
    { incidentId, name, mediaType, by }: Upload,
    written: Written,
  ): Promise<Attachment> {
    const { records, store, files, attached } = this.#options
    const { id, bytes, sha256 } = written
    try {
      await files.settle(written)
      const attachment = await records.write(async (tx) => {
        const file = { id, incidentId, name, mediaType, bytes, sha256, addedBy: by }
        const added = await store.add(tx, file)
        await attached(tx, added)
        return added
      })
      await files.drop(id)
      return attachment
    } catch (error) {
      // Where the records cannot even be read the half stays, and the next start looks.
      await this.#removeUnneeded(sha256).then(
        () => files.drop(id),
        () => undefined,
      )
      throw error
    }
  }

  /** Removes the files of erased attachments; after the commit of the erasure, and at a start. */
  removeErased(): Promise<number> {
    return this.#inTurn(async () => {
      const { records, store } = this.#options
      const leaving = await store.leaving(records.read)
      for (const sha256 of leaving) {
        await this.#removeUnneeded(sha256)
        await records.write((tx) => store.hasLeft(tx, sha256))
      }
      return leaving.length
    })
  }

  /** Takes away what uploads of an earlier process left; gives how many. Before anything is attached. */
  async sweep(): Promise<number> {
    const { records, store, files } = this.#options
    const halves = await files.halves()
    for (const id of halves) {
      if (!(await store.isKnown(records.read, id)))
        await this.#removeUnneeded(await files.hashOfHalf(id))
      await files.drop(id)
    }
    return halves.length
  }

  async #removeUnneeded(sha256: string): Promise<void> {
    const { records, store, files } = this.#options
    if (!(await store.isNeeded(records.read, sha256))) await files.remove(sha256)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }
}
