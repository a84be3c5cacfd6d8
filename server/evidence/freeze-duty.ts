import type { FastifyInstance } from 'fastify'
import type { NewFact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import { faultsOfAddition } from '../../incidents/judge.ts'
import { isImported } from '../../incidents/picture.ts'
import { suggestionFacts } from '../../incidents/suggestions.ts'
import type { Clock, Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Settled } from '../incidents/plugin.ts'
import type { ObligationKind, Opening } from '../obligations/plugin.ts'
import { later, type Records, type RecordsTransaction } from '../records/records.ts'
import { documentOf, type FrozenDocument } from './document.ts'
import { gather } from './gather.ts'

export const evidenceKind = 'evidence'
/** After a recovery it is looked again, when what follows it has settled. */
export const afterRecoveryMillis = 15 * 60_000
/** From this attempt on a freeze is written with what could be had. */
const lenientFrom = 3

/** Notes in the transaction of an incident's facts what is to be frozen, and opens its obligation; the alert waits for nothing else. */
export function noteFreezes(app: FastifyInstance, clock: Clock): Settled {
  return async (tx, { before, after, picture, facts }) => {
    const opened = picture.facts[0]
    // What is of the past, or of before there was a workflow, has no present to freeze.
    if (picture.simple || opened?.kind !== 'opened' || isImported(picture)) return
    if (before === undefined) await note(app, tx, after.id, 'detection', clock.now())
    const restored = facts.some(
      (fact) => fact.kind === 'transition' && fact.value.to === 'restored',
    )
    if (!restored) return
    const stage = `recovery ${picture.facts.length}`
    await note(app, tx, after.id, stage, clock.now() + afterRecoveryMillis)
  }
}

async function note(
  app: FastifyInstance,
  tx: RecordsTransaction,
  incident: string,
  stage: string,
  dueAt: Millis,
): Promise<void> {
  const row = { incident_id: incident, stage, due_at: dueAt, done_at: null }
  await later(tx, tx.insertInto('incident_freezes').values(row))
  await app.obligations.open(tx, opening(incident, stage, dueAt))
}

function opening(incident: string, stage: string, dueAt: Millis): Opening {
  return { kind: evidenceKind, subject: incident, key: `${incident} ${stage}`, dueAt }
}

/** Freezes what is due of an incident, writes it down by its hash, and says what it suggests. */
export function freezeDuty(app: FastifyInstance, clock: Clock): ObligationKind {
  const { records } = app
  return {
    kind: evidenceKind,
    promise:
      'what the hub knows around a fault is frozen when an incident opens, and again 15 minutes after its recovery',
    concurrency: 2,
    attemptMillis: 60_000,
    async perform({ subject, attempts }) {
      const now = clock.now()
      const owed = await owedOf(records.read, subject)
      const due = owed.filter(({ due_at }) => Number(due_at) <= now)
      const frozen: { stage: string; document: FrozenDocument }[] = []
      for (const { stage } of due) {
        const incident = await app.incidents.picture(subject)
        const evidence = await gather(app, incident, stage, now, attempts < lenientFrom)
        frozen.push({ stage, document: await documentOf(evidence) })
      }
      const next = owed.find(({ due_at }) => Number(due_at) > now)
      return {
        async settle(tx) {
          for (const { stage, document } of frozen) await keep(tx, subject, stage, document)
        },
        committed: () => app.incidents.committed(),
        ...(next === undefined ? {} : { again: { dueAt: Number(next.due_at) } }),
      }
    },
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incident_freezes')
        .select('incident_id as subject')
        .distinct()
        .where('done_at', 'is', null),
    async mend(tx, subject) {
      const [first] = await owedOf(tx, subject)
      if (first === undefined) return false
      const stage = `${first.stage} ${uuid(clock.now())}`
      return app.obligations.open(tx, opening(subject, stage, Number(first.due_at)))
    },
  }

  async function keep(
    tx: RecordsTransaction,
    incident: string,
    stage: string,
    document: FrozenDocument,
  ): Promise<void> {
    const now = clock.now()
    const done = await tx
      .updateTable('incident_freezes')
      .set({ done_at: now })
      .where('incident_id', '=', incident)
      .where('stage', '=', stage)
      .where('done_at', 'is', null)
      .executeTakeFirst()
    // Frozen by another attempt meanwhile.
    if (Number(done.numUpdatedRows) === 0) return
    const { hash, bytes, body, about } = document
    await tx
      .insertInto('incident_evidence')
      .values({ hash, incident_id: incident, stage, about, at: now, bytes, body })
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .execute()
    await app.incidents.addOfHub(tx, incident, (picture) => {
      const fact = evidenceFact(document, now)
      return faultsOfAddition(picture, fact).length > 0
        ? []
        : [fact, ...suggestionFacts(picture, document.evidence, hash)]
    })
  }
}

function owedOf(read: Records['read'] | RecordsTransaction, incident: string) {
  return (read as Records['read'])
    .selectFrom('incident_freezes')
    .select(['stage', 'due_at'])
    .where('incident_id', '=', incident)
    .where('done_at', 'is', null)
    .orderBy('due_at')
    .orderBy('stage')
    .execute()
}

function evidenceFact({ hash, bytes, about, evidence }: FrozenDocument, now: Millis): NewFact {
  const lacking = evidence.hosts.flatMap(
    ({ instance, metrics, versions, drift, backups, changes }) =>
      Object.entries({ metrics, versions, drift, backups, changes })
        .filter(([, part]) => part.state === 'error')
        .map(([name]) => `${name} of ${instance}`),
  )
  const without = lacking.length === 0 ? '' : hubSays('notFrozen', { parts: lacking.join(', ') })
  const text = hubSays('frozen', { about }) + without
  return {
    kind: 'evidence',
    value: { text: text.slice(0, 2000), about, hash, bytes },
    ...{ certainty: 'actual', occurredAt: now, recordedBy: 'hub', supersedes: null },
  }
}
