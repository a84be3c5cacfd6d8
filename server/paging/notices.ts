import type { AlertView } from '../../alerts/alert.ts'
import type { Recipient } from '../oncall/plugin.ts'
import { storableText } from '../records/bindings.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { type Duties, oweTelling } from './escalation-duty.ts'
import { ledgerOpened } from './ledgered.ts'
import { laneOf, policyOfEverybody, titleOfAll } from './page.ts'
import {
  addStep,
  historyOf,
  insertPage,
  joinAlerts,
  type Reading,
  readable,
} from './paging-store.ts'
import { hasTaken } from './telling-store.ts'
import { pageTheUnheard } from './unheard.ts'

/** Whom a notice is for, by the names people gave. */
export interface NoticeTarget {
  readonly kind: 'contact' | 'person' | 'team'
  readonly name: string
}

/** Something that is said once: no acknowledgement is asked, nothing climbs. */
export interface Notice {
  /** Names it for ever; a second one of the same key is the same. */
  readonly key: string
  /** The worst first. */
  readonly alerts: readonly AlertView[]
  /** Another title than that of the alerts. */
  readonly title?: string | undefined
  readonly to: readonly NoticeTarget[]
  /** Who asked for it, for the why-view: `receiver chat`. */
  readonly from: string
  /** What it says is over. */
  readonly over?: boolean | undefined
}

/** A page that is closed as it is opened, and what is owed to whom it names; nobody behind a target is written down. */
export async function giveNotice(
  duties: Duties,
  contactNamed: (name: string) => { readonly id: string; readonly label: string } | undefined,
  tx: RecordsTransaction,
  notice: Notice,
): Promise<void> {
  const { escalation, clock, ports } = duties
  const now = clock.now()
  const [first] = notice.alerts
  if (first === undefined || (await given(tx, notice.key)) !== undefined) return
  const policy = { ...policyOfEverybody, name: storableText(notice.from), steps: [], catchAll: [] }
  const page = await insertPage(
    tx,
    {
      groupKey: groupKeyOfNotice(notice.key),
      lane: laneOf(first),
      title: notice.title === undefined ? titleOfAll(notice.alerts) : storableText(notice.title),
      severity: first.severity,
      policy,
      escalation: escalation.resolve(escalation.triggered(now)),
      closed: true,
    },
    now,
  )
  const ids = notice.alerts.map(({ id }) => id)
  await joinAlerts(tx, page.id, ids, now)
  await ledgerOpened(ports, tx, 'paging.notice', page, ids)
  const about = { from: notice.from, alert: first.rule, id: first.id }
  await addStep(ports, tx, page.id, now, 'notice', about)
  const resolve = await ports.resolver(tx, now)
  let named = 0
  for (const target of notice.to) {
    const { recipients, reason } = await resolved(tx, target, contactNamed, resolve)
    if (recipients.length === 0)
      await addStep(ports, tx, page.id, now, 'skip', { target: { ...target }, reason })
    named += recipients.length
    for (const recipient of recipients)
      await oweTelling(duties, tx, page, {
        key: `${notice.key}/${recipient.kind}:${recipient.id}`,
        kind: notice.over ? 'notice-over' : 'notice',
        place: 'notice',
        recipient: { ...recipient, name: await ports.nameOf(tx, recipient) },
      })
  }
  if (named === 0 && notice.over !== true) await pageTheUnheard(duties, tx, page.id)
}

export const groupKeyOfNotice = (key: string) => `notice:${key}`

/** The notice of a key, if there is one. */
export async function given(tx: Reading, key: string): Promise<string | undefined> {
  const row = await readable(tx)
    .selectFrom('pages')
    .select('id')
    .where('group_key', '=', groupKeyOfNotice(key))
    .where('state', '=', 'closed')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}

/** Why nobody has taken the notice of a key; undefined: somebody has, or there is none of that key. */
export async function whyUntaken(database: Reading, key: string): Promise<string | undefined> {
  const id = await given(database, key)
  if (id === undefined) return undefined
  const { steps, tellings, attempts } = await historyOf(database, id)
  const reasons = steps.flatMap(({ kind, content }) => (kind === 'skip' ? skipped(content) : []))
  for (const { id: telling, name, state, reason } of tellings) {
    if (state === 'told' || (await hasTaken(database, telling))) return undefined
    const last = attempts.findLast(({ telling_id }) => telling_id === telling)
    reasons.push(`${name}: ${state === 'over' ? reason : (last?.reason ?? 'not tried yet')}`)
  }
  return reasons.length === 0 ? 'it names nobody' : reasons.join('; ')
}

function skipped(content: string): string[] {
  // giveNotice wrote it.
  const { reason } = JSON.parse(content) as { reason?: string }
  return reason === undefined ? [] : [reason]
}

/** Who stands behind a target now, or why nobody does. */
export async function resolved(
  tx: Reading,
  { kind, name }: NoticeTarget,
  contactNamed: (name: string) => { readonly id: string; readonly label: string } | undefined,
  resolve: Awaited<ReturnType<Duties['ports']['resolver']>>,
): Promise<{ recipients: readonly Recipient[]; reason?: string | undefined }> {
  if (kind === 'contact') {
    const point = contactNamed(name)
    return point === undefined
      ? { recipients: [], reason: `there is no contact point "${name}"` }
      : { recipients: [{ kind: 'contact', id: point.id }] }
  }
  if (kind === 'team') return resolve({ kind: 'team', id: name })
  const person = await readable(tx)
    .selectFrom('principals')
    .select('id')
    .where((is) => is.or([is('id', '=', name), is('name', '=', name)]))
    .limit(1)
    .executeTakeFirst()
  return person === undefined
    ? { recipients: [], reason: `there is no account "${name}"` }
    : resolve({ kind: 'person', id: person.id })
}
