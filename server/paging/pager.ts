import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageRow } from '../records/schema.ts'
import { openAsksOf } from './ask-store.ts'
import { type Duties, escalationKind, oweStep, oweTelling, tellingKind } from './escalation-duty.ts'
import { ledgerJoined, ledgerOpened } from './ledgered.ts'
import { oweMore, saysMore } from './more.ts'
import { groupKeyOf, laneOf, titleOfAll, whyNotPaged } from './page.ts'
import {
  addStep,
  hasOpenAlerts,
  insertPage,
  joinAlerts,
  openPageOf,
  pageOf,
  pagesOfAlert,
  resolveAlert,
  writeEscalation,
} from './paging-store.ts'
import { endTelling, hasTaken, namedBy, toldByWay, waitingTellings } from './telling-store.ts'

/** Alerts that are told together. */
export interface PageWord {
  /** The page that is open under this name takes them; at most one is. */
  readonly groupKey: string
  /** The worst first. */
  readonly alerts: readonly AlertView[]
  /** Id of the policy of a new page; absent: the alert's label, the configuration, everybody. */
  readonly policy?: string | undefined
}

/** Takes changes of alerts into pages, inside the caller's transaction. */
export class Pager {
  readonly #duties: Duties

  constructor(duties: Duties) {
    this.#duties = duties
  }

  /** Gives the page the alert belongs to, if any. */
  async take(
    tx: RecordsTransaction,
    change: AlertChange,
    incidentId: string | undefined,
  ): Promise<PageRow | undefined> {
    switch (change.kind) {
      case 'firing':
        return this.fired(tx, change.alert, incidentId)
      case 'acknowledged':
        return this.#acknowledged(tx, change)
      case 'resolved':
        return this.ended(tx, change.alert.id, change.at)
    }
  }

  /** Opens a page for an alert, or joins it to the one its group has, whatever routing says. */
  async fired(
    tx: RecordsTransaction,
    alert: AlertView,
    incidentId: string | undefined,
  ): Promise<PageRow | undefined> {
    // What pages nobody neither keeps a page open nor takes it.
    if (whyNotPaged(alert.severity) !== undefined) return undefined
    return this.tell(tx, { groupKey: groupKeyOf(alert, incidentId), alerts: [alert] })
  }

  /**
   * Opens a page for alerts, or joins them to the one their group has: whom it named is told of them, and asked again
   * when somebody has taken it without them.
   */
  async tell(tx: RecordsTransaction, word: PageWord): Promise<PageRow | undefined> {
    const now = this.#duties.clock.now()
    const [first] = word.alerts
    if (first === undefined) return undefined
    const current = await openPageOf(tx, word.groupKey)
    if (current === undefined) return this.#open(tx, word, first, now)
    const joined = await joinAlerts(tx, current.id, idsOf(word.alerts), now)
    const alert = word.alerts.find(({ id }) => joined.has(id))
    if (alert === undefined) return current
    const ids = [...joined]
    await ledgerJoined(this.#duties.ports, tx, current.id, ids, now)
    await addStep(this.#duties.ports, tx, current.id, now, 'joined', {
      alert: alert.rule,
      id: alert.id,
      ...counted(joined.size),
    })
    await this.tellMore(tx, current, alert.id)
    return current
  }

  /** Something came to an open page: whom it named is told of it, and asked again where somebody took it without that. */
  async tellMore(tx: RecordsTransaction, page: PageRow, joinedId: string): Promise<void> {
    if (page.state === 'acknowledged') await this.#askAgain(tx, page, joinedId)
    else await oweMore(this.#duties, tx, page, joinedId)
  }

  /** Tells those again whom a page named, while nobody has taken it; opens it anew where it is gone. */
  async remind(tx: RecordsTransaction, word: PageWord, key: string): Promise<void> {
    const page = await openPageOf(tx, word.groupKey)
    if (page === undefined) {
      await this.tell(tx, word)
      return
    }
    if (page.state !== 'open') return
    const now = this.#duties.clock.now()
    await addStep(this.#duties.ports, tx, page.id, now, 'reminded', { key })
    for (const { recipient_kind, recipient_id, name } of await namedBy(tx, page.id)) {
      const kind = recipient_kind === 'contact' ? 'contact' : 'person'
      await oweTelling(this.#duties, tx, page, {
        key: `${page.id}/${key}/${kind}:${recipient_id}`,
        kind: 'page',
        place: 'reminder',
        recipient: { kind, id: recipient_id, name },
      })
    }
  }

  /** An alert goes on as another life: its pages stay open for that one. */
  async continued(tx: RecordsTransaction, before: string, after: string, at: Millis) {
    for (const { id } of await pagesOfAlert(tx, before)) {
      const joined = await joinAlerts(tx, id, [after], at)
      await ledgerJoined(this.#duties.ports, tx, id, [...joined], at)
      await resolveAlert(tx, id, before, at)
    }
  }

  /** Whoever took the page has not seen what joined it: the acknowledgement ends now. */
  async #askAgain(tx: RecordsTransaction, page: PageRow, joinedId: string): Promise<void> {
    const { obligations, clock } = this.#duties
    const now = clock.now()
    await writeEscalation(tx, page.id, { ...pageOf(page).escalation, dueAt: now })
    await obligations.close(tx, escalationKind, page.id, 'more joined it')
    await oweStep(this.#duties, tx, page, `joined/${joinedId}`, now)
  }

  async #open(
    tx: RecordsTransaction,
    { groupKey, alerts, policy: name }: PageWord,
    alert: AlertView,
    now: Millis,
  ): Promise<PageRow> {
    const { ports, escalation } = this.#duties
    const policy = await ports.policy(tx, alert.labels, name)
    const page = await insertPage(
      tx,
      {
        groupKey,
        lane: laneOf(alert),
        title: titleOfAll(alerts),
        severity: alert.severity,
        policy,
        escalation: escalation.triggered(now),
      },
      now,
    )
    await joinAlerts(tx, page.id, idsOf(alerts), now)
    await ledgerOpened(ports, tx, 'paging.opened', page, idsOf(alerts))
    await addStep(ports, tx, page.id, now, 'opened', {
      alert: alert.rule,
      id: alert.id,
      ...counted(alerts.length),
      policy: policy.name,
      revision: policy.revision,
    })
    await oweStep(this.#duties, tx, page, 'opened', now)
    return page
  }

  async #acknowledged(
    tx: RecordsTransaction,
    { alert, at, by }: AlertChange,
  ): Promise<PageRow | undefined> {
    const rows = await pagesOfAlert(tx, alert.id)
    for (const row of rows) await this.acknowledge(tx, row, by ?? 'somebody', at)
    return rows[0]
  }

  /** Somebody takes an open page: nobody else is told of it, until that is too old. */
  async acknowledge(tx: RecordsTransaction, row: PageRow, by: string, at: Millis): Promise<void> {
    if (row.state !== 'open') return
    const { obligations, escalation, clock, ports } = this.#duties
    const { policy, escalation: before } = pageOf(row)
    const state = escalation.acknowledge(policy, before, by, at)
    await writeEscalation(tx, row.id, state, {
      state: 'acknowledged',
      acknowledged_at: at,
      acknowledged_by: by,
    })
    await addStep(ports, tx, row.id, clock.now(), 'acknowledged', { by })
    const number = Number(row.number)
    await ports.ledger(tx, 'paging.acknowledged', row.id, by, at, { number })
    await obligations.close(tx, escalationKind, row.id, `acknowledged by ${by}`)
    await this.#endTellings(tx, row.id, `${by} has taken the page`, true)
    if (state.dueAt !== null)
      await oweStep(this.#duties, tx, row, `acknowledged/${state.generation}/${at}`, state.dueAt)
  }

  /** An alert is over; a page that asks for nothing more is closed, and whom a way told of it is told that. */
  async ended(tx: RecordsTransaction, alertId: string, at: Millis): Promise<PageRow | undefined> {
    const rows = await pagesOfAlert(tx, alertId)
    for (const row of rows) await this.#endedOn(tx, row, alertId, at)
    return rows[0]
  }

  async #endedOn(tx: RecordsTransaction, row: PageRow, alertId: string, at: Millis): Promise<void> {
    const isNews = await resolveAlert(tx, row.id, alertId, at)
    if (await hasOpenAlerts(tx, row.id)) return
    const [ask] = await openAsksOf(tx, row.id)
    if (ask !== undefined) {
      const { ports, clock } = this.#duties
      const about = { ask: ask.name, title: ask.title }
      if (isNews) await addStep(ports, tx, row.id, clock.now(), 'alerts over', about)
      return
    }
    await this.close(tx, row, at, 'every alert of it has resolved')
  }

  /** What a page asked for is over: it climbs no further, and whom a way told of it is told that. */
  async close(tx: RecordsTransaction, row: PageRow, at: Millis, reason: string): Promise<void> {
    const { obligations, escalation, clock, ports } = this.#duties
    const now = clock.now()
    const state = escalation.resolve(pageOf(row).escalation)
    await writeEscalation(tx, row.id, state, { state: 'closed', closed_at: now })
    await addStep(ports, tx, row.id, now, 'closed', { reason })
    await ports.ledger(tx, 'paging.closed', row.id, 'hub', at, { number: Number(row.number) })
    await obligations.close(tx, escalationKind, row.id, 'resolved')
    await this.#endTellings(tx, row.id, 'it resolved before this way was used')
    for (const { recipient_kind, recipient_id, name } of await toldByWay(tx, row.id)) {
      const kind = recipient_kind === 'contact' ? 'contact' : 'person'
      const recipient = { kind, id: recipient_id, name } as const
      await oweTelling(this.#duties, tx, row, {
        key: escalation.messageKey(row.id, 'resolved', recipient),
        kind: 'resolved',
        place: 'resolved',
        recipient,
      })
    }
  }

  /** `keepMore`: of what joined, whoever took the page may not have heard; that is said all the same. */
  async #endTellings(
    tx: RecordsTransaction,
    pageId: string,
    reason: string,
    keepMore = false,
  ): Promise<void> {
    const { obligations, clock, ports } = this.#duties
    for (const telling of await waitingTellings(tx, pageId)) {
      const { id } = telling
      if (keepMore && saysMore(telling) && !(await hasTaken(tx, id))) continue
      await endTelling(ports, tx, telling, 'over', reason, clock.now())
      await obligations.close(tx, tellingKind, id, reason)
    }
  }
}

function idsOf(alerts: readonly AlertView[]): string[] {
  return alerts.map(({ id }) => id)
}

function counted(alerts: number): { alerts?: number } {
  return alerts > 1 ? { alerts } : {}
}
