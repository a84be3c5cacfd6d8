import type { Test } from 'tap'
import { type AlertView, fingerprint } from '../../alerts/alert.ts'
import type { ObligationKind } from '../../server/obligations/obligation.ts'
import { closeObligations, type openObligation } from '../../server/obligations/obligation-store.ts'
import { findLost } from '../../server/obligations/watchdog.ts'
import { ObligationWorker } from '../../server/obligations/worker.ts'
import {
  acknowledge,
  messageKey,
  nextStep,
  resolve,
  triggered,
} from '../../server/oncall/escalation.ts'
import type { PolicySnapshot, Recipient } from '../../server/oncall/plugin.ts'
import { escalationDuty } from '../../server/paging/escalation-duty.ts'
import { messageOf } from '../../server/paging/message.ts'
import { missedDuty } from '../../server/paging/missed-duty.ts'
import { Pager } from '../../server/paging/pager.ts'
import { findPage, historyOf } from '../../server/paging/paging-store.ts'
import type { PagingPorts, Sent } from '../../server/paging/ports.ts'
import { TellingDuty } from '../../server/paging/telling-duty.ts'
import { pageDetail } from '../../server/paging/views.ts'
import type { Way } from '../../server/paging/ways.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { HandTime } from '../helpers/hand-time.ts'

/** When every scene begins. */
export const start = Date.UTC(2026, 2, 1)

/** Anna, nobody, Boris; then the wall, every ten minutes. */
export const policy: PolicySnapshot = {
  format: 1,
  policyId: 'p',
  revision: 3,
  name: 'telephony',
  steps: [
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'anna' }] },
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'ghost' }] },
    { delaySeconds: 300, targets: [{ kind: 'person', id: 'boris' }] },
  ],
  repeat: 0,
  catchAll: [{ kind: 'contact', id: 'wall' }],
  catchAllEverySeconds: 600,
  acknowledgementSeconds: 3600,
}

/** The rest of the hub, as far as paging sees it. */
export class House {
  readonly ways: Record<string, readonly Way[]> = {
    'person:anna': [
      { id: 'live', channel: 'live' },
      { id: 'anna-mail', channel: 'email' },
      { id: 'anna-sms', channel: 'sms' },
    ],
    'person:boris': [{ id: 'live', channel: 'live' }],
    'contact:wall': [{ id: 'wall', channel: 'webhook' }],
  }
  readonly sent: { way: string; key: string; kind: string; title: string }[] = []
  readonly shown: { person: string; attempt: string; key: string }[] = []
  readonly watching = new Set<string>()
  answer: (way: string) => Sent | Promise<Sent> = () => ({
    outcome: 'accepted',
    reason: 'accepted',
  })
}

export interface FireOptions {
  readonly incident?: string
  readonly summary?: string
  readonly settle?: boolean
}

/** Paging over real records, with a hand-moved clock. */
export interface Scene {
  readonly records: CountedRecords
  readonly time: HandTime
  readonly house: House
  readonly worker: ObligationWorker
  readonly kinds: readonly ObligationKind[]
  readonly pager: Pager
  /** Moves time on in steps, of a second if not said otherwise. */
  pass(seconds: number, step?: number): Promise<void>
  /** `settle` false: does not wait for what it owes. */
  fire(rule: string, labels?: Record<string, string>, more?: FireOptions): Promise<AlertView>
  change(
    kind: 'acknowledged' | 'resolved',
    alert: AlertView,
    by?: string,
    settle?: boolean,
  ): Promise<void>
  page(number?: number): Promise<ReturnType<typeof pageDetail>>
  lost(): Promise<string[]>
}

/** `time` and `holder`: of a hub that was started again. */
export async function sceneOf(
  t: Test,
  records: CountedRecords,
  time = new HandTime(start),
  holder = 'this-run',
): Promise<Scene> {
  const house = new House()
  const faults: unknown[] = []
  const worker = new ObligationWorker({
    records,
    clock: time,
    timers: time,
    holder,
    onPerformed: () => undefined,
    onFault: (err) => faults.push(err),
  })
  const ports: PagingPorts = {
    policy: async () => policy,
    resolver: async () => (target) => {
      if (target.id === 'ghost') return { recipients: [], reason: 'ghost has left' }
      return {
        recipients: [{ kind: target.kind === 'contact' ? 'contact' : 'person', id: target.id }],
      }
    },
    nameOf: async (_database, { id }) => id.toUpperCase(),
    waysTo: async (_database, { kind, id }: Recipient) => house.ways[`${kind}:${id}`] ?? [],
    watching: (id) => house.watching.has(id),
    show: async (_tx, person, body) => {
      const { attempt, key } = body as { attempt: string; key: string }
      house.shown.push({ person, attempt, key })
    },
    shown: () => undefined,
    ledger: async () => undefined,
    send: async (way, message, key) => {
      house.sent.push({ way, key, kind: message.kind, title: message.title })
      return house.answer(way)
    },
  }
  const duties = {
    records,
    clock: time,
    ports,
    obligations: {
      open: worker.open.bind(worker),
      close: (
        tx: Parameters<typeof openObligation>[0],
        kind: string,
        subject: string,
        reason: string,
      ) => closeObligations(tx, kind, subject, reason, time.now()),
      wake: () => worker.wake(),
    },
    escalation: { triggered, nextStep, acknowledge, resolve, messageKey },
  }
  const pager = new Pager(duties)
  const kinds = [
    escalationDuty(duties),
    new TellingDuty({
      ...duties,
      times: { displayMillis: 30_000, wayMillis: 60_000 },
      messageOf: (page, telling) => messageOf(records.read, page, telling, 'https://hub.bank'),
    }),
    missedDuty(pager, false),
  ]
  for (const kind of kinds) worker.register(kind)
  worker.start()
  await worker.settled()
  t.teardown(() => worker.stop())
  let count = 0
  return {
    records,
    time,
    house,
    worker,
    kinds,
    pager,
    async pass(seconds, step = 1) {
      for (let i = 0; i < seconds; i += step) {
        time.move(step * 1000)
        await worker.settled()
      }
      t.same(faults, [], 'nothing failed')
    },
    async fire(rule, labels = {}, { incident, summary, settle = true } = {}) {
      count += 1
      const all = { alertname: rule, severity: 'critical', server: 'pbx-1', ...labels }
      const alert: AlertView = {
        id: `${holder}-alert-${count}`,
        fingerprint: fingerprint(all),
        rule,
        group: 'g',
        severity: all.severity as AlertView['severity'],
        labels: all,
        annotations: { summary: summary ?? `${rule} on ${all.server}` },
        state: 'firing',
        value: '1',
        activeAt: time.now(),
        firedAt: time.now(),
      }
      await records.write(async (tx) => {
        await tx
          .insertInto('alerts')
          .values({
            id: alert.id,
            fingerprint: alert.fingerprint,
            rule,
            rule_group: 'g',
            severity: alert.severity,
            instance: null,
            labels: JSON.stringify(all),
            annotations: JSON.stringify(alert.annotations),
            state: 'firing',
            value: '1',
            active_at: time.now(),
            fired_at: time.now(),
            keep_firing_since: null,
            resolved_at: null,
            acknowledged_at: null,
            acknowledged_by: null,
            updated_at: time.now(),
          })
          .execute()
        await pager.take(tx, { kind: 'firing', alert, at: time.now() }, incident)
      })
      worker.wake()
      if (settle) await worker.settled()
      return alert
    },
    async change(kind, alert, by, settle = true) {
      await records.write(async (tx) => {
        const at = time.now()
        await tx
          .updateTable('alerts')
          .set(
            kind === 'resolved' ? { state: 'resolved', resolved_at: at } : { acknowledged_at: at },
          )
          .where('id', '=', alert.id)
          .execute()
        await pager.take(tx, { kind, alert, at, ...(by === undefined ? {} : { by }) }, undefined)
      })
      worker.wake()
      if (settle) await worker.settled()
    },
    async page(number = 1) {
      const row = await findPage(records.read, String(number))
      return pageDetail(row, await historyOf(records.read, row.id))
    },
    async lost() {
      const found = await findLost(records, kinds, time.now(), (err) => t.fail(String(err)))
      return found.map(({ kind }) => kind).sort()
    },
  }
}
