import type { Severity } from '../../alerts/alert.ts'
import type { Recipient, Target } from '../oncall/plugin.ts'
import { storableText } from '../records/bindings.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageRow } from '../records/schema.ts'
import { type Duties, oweStep, oweTelling } from './escalation-duty.ts'
import { ledgerOpened } from './ledgered.ts'
import { given, groupKeyOfNotice, type NoticeTarget, resolved } from './notices.ts'
import { policyOfEverybody, staffTeam } from './page.ts'
import type { Pager } from './pager.ts'
import { addStep, insertPage, openPageOf } from './paging-store.ts'

interface PlainWord {
  /** What people read, in one line. */
  readonly title: string
  /** Words of one lane wait for each other. */
  readonly lane: string
  /** Labels that may name an escalation policy. */
  readonly labels: Readonly<Record<string, string>>
}

/** Something that is said once and that no alert stands behind. */
export interface PlainNotice extends PlainWord {
  /** Names it for ever; a second one of the same key is the same. */
  readonly key: string
  readonly severity: Severity
  /** Who asked for it, for the why-view: `deadlines`. */
  readonly from: string
  /** Where none of these can be told, the first step of the escalation policy is. */
  readonly to: readonly NoticeTarget[]
}

/** Something that asks for a person and that no alert stands behind. */
export interface PlainPage extends PlainWord {
  /** The page that is open under this name is asked of already; at most one is. */
  readonly groupKey: string
}

/** What `app.paging` says and asks where no alert does. */
export function plainWords(
  duties: Duties,
  contactNamed: Parameters<typeof resolved>[2],
  pager: Pager,
) {
  return {
    say: (tx: RecordsTransaction, word: PlainNotice) => sayPlainly(duties, contactNamed, tx, word),
    ask: (tx: RecordsTransaction, word: PlainPage) => askPlainly(duties, tx, word),
    askedFor: (tx: RecordsTransaction, groupKey: string, reason: string) =>
      endPlainly(duties, pager, tx, groupKey, reason),
  }
}

/** A page that is closed as it is opened, and what is owed to whom it names. */
async function sayPlainly(
  duties: Duties,
  contactNamed: Parameters<typeof resolved>[2],
  tx: RecordsTransaction,
  notice: PlainNotice,
): Promise<void> {
  const { escalation, clock, ports } = duties
  if ((await given(tx, notice.key)) !== undefined) return
  const now = clock.now()
  const policy = { ...policyOfEverybody, name: storableText(notice.from), steps: [], catchAll: [] }
  const state = escalation.resolve(escalation.triggered(now))
  const page = await insertPage(
    tx,
    {
      ...{ groupKey: groupKeyOfNotice(notice.key), policy, escalation: state, closed: true },
      ...{ severity: notice.severity, ...wordsOf(notice) },
    },
    now,
  )
  await ledgerOpened(ports, tx, 'paging.notice', page, [])
  await addStep(ports, tx, page.id, now, 'notice', { from: notice.from })
  const resolve = await ports.resolver(tx, now)
  const named: Recipient[] = []
  const skip = (target: object, reason: string | undefined) =>
    addStep(ports, tx, page.id, now, 'skip', { target, reason })
  for (const target of notice.to) {
    const { recipients, reason } = await resolved(tx, target, contactNamed, resolve)
    if (recipients.length === 0) await skip(target, reason)
    named.push(...recipients)
  }
  if (named.length === 0)
    for (const target of await firstTargets(duties, tx, notice.labels)) {
      const { recipients, reason } = resolve(target)
      if (recipients.length === 0) await skip(target, reason)
      named.push(...recipients)
    }
  for (const recipient of named)
    await oweTelling(duties, tx, page, {
      key: `${notice.key}/${recipient.kind}:${recipient.id}`,
      ...{ kind: 'notice', place: 'notice' },
      recipient: { ...recipient, name: await ports.nameOf(tx, recipient) },
    })
}

/** Who is on duty first. */
async function firstTargets(
  { ports }: Duties,
  tx: RecordsTransaction,
  labels: PlainWord['labels'],
): Promise<readonly Target[]> {
  const policy = await ports.policy(tx, labels)
  return policy.steps[0]?.targets ?? [{ kind: 'team', id: staffTeam }]
}

/** Opens a page that climbs as any other; none where one of its name is open. */
async function askPlainly(duties: Duties, tx: RecordsTransaction, word: PlainPage): Promise<void> {
  const { clock, ports, escalation } = duties
  if ((await openPageOf(tx, word.groupKey)) !== undefined) return
  const now = clock.now()
  const policy = await ports.policy(tx, word.labels)
  const page = await insertPage(
    tx,
    {
      ...{ groupKey: word.groupKey, policy, escalation: escalation.triggered(now) },
      ...{ severity: 'critical', ...wordsOf(word) },
    },
    now,
  )
  await ledgerOpened(ports, tx, 'paging.opened', page, [])
  const { name, revision } = policy
  await addStep(ports, tx, page.id, now, 'opened', { policy: name, revision })
  await oweStep(duties, tx, page, 'opened', now)
}

/** Closes the page of a name, where one is open. */
async function endPlainly(
  { clock }: Duties,
  pager: Pager,
  tx: RecordsTransaction,
  groupKey: string,
  reason: string,
): Promise<void> {
  const page: PageRow | undefined = await openPageOf(tx, groupKey)
  if (page !== undefined) await pager.close(tx, page, clock.now(), reason)
}

function wordsOf({ title, lane }: PlainWord) {
  return { title: storableText(title), lane: storableText(lane) }
}
