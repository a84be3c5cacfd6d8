import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageRow } from '../records/schema.ts'
import { type Duties, escalationKind, oweStep, oweTelling, tellingKind } from './escalation-duty.ts'
import { groupKeyOf, laneOf, titleOf, whyNotPaged } from './page.ts'
import {
  addStep,
  endTelling,
  insertPage,
  joinAlert,
  openPageOf,
  pageOf,
  pageOfAlert,
  resolveAlert,
  toldByWay,
  waitingTellings,
  writeEscalation,
} from './paging-store.ts'

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
        return this.#resolved(tx, change)
    }
  }

  /** Opens a page for an alert, or joins it to the one its group has. */
  async fired(
    tx: RecordsTransaction,
    alert: AlertView,
    incidentId: string | undefined,
  ): Promise<PageRow | undefined> {
    const now = this.#duties.clock.now()
    const groupKey = groupKeyOf(alert, incidentId)
    // What pages nobody neither keeps a page open nor takes it.
    if (whyNotPaged(alert.severity) !== undefined) return undefined
    const current = await openPageOf(tx, groupKey)
    if (current === undefined) return this.#open(tx, alert, groupKey, now)
    if (!(await joinAlert(tx, current.id, alert.id, now))) return current
    await addStep(tx, current.id, now, 'joined', { alert: alert.rule, id: alert.id })
    if (current.state === 'acknowledged') await this.#askAgain(tx, current, alert.id, now)
    return current
  }

  /** Whoever took the page has not seen this alert: the acknowledgement ends now. */
  async #askAgain(
    tx: RecordsTransaction,
    page: PageRow,
    alertId: string,
    now: Millis,
  ): Promise<void> {
    const { obligations } = this.#duties
    await writeEscalation(tx, page.id, { ...pageOf(page).escalation, dueAt: now })
    await obligations.close(tx, escalationKind, page.id, 'an alert joined')
    await oweStep(this.#duties, tx, page, `joined/${alertId}`, now)
  }

  async #open(
    tx: RecordsTransaction,
    alert: AlertView,
    groupKey: string,
    now: Millis,
  ): Promise<PageRow> {
    const { ports, escalation } = this.#duties
    const policy = await ports.policy(tx, alert.labels)
    const page = await insertPage(
      tx,
      {
        groupKey,
        lane: laneOf(alert),
        title: titleOf(alert),
        severity: alert.severity,
        policy,
        escalation: escalation.triggered(now),
      },
      now,
    )
    await joinAlert(tx, page.id, alert.id, now)
    await addStep(tx, page.id, now, 'opened', {
      alert: alert.rule,
      id: alert.id,
      policy: policy.name,
      revision: policy.revision,
    })
    await oweStep(this.#duties, tx, page, 'opened', now)
    await ports.ledger(tx, 'paging.opened', page.id, 'hub', now, {
      number: page.number,
      alert: alert.id,
      policy: policy.policyId,
      revision: policy.revision,
    })
    return page
  }

  async #acknowledged(
    tx: RecordsTransaction,
    { alert, at, by }: AlertChange,
  ): Promise<PageRow | undefined> {
    const row = await pageOfAlert(tx, alert.id)
    if (row !== undefined) await this.acknowledge(tx, row, by ?? 'somebody', at)
    return row
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
    await addStep(tx, row.id, clock.now(), 'acknowledged', { by })
    const number = Number(row.number)
    await ports.ledger(tx, 'paging.acknowledged', row.id, by, at, { number })
    await obligations.close(tx, escalationKind, row.id, `acknowledged by ${by}`)
    await this.#endTellings(tx, row.id, `${by} has taken the page`)
    if (state.dueAt !== null)
      await oweStep(this.#duties, tx, row, `acknowledged/${state.generation}/${at}`, state.dueAt)
  }

  async #resolved(
    tx: RecordsTransaction,
    { alert, at }: AlertChange,
  ): Promise<PageRow | undefined> {
    const row = await pageOfAlert(tx, alert.id)
    if (row === undefined) return undefined
    const { obligations, escalation, clock, ports } = this.#duties
    if ((await resolveAlert(tx, row.id, alert.id, at)) > 0) return row
    const now = clock.now()
    const state = escalation.resolve(pageOf(row).escalation)
    await writeEscalation(tx, row.id, state, { state: 'closed', closed_at: now })
    await addStep(tx, row.id, now, 'closed', { reason: 'every alert of it has resolved' })
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
    return row
  }

  async #endTellings(tx: RecordsTransaction, pageId: string, reason: string): Promise<void> {
    const { obligations, clock } = this.#duties
    for (const { id } of await waitingTellings(tx, pageId)) {
      await endTelling(tx, id, 'over', reason, clock.now())
      await obligations.close(tx, tellingKind, id, reason)
    }
  }
}
