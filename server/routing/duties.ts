import type { AlertView } from '../../alerts/alert.ts'
import type { AlertRow as PipelineAlert } from '../../alerts/pipeline-state.ts'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { ObligationKind, Obligations } from '../obligations/plugin.ts'
import { alertViewOf } from '../records/alert-view.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { PipelineFault, type RoutedChange, type Router, timeKind, timeSubject } from './router.ts'
import { type Reading, readHead, replan } from './routing-store.ts'

export interface RoutingDuties {
  readonly router: Router
  readonly clock: Clock
  readonly obligations: Pick<Obligations, 'open'>
  /** After a commit. */
  readonly committed: () => void
  readonly onFault: (error: unknown, alerts: number) => void
}

/** Attempts, half a minute of them, until critical alerts that wait page without what cannot be written. */
const attemptsMax = 5
/** When a pipeline that throws is asked again. */
const faultRetryMillis = 60_000

/** Waits, repeats, calendars, the ends of silences: the pipeline is called when it asked to be. */
export function timeDuty(duties: RoutingDuties): ObligationKind {
  const { router, clock, obligations, committed, onFault } = duties
  const owe = async (tx: RecordsTransaction, what: string, dueAt: number) => {
    const key = `${timeSubject}/${what}/${uuid(clock.now())}`
    await replan(tx, key, dueAt)
    return obligations.open(tx, { kind: timeKind, subject: timeSubject, key, dueAt })
  }
  return {
    kind: timeKind,
    promise:
      'what routing waits for (groups, repeats, calendars, ends of silences) happens at its time',
    concurrency: 1,
    attemptMillis: 30_000,
    perform: async ({ key, attempts }) => ({
      committed,
      async settle(tx) {
        try {
          if (attempts >= attemptsMax)
            throw new PipelineFault('what routing decided cannot be written')
          await router.run(tx, [], { met: key })
        } catch (error) {
          if (!(error instanceof PipelineFault)) throw error
          onFault(error, await router.rescue(tx))
          await owe(tx, 'fault', clock.now() + faultRetryMillis)
        }
      },
    }),
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('routing_state')
        .select('id as subject')
        .where('next_at', 'is not', null),
    async mend(tx) {
      const head = await readHead(tx)
      return head === undefined || head.next_at === null ? false : owe(tx, 'mended', head.next_at)
    },
  }
}

/** Alerts and what routing knows of them agree; each goes through routing in the transaction that writes it. */
export function routedDuty(router: Router, clock: Clock): ObligationKind {
  return {
    kind: 'routing',
    promise: 'every alert that fires goes through routing, and so does its end',
    concurrency: 1,
    attemptMillis: 1000,
    perform: async () => ({}),
    owed: (read) => unrouted(read),
    async mend(tx, subject) {
      const change = await missedChange(tx, subject, clock.now())
      if (change === undefined) return false
      await router.take(tx, [change])
      return true
    },
  }
}

/** Routes what the tables of alerts hold and routing has not heard of, as after an upgrade. Gives how many. */
export async function catchUp(
  tx: RecordsTransaction,
  router: Router,
  clock: Clock,
): Promise<number> {
  const subjects = await unrouted(tx).execute()
  const changes: RoutedChange[] = []
  for (const { subject } of subjects) {
    const change = await missedChange(tx, subject, clock.now())
    if (change !== undefined) changes.push(change)
  }
  await router.take(tx, changes)
  return changes.length
}

function unrouted(read: Reading) {
  const database = read as Records['read']
  const unheard = database
    .selectFrom('alerts')
    .select('alerts.id as subject')
    .where('alerts.state', '=', 'firing')
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('routing_alerts')
            .select('routing_alerts.alert_id')
            .whereRef('routing_alerts.alert_id', '=', 'alerts.id'),
        ),
      ),
    )
  const over = database
    .selectFrom('routing_alerts')
    .select('routing_alerts.alert_id as subject')
    .where('routing_alerts.firing', '=', 1)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('alerts')
            .select('alerts.id')
            .whereRef('alerts.id', '=', 'routing_alerts.alert_id')
            .where('alerts.state', '=', 'firing'),
        ),
      ),
    )
  return unheard.unionAll(over)
}

async function missedChange(
  tx: RecordsTransaction,
  alertId: string,
  at: number,
): Promise<RoutedChange | undefined> {
  const row = await tx.selectFrom('alerts').selectAll().where('id', '=', alertId).executeTakeFirst()
  if (row?.state === 'firing') {
    const incident = await tx
      .selectFrom('incident_alerts')
      .select('incident_id')
      .where('alert_id', '=', alertId)
      .executeTakeFirst()
    const alert = alertViewOf(row)
    return { change: { kind: 'firing', alert, at }, incidentId: incident?.incident_id }
  }
  const known = await tx
    .selectFrom('routing_alerts')
    .select('body')
    .where('alert_id', '=', alertId)
    .where('firing', '=', 1)
    .executeTakeFirst()
  if (known === undefined) return undefined
  const { alert } = JSON.parse(known.body) as PipelineAlert
  const over: AlertView = { ...alert, state: 'resolved', resolvedAt: at }
  return { change: { kind: 'resolved', alert: over, at }, incidentId: undefined }
}
