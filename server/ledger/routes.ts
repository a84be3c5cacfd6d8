import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal, RouteAccess } from '../people/plugin.ts'
import type { LedgerEpochRow } from '../records/schema.ts'
import { bundleRoutes } from './bundle-routes.ts'
import { verifierKeyText } from './checkpoint.ts'
import type { LedgerLog } from './ledger-log.ts'
import { type Database, entriesFrom, lastCheckpoint, type StoredEntry } from './ledger-store.ts'
import type { LedgerInside } from './plugin.ts'
import {
  CheckpointList,
  CheckpointQuery,
  ConsistencyProof,
  ConsistencyQuery,
  InclusionProof,
  IndexParams,
  type LedgerEntryView,
  LedgerPage,
  LedgerQuery,
  LedgerStatus,
  ProofQuery,
} from './schema.ts'
import { treeLeaves } from './tree-leaves.ts'
import { cosignatureLines } from './witness-store.ts'

const readers: RouteAccess = { owner: 'ledger', roles: ['admin', 'auditor'] }
/** An account's reading is written down once in this time. */
const readMillis = 60_000
const readersRemembered = 10_000
const epochsShown = 100
const statusPath = '/api/v1/ledger/status'

/** Reading the ledger: entries, checkpoints, proofs. Registered after the gate, which needs the ledger itself. */
export const ledgerRoutes: FastifyPluginAsyncTypebox<{
  clock: Clock
  /** Folder of attached files, for bundles. */
  attachments: string
}> = async (app, { clock, attachments }) => {
  // Its own plugin made the decorator.
  const ledger = app.ledger as LedgerInside
  app.addHook('preHandler', readingNotes(app, clock, ledger))
  await app.register(entryRoutes, { ledger })
  await app.register(checkpointRoutes, { ledger })
  await app.register(proofRoutes, { ledger })
  await app.register(bundleRoutes, { ledger, clock, attachments })
}

type Inside = FastifyPluginAsyncTypebox<{ ledger: LedgerInside }>

const entryRoutes: Inside = async (app, { ledger: { log } }) => {
  const { read } = app.records

  app.get(
    '/api/v1/ledger',
    {
      config: { access: readers },
      schema: { querystring: LedgerQuery, response: { 200: LedgerPage } },
    },
    async (request) => {
      const { from = 0, limit, objectType, objectId, epoch: number } = request.query
      if (objectId !== undefined && objectType === undefined)
        throw new CallwardError('bad_request', 'objectId goes with objectType, such as incident.')
      const epoch = await epochOf(log, read, number)
      const first = epoch.first_number
      const object = objectType === undefined ? undefined : { type: objectType, id: objectId }
      const below = first + epoch.size
      const rows = await entriesFrom(read, { from: first + from, below, limit, object })
      const entries = await withTreeLeaves(read, epoch, rows)
      const last = rows.at(-1)
      const next = last === undefined || rows.length < limit ? null : last.number + 1 - first
      return { origin: epoch.origin, size: epoch.size, entries, next }
    },
  )
}

const checkpointRoutes: Inside = async (app, { ledger: { log, sequencer } }) => {
  const { read } = app.records

  app.get(
    statusPath,
    { config: { access: readers }, schema: { response: { 200: LedgerStatus } } },
    async () => {
      const epoch = await log.epoch()
      const [last, keys, epochs] = await Promise.all([
        lastCheckpoint(read, epoch.number),
        read.selectFrom('ledger_keys').select('public_key').orderBy('added_at').execute(),
        read
          .selectFrom('ledger_epochs')
          .selectAll()
          .orderBy('number', 'desc')
          .limit(epochsShown)
          .execute(),
      ])
      const keyTexts = keys.map(({ public_key }) =>
        verifierKeyText(epoch.origin, Buffer.from(public_key, 'base64')),
      )
      return {
        origin: epoch.origin,
        epoch: epoch.number,
        openedAt: rfc3339(epoch.opened_at),
        size: epoch.size,
        waitingSeconds: sequencer.waitingSeconds,
        inconsistency: sequencer.inconsistency ?? null,
        lastCheckpoint:
          last === undefined
            ? null
            : { size: last.size, root: last.root, signedAt: rfc3339(last.signed_at) },
        verifierKeys: keyTexts,
        epochs: epochs.map(({ number, origin, size, opened_at }) => ({
          number,
          origin,
          size,
          openedAt: rfc3339(opened_at),
        })),
      }
    },
  )

  app.get(
    '/api/v1/ledger/checkpoint',
    { config: { access: readers }, schema: { summary: 'The newest checkpoint, signed now.' } },
    async (_request, reply) => {
      const made = await sequencer.checkpoint()
      if (made.kind === 'inconsistent')
        throw new CallwardError('conflict', `No checkpoint is signed: ${made.reason}`)
      const { number } = await log.epoch()
      const lines = await cosignatureLines(read, number, [made.size])
      const note = `${made.note}${lines.get(made.size) ?? ''}`
      return reply.type('text/plain; charset=utf-8').send(note)
    },
  )

  app.get(
    '/api/v1/ledger/checkpoints',
    {
      config: { access: readers },
      schema: { querystring: CheckpointQuery, response: { 200: CheckpointList } },
    },
    async (request) => {
      const { epoch: number, after, limit } = request.query
      const epoch = await epochOf(log, read, number)
      const checkpoints = await read
        .selectFrom('ledger_checkpoints')
        .select(['size', 'note'])
        .where('epoch', '=', epoch.number)
        .where('size', '>', after)
        .orderBy('size')
        .limit(limit)
        .execute()
      const next = checkpoints.length < limit ? null : checkpoints.at(-1)!.size
      const sizes = checkpoints.map(({ size }) => size)
      const lines = await cosignatureLines(read, epoch.number, sizes)
      return {
        checkpoints: checkpoints.map(({ size, note }) => ({
          size,
          note: `${note}${lines.get(size) ?? ''}`,
        })),
        next,
      }
    },
  )
}

const proofRoutes: Inside = async (app, { ledger: { log } }) => {
  const { read } = app.records

  app.get(
    '/api/v1/ledger/entries/:index/proof',
    {
      config: { access: readers },
      schema: { params: IndexParams, querystring: ProofQuery, response: { 200: InclusionProof } },
    },
    async (request) => {
      const { index } = request.params
      const epoch = await log.epoch()
      const size = request.query.size ?? epoch.size
      const proof = await log.inclusionProof(index, size)
      const from = epoch.first_number + index
      const [row] = await entriesFrom(read, { from, below: from + 1, limit: 1 })
      if (row === undefined)
        throw new CallwardError('not_found', `Entry ${index} is gone from the records.`)
      return {
        origin: epoch.origin,
        index,
        size,
        leaf: row.leaf,
        entry: row.entry,
        proof: base64(proof),
        root: (await log.rootAt(size)).toString('base64'),
      }
    },
  )

  app.get(
    '/api/v1/ledger/consistency',
    {
      config: { access: readers },
      schema: { querystring: ConsistencyQuery, response: { 200: ConsistencyProof } },
    },
    async (request) => {
      const epoch = await log.epoch()
      const { from, to = epoch.size } = request.query
      const proof = await log.consistencyProof(from, to)
      const [fromRoot, toRoot] = await Promise.all([log.rootAt(from), log.rootAt(to)])
      const roots = {
        fromRoot: fromRoot.toString('base64'),
        toRoot: toRoot.toString('base64'),
      }
      return { origin: epoch.origin, from, to, proof: base64(proof), ...roots }
    },
  )
}

/** The log of that number, or the current one. Throws not_found. */
async function epochOf(
  log: LedgerLog,
  read: Database,
  number: number | undefined,
): Promise<LedgerEpochRow> {
  if (number === undefined) return log.epoch()
  const query = read.selectFrom('ledger_epochs').selectAll().where('number', '=', number)
  const row = await query.executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', `The ledger has no log ${number}.`)
  return row
}

async function withTreeLeaves(
  read: Database,
  epoch: LedgerEpochRow,
  rows: readonly StoredEntry[],
): Promise<Static<typeof LedgerEntryView>[]> {
  const leafAt = treeLeaves(read, epoch.number)
  return Promise.all(
    rows.map(async ({ number, entry, leaf, opening }) => ({
      index: number - epoch.first_number,
      entry,
      leaf,
      treeLeaf: await leafAt(number - epoch.first_number),
      opening: opening === null ? null : (JSON.parse(opening) as Record<string, unknown>),
    })),
  )
}

/** Reading is written down before it is answered. */
function readingNotes(
  app: Parameters<typeof ledgerRoutes>[0],
  clock: Clock,
  ledger: LedgerInside,
): (request: FastifyRequest) => Promise<void> {
  const notedAt = new Map<string, number>()
  return async (request) => {
    // The status shows no entry, and is asked for when nothing can be written.
    if (request.routeOptions.url === statusPath) return
    const { id, name, role } = request.principal as Principal
    const now = clock.monotonic()
    if (now - (notedAt.get(id) ?? Number.NEGATIVE_INFINITY) < readMillis) return
    if (notedAt.size >= readersRemembered) notedAt.clear()
    const { origin } = await ledger.log.epoch()
    await app.records.write((tx) =>
      ledger.append(tx, {
        action: 'ledger.read',
        object: { type: 'ledger', id: origin },
        actor: name,
        occurredAt: clock.now(),
        content: { role, path: request.routeOptions.url ?? '' },
      }),
    )
    notedAt.set(id, now)
  }
}

function base64(hashes: readonly Buffer[]): string[] {
  return hashes.map((hash) => hash.toString('base64'))
}
