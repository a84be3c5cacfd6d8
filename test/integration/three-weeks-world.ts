import type { FastifyInstance } from 'fastify'
import { type AlertView, fingerprint } from '../../alerts/alert.ts'
import type { ObligationKind } from '../../server/obligations/obligation.ts'
import { closeObligations, releaseAll } from '../../server/obligations/obligation-store.ts'
import { findLost } from '../../server/obligations/watchdog.ts'
import { ObligationWorker } from '../../server/obligations/worker.ts'
import { Calendar, lookAheadDays } from '../../server/oncall/calendar.ts'
import { type Directory, readPeople } from '../../server/oncall/directory.ts'
import {
  acknowledge,
  messageKey,
  nextStep,
  resolve,
  triggered,
} from '../../server/oncall/escalation.ts'
import { OncallStore, policyContent } from '../../server/oncall/oncall-store.ts'
import { snapshotOf } from '../../server/oncall/policy.ts'
import { resolverAt } from '../../server/oncall/resolving.ts'
import { escalationDuty } from '../../server/paging/escalation-duty.ts'
import { hubPorts } from '../../server/paging/hub-ports.ts'
import { messageOf } from '../../server/paging/message.ts'
import { missedDuty } from '../../server/paging/missed-duty.ts'
import { Pager } from '../../server/paging/pager.ts'
import { findPage } from '../../server/paging/paging-store.ts'
import { stampReceipts } from '../../server/paging/receipts.ts'
import { TellingDuty } from '../../server/paging/telling-duty.ts'
import type { Principal } from '../../server/people/plugin.ts'
import type { RecordsTransaction } from '../../server/records/records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { HandTime } from '../helpers/hand-time.ts'

const minute = 60_000
export const day = 24 * 60 * minute
/** Friday; New York has changed its clocks, Berlin does in nine days, Lord Howe in sixteen. */
export const begins = Date.UTC(2026, 2, 20)
const zones = [
  'Europe/Berlin',
  'Asia/Ho_Chi_Minh',
  'America/New_York',
  'Australia/Lord_Howe',
  'UTC',
]
export const peopleCount = 20
export const policyNames = ['telephony', 'gaps', 'night', 'nobody', 'patient']
const wall = { kind: 'contact', id: 'wall' } as const

/** What a run is made of; numbers of minutes count from its beginning. */
export interface Plan {
  readonly seed: number
  readonly days: number
  readonly alerts: readonly {
    readonly at: number
    readonly lasts: number
    readonly server: number
    readonly severity: 'critical' | 'warning'
    readonly policy: number
  }[]
  /** A person's contact points that take nothing for a while. 20: the wall's. */
  readonly outages: readonly { readonly who: number; readonly at: number; readonly lasts: number }[]
  /** The hub is down. */
  readonly restarts: readonly { readonly at: number; readonly lasts: number }[]
}

interface Running {
  readonly worker: ObligationWorker
  readonly pager: Pager
  readonly kinds: readonly ObligationKind[]
}

/** The hub's on-call, paging and obligations over real records, with people, channels and faults of a plan. */
export class World {
  readonly time = new HandTime(begins)
  readonly faults: string[] = []
  readonly records: CountedRecords
  readonly #plan: Plan
  readonly #calendar = new Calendar()
  readonly #store: OncallStore
  readonly #random: () => number
  /** Told by a way that took it: page id and person, to answer or not. */
  readonly told: { readonly page: string; readonly person: string }[] = []
  #directory!: Directory
  #running: Running | undefined
  #runs = 0
  #alerts = 0

  constructor(records: CountedRecords, plan: Plan) {
    this.records = records
    this.#plan = plan
    this.#random = randomOf(plan.seed)
    this.#store = new OncallStore(this.time, async () => undefined)
  }

  async begin(): Promise<void> {
    const people = Array.from({ length: peopleCount }, (_, i) => ({
      id: `p${i}`,
      name: `person ${i}`,
      role: 'operator',
      kind: 'person',
      created_at: 1,
      // Three have left the house and still stand in the schedules.
      disabled_at: i % 7 === 6 ? 1 : null,
    }))
    await this.records.write((tx) => tx.insertInto('principals').values(people).execute())
    this.#directory = await readPeople(this.records.read)
    const by: Principal = { id: 'p0', name: 'person 0', role: 'admin', via: 'token' }
    await this.records.write(async (tx) => {
      for (const [i, timeZone] of zones.entries())
        await this.#store.save(tx, 'schedule', { ...scheduleOf(this.#directory, i, timeZone) }, by)
      for (const [i, id] of policyNames.entries()) {
        const body = policyBodies[i]!
        const ids = new Set(zones.map((_, n) => `s${n}`))
        const content = this.#directory.policy(body, ids)
        await this.#store.save(tx, 'policy', { id, content, revision: undefined }, by)
      }
    })
    await this.startHub()
  }

  get isUp(): boolean {
    return this.#running !== undefined
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  /** A whole number of minutes in [from, to], as milliseconds. */
  minutes(from: number, to: number): number {
    return (from + Math.floor(this.#random() * (to - from + 1))) * minute
  }

  async startHub(): Promise<void> {
    this.#runs += 1
    const { records, time } = this
    const worker = new ObligationWorker({
      records,
      clock: time,
      timers: time,
      holder: `run-${this.#runs}`,
      onPerformed: () => undefined,
      onFault: (err) => this.faults.push(String(err)),
    })
    const ports = hubPorts(this.#hub(), 'telephony')
    const duties = {
      records,
      clock: time,
      ports,
      obligations: {
        open: worker.open.bind(worker),
        close: (tx: RecordsTransaction, kind: string, subject: string, reason: string) =>
          closeObligations(tx, kind, subject, reason, time.now()),
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
    await releaseAll(records)
    worker.start()
    await worker.settled()
    this.#running = { worker, pager, kinds }
  }

  async stopHub(): Promise<void> {
    await this.#running?.worker.stop()
    this.#running = undefined
  }

  /** Moves to `at` and lets the hub do what is due there. */
  async moveTo(at: number): Promise<void> {
    this.time.move(Math.max(0, at - this.time.now()))
    this.#running?.worker.wake()
    await this.#running?.worker.settled()
  }

  /** When the hub has something to do next; undefined: never by itself. */
  async nextDue(): Promise<number | undefined> {
    if (this.#running === undefined) return undefined
    const row = await this.records.read
      .selectFrom('obligations')
      .select((is) => is.fn.min('next_at').as('at'))
      .where('state', '=', 'waiting')
      .executeTakeFirst()
    return row?.at === null || row?.at === undefined ? undefined : Number(row.at)
  }

  async fire(planned: Plan['alerts'][number]): Promise<AlertView> {
    this.#alerts += 1
    const { time } = this
    const { severity } = planned
    const labels = {
      alertname: `Fault${this.#alerts}`,
      severity,
      server: `pbx-${planned.server}`,
      callward_policy: policyNames[planned.policy] ?? 'no-such-policy',
    }
    const alert: AlertView = {
      id: `alert-${this.#alerts}`,
      fingerprint: fingerprint(labels),
      rule: labels.alertname,
      group: 'g',
      severity,
      labels,
      annotations: {},
      state: 'firing',
      value: '1',
      activeAt: time.now(),
      firedAt: time.now(),
    }
    const now = time.now()
    await this.#write(async (tx, { pager }) => {
      const row = {
        ...{ id: alert.id, fingerprint: alert.fingerprint, rule: alert.rule, rule_group: 'g' },
        ...{ severity, instance: null, labels: JSON.stringify(labels), annotations: '{}' },
        ...{ state: 'firing', value: '1', active_at: now, fired_at: now, updated_at: now },
        ...{ keep_firing_since: null, resolved_at: null },
        ...{ acknowledged_at: null, acknowledged_by: null },
      }
      await tx.insertInto('alerts').values(row).execute()
      const incident = `incident-${planned.server}`
      await pager.take(tx, { kind: 'firing', alert, at: now }, incident)
    })
    return alert
  }

  async resolved(alert: AlertView): Promise<void> {
    const at = this.time.now()
    await this.#write(async (tx, { pager }) => {
      await tx
        .updateTable('alerts')
        .set({ state: 'resolved', resolved_at: at })
        .where('id', '=', alert.id)
        .execute()
      await pager.take(tx, { kind: 'resolved', alert, at }, undefined)
    })
  }

  async takePage(page: string, by: string): Promise<void> {
    await this.#write(async (tx, { pager }) =>
      pager.acknowledge(tx, await findPage(tx, page), by, this.time.now()),
    )
  }

  /** Who is owed something that nothing remembers. */
  async lost(): Promise<readonly { kind: string; subject: string }[]> {
    const kinds = this.#running?.kinds ?? []
    return findLost(this.records, kinds, this.time.now(), (err) => this.faults.push(String(err)))
  }

  async #write(work: (tx: RecordsTransaction, running: Running) => Promise<void>): Promise<void> {
    const running = this.#running
    if (running === undefined) throw new Error('BUG: a change while the hub is down')
    await this.records.write((tx) => work(tx, running))
    running.worker.wake()
    await running.worker.settled()
  }

  #outage(who: number): boolean {
    const now = (this.time.now() - begins) / minute
    return this.#plan.outages.some(
      (one) => one.who === who && one.at <= now && now < one.at + one.lasts,
    )
  }

  /** What paging sees of the rest of the hub. */
  #hub(): FastifyInstance {
    const { records, time } = this
    const point = (id: string, channel: string) => ({ id, channel, label: id, disabledAt: null })
    const pointsOf = (id: string) => {
      const number = Number(id.slice(1))
      return [
        ...(number % 5 === 4 ? [] : [point(`mail-${number}`, 'email')]),
        ...(number % 3 === 0 ? [point(`sms-${number}`, 'sms')] : []),
      ]
    }
    return {
      ledger: { append: async () => undefined },
      log: { error: () => undefined },
      live: {
        listeners: () =>
          this.#directory.people
            .filter(({ id }) => this.#watches(id))
            .map(({ id }) => ({ principalId: id })),
        publishTo: async (
          tx: RecordsTransaction,
          [person = '']: string[],
          { body }: { body: { attempt: string; page: { id: string } } },
        ) => this.#show(tx, person, body),
        flush: () => undefined,
      },
      notify: {
        contactPoint: (id: string) => point(id, 'webhook'),
        contactPointsOf: ({ id }: { id: string }) => pointsOf(id),
        send: async ({ contactPoint, idempotencyKey }: Record<string, string>) =>
          this.#send(contactPoint ?? '', idempotencyKey ?? ''),
      },
      oncall: {
        snapshot: async (database: typeof records.read, id: string) => {
          const row = await this.#store.document(database, 'policy', id)
          return snapshotOf(id, row.revision, policyContent(row))
        },
        resolverAt: async (database: typeof records.read, at: number) => {
          const versions = await this.#store.versions(database, at, at + lookAheadDays * day)
          return resolverAt(this.#calendar, versions, this.#directory, {}, at)
        },
        now: time.now,
      },
    } as unknown as FastifyInstance
  }

  /** Every third has a screen open, by day of their own. */
  #watches(id: string): boolean {
    const number = Number(id.slice(1))
    const hour = new Date(this.time.now()).getUTCHours()
    return number % 3 === 1 && (hour + number) % 24 < 9
  }

  /** A page on a screen is seen by half of those who have one open. */
  async #show(
    tx: RecordsTransaction,
    person: string,
    body: { attempt: string; page: { id: string } },
  ): Promise<void> {
    if (!this.#watches(person) || !this.chance(0.5)) return
    const messages = [{ sequence: 1, kind: 'page', body: JSON.stringify(body) }]
    const receipt = { principalId: person, kind: 'displayed', at: this.time.now(), messages }
    await stampReceipts(tx, [receipt] as unknown as Parameters<typeof stampReceipts>[1])
    this.told.push({ page: body.page.id, person })
  }

  #send(contactPoint: string, key: string) {
    const who = contactPoint === wall.id ? peopleCount : Number(contactPoint.split('-')[1])
    if (this.#outage(who)) return { outcome: 'retry', reason: 'the gateway is down' }
    if (this.chance(0.1)) return { outcome: 'retry', reason: 'no route' }
    if (this.chance(0.05)) return { outcome: 'refused', reason: 'the number is not in use' }
    if (this.chance(0.02)) throw new Error('the sender broke')
    if (who < peopleCount) this.told.push({ page: key.split('/')[0] ?? '', person: `p${who}` })
    return { outcome: 'accepted', reason: 'accepted' }
  }
}

function scheduleOf(directory: Directory, i: number, timeZone: string) {
  const ten = (from: number) => Array.from({ length: 4 }, (_, n) => `p${(from + n) % peopleCount}`)
  const content = directory.schedule({
    name: `schedule ${i}`,
    description: '',
    timeZone,
    plannedGaps: true,
    layers: [
      {
        name: 'day',
        rotation: { unit: i % 2 === 0 ? 'week' : 'day', count: 1 },
        handOff: '08:00',
        startsOn: '2026-03-02',
        participants: ten(i * 4),
        // Nobody is on call by night in some: empty steps.
        windows:
          i % 2 === 0
            ? []
            : [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '20:00' }],
      },
    ],
  })
  return { id: `s${i}`, content, revision: undefined }
}

const on = (...schedules: number[]) =>
  schedules.map((n) => ({ kind: 'schedule' as const, id: `s${n}` }))
const body = (
  name: string,
  steps: { delaySeconds: number; targets: ReturnType<typeof on> }[],
  more: object = {},
) => ({
  name,
  description: '',
  steps,
  repeat: 1,
  catchAll: [wall],
  catchAllEverySeconds: 900,
  acknowledgementSeconds: null,
  ...more,
})
const policyBodies = [
  body('telephony', [
    { delaySeconds: 300, targets: on(0) },
    { delaySeconds: 600, targets: on(1, 2) },
  ]),
  // Two of three steps are empty at night and on weekends.
  body('gaps', [
    { delaySeconds: 300, targets: on(1) },
    { delaySeconds: 300, targets: on(3) },
    { delaySeconds: 300, targets: on(4) },
  ]),
  body('night', [{ delaySeconds: 120, targets: on(3) }], { repeat: 0 }),
  // Only people who have left: every step is empty at once.
  body(
    'nobody',
    [
      { delaySeconds: 300, targets: [{ kind: 'person' as never, id: 'p6' }] },
      { delaySeconds: 300, targets: [{ kind: 'person' as never, id: 'p13' }] },
    ],
    { repeat: 3 },
  ),
  body('patient', [{ delaySeconds: 900, targets: on(2, 4) }], {
    repeat: 3,
    acknowledgementSeconds: 3600,
  }),
]

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296
  }
}
