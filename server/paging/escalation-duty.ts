import type { Clock } from '../clock.ts'
import type { Obligation, ObligationKind, Obligations, Outcome } from '../obligations/plugin.ts'
import type { Decision, Oncall, Recipient } from '../oncall/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { PageRow } from '../records/schema.ts'
import {
  addStep,
  findPage,
  heldBack,
  pageOf,
  type Reading,
  writeEscalation,
} from './paging-store.ts'
import type { PagingPorts } from './ports.ts'
import { insertTelling } from './telling-store.ts'

export const escalationKind = 'escalation'
export const tellingKind = 'telling'

/** How often a page that is held back is looked at. */
const heldLookMillis = 15_000

/** What the duties of paging share. */
export interface Duties {
  readonly records: Records
  readonly clock: Clock
  readonly ports: PagingPorts
  readonly obligations: Pick<Obligations, 'open' | 'close' | 'wake'>
  readonly escalation: Oncall['escalation']
}

/** Opens what is owed to a page: its next step. */
export async function oweStep(
  { obligations }: Pick<Duties, 'obligations'>,
  tx: RecordsTransaction,
  page: Pick<PageRow, 'id' | 'lane'>,
  key: string,
  dueAt: number,
): Promise<void> {
  await obligations.open(tx, {
    kind: escalationKind,
    subject: page.id,
    key: `${page.id}/${key}`,
    lane: page.lane,
    dueAt,
  })
}

/** The next step of each page that has one: whom to tell now, and when to look again. */
export function escalationDuty(duties: Duties): ObligationKind {
  const { records, clock, ports, escalation } = duties
  return {
    kind: escalationKind,
    promise: 'an alert that pages climbs its escalation policy until a person takes it',
    concurrency: 8,
    attemptMillis: 10_000,

    async perform({ subject }: Obligation): Promise<Outcome> {
      const now = clock.now()
      const { row, policy, escalation: before } = pageOf(await findPage(records.read, subject))
      if (row.state === 'closed' || before.dueAt === null) return {}
      if (await heldBack(records.read, subject)) return pause(now)
      const resolve = await ports.resolver(records.read, now)
      const { state, decisions } = escalation.nextStep(policy, before, now, resolve)
      const names = await namesOf(ports, records.read, decisions)
      return {
        ...(state.dueAt === null ? {} : { again: { dueAt: state.dueAt } }),
        settle: async (tx, live) => {
          if (!live) return
          const present = await findPage(tx, subject)
          // Acknowledged or resolved in this very moment: the attempt is taken back as a whole, and looks again.
          if (present.escalation !== row.escalation) throw new Error('the page changed meanwhile')
          const opened = decisions.some(({ kind }) => kind === 'acknowledgement expired')
          await writeEscalation(
            tx,
            subject,
            state,
            opened ? { state: 'open', acknowledged_at: null, acknowledged_by: null } : {},
          )
          for (const decision of decisions) await record(duties, tx, present, decision, names)
        },
      }
    },

    owed: (read) =>
      (read as Records['read'])
        .selectFrom('pages')
        .select('id as subject')
        .where('state', '<>', 'closed')
        .where('escalation_due_at', 'is not', null),

    async mend(tx, subject) {
      const page = await findPage(tx, subject)
      if (page.state === 'closed' || page.escalation_due_at === null) return false
      await addStep(ports, tx, page.id, clock.now(), 'found lost', { what: escalationKind })
      await oweStep(duties, tx, page, `mended/${clock.now()}`, Number(page.escalation_due_at))
      return true
    },
  }
}

/** All of a page is silenced or a consequence of something else: it climbs no further until that ends. */
function pause(now: number): Outcome {
  return { again: { dueAt: now + heldLookMillis } }
}

/** Writes one decision down, and owes each recipient it names the word. */
async function record(
  duties: Duties,
  tx: RecordsTransaction,
  page: PageRow,
  decision: Decision,
  names: ReadonlyMap<string, string>,
): Promise<void> {
  const now = duties.clock.now()
  const recipients = 'recipients' in decision ? decision.recipients : []
  const told = recipients.map((one) => ({ ...one, name: names.get(nameKey(one)) ?? one.id }))
  await addStep(duties.ports, tx, page.id, now, decision.kind, { ...decision, recipients: told })
  const place = 'key' in decision ? decision.key : ''
  for (const recipient of told) {
    await oweTelling(duties, tx, page, {
      key: duties.escalation.messageKey(page.id, place, recipient),
      kind: 'page',
      place,
      recipient,
    })
  }
}

/** Who is to be told what. */
export interface Word {
  readonly key: string
  /** `page` or `resolved`. */
  readonly kind: string
  readonly place: string
  readonly recipient: Recipient & { readonly name: string }
}

/** Opens a telling and what is owed for it, once a key; it counts as opened when it is due. */
export async function oweTelling(
  { obligations, clock }: Pick<Duties, 'obligations' | 'clock'>,
  tx: RecordsTransaction,
  page: Pick<PageRow, 'id' | 'lane'>,
  word: Word,
  dueAt = clock.now(),
): Promise<void> {
  const id = await insertTelling(
    tx,
    {
      page_id: page.id,
      key: word.key,
      kind: word.kind,
      recipient_kind: word.recipient.kind,
      recipient_id: word.recipient.id,
      name: word.recipient.name,
      place: word.place,
    },
    dueAt,
  )
  if (id === undefined) return
  await obligations.open(tx, {
    kind: tellingKind,
    subject: id,
    key: word.key,
    lane: page.lane,
    dueAt,
  })
}

async function namesOf(
  ports: PagingPorts,
  database: Reading,
  decisions: readonly Decision[],
): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  for (const decision of decisions) {
    if (!('recipients' in decision)) continue
    for (const recipient of decision.recipients)
      names.set(nameKey(recipient), await ports.nameOf(database, recipient))
  }
  return names
}

const nameKey = ({ kind, id }: Recipient) => `${kind}:${id}`
