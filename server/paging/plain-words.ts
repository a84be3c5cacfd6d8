import type { Severity } from '../../alerts/alert.ts'
import type { Recipient, Target } from '../oncall/plugin.ts'
import { storableText } from '../records/bindings.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { type Duties, oweTelling } from './escalation-duty.ts'
import { ledgerOpened } from './ledgered.ts'
import { given, groupKeyOfNotice, type NoticeTarget, resolved } from './notices.ts'
import { policyOfEverybody, staffTeam } from './page.ts'
import { addStep, insertPage } from './paging-store.ts'

/** Something that is said once and that no alert stands behind. */
export interface PlainNotice {
  /** What people read, in one line. */
  readonly title: string
  /** Words of one lane wait for each other. */
  readonly lane: string
  /** Labels that may name an escalation policy. */
  readonly labels: Readonly<Record<string, string>>
  /** Names it for ever; a second one of the same key is the same. */
  readonly key: string
  readonly severity: Severity
  /** Who asked for it, for the why-view: `deadlines`. */
  readonly from: string
  /** Where none of these can be told, the first step of the escalation policy is. */
  readonly to: readonly NoticeTarget[]
}

/** A page that is closed as it is opened, and what is owed to whom it names. */
export async function sayPlainly(
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
  labels: PlainNotice['labels'],
): Promise<readonly Target[]> {
  const policy = await ports.policy(tx, labels)
  return policy.steps[0]?.targets ?? [{ kind: 'team', id: staffTeam }]
}

function wordsOf({ title, lane }: PlainNotice) {
  return { title: storableText(title), lane: storableText(lane) }
}
