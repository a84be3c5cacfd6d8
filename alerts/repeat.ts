import type { Millis } from './alert.ts'
import type { AlertRow, GroupRow, Membership } from './pipeline-state.ts'

/** An alert as a member of a group. */
export interface Member {
  readonly row: AlertRow
  readonly membership: Membership
}

/** A group's members as its next notification would see them. */
export interface GroupView {
  /** Firing, and nothing holds them. */
  readonly firing: readonly Member[]
  /** Of those: not told in this life. */
  readonly news: readonly Member[]
  /** Over, and told as firing. */
  readonly endings: readonly Member[]
  /** Told as firing and firing still, though held or gone elsewhere meanwhile. */
  readonly heldButTold: number
}

export type NotifyReason = 'new' | 'more' | 'resolved' | 'some-resolved' | 'repeat'

/** Sorts members; a new life of an alert is news, but not while it flaps. */
export function viewGroup(members: readonly Member[]): GroupView {
  const told = ({ membership }: Member) => membership.told?.state === 'firing'
  const shown = members.filter(({ row }) => row.shown === 'firing')
  const firing = shown.filter(({ row, membership }) => !membership.moved && row.hold === undefined)
  const known = ({ row, membership }: Member) =>
    membership.told?.state === 'firing' &&
    (membership.told.life === row.alert.id || row.flap?.flapping === true)
  return {
    firing,
    news: firing.filter((member) => !known(member)),
    endings: members.filter((member) => member.row.shown === 'resolved' && told(member)),
    heldButTold: shown.filter(
      (member) => told(member) && (member.row.hold !== undefined || member.membership.moved),
    ).length,
  }
}

/**
 * Whether a group is told now, and why: news, then endings (when the receiver wants them), then the same again
 * after `repeat_interval` unless somebody has acknowledged every alert.
 */
export function reasonToNotify(
  group: GroupRow,
  view: GroupView,
  sendResolved: boolean,
  repeatInterval: Millis,
  now: Millis,
): NotifyReason | undefined {
  if (view.news.length > 0) return group.sequence === 0 ? 'new' : 'more'
  if (view.endings.length > 0 && sendResolved)
    return view.firing.length + view.heldButTold === 0 ? 'resolved' : 'some-resolved'
  const at = nextRepeatAt(group, view.firing, repeatInterval)
  return at !== undefined && now >= at ? 'repeat' : undefined
}

/** When the group is told again although nothing changes; undefined when all is acknowledged or over. */
export function nextRepeatAt(
  group: GroupRow,
  firing: readonly Member[],
  repeatInterval: Millis,
): Millis | undefined {
  if (group.notifiedAt === undefined) return undefined
  const open = firing.some(({ row }) => row.alert.acknowledgedAt === undefined)
  return open ? group.notifiedAt + repeatInterval : undefined
}
