import type { Kysely } from 'kysely'
import type { Static } from 'typebox'
import { type Millis, rfc3339 } from '../clock.ts'
import type {
  ChangeEntryRow,
  ChangeRow,
  RecordsSchema,
  VersionChangeRow,
} from '../records/schema.ts'
import { type ChangeState, shownState } from './change.ts'
import { type ChangePlan, contentOf } from './change-store.ts'
import type { ChangeDetail, ChangeView, EntryView, VersionChangeView } from './schema.ts'

type Version = Static<typeof VersionChangeView>

/** Items of one version change in a list; `omitted` counts the others. */
const itemsInLists = 100

export function changeView(row: ChangeRow, now: Millis): Static<typeof ChangeView> {
  const { title, description, hosts, expected, standing } = contentOf(row)
  const window = { startsAt: row.starts_at, endsAt: row.ends_at }
  return {
    id: row.id,
    number: row.number,
    title,
    description,
    hosts: [...hosts],
    window: { start: rfc3339(row.starts_at), end: rfc3339(row.ends_at) },
    expected: [...expected],
    standing: (standing ?? null) as Static<typeof ChangeView>['standing'], // the body's schema checked it
    state: shownState(row.state as ChangeState, window, now),
    requestedBy: row.requested_by,
    requestedAt: rfc3339(row.requested_at),
    approvedBy: row.approved_by,
    approvedAt: row.approved_at === null ? null : rfc3339(row.approved_at),
    updatedAt: rfc3339(row.updated_at),
  }
}

export function entryView(row: ChangeEntryRow): Static<typeof EntryView> {
  return {
    id: row.id,
    sequence: row.sequence,
    kind: row.kind,
    value: shownValue(JSON.parse(row.value) as Record<string, unknown>),
    recordedAt: rfc3339(row.recorded_at),
    recordedBy: row.recorded_by,
    supersedes: row.supersedes,
  }
}

/** A plan as it was sent: with its window as times. */
function shownValue(value: Record<string, unknown>): Record<string, unknown> {
  if (typeof value['startsAt'] !== 'number') return value
  const { startsAt, endsAt, ...rest } = value as unknown as ChangePlan // the store wrote it
  return { ...rest, window: { start: rfc3339(startsAt), end: rfc3339(endsAt) } }
}

/** The newest verification of what the record says now. */
export function verificationOf(
  entries: readonly ChangeEntryRow[],
): Static<typeof ChangeDetail>['change']['verification'] {
  const row = entries.findLast(({ kind }) => kind === 'verified' || kind === 'corrected')
  if (row?.kind !== 'verified') return null
  const { result, note } = JSON.parse(row.value) as { result: 'ok' | 'failed'; note: string }
  return { by: row.recorded_by, at: rfc3339(row.recorded_at), result, note }
}

/** What lists and details show of version changes; one query for all their links. */
export async function versionViews(
  db: Kysely<RecordsSchema>,
  rows: readonly VersionChangeRow[],
  maxItems = itemsInLists,
): Promise<Version[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const links = await db
    .selectFrom('version_change_links')
    .innerJoin('changes', 'changes.id', 'version_change_links.change_id')
    .select(['version_change_id', 'change_id', 'changes.number', 'content', 'kind', 'reason'])
    .select(['linked_at', 'linked_by'])
    .where('version_change_id', 'in', ids)
    .orderBy('linked_at')
    .execute()
  return rows.map((row) => {
    const items = JSON.parse(row.items) as Version['items']
    const shown = items.slice(0, maxItems)
    return {
      id: row.id,
      number: row.number,
      instance: row.instance,
      document: row.document,
      detectedAt: rfc3339(row.detected_at),
      state: row.state as Version['state'],
      items: shown,
      omitted: row.omitted + items.length - shown.length,
      uncovered: row.uncovered,
      links: links
        .filter(({ version_change_id }) => version_change_id === row.id)
        .map((link) => ({
          change: { id: link.change_id, number: link.number, title: contentOf(link).title },
          kind: link.kind as 'matched' | 'linked',
          reason: link.reason,
          at: rfc3339(link.linked_at),
          by: link.linked_by,
        })),
    }
  })
}
