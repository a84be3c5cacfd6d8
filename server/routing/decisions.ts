import { type AlertView, fingerprint } from '../../alerts/alert.ts'
import {
  type Decision,
  outdatedRepeats,
  type PipelineResult,
  type ToldAlert,
} from '../../alerts/pipeline.ts'
import type { AlertRow, PipelineState } from '../../alerts/pipeline-state.ts'
import { rowOf } from '../../alerts/table.ts'
import type { LedgerEntry } from '../ledger/plugin.ts'
import type { NoticeTarget, PageWord, Paging } from '../paging/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { ReceiverTarget } from './receivers.ts'
import type { RoutingPlan } from './routing-file.ts'
import { authorOf, type Hold, saveHolds } from './routing-store.ts'

/** What routing needs of paging; tests stand in for it. */
export type Pages = Pick<
  Paging,
  'groupKeyOf' | 'tell' | 'remind' | 'ended' | 'continued' | 'notice' | 'alertChanged'
>

export interface Carrying {
  readonly pages: Pages
  readonly ledger: (tx: RecordsTransaction, entry: LedgerEntry) => Promise<void>
  readonly onDecision: (kind: string) => void
}

type Notify = Extract<Decision, { kind: 'notify' }>
type SilenceDecision = Exclude<Decision, { kind: 'hold' | 'notify' }>

/** One run of the pipeline, as it is carried out. */
export interface Run {
  readonly before: PipelineState
  readonly result: PipelineResult
  readonly plan: RoutingPlan
  /** Incidents of alerts, by alert id, as far as the caller knows them. */
  readonly incidents: ReadonlyMap<string, string>
  /** Who did what follows from, for the ledger; absent: the hub. */
  readonly actor?: string | undefined
}

/** Writes what the pipeline decided: pages, notices, why others were not told, what became of silences. */
export async function carryOut(
  { pages, ledger, onDecision }: Carrying,
  tx: RecordsTransaction,
  run: Run,
): Promise<void> {
  const { result, plan } = run
  const outdated = outdatedRepeats(result.decisions)
  const holds: Hold[] = []
  const pagesToTell = new Map<string, PageWord>()
  const notices: (() => Promise<void>)[] = []
  await followLives(pages, tx, run)
  for (const decision of result.decisions) {
    onDecision(decision.kind)
    if (decision.kind === 'hold') holds.push(decision)
    else if (decision.kind === 'notify') {
      if (outdated.has(decision.key)) continue
      const targets = plan.targets.get(decision.receiver) ?? []
      if (targets.length === 0 && !plan.builtIn) holds.push(...toldNobody(decision))
      const { firing, over } = asItIsNow(decision, result.state)
      if (targets.some(({ kind }) => kind === 'page')) holds.push(...overBefore(decision, over))
      await notify(pages, tx, run, { ...decision, firing }, targets, pagesToTell)
      notices.push(() => noticesOf(pages, tx, decision, targets))
    } else await silenceChanged({ pages, ledger }, tx, decision, run.actor)
  }
  for (const word of pagesToTell.values()) await pages.tell(tx, word)
  // After the pages: a notice that reaches nobody asks whether one has its alerts.
  for (const give of notices) await give()
  await saveHolds(tx, holds)
}

/** Alerts that are over close their pages at once: nobody climbs out of bed for what has ended. */
async function followLives(pages: Pages, tx: RecordsTransaction, run: Run): Promise<void> {
  const { before, result } = run
  for (const [key, after] of result.changes.alerts) {
    const row = rowOf(before.alerts, key)
    if (row?.shown !== 'firing') continue
    const at = after?.alert.resolvedAt ?? result.state.at
    if (after?.shown !== 'firing') await pages.ended(tx, row.alert.id, at)
    else if (after.alert.id !== row.alert.id) {
      if (after.flap?.flapping === true) await pages.continued(tx, row.alert.id, after.alert.id, at)
      else await pages.ended(tx, row.alert.id, at)
    }
  }
}

/**
 * What a notification names, as it is at the end of the run: one that is worked out late may name what has ended since,
 * and nothing would ever close a page of that. An alert that flaps is there with its newest life.
 */
function asItIsNow({ firing }: Notify, state: PipelineState) {
  const still: ToldAlert[] = []
  const over: AlertView[] = []
  for (const told of firing) {
    const row = rowOf(state.alerts, told.alert.fingerprint)
    const sameLife = row?.alert.id === told.alert.id
    if (row?.shown === 'firing' && sameLife) still.push(told)
    else if (row?.shown === 'firing' && row.flap?.flapping === true)
      still.push({ ...told, alert: row.alert })
    else over.push(told.alert)
  }
  return { firing: still, over }
}

/** They end in the run that tells of them: nobody is asked to get up for them. */
function overBefore({ key, at, receiver, reason }: Notify, over: readonly AlertView[]): Hold[] {
  // Of a repeat they were told before.
  if (reason !== 'new' && reason !== 'more') return []
  return over.map((alert) => ({
    kind: 'hold',
    key: `${key}/${alert.id}/over`,
    at,
    alert,
    receiver,
    stage: 'group',
    because: 'was over before it could be told',
  }))
}

async function notify(
  pages: Pages,
  tx: RecordsTransaction,
  run: Run,
  decision: Notify,
  targets: readonly ReceiverTarget[],
  pagesToTell: Map<string, PageWord>,
): Promise<void> {
  const firing = worstFirst(decision.firing)
  if (firing.length === 0) return
  for (const target of targets) {
    if (target.kind !== 'page') continue
    if (decision.reason === 'repeat')
      for (const word of await wordsOf(pages, tx, run, decision, target, firing))
        await pages.remind(tx, word, decision.key)
    else if (decision.reason === 'new' || decision.reason === 'more')
      for (const word of await wordsOf(pages, tx, run, decision, target, firing)) {
        const known = pagesToTell.get(word.groupKey)
        const alerts = [...(known?.alerts ?? []), ...word.alerts]
        pagesToTell.set(word.groupKey, { ...word, alerts })
      }
  }
}

async function noticesOf(
  pages: Pages,
  tx: RecordsTransaction,
  decision: Notify,
  targets: readonly ReceiverTarget[],
): Promise<void> {
  const to = targets.filter((target): target is NoticeTarget => target.kind !== 'page')
  if (to.length === 0) return
  const { key, receiver, reason } = decision
  const firing = worstFirst(decision.firing)
  const from = `receiver ${receiver}`
  const over = worstFirst(decision.resolved)
  if (over.length > 0)
    await pages.notice(tx, { key: `${key}/over`, alerts: over, to, from, over: true })
  if (firing.length > 0 && reason !== 'resolved' && reason !== 'some-resolved')
    await pages.notice(tx, { key, alerts: firing, to, from })
}

/** The pages a notification is about: without a routing file one for each incident, else the group's. */
async function wordsOf(
  pages: Pages,
  tx: RecordsTransaction,
  { plan, incidents }: Run,
  { group }: Notify,
  { policy }: Extract<ReceiverTarget, { kind: 'page' }>,
  alerts: readonly AlertView[],
): Promise<readonly PageWord[]> {
  if (!plan.builtIn)
    return [
      {
        groupKey: `group:${fingerprint({ key: group.key, policy: policy ?? '' })}`,
        alerts,
        policy,
      },
    ]
  const words: PageWord[] = []
  for (const alert of alerts) {
    const incident = incidents.get(alert.id) ?? (await incidentOf(tx, alert.id))
    words.push({ groupKey: pages.groupKeyOf(alert, incident), alerts: [alert], policy })
  }
  return words
}

async function incidentOf(tx: RecordsTransaction, alertId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('incident_alerts')
    .select('incident_id')
    .where('alert_id', '=', alertId)
    .orderBy('joined_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.incident_id
}

/** The receiver does nothing: that is why nobody was told. */
function toldNobody({ key, at, receiver, firing }: Notify): Hold[] {
  return firing.map(({ alert }) => ({
    kind: 'hold',
    key: `${key}/${alert.id}`,
    at,
    alert,
    receiver,
    stage: 'route',
    because: `the receiver "${receiver}" tells nobody; give it callward_configs in the routing file`,
  }))
}

async function silenceChanged(
  { pages, ledger }: Pick<Carrying, 'pages' | 'ledger'>,
  tx: RecordsTransaction,
  decision: SilenceDecision,
  actor = 'hub',
): Promise<void> {
  const { silence, key, at } = decision
  if (decision.kind !== 'silence-nudge') {
    // What was refused was answered before it came here; it is counted.
    if (decision.kind === 'silence-refused') return
    return ledger(tx, {
      action: 'silence.ended',
      object: { type: 'silence', id: silence.id },
      actor,
      occurredAt: at,
      content: { because: decision.because },
    })
  }
  const author = (await authorOf(tx, silence.id)) ?? silence.createdBy
  const count = decision.hidden.length
  await pages.notice(tx, {
    key,
    alerts: decision.hidden,
    title: `Your silence ends at ${new Date(silence.endsAt).toISOString()} and still hides ${count} ${count === 1 ? 'alert' : 'alerts'}: ${silence.reason}`,
    to: [{ kind: 'person', name: author }],
    from: `silence ${silence.id}`,
  })
}

const order = { critical: 0, warning: 1, info: 2 } as const

/** As they count now, the worst first, then the oldest. */
function worstFirst(told: readonly ToldAlert[]): AlertView[] {
  return told
    .map(({ alert, severity }) => ({ ...alert, severity }))
    .sort(
      (a, b) =>
        order[a.severity] - order[b.severity] ||
        (a.firedAt ?? a.activeAt) - (b.firedAt ?? b.activeAt),
    )
}

/** Columns beside an alert's row, for the watchdog and for escalations. */
export function columnsOf(plan: RoutingPlan) {
  const pagesBy = (receiver: string) =>
    (plan.targets.get(receiver) ?? []).some(({ kind }) => kind === 'page')
  return (row: AlertRow, receiverOf: (group: string) => string | undefined) => {
    const told = Object.entries(row.memberships).some(
      ([group, membership]) =>
        membership.told?.state === 'firing' &&
        (membership.told.life === row.alert.id || row.flap?.flapping === true) &&
        pagesBy(receiverOf(group) ?? ''),
    )
    return {
      firing: row.firing ? 1 : 0,
      paged: told && row.shown === 'firing' ? 1 : 0,
      held: row.hold === undefined ? 0 : 1,
    }
  }
}
