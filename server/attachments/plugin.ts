import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import type { Clock, Millis } from '../clock.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../live/plugin.ts'
import type {} from '../records/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type {} from '../telemetry/plugin.ts'
import { AttachmentDesk, type MadeFile } from './attachment-desk.ts'
import { AttachmentFiles } from './attachment-files.ts'
import { type Attachment, AttachmentStore } from './attachment-store.ts'
import { fileRoutes, uploadRoutes } from './routes.ts'

export type { MadeFile } from './attachment-desk.ts'
export type { Attachment } from './attachment-store.ts'

/** Files of incidents, kept by their SHA-256. */
export interface Attachments {
  /** Called in the transaction that attaches what somebody sent; what it throws refuses the file. Before the hub listens. */
  onAttached(work: (tx: RecordsTransaction, attachment: Attachment) => Promise<void>): void
  /**
   * Attaches files of the hub's own making, all of them or none, in this order; `told` says in their transaction what they are. The answer means durable.
   * Throws not_found, unprocessable over the limits, storage_unavailable.
   */
  attach(
    incidentId: string,
    by: string,
    files: readonly MadeFile[],
    told: (tx: RecordsTransaction, attachments: readonly Attachment[]) => Promise<void>,
  ): Promise<readonly Attachment[]>
  /** A file's bytes, proven by its hash; undefined when it was erased. Throws not_found, conflict when the disk has another. */
  read(incidentId: string, id: string): Promise<Buffer | undefined>
  /** Erases name and hash in the caller's transaction; gives the attachment as it was. Throws not_found, conflict. Then `erased`. */
  erase(tx: RecordsTransaction, incidentId: string, id: string, at: Millis): Promise<Attachment>
  /** After the commit: removes the files that no attachment names any more. */
  erased(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    attachments: Attachments
  }
}

export interface AttachmentsOptions {
  readonly clock: Clock
  /** Folder of the files, its alone; made when missing. */
  readonly folder: string
}

/** Where the hub keeps attached files. */
export function attachmentsFolder(data: string): string {
  return join(data, 'hub', 'attachments')
}

export const attachmentsPlugin = fp(
  async (app, { clock, folder }: AttachmentsOptions) => {
    const { records } = app
    const store = new AttachmentStore(clock, app.ledger)
    const files = await AttachmentFiles.open(folder)
    const works: Parameters<Attachments['onAttached']>[0][] = []
    const desk = new AttachmentDesk({
      ...{ records, store, files },
      async attached(tx, attachments) {
        for (const one of attachments) for (const work of works) await work(tx, one)
      },
    })
    const halves = await desk.sweep()
    const removed = await desk.removeErased()
    if (halves + removed > 0) app.log.info({ halves, removed }, 'attachments tidied')
    app.decorate('attachments', {
      onAttached: (work) => void works.push(work),
      attach: (incidentId, by, made, told) => desk.attachMade(incidentId, by, made, told),
      async read(incidentId, id) {
        const { sha256, bytes } = await store.find(records.read, incidentId, id)
        if (sha256 === '') return undefined
        await files.prove(sha256, bytes)
        return readFile(files.pathOf(sha256))
      },
      erase: (tx, incidentId, id, at) => store.erase(tx, incidentId, id, at),
      async erased() {
        await desk.removeErased()
      },
    })
    const refused = new Counter({
      name: 'callward_attachments_refused_total',
      help: 'Files that were not attached, by reason: limit, busy, disk, bad.',
      labelNames: ['reason'],
      registers: [app.telemetry.registry],
    })
    for (const reason of ['limit', 'busy', 'disk', 'bad']) refused.labels(reason).inc(0)
    await app.register(uploadRoutes, {
      desk,
      refused: (reason) => refused.labels(reason).inc(),
    })
    await app.register(fileRoutes, { store, files })
  },
  {
    name: 'callward-attachments',
    dependencies: ['callward-records', 'callward-ledger', 'callward-access', 'callward-live'],
  },
)
