import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Gauge, type Registry } from 'prom-client'
import type {} from '../approvals/plugin.ts'
import type { Clock, Millis } from '../clock.ts'
import { type HubConfig, publicUrl, systemZone } from '../config.ts'
import type {} from '../deadlines/plugin.ts'
import { uuid } from '../ids.ts'
import type {} from '../incidents/plugin.ts'
import type {} from '../ledger/plugin.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../obligations/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentNoticeRow } from '../records/schema.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { countOverdue, countUndelivered, peopleNamed, staff } from './communication-store.ts'
import { type DeliveryParts, deliveryDuty, sendAgain } from './delivery-duty.ts'
import { approvalKind, Notices } from './notices.ts'
import { communicationRoutes } from './routes.ts'
import { leadsIn, type TellingParts, tell, type Word, withdraw } from './telling.ts'
import { rhythmListener, type UpdateParts, updateDuty } from './update-duty.ts'

export type { Word } from './telling.ts'

/** What is said of incidents, to others and to their own people. */
export interface Communication {
  /** Tells people of an incident by each of their contact points, in the caller's transaction; `wake` the obligations after the commit. */
  tell(tx: RecordsTransaction, word: Word): Promise<void>
  /** What was not told yet of a word is not told any more. */
  withdraw(tx: RecordsTransaction, key: string, reason: string): Promise<void>
  /** Who leads an incident or speaks for it inside; `led` is false when nobody does, and then it is everybody on staff. */
  leads(incidentId: string): Promise<{ readonly people: Word['people']; readonly led: boolean }>
}

declare module 'fastify' {
  interface FastifyInstance {
    communication: Communication
  }
}

const countEveryMillis: Millis = 10_000

/** Notices, their deliveries, and the promised rhythm of updates. */
export const communicationPlugin = fp(
  async (app, { clock, config }: { clock: Clock; config: HubConfig }) => {
    const { records, incidents, notify, obligations, ledger } = app
    const { contactPoints } = config.communication
    const rhythms = app.deadlines.updateRhythm
    const url = (number: number) => `${publicUrl(config)}/incidents/${number}`
    const committed = () => incidents.committed()
    const telling = { clock, notify, obligations }
    const communication = communicationOf(app, telling, clock)
    app.decorate('communication', communication)
    const attempts = registerMetrics(app.telemetry.registry, () =>
      countOverdue(records.read, clock.now()),
    )
    watchUndelivered(app, clock)
    const deliveries = {
      ...{ records, clock, ledger, notify, obligations, committed },
      attempted: (channel: string, outcome: string) => attempts.inc({ channel, outcome }),
      undelivered: undeliveredTo(app, communication, clock, url),
    }
    obligations.register(deliveryDuty(deliveries))
    const updates: UpdateParts = {
      ...{ records, clock, ledger, obligations, rhythms, url, committed },
      ...{ leads: communication.leads, tell: communication.tell },
    }
    obligations.register(updateDuty(updates))
    incidents.onFacts(rhythmListener(updates))
    const notices = new Notices({
      ...{ records, clock, ledger, incidents, notify, obligations, rhythms },
      ...{ approvals: app.approvals, usual: contactPoints },
      timeZone: config.timeZone ?? systemZone(),
    })
    app.approvals.provide(approvalKind, {
      title: 'Notice of an incident to customers',
      apply: (tx, approval) => notices.approved(tx, approval),
      applied: committed,
    })

    const again = async (notice: IncidentNoticeRow, { name }: Principal) => {
      const opened = await records.write((tx) =>
        sendAgain(deliveries, tx, notice, name, clock.now()),
      )
      committed()
      return opened
    }
    await app.register(communicationRoutes, { clock, notices, rhythms, again })
  },
  {
    name: 'callward-communication',
    dependencies: [
      'callward-telemetry',
      'callward-records',
      'callward-rules',
      'callward-access',
      'callward-ledger',
      'callward-obligations',
      'callward-approvals',
      'callward-incidents',
      'callward-notify',
      'callward-deadlines',
    ],
  },
)

function communicationOf(
  { records, incidents }: FastifyInstance,
  telling: TellingParts,
  clock: Clock,
): Communication {
  return {
    tell: (tx, word) => tell(telling, tx, word),
    withdraw: (tx, key, reason) => withdraw(tx, key, reason, clock.now()),
    async leads(id) {
      const { picture } = await incidents.picture(id)
      const leads = await peopleNamed(records.read, leadsIn(picture))
      return leads.length > 0
        ? { people: leads, led: true }
        : { people: await staff(records.read), led: false }
    },
  }
}

/** The author and those who lead are told of what did not arrive. */
function undeliveredTo(
  { records, incidents }: FastifyInstance,
  communication: Communication,
  clock: Clock,
  url: (number: number) => string,
): DeliveryParts['undelivered'] {
  return async (notice, { id, recipient }, reason) => {
    const { row } = await incidents.picture(notice.incident_id)
    const { people, led } = await communication.leads(notice.incident_id)
    const author = await peopleNamed(records.read, [notice.written_by])
    const told = led ? [...people, ...author] : author.length > 0 ? author : people
    const number = Number(row.number)
    return (tx) =>
      communication.tell(tx, {
        key: `undelivered/${id}/${uuid(clock.now())}`,
        incident: { id: row.id, number, title: row.title },
        form: 'undelivered',
        people: [...new Map(told.map((one) => [one.id, one])).values()],
        about: `${notice.title.slice(0, 200)} -> ${recipient}: ${reason}`,
        url: url(number),
      })
  }
}

/** Counts notices that did not come to their receivers, for the rule NoticeNotDelivered. */
function watchUndelivered(app: FastifyInstance, clock: Clock): void {
  let undelivered = 0
  const count = async () => {
    undelivered = await countUndelivered(app.records.read, clock.now())
  }
  app.rules.watchFigure('callward_incident_notices_undelivered', () => undelivered)
  const timer = setInterval(() => {
    count().catch((err: unknown) => app.log.warn({ err }, 'notices could not be counted'))
  }, countEveryMillis)
  timer.unref()
  app.addHook('preClose', async () => clearInterval(timer))
}

function registerMetrics(
  registry: Registry,
  overdue: () => Promise<number>,
): Counter<'channel' | 'outcome'> {
  new Gauge({
    name: 'callward_incident_updates_overdue',
    help: 'Incidents whose promised update has not been sent in time.',
    registers: [registry],
    async collect() {
      const count = await overdue().catch(() => undefined)
      if (count !== undefined) this.set(count)
    },
  })
  return new Counter({
    name: 'callward_notice_attempts_total',
    help: 'Attempts to bring a notice of an incident to a receiver, by channel and outcome.',
    labelNames: ['channel', 'outcome'],
    registers: [registry],
  })
}
