import type { FastifyInstance } from 'fastify'
import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Clock, Millis } from '../clock.ts'
import type { HostFigure } from '../inventory/plugin.ts'
import type { Records } from '../records/records.ts'
import type { ChangeContent, ChangeWindow } from './change.ts'
import { contentOf } from './change-store.ts'
import { namesHost } from './matching.ts'

/** An approved window of planned work. */
export interface Maintenance extends ChangeWindow, Pick<ChangeContent, 'hosts' | 'title'> {
  readonly number: number
}

/** Versions a host was seen to have changed, one finding. */
export interface VersionsSeen {
  readonly instance: string
  readonly count: number
  readonly isCovered: boolean
}

/** Windows that begin later are not shown yet, in milliseconds. */
const aheadMillis = 31 * 86_400_000
/** How long a change of versions is told after it was seen, in milliseconds. */
const toldMillis = 10 * 60_000
const windowsMax = 200
const findingsMax = 1_000
const windowsOfHost = 20
const titleLength = 120

/** How often all hosts are looked at; a change of a host's versions is shown at once. */
const everyMillis = 30_000

/** The next approved windows, and those that are open; standing records approve no time in particular and are left out. */
export async function readMaintenance(
  { read }: Pick<Records, 'read'>,
  now: Millis,
): Promise<readonly Maintenance[]> {
  const rows = await read
    .selectFrom('changes')
    .select(['number', 'content', 'starts_at', 'ends_at'])
    .where('state', '=', 'approved')
    .where('ends_at', '>', now)
    .where('starts_at', '<=', now + aheadMillis)
    .orderBy('starts_at')
    .limit(2 * windowsMax)
    .execute()
  return rows
    .map((row) => ({ ...row, content: contentOf(row) }))
    .filter(({ content }) => content.standing === undefined)
    .slice(0, windowsMax)
    .map(({ number, content: { title, hosts }, starts_at: from, ends_at: to }) => ({
      ...{ number: Number(number), title, hosts },
      ...{ startsAt: Number(from), endsAt: Number(to) },
    }))
}

/** What was seen to change shortly before now, the newest first. */
export async function readVersionsSeen(
  { read }: Pick<Records, 'read'>,
  now: Millis,
): Promise<readonly VersionsSeen[]> {
  const rows = await read
    .selectFrom('version_changes')
    .select(['instance', 'items', 'omitted', 'state'])
    .where('detected_at', '>', now - toldMillis)
    .where('detected_at', '<=', now)
    .orderBy('number', 'desc')
    .limit(findingsMax)
    .execute()
  return rows.map(({ instance, items, omitted, state }) => ({
    ...{ instance, isCovered: state !== 'open' },
    count: (JSON.parse(items) as unknown[]).length + Number(omitted),
  }))
}

/** What boards show of one host's planned work and changed versions: two series a window, 20 windows, and two of versions. */
export function figuresOf(
  host: HostLabels,
  windows: readonly Maintenance[],
  seen: readonly VersionsSeen[],
  now: Millis,
): HostFigure[] {
  const ofHost = windows.filter(({ hosts }) => namesHost(hosts, host)).slice(0, windowsOfHost)
  const figures = ofHost.flatMap(({ number, title, startsAt }): HostFigure[] => {
    const labels = { window: String(number), title: title.slice(0, titleLength) }
    const value = startsAt / 1000
    return [
      { name: 'callward_maintenance_start_timestamp_seconds', labels, value },
      ...(startsAt <= now ? [{ name: 'callward_maintenance_active', labels, value: 1 }] : []),
    ]
  })
  for (const covered of ['yes', 'no']) {
    const found = seen.filter(
      ({ instance, isCovered }) => instance === host.instance && isCovered === (covered === 'yes'),
    )
    if (found.length === 0) continue
    const value = found.reduce((sum, { count }) => sum + count, 0)
    figures.push({ name: 'callward_versions_changed', labels: { covered }, value })
  }
  return figures
}

/** Keeps the figures of every host as the records say. */
export class ShownOnBoards {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  #timer: NodeJS.Timeout | undefined

  constructor(app: FastifyInstance, clock: Clock) {
    this.#app = app
    this.#clock = clock
  }

  /** Of one host, or of all. Rejects when the records cannot be read. */
  async show(instance?: string): Promise<void> {
    const { records, inventory } = this.#app
    const now = this.#clock.now()
    const windows = await readMaintenance(records, now)
    const seen = await readVersionsSeen(records, now)
    const host = instance === undefined ? undefined : inventory.host(instance)
    const hosts = instance === undefined ? inventory.hosts() : host === undefined ? [] : [host]
    for (const { labels } of hosts) {
      inventory.showFigures(labels.instance, 'planned work', figuresOf(labels, windows, seen, now))
    }
  }

  async start(): Promise<void> {
    await this.show().catch((err: unknown) =>
      this.#app.log.warn({ err }, 'planned work is not shown on the boards'),
    )
    this.#timer = setTimeout(() => void this.start(), everyMillis)
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
