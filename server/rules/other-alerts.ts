import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { AlertOutbox, OutboxBatch } from './alert-outbox.ts'
import { rowOf } from './alert-store.ts'

/** Keeps alerts that no rule of the hub raises: they live by what others post. */
export interface AlertSource {
  active(): readonly AlertView[]
  find(fingerprint: string): AlertView | undefined
  /** The stamp of an acknowledgement; nothing when that life has ended. */
  acknowledged(id: string, fingerprint: string, by: string, at: Millis): void
  /** An active alert as the records hold it, before the first evaluation; false when it is not one of these. */
  restore(alert: AlertView): boolean
  /** A rule raises this label set from now on: forgets the posted life and gives its end. */
  giveWay(fingerprint: string, at: Millis): AlertView | undefined
}

/** What posts changed; written whole or not at all. */
export interface Posts {
  readonly at: Millis
  /** Alerts whose row is new or different. */
  readonly alerts: readonly AlertView[]
  readonly changes: readonly AlertChange[]
  /** Rows that belong to these alerts. */
  readonly also?: (tx: RecordsTransaction, ids: ReadonlySet<string>) => Promise<void>
  readonly onWritten?: () => void
}

/** The way of posted alerts to the records and the people, the same as that of the rules' alerts. */
export interface AlertIntake {
  /** Whether a rule's alert has these labels. */
  raisedByRule(fingerprint: string): boolean
  /** Changes the records do not hold yet. */
  readonly waiting: number
  /** Resolves with whether it is durable; what is not is tried again all the same, and `onWritten` tells. */
  put(posts: Posts): Promise<boolean>
}

export function batchOfPosts({ at, alerts, changes, also, onWritten }: Posts): OutboxBatch {
  return {
    writes: alerts.map((view) => ({ kind: 'save', row: rowOf(view, undefined, at) })),
    changes,
    ...(also === undefined ? {} : { also }),
    ...(onWritten === undefined ? {} : { onWritten }),
  }
}

/** A label set has one life at a time: ends the posted ones that a rule now raises, before its own begin. */
export function makeRoom(
  source: AlertSource | undefined,
  outbox: AlertOutbox,
  { writes }: OutboxBatch,
  at: Millis,
): void {
  if (source === undefined) return
  for (const write of writes) {
    // One that is only pending tells nobody yet: the posted one goes on meanwhile.
    if (write.kind !== 'save' || write.row.state !== 'firing') continue
    const ended = source.giveWay(write.row.fingerprint, at)
    if (ended === undefined) continue
    outbox.add(
      batchOfPosts({ at, alerts: [ended], changes: [{ kind: 'resolved', alert: ended, at }] }),
    )
  }
}
