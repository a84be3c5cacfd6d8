import type { Static } from 'typebox'
import { rfc3339 } from '../clock.ts'
import type {
  OncallDocumentRow,
  OncallHandoverRow,
  OncallHistoryRow,
  OncallOverrideRow,
} from '../records/schema.ts'
import type { Expansion } from './calendar.ts'
import type { Directory } from './directory.ts'
import type { ResolveTarget } from './escalation.ts'
import type { LayerSegment } from './expand.ts'
import { type FinalSegment, gapText } from './final.ts'
import type { HandoverContent } from './handover.ts'
import { policyContent, scheduleContent } from './oncall-store.ts'
import type { Target } from './policy.ts'
import type { Proof } from './proof.ts'
import type {
  ExpansionView,
  HandoverView,
  HistoryList,
  OverrideView,
  PolicyView,
  ReadinessAnswer,
  ScheduleView,
} from './schema.ts'
import { dateOf, midnights } from './zone.ts'

type SegmentView = Static<typeof ExpansionView>['final'][number]

/** A schedule with its people by name. */
export function scheduleView(
  row: OncallDocumentRow,
  people: Directory,
): Static<typeof ScheduleView> {
  const { layers, ...content } = scheduleContent(row)
  return {
    id: row.id,
    revision: row.revision,
    ...content,
    layers: layers.map((layer) => ({
      ...layer,
      endsOn: layer.endsOn ?? null,
      participants: layer.participants.map((id) => people.view(id)),
      windows: layer.windows.map((window) => ({ ...window, days: [...window.days] })),
    })),
    updatedAt: rfc3339(row.updated_at),
  }
}

/** Layers and final schedule, with the midnights they are drawn between. */
export function expansionView(
  { layers, final }: Expansion,
  span: { readonly from: number; readonly to: number },
  zone: string,
  people: Directory,
): Static<typeof ExpansionView> {
  return {
    from: rfc3339(span.from),
    to: rfc3339(span.to),
    days: daysOf(span, zone),
    layers: layers.map(({ name, segments }) => ({
      name,
      segments: segments.map((segment) => layerSegment(segment, name, people)),
    })),
    final: final.map((segment) => finalSegment(segment, people)),
  }
}

function daysOf({ from, to }: { readonly from: number; readonly to: number }, zone: string) {
  const found = midnights(from, to, zone)
  return found.slice(1).map((ends, index) => {
    const begins = found[index]!
    return { date: dateOf(begins, zone), from: rfc3339(begins), to: rfc3339(ends) }
  })
}

function layerSegment(segment: LayerSegment, name: string, people: Directory): SegmentView {
  const span = { from: rfc3339(segment.from), to: rfc3339(segment.to) }
  if (segment.kind === 'gap') return { ...span, ...noPerson, reason: segment.reason }
  const person = people.view(segment.principalId)
  return { ...span, person, layer: name, overrideId: null, reason: '' }
}

const noPerson = { person: null, layer: '', overrideId: null } as const

function finalSegment(segment: FinalSegment, people: Directory): SegmentView {
  const span = { from: rfc3339(segment.from), to: rfc3339(segment.to) }
  if (segment.kind === 'gap') return { ...span, ...noPerson, reason: gapText(segment.reasons) }
  const { layer, overrideId } = segment
  return { ...span, person: people.view(segment.principalId), layer, overrideId, reason: '' }
}

export function overrideView(
  row: OncallOverrideRow,
  people: Directory,
): Static<typeof OverrideView> {
  return {
    id: row.id,
    schedule: row.schedule_id,
    person: people.view(row.principal_id),
    from: rfc3339(row.starts_at),
    to: rfc3339(row.ends_at),
    reason: row.reason,
    createdBy: row.created_by,
    createdAt: rfc3339(row.created_at),
  }
}

/** A policy with whom each target reaches now. */
export function policyView(
  row: OncallDocumentRow,
  people: Directory,
  resolve: ResolveTarget,
): Static<typeof PolicyView> {
  const target = ({ kind, id }: Target) => {
    const { recipients, reason } = resolve({ kind, id })
    const now = recipients.map((one) =>
      one.kind === 'person' ? people.view(one.id).name : `contact ${one.id}`,
    )
    return {
      kind,
      id,
      name: kind === 'person' ? people.view(id).name : id,
      now,
      reason: reason ?? '',
    }
  }
  const { steps, catchAll, ...content } = policyContent(row)
  return {
    id: row.id,
    revision: row.revision,
    ...content,
    steps: steps.map(({ delaySeconds, targets }) => ({
      delaySeconds,
      targets: targets.map(target),
    })),
    catchAll: catchAll.map(target),
    updatedAt: rfc3339(row.updated_at),
  }
}

export function historyView(row: OncallHistoryRow): Static<typeof HistoryList>['history'][number] {
  return {
    sequence: Number(row.sequence),
    type: row.object_type,
    id: row.object_id,
    action: row.action,
    before: row.before === null ? null : JSON.parse(row.before),
    after: row.after === null ? null : JSON.parse(row.after),
    recordedAt: rfc3339(row.recorded_at),
    recordedBy: row.recorded_by,
  }
}

/** Shifts shown of one readiness answer. */
const shiftsShown = 500

/** What is not ready first, then by time. */
export function readinessView(
  proof: Proof,
  people: Directory,
  lastProof: Static<typeof ReadinessAnswer>['proof'],
): Static<typeof ReadinessAnswer> {
  const order = { unready: 0, unknown: 1, ready: 2 } as const
  const shifts = [...proof.shifts].sort(
    (a, b) => order[a.state] - order[b.state] || a.from - b.from,
  )
  return {
    at: rfc3339(proof.at),
    days: proof.days,
    state: proof.state,
    counts: proof.counts,
    shifts: shifts.slice(0, shiftsShown).map((shift) => ({
      schedule: shift.scheduleId,
      from: rfc3339(shift.from),
      to: rfc3339(shift.to),
      person: shift.name ?? shift.principalId,
      state: shift.state,
      reason: shift.reason,
      detail: shift.detail,
    })),
    omitted: Math.max(0, shifts.length - shiftsShown),
    overloads: proof.overloads.slice(0, shiftsShown).map((one) => ({
      kind: one.kind,
      person: people.view(one.principalId).name,
      schedules: [...one.scheduleIds],
      from: rfc3339(one.from),
      to: rfc3339(one.to),
    })),
    proof: lastProof,
  }
}

export function handoverView(
  row: OncallHandoverRow,
  people: Directory,
): Static<typeof HandoverView> {
  const content = JSON.parse(row.content) as HandoverContent // the store wrote it
  const person = (id: string | null) => (id === null ? null : people.view(id))
  return {
    id: row.id,
    schedule: row.schedule_id,
    at: rfc3339(row.handed_at),
    from: person(row.from_principal),
    to: person(row.to_principal),
    alerts: [...content.alerts],
    incidents: [...content.incidents],
    omitted: content.omitted,
    notes: content.notes.map(({ text, by, at }) => ({ text, by, at: rfc3339(at) })),
    acknowledgedAt: row.acknowledged_at === null ? null : rfc3339(row.acknowledged_at),
  }
}
