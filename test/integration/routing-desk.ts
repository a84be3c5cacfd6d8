import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KyselyPlugin } from 'kysely'
import type { Test } from 'tap'
import { type AlertChange, type AlertView, fingerprint } from '../../alerts/alert.ts'
import { runPipeline } from '../../alerts/pipeline.ts'
import { extrasReader } from '../../alerts/rule-extras.ts'
import { closeObligations } from '../../server/obligations/obligation-store.ts'
import { findLost } from '../../server/obligations/watchdog.ts'
import { ObligationWorker } from '../../server/obligations/worker.ts'
import {
  acknowledge,
  messageKey,
  nextStep,
  resolve,
  triggered,
} from '../../server/oncall/escalation.ts'
import type { PolicySnapshot } from '../../server/oncall/plugin.ts'
import { escalationDuty } from '../../server/paging/escalation-duty.ts'
import { messageOf } from '../../server/paging/message.ts'
import { missedDuty } from '../../server/paging/missed-duty.ts'
import { giveNotice, whyUntaken } from '../../server/paging/notices.ts'
import { groupKeyOf } from '../../server/paging/page.ts'
import { Pager } from '../../server/paging/pager.ts'
import { findPage, historyOf } from '../../server/paging/paging-store.ts'
import type { PagingPorts } from '../../server/paging/ports.ts'
import { TellingDuty } from '../../server/paging/telling-duty.ts'
import { pageDetail } from '../../server/paging/views.ts'
import { whyOf } from '../../server/paging/why.ts'
import type { RecordsTransaction } from '../../server/records/records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { catchUp, routedDuty, timeDuty } from '../../server/routing/duties.ts'
import { PipelineKeeper } from '../../server/routing/keeper.ts'
import { Router } from '../../server/routing/router.ts'
import { holdsOf } from '../../server/routing/routing-store.ts'
import { Settings } from '../../server/routing/settings.ts'
import { SilenceDesk } from '../../server/routing/silence-desk.ts'
import { explained, reasonsNow, silenceViews } from '../../server/routing/views.ts'
import { HandTime } from '../helpers/hand-time.ts'

/** A Sunday, 12:00 UTC. */
export const start = Date.UTC(2026, 2, 1, 12)
export const anna = { id: 'p-anna', name: 'anna' }

const policy = (policyId: string): PolicySnapshot => ({
  format: 1,
  policyId,
  revision: 1,
  name: policyId,
  steps: [{ delaySeconds: 300, targets: [{ kind: 'person', id: anna.id }] }],
  repeat: 1,
  catchAll: [{ kind: 'person', id: anna.id }],
  catchAllEverySeconds: 600,
  acknowledgementSeconds: 7200,
})

/** What an alert is fired with. */
export interface Firing {
  readonly rule: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly value?: string
  readonly incident?: string
}

/** Routing and paging on real records, with time moved by hand; people, channels and duty stand in. */
export class RoutingDesk {
  readonly time = new HandTime(start)
  readonly sent: { to: string; key: string; kind: string; title: string }[] = []
  readonly ledgered: { action: string; actor: string }[] = []
  readonly faults: unknown[] = []
  readonly file: string
  readonly #t: Test
  readonly #records: CountedRecords
  #count = 0
  #withFile = true
  statements = 0
  pipeline: typeof runPipeline = runPipeline
  /** Contacts and people whom no message reaches, and those who have no way at all. */
  readonly deaf = new Set<string>()
  /** Those that say no, now and later. */
  readonly refusing = new Set<string>()
  readonly disabled = new Set<string>()
  readonly unheard: { from: string; page: number; alerts: number }[] = []
  settings!: Settings
  keeper!: PipelineKeeper
  router!: Router
  silences!: SilenceDesk
  worker!: ObligationWorker

  constructor(t: Test, records: CountedRecords) {
    this.#t = t
    this.#records = records
    this.file = join(mkdtempSync(join(tmpdir(), 'callward-routing-')), 'routing.yaml')
  }

  static async start(t: Test, records: CountedRecords, routing?: string): Promise<RoutingDesk> {
    const desk = new RoutingDesk(t, records)
    if (routing !== undefined) desk.write(routing)
    await records.write((tx) =>
      tx
        .insertInto('principals')
        .values({ ...anna, role: 'operator', kind: 'person', created_at: 0, disabled_at: null })
        .execute(),
    )
    desk.#withFile = routing !== undefined
    await desk.begin()
    t.teardown(() => desk.worker.stop())
    return desk
  }

  write(routing: string): void {
    writeFileSync(this.file, routing)
  }

  /** A hub that starts on these records. */
  async begin(): Promise<void> {
    const { time } = this
    const records = this.#records
    const fault = (error: unknown) => void this.faults.push(error)
    this.settings = new Settings({
      path: this.#withFile ? this.file : undefined,
      extrasOf: extrasReader(new Map()),
      calendars: new Map(),
      log: { info: () => undefined, error: (_fields, text) => void this.faults.push(text) },
    })
    this.worker = new ObligationWorker({
      records,
      clock: time,
      timers: time,
      holder: `run ${this.#count++}`,
      onPerformed: () => undefined,
      onFault: fault,
    })
    const { worker } = this
    const duties = {
      records,
      clock: time,
      ports: this.#ports(),
      obligations: {
        open: worker.open.bind(worker),
        close: (tx: RecordsTransaction, kind: string, subject: string, reason: string) =>
          closeObligations(tx, kind, subject, reason, time.now()),
        wake: () => worker.wake(),
      },
      escalation: { triggered, nextStep, acknowledge, resolve, messageKey },
    }
    const pager = new Pager(duties)
    this.keeper = new PipelineKeeper({
      records,
      clock: time,
      onBadRow: (table, id) => this.#t.fail(`${table} ${id} cannot be read`),
    })
    const ledger = async (_tx: RecordsTransaction, one: { action: string; actor: string }) => {
      this.ledgered.push({ action: one.action, actor: one.actor })
    }
    this.router = new Router({
      clock: time,
      keeper: this.keeper,
      obligations: duties.obligations,
      pages: {
        groupKeyOf,
        tell: async (tx, word) => void (await pager.tell(tx, word)),
        remind: (tx, word, key) => pager.remind(tx, word, key),
        ended: async (tx, id, at) => void (await pager.ended(tx, id, at)),
        continued: (tx, before, after, at) => pager.continued(tx, before, after, at),
        notice: (tx, notice) =>
          giveNotice(
            duties,
            (name) => (name === 'wall' ? { id: 'wall', label: 'wall' } : undefined),
            tx,
            notice,
          ),
        alertChanged: async (tx, change, incident) => void (await pager.take(tx, change, incident)),
      },
      ledger,
      setting: () => this.settings.current,
      onDecision: () => undefined,
      onFault: fault,
      pipeline: (...given) => this.pipeline(...given),
    })
    const committed = () => worker.wake()
    const routing = { router: this.router, clock: time, obligations: worker, committed }
    for (const kind of [
      escalationDuty(duties),
      new TellingDuty({
        ...duties,
        times: { displayMillis: 30_000, wayMillis: 60_000 },
        messageOf: (page, telling) => messageOf(records.read, page, telling, 'https://hub.bank'),
      }),
      missedDuty(pager, true),
      timeDuty({ ...routing, onFault: fault }),
      routedDuty(this.router, time),
    ])
      worker.register(kind)
    this.silences = new SilenceDesk({
      records,
      clock: time,
      router: this.router,
      keeper: this.keeper,
      ledger,
      hosts: () => [],
      changed: () => worker.wake(),
    })
    await this.keeper.confirm()
    await records.write((tx) => catchUp(tx, this.router, time))
    await this.look()
    await this.keeper.confirm()
    worker.start()
    await worker.settled()
  }

  /** As the timer of the plugin. */
  look(): Promise<void> {
    return this.settings.apply(() => this.silences.review())
  }

  #ports(): PagingPorts {
    return {
      policy: async (_tx, _labels, named) => policy(named ?? 'everybody'),
      resolver: async () => (target) => ({
        recipients: [{ kind: target.kind === 'contact' ? 'contact' : 'person', id: target.id }],
      }),
      nameOf: async (_database, { id }) => id,
      waysTo: async (_database, { id }) =>
        this.disabled.has(id) ? [] : [{ id: `mail ${id}`, channel: 'email' }],
      unheard: (from, page, alerts) => void this.unheard.push({ from, page, alerts }),
      watching: () => false,
      show: async () => undefined,
      shown: () => undefined,
      ledger: async () => undefined,
      send: async (way, message, key) => {
        this.sent.push({
          to: way.slice('mail '.length),
          key,
          kind: message.kind,
          title: message.title,
        })
        const to = way.slice('mail '.length)
        if (this.refusing.has(to)) return { outcome: 'refused', reason: 'no such hook' }
        return this.deaf.has(to)
          ? { outcome: 'retry', reason: 'no route' }
          : { outcome: 'accepted', reason: 'accepted' }
      },
    }
  }

  /** The hub is gone without a word; another begins. */
  async restart(): Promise<void> {
    await this.worker.stop()
    await this.begin()
  }

  /** Moves time on in steps, of a second if not said otherwise. */
  async pass(seconds: number, step = 1): Promise<void> {
    for (let i = 0; i < seconds; i += step) {
      this.time.move(step * 1000)
      await this.worker.settled()
    }
  }

  /** Alerts that fire in one transaction. */
  async fire(...firings: readonly Firing[]): Promise<readonly AlertView[]> {
    const alerts = firings.map((one) => this.alert(one))
    await this.take(
      alerts.map((alert, i) => ({
        kind: 'firing',
        alert,
        at: this.time.now(),
        ...incidentOf(firings[i]),
      })),
    )
    return alerts
  }

  alert({ rule, labels = {}, annotations, value = '1' }: Firing): AlertView {
    const all = { alertname: rule, severity: 'critical', instance: 'pbx-1', ...labels }
    this.#count += 1
    return {
      id: `alert-${this.#count}`,
      fingerprint: fingerprint(all),
      rule,
      group: 'g',
      severity: all.severity as AlertView['severity'],
      instance: all.instance,
      labels: all,
      annotations: { summary: `${rule} on ${all.instance}`, ...annotations },
      state: 'firing',
      value,
      activeAt: this.time.now(),
      firedAt: this.time.now(),
    }
  }

  async end(...alerts: readonly AlertView[]): Promise<void> {
    const at = this.time.now()
    await this.take(
      alerts.map((alert) => ({
        kind: 'resolved',
        alert: { ...alert, state: 'resolved', resolvedAt: at },
        at,
      })),
    )
  }

  async acknowledge(alert: AlertView, by: string): Promise<void> {
    const at = this.time.now()
    const taken = { ...alert, acknowledgedAt: at, acknowledgedBy: by }
    await this.take([{ kind: 'acknowledged', alert: taken, at, by }])
  }

  /** As the rules' outbox: rows and changes in one transaction, then the workers are woken. */
  async take(
    changes: readonly (AlertChange & { readonly incident?: string })[],
    poison?: () => void,
  ): Promise<void> {
    await this.#records.write(async (tx) => {
      const counted = tx.withPlugin(this.#counter()) as RecordsTransaction
      await save(tx, changes)
      await this.router.take(
        counted,
        changes.map(({ incident, ...change }) => ({ change, incidentId: incident })),
      )
      poison?.()
    })
    await this.keeper.confirm()
    this.worker.wake()
    await this.worker.settled()
  }

  #counter(): KyselyPlugin {
    return {
      transformQuery: ({ node }) => {
        this.statements += 1
        return node
      },
      transformResult: async ({ result }) => result,
    }
  }

  async pages(): Promise<readonly ReturnType<typeof pageDetail>[]> {
    const rows = await this.#records.read
      .selectFrom('pages')
      .select('number')
      .orderBy('number')
      .execute()
    const found = []
    for (const { number } of rows) {
      const row = await findPage(this.#records.read, String(number))
      found.push(pageDetail(row, await historyOf(this.#records.read, row.id)))
    }
    return found
  }

  /** Why people were or were not told of an alert. */
  async why(alert: AlertView): Promise<string> {
    const pages = (await this.pages()).filter(({ alerts }) => alerts.includes(alert.id))
    const { plan } = this.settings.current
    await this.keeper.confirm()
    const now = reasonsNow(this.keeper.committed, plan, alert.fingerprint, alert.id)
    const { severity, state } = alert
    return whyOf(
      { state, severity, fired_at: 1 },
      pages,
      now ?? (await holdsOf(this.#records.read, alert.id)),
    )
  }

  /** What routing says of each receiver of an alert. */
  async explain(alert: AlertView) {
    await this.keeper.confirm()
    const { plan } = this.settings.current
    return explained(this.keeper.committed, plan, alert.fingerprint, (key) =>
      whyUntaken(this.#records.read, key),
    )
  }

  hidden(): readonly (readonly [string, readonly string[]])[] {
    return silenceViews(this.keeper.committed).map(({ silence, hides }) => [silence.id, hides])
  }

  async lost(): Promise<readonly string[]> {
    const found = await findLost(this.#records, this.worker.kinds, this.time.now(), (err) =>
      this.#t.fail(String(err)),
    )
    this.worker.wake()
    await this.worker.settled()
    return found.map(({ kind }) => kind).sort()
  }

  drop(table: 'obligations' | 'routing_alerts', kind?: string): Promise<unknown> {
    return this.#records.write((tx) =>
      kind === undefined
        ? tx.deleteFrom(table).execute()
        : tx.deleteFrom('obligations').where('kind', '=', kind).execute(),
    )
  }
}

function incidentOf(firing: Firing | undefined): { incident?: string } {
  return firing?.incident === undefined ? {} : { incident: firing.incident }
}

async function save(tx: RecordsTransaction, changes: readonly AlertChange[]): Promise<void> {
  const rows = changes.map(({ alert, at }) => ({
    id: alert.id,
    fingerprint: alert.fingerprint,
    rule: alert.rule,
    rule_group: alert.group,
    severity: alert.severity,
    instance: alert.instance ?? null,
    labels: JSON.stringify(alert.labels),
    annotations: JSON.stringify(alert.annotations),
    state: alert.state,
    value: alert.value,
    active_at: alert.activeAt,
    fired_at: alert.firedAt ?? null,
    keep_firing_since: null,
    resolved_at: alert.resolvedAt ?? null,
    acknowledged_at: alert.acknowledgedAt ?? null,
    acknowledged_by: alert.acknowledgedBy ?? null,
    updated_at: at,
  }))
  for (let from = 0; from < rows.length; from += 500)
    await tx
      .insertInto('alerts')
      .values(rows.slice(from, from + 500))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((row) => ({
          state: row.ref('excluded.state'),
          value: row.ref('excluded.value'),
          resolved_at: row.ref('excluded.resolved_at'),
          acknowledged_at: row.ref('excluded.acknowledged_at'),
          acknowledged_by: row.ref('excluded.acknowledged_by'),
        })),
      )
      .execute()
}
