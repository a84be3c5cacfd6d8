import fp from 'fastify-plugin'
import type { Static } from 'typebox'
import type { HostLabels } from '../../collector/wire/frames.ts'
import type { PlannedChange, SeenChange } from '../../incidents/evidence.ts'
import type { Clock, Millis } from '../clock.ts'
import { ChangeStore, contentOf } from './change-store.ts'
import { Comparison, comparedDocuments } from './comparison.ts'
import {
  type PackagesDocument,
  type Reading,
  readPackages,
  readSoftware,
  type SoftwareDocument,
} from './documents.ts'
import { namesHost } from './matching.ts'
import { changeRoutes } from './routes.ts'
import type { VersionChangeView } from './schema.ts'
import { ShownOnBoards } from './shown-on-boards.ts'
import { versionRoutes } from './version-routes.ts'
import { VersionStore } from './version-store.ts'
import { versionViews } from './views.ts'

export type { PackagesDocument, Reading, SoftwareDocument } from './documents.ts'
/** A version change as the API shows it. */
export type VersionChange = Static<typeof VersionChangeView>

/** What a host told of its versions, as far as it can be used. */
export interface HostVersions {
  readonly packages: Reading<PackagesDocument>
  readonly software: Reading<SoftwareDocument>
}

/** Change records, and what changed on hosts with and without them. */
export interface Changes {
  versionsOf(instance: string): Promise<HostVersions>
  /** Version changes of a host that no record covers, the newest first, at most `limit`. */
  openOf(instance: string, limit: number): Promise<VersionChange[]>
  /** Version changes of a host seen since an instant, covered or not, the newest first, at most `limit`. */
  seenSince(instance: string, since: Millis, limit: number): Promise<SeenChange[]>
  /** Records that name the host and whose window lies at least partly in [from, to], the newest first, at most `limit`. */
  recordsNear(
    labels: Readonly<Record<string, string>>,
    from: Millis,
    to: Millis,
    limit: number,
  ): Promise<PlannedChange[]>
  /** Called when a host's documents or open version changes have changed. */
  onChanged(listener: (instance: string) => void): void
}

declare module 'fastify' {
  interface FastifyInstance {
    changes: Changes
  }
}

export interface ChangesOptions {
  readonly clock: Clock
  /** How long after a record's window a change that is seen still counts as in it. */
  readonly graceMinutes?: number
}

const defaultGraceMinutes = 120
/** Records of a period that are looked through for those of one host. */
const lookedThrough = 500

export const changesPlugin = fp(
  async (app, { clock, graceMinutes = defaultGraceMinutes }: ChangesOptions) => {
    const db = app.records.read
    const changes = new ChangeStore(clock, app.ledger)
    const versions = new VersionStore(clock, changes, graceMinutes * 60_000, app.ledger)
    const comparison = new Comparison(app.inventory, versions)
    const boards = new ShownOnBoards(app, clock)
    const listeners: ((instance: string) => void)[] = []

    const show = (instance: string, open: number) =>
      app.inventory.showFigures(instance, 'changes', [
        { name: 'callward_unapproved_changes', value: open },
      ])
    async function changed(instance: string): Promise<void> {
      show(instance, await versions.openCount(db, instance))
      await boards.show(instance)
      for (const listener of listeners) listener(instance)
      app.live.hint('hosts')
    }
    let telling = Promise.resolve()
    // One after the other, so that a later count never gives way to an earlier one.
    const changedSoon = (instance: string) => {
      telling = telling
        .then(() => changed(instance))
        .catch((err: unknown) => app.log.warn({ err, instance }, 'version changes not shown'))
    }

    app.inventory.watchDocuments({
      async within(tx, document) {
        if (!comparedDocuments.includes(document.name)) return
        const labels = app.inventory.host(document.instance)?.labels
        if (labels !== undefined) await comparison.take(tx, document, labels)
      },
      stored(document) {
        if (comparedDocuments.includes(document.name)) changedSoon(document.instance)
      },
    })
    app.decorate('changes', {
      async versionsOf(instance) {
        const [packages, software] = await Promise.all(
          comparedDocuments.map((name) => app.inventory.document(instance, name)),
        )
        return { packages: readPackages(packages?.text), software: readSoftware(software?.text) }
      },
      async openOf(instance, limit) {
        const rows = await db
          .selectFrom('version_changes')
          .selectAll()
          .where('instance', '=', instance)
          .where('state', '=', 'open')
          .orderBy('number', 'desc')
          .limit(limit)
          .execute()
        return versionViews(db, rows)
      },
      async seenSince(instance, since, limit) {
        const rows = await db
          .selectFrom('version_changes')
          .selectAll()
          .where('instance', '=', instance)
          .where('detected_at', '>=', since)
          .orderBy('number', 'desc')
          .limit(limit)
          .execute()
        return rows.map((row) => ({
          ...{ number: Number(row.number), at: Number(row.detected_at), state: row.state },
          // As `Comparison` wrote them.
          items: JSON.parse(row.items) as SeenChange['items'],
          omitted: Number(row.omitted),
        }))
      },
      async recordsNear(labels, from, to, limit) {
        const rows = await db
          .selectFrom('changes')
          .selectAll()
          .where('ends_at', '>=', from)
          .where('starts_at', '<=', to)
          .orderBy('number', 'desc')
          .limit(lookedThrough)
          .execute()
        return rows
          .map((row) => ({ row, content: contentOf(row) }))
          .filter(({ content }) => namesHost(content.hosts, labels as unknown as HostLabels))
          .slice(0, limit)
          .map(({ row, content }) => ({
            ...{ number: Number(row.number), title: content.title, state: row.state },
            ...{ startsAt: Number(row.starts_at), endsAt: Number(row.ends_at) },
          }))
      },
      onChanged: (listener) => void listeners.push(listener),
    })
    await app.register(changeRoutes, { clock, changes })
    await app.register(versionRoutes, { changes, versions, onLinked: changedSoon })
    app.addHook('preClose', async () => boards.stop())
    app.addHook('onReady', async () => {
      await boards.start()
      for (const [instance, open] of await versions.openCounts(db)) show(instance, open)
    })
  },
  {
    name: 'callward-changes',
    dependencies: [
      'callward-records',
      'callward-ledger',
      'callward-access',
      'callward-live',
      'callward-inventory',
    ],
  },
)
