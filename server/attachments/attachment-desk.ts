import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { limits } from './attachment.ts'
import type { AttachmentFiles, Written } from './attachment-files.ts'
import type { Attachment, AttachmentStore } from './attachment-store.ts'

type Attached = (
  tx: Parameters<AttachmentStore['add']>[0],
  attachments: readonly Attachment[],
) => Promise<void>

/** A file of the hub's own making. */
export interface MadeFile {
  readonly name: string
  readonly mediaType: string
  readonly content: Uint8Array
}

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
  /** In the transaction that attaches what somebody sent. */
  readonly attached: Attached
}

/** A whole file that has no record yet. */
interface Received {
  readonly upload: Upload
  readonly written: Written
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
    const one = [{ upload, written }]
    const [attachment] = await this.#inTurn(() => this.#record(one, this.#options.attached))
    return attachment!
  }

  /** Files of the hub's own making, all of them or none, in this order; `attached` says in their transaction what they are. Throws CallwardError. */
  async attachMade(
    incidentId: string,
    by: string,
    made: readonly MadeFile[],
    attached: Attached,
  ): Promise<readonly Attachment[]> {
    const { records, store, files } = this.#options
    await store.checkRoom(records.read, incidentId, bytesOf(made))
    const received: Received[] = []
    try {
      for (const { content, ...rest } of made) {
        const body = (async function* () {
          yield content
        })()
        const expectedBytes = content.length
        const written = await files.receive(store.newId(), body, limits.fileBytes, expectedBytes)
        received.push({ upload: { ...rest, incidentId, by, body, expectedBytes }, written })
      }
    } catch (error) {
      for (const { written } of received) await files.drop(written.id)
      throw error
    }
    return this.#inTurn(() => this.#record(received, attached))
  }

  async #record(received: readonly Received[], attached: Attached): Promise<Attachment[]> {
    const { records, store, files } = this.#options
    try {
      for (const { written } of received) await files.settle(written)
      const attachments = await records.write(async (tx) => {
        const added: Attachment[] = []
        for (const { upload, written } of received) {
          const { incidentId, name, mediaType, by } = upload
          const file = { ...written, incidentId, name, mediaType, addedBy: by }
          added.push(await store.add(tx, file))
        }
        await attached(tx, added)
        return added
      })
      for (const { written } of received) await files.drop(written.id)
      return attachments
    } catch (error) {
      // Where the records cannot even be read the half stays, and the next start looks.
      for (const { written } of received)
        await this.#removeUnneeded(written.sha256).then(
          () => files.drop(written.id),
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

function bytesOf(made: readonly MadeFile[]): number {
  return made.reduce((sum, { content }) => sum + content.length, 0)
}
