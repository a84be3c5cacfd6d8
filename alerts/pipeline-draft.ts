import { fingerprint, type Millis } from './alert.ts'
import { dueForNews } from './group.ts'
import type { Decision, PipelineResult } from './pipeline.ts'
import type { PipelineIndex } from './pipeline-index.ts'
import type {
  AlertRow,
  Explanation,
  GroupRow,
  Membership,
  PipelineContext,
  PipelineState,
  SilenceRow,
} from './pipeline-state.ts'
import type { Route } from './routing-config.ts'
import { rowsOf, TableDraft } from './table.ts'

/** What one call of the pipeline writes: rows, what is due, and decisions. */
export class PipelineDraft {
  readonly context: PipelineContext
  readonly index: PipelineIndex
  readonly alerts: TableDraft<AlertRow>
  readonly groups: TableDraft<GroupRow>
  readonly silences: TableDraft<SilenceRow>
  readonly decisions: Decision[] = []

  constructor(state: PipelineState, context: PipelineContext, index: PipelineIndex) {
    this.context = context
    this.index = index
    this.alerts = new TableDraft(state.alerts)
    this.groups = new TableDraft(state.groups)
    this.silences = new TableDraft(state.silences)
  }

  finish(at: Millis): PipelineResult {
    return {
      state: {
        version: 1,
        at,
        alerts: this.alerts.finish(),
        groups: this.groups.finish(),
        silences: this.silences.finish(),
      },
      decisions: this.decisions,
      changes: {
        alerts: this.alerts.changed,
        groups: this.groups.changed,
        silences: this.silences.changed,
      },
      nextAt: this.index.due.first?.at,
    }
  }

  schedule(key: string, firedAt: Millis, at: Millis): void {
    const group = this.groups.get(key)
    if (group === undefined) return
    const due = dueForNews(group, this.routeOf(group), firedAt, at)
    if (group.dueAt === undefined || due < group.dueAt) this.putGroup({ ...group, dueAt: due })
  }

  routeOf(group: GroupRow): Route {
    return this.index.routes.get(group.routeKey) ?? this.context.routing.root
  }

  left(group: string, key: string): void {
    const left = this.index.leave(group, key)
    if (left === 0) this.groups.delete(group)
  }

  fingerprints(): readonly string[] {
    return [...rowsOf(this.alerts.finish())].map((row) => row.fingerprint).sort()
  }

  /** Keeps an explanation, and tells it when it is another than before. */
  explain(key: string, group: string, explanation: Explanation): void {
    const row = this.alerts.get(key)!
    const membership = row.memberships[group]!
    const { stage, because, until } = membership.explanation
    const same = stage === explanation.stage && because === explanation.because
    if (same && until === explanation.until) return
    this.putMembership(row, group, { ...membership, explanation })
    this.hold(row, this.groups.get(group)?.receiver, explanation)
  }

  hold(row: AlertRow, receiver: string | undefined, explanation: Explanation): void {
    const { stage, because, at, until } = explanation
    const said = fingerprint({ receiver: receiver ?? '', because, until: String(until) })
    const key = `${row.alert.id}/${stage}/${at}/${said}`
    this.decisions.push({
      kind: 'hold',
      key,
      at,
      alert: row.alert,
      receiver,
      stage,
      because,
      until,
    })
  }

  putMembership(row: AlertRow, group: string, membership: Membership): void {
    this.put({ ...row, memberships: { ...row.memberships, [group]: membership } })
  }

  put(row: AlertRow): void {
    const before = this.alerts.get(row.fingerprint)
    this.alerts.set(row.fingerprint, row)
    if (before?.wakeAt !== row.wakeAt) this.index.alert(row)
  }

  putGroup(row: GroupRow): void {
    const before = this.groups.get(row.key)
    this.groups.set(row.key, row)
    if (before?.dueAt !== row.dueAt) this.index.group(row)
  }

  /** An alert that is over: its groups are told, and nothing is kept that nobody needs. */
  ending(key: string, justNow: boolean, at: Millis): void {
    const row = this.alerts.get(key)!
    const groups = Object.keys(row.memberships)
    if (justNow) for (const group of groups) this.schedule(group, at, at)
    if (groups.length === 0 && row.wakeAt === undefined) this.alerts.delete(key)
  }
}
