import type { Millis } from './alert.ts'
import { firstInside } from './calendar.ts'
import { notificationKey } from './group.ts'
import type { ToldAlert } from './pipeline.ts'
import type { PipelineDraft } from './pipeline-draft.ts'
import type { AlertRow, Explanation, GroupRow, Membership } from './pipeline-state.ts'
import {
  type GroupView,
  type Member,
  type NotifyReason,
  nextRepeatAt,
  reasonToNotify,
  viewGroup,
} from './repeat.ts'
import type { Route } from './routing-config.ts'

/** A group is due: tells it, or explains why not, and works out when to look again. */
export function flushGroup(draft: PipelineDraft, key: string, at: Millis): void {
  const group = draft.groups.get(key)
  if (group === undefined) return
  const members = membersOf(draft, key)
  const view = viewGroup(members)
  const route = draft.routeOf(group)
  const muted = mutedUntil(draft, route, at)
  if (muted !== undefined) {
    for (const { row } of [...view.news, ...view.endings])
      draft.explain(row.fingerprint, key, {
        stage: 'calendar',
        because: muted.because,
        at,
        until: muted.until,
      })
    draft.putGroup({
      ...group,
      dueAt:
        view.news.length + view.endings.length + view.firing.length > 0 ? muted.until : undefined,
    })
    settle(
      draft,
      key,
      members.filter((member) => !view.endings.includes(member)),
      at,
    )
    return
  }
  const sendResolved = draft.context.routing.receivers.get(group.receiver)?.sendResolved ?? true
  const reason = reasonToNotify(group, view, sendResolved, route.repeatInterval, at)
  const told = reason === undefined ? group : notify(draft, group, view, reason, sendResolved, at)
  if (reason === undefined) explainSilentRepeat(draft, key, view, at)
  settle(draft, key, members, at)
  if (draft.index.memberCount(key) === 0) draft.groups.delete(key)
  else draft.putGroup({ ...told, dueAt: nextRepeatAt(told, view.firing, route.repeatInterval) })
}

function membersOf(draft: PipelineDraft, group: string): readonly Member[] {
  return draft.index.membersOf(group).flatMap((key) => {
    const row = draft.alerts.get(key)
    const membership = row?.memberships[group]
    return row === undefined || membership === undefined ? [] : [{ row, membership }]
  })
}

function mutedUntil(
  draft: PipelineDraft,
  route: Route,
  at: Millis,
): { because: string; until: Millis } | undefined {
  const calendars = draft.context.routing.calendars
  const muting = firstInside(calendars, route.muteDuring, at)
  if (muting.name !== undefined)
    return { because: `its route is quiet during ${muting.name}`, until: muting.until }
  if (route.activeDuring.length === 0) return undefined
  const active = firstInside(calendars, route.activeDuring, at)
  if (active.name !== undefined) return undefined
  return {
    because: `its route is quiet outside ${route.activeDuring.join(', ')}`,
    until: active.until,
  }
}

function notify(
  draft: PipelineDraft,
  group: GroupRow,
  view: GroupView,
  reason: NotifyReason,
  sendResolved: boolean,
  at: Millis,
): GroupRow {
  const resolved = sendResolved ? view.endings : []
  const lives = [
    ...view.firing.map(({ row }) => `${row.alert.id}+`),
    ...resolved.map(({ row }) => `${row.alert.id}-`),
  ]
  const key = notificationKey(group, reason, lives)
  draft.decisions.push({
    kind: 'notify',
    key,
    at,
    group: { key: group.key, labels: group.labels },
    receiver: group.receiver,
    reason,
    firing: view.firing.map(toldAlert),
    resolved: resolved.map(toldAlert),
  })
  const explanation: Explanation = {
    stage: 'told',
    because: `${group.receiver} was told (${reason})`,
    at,
  }
  for (const [members, state] of [
    [view.firing, 'firing'],
    [resolved, 'resolved'],
  ] as const)
    for (const { row } of members) {
      const current = draft.alerts.get(row.fingerprint)!
      const told = { life: row.alert.id, state, at, key }
      draft.putMembership(current, group.key, { told, explanation })
    }
  return { ...group, sequence: group.sequence + 1, notifiedAt: at }
}

function explainSilentRepeat(draft: PipelineDraft, key: string, view: GroupView, at: Millis): void {
  for (const { row } of view.firing) {
    const { acknowledgedAt, acknowledgedBy } = row.alert
    if (acknowledgedAt === undefined) continue
    const because = `acknowledged by ${acknowledgedBy ?? 'somebody'}, so it is not repeated`
    draft.explain(row.fingerprint, key, { stage: 'repeat', because, at })
  }
}

/** Takes alerts that are over out of a group. */
function settle(draft: PipelineDraft, group: string, members: readonly Member[], at: Millis): void {
  for (const { row } of members) {
    if (row.shown !== 'resolved') continue
    const current = draft.alerts.get(row.fingerprint)!
    const { [group]: membership, ...memberships } = current.memberships
    if (membership?.told?.state !== 'resolved') explainUntold(draft, current, group, membership, at)
    draft.put({ ...current, memberships })
    draft.left(group, row.fingerprint)
    draft.ending(row.fingerprint, false, at)
  }
}

function explainUntold(
  draft: PipelineDraft,
  row: AlertRow,
  group: string,
  membership: Membership | undefined,
  at: Millis,
): void {
  const receiver = draft.groups.get(group)?.receiver
  const because =
    membership?.told === undefined
      ? 'was over before it had to be told'
      : `is over; ${receiver ?? 'the receiver'} does not want to be told of ends`
  draft.hold(row, receiver, { stage: 'group', because, at })
}

function toldAlert({ row }: Member): ToldAlert {
  const { alert, severity, severityBecause } = row
  return { alert, severity, severityBecause }
}
