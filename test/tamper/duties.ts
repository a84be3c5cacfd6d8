import type { Clock } from '../../server/clock.ts'
import { readRegimeFiles } from '../../server/clocks/regime-files.ts'
import { deliveryDuty } from '../../server/communication/delivery-duty.ts'
import { Notices } from '../../server/communication/notices.ts'
import { DeadlineKeeper } from '../../server/deadlines/keeper.ts'
import { chooseRegimes, readInstitution } from '../../server/deadlines/settings.ts'
import { putInForce } from '../../server/deadlines/time-limits-store.ts'
import { assignedFact, assignmentListener } from '../../server/dispatch/assignment-duty.ts'
import { HoldStore } from '../../server/holds/hold-store.ts'
import { IncidentStore, type Settled } from '../../server/incidents/incident-store.ts'
import type { Ledger, LedgerReader } from '../../server/ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../../server/records/records.ts'

const technician = { id: 'p-tam', name: 'tam' }
const leader = { id: 'p-mai', name: 'mai', role: 'operator' } as const
const board = { id: 'c-board', label: 'board', channel: 'webhook', disabledAt: null }

/** What this world has nobody for: nothing becomes due in it, and receivers take at once what is sent. */
const nobody = {
  obligations: { open: async () => true, close: async () => 0 },
  paging: { askedFor: async () => undefined },
  communication: {
    tell: async () => undefined,
    withdraw: async () => undefined,
    leads: async () => ({ people: [], led: false }),
  },
  committed: () => undefined,
}

/** What is owed in incidents, kept by the hub's own code: deadlines, assignments, notices and holds. */
export class Duties {
  readonly store: IncidentStore
  readonly #notices: Notices
  readonly #delivery: ReturnType<typeof deliveryDuty>
  readonly #holds: HoldStore
  readonly #records: Records
  readonly #clock: Clock

  private constructor(
    records: Records,
    clock: Clock,
    ledger: Ledger,
    regimes: Parameters<typeof putInForce>[2],
  ) {
    this.#records = records
    this.#clock = clock
    this.#holds = new HoldStore(clock, ledger)
    const listeners: Settled[] = []
    const store = new IncidentStore(clock, ledger, async (tx, settled) => {
      for (const listener of listeners) await listener(tx, settled)
    })
    this.store = store
    const incidents = {
      write: async (tx: RecordsTransaction, id: string, facts: Parameters<typeof store.add>[2]) => {
        await store.add(tx, await store.byId(tx, id), facts)
      },
      async picture(id: string, tx: RecordsTransaction = records.read as RecordsTransaction) {
        const row = await store.byId(tx, id)
        return { row, picture: await store.picture(tx, row) }
      },
      committed: nobody.committed,
    } as never
    const keeper = new DeadlineKeeper({ ...nobody, clock, incidents, regimes: () => regimes })
    listeners.push(async (tx, { after, picture }) => keeper.follow(tx, after, picture))
    const parts = { ...nobody, records, clock, ledger, incidents }
    listeners.push(
      assignmentListener({
        ...parts,
        acceptMillis: () => 600_000,
        url: () => 'https://hub.example/',
        candidates: async () => ({ candidates: [], why: 'nobody' }),
      }),
    )
    this.#notices = new Notices({
      ...parts,
      notify: {
        text: () => ({ text: 'Text', faults: [] }),
        asSent: (title: string, text: string) => ({ title, text }),
        contactPointNamed: () => board,
      } as never,
      approvals: { request: () => Promise.reject(new Error('BUG: nobody writes to customers')) },
      rhythms: () => undefined,
      usual: { management: [], departments: [], customers: [] },
      timeZone: 'UTC',
    })
    this.#delivery = deliveryDuty({
      ...parts,
      notify: { send: async () => ({ outcome: 'accepted', reason: 'taken' }) } as never,
      undelivered: async () => async () => undefined,
      attempted: () => undefined,
    })
  }

  /** With the time limits that ship, and somebody to send. */
  static async begin(
    records: Records,
    clock: Clock,
    ledger: Ledger & LedgerReader,
  ): Promise<Duties> {
    const { byName } = await readRegimeFiles()
    const institution = readInstitution({}, 'Europe/Paris')
    if (!('holidays' in institution)) throw new Error(institution.join('\n'))
    const regimes = chooseRegimes({}, institution, byName)
    if (!('serviceLevels' in regimes)) throw new Error(regimes.join('\n'))
    await records.write(async (tx) => {
      const account = { ...technician, role: 'operator', kind: 'person' }
      await tx
        .insertInto('principals')
        .values({ ...account, created_at: clock.now(), disabled_at: null })
        .execute()
      await putInForce({ clock, ledger }, tx, regimes, (name) => byName.get(name)?.text ?? '')
    })
    return new Duties(records, clock, ledger, regimes)
  }

  /** Somebody is asked to go. */
  async assign(tx: RecordsTransaction, id: string): Promise<void> {
    const fact = assignedFact(technician.name, 'Please go.', leader.name, this.#clock.now())
    await this.store.add(tx, await this.store.byId(tx, id), [fact])
  }

  /** They take it. */
  async accept(tx: RecordsTransaction, id: string): Promise<void> {
    const value = { text: 'I go.', technician: technician.name }
    await this.store.add(tx, await this.store.byId(tx, id), [
      {
        ...({ kind: 'accepted', value, certainty: 'actual', supersedes: null } as const),
        ...{ occurredAt: this.#clock.now(), recordedBy: technician.name },
      },
    ])
  }

  /** Management is told, and it comes. */
  async notice(id: string): Promise<void> {
    const form = { audience: 'management', form: 'opening', language: 'en' } as const
    const words = { title: `News ${id}`, text: 'A trunk is down.', contactPoints: ['board'] }
    const notice = await this.#notices.send(id, leader as never, { ...form, ...words })
    const { id: subject } = await this.#records.read
      .selectFrom('incident_notice_deliveries')
      .select('id')
      .where('notice_id', '=', notice)
      .executeTakeFirstOrThrow()
    const { settle } = await this.#delivery.perform(
      { subject } as never,
      new AbortController().signal,
    )
    await this.#records.write(async (tx) => settle?.(tx, true))
  }

  async hold(tx: RecordsTransaction, id: string): Promise<void> {
    const of = { kind: 'incident', id } as const
    await this.#holds.set(tx, { of, reason: 'A lawsuit.', until: null, by: leader.name })
  }
}
