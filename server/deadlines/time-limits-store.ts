import { createHash } from 'node:crypto'
import type { Regimes } from '../../deadlines/standing.ts'
import { timeLimitsText } from '../../deadlines/time-limits.ts'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Ledger, LedgerReader } from '../ledger/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'

/** Keeps the time limits with an entry of the ledger, where they are other ones than those before, or this log does not know them. */
export async function putInForce(
  { clock, ledger }: { readonly clock: Clock; readonly ledger: Ledger & LedgerReader },
  tx: RecordsTransaction,
  regimes: Regimes,
  textOf: (regime: string) => string,
): Promise<void> {
  const body = timeLimitsText(regimes, textOf)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const before = await tx
    .selectFrom('time_limits')
    .select(['id', 'sha256'])
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  const known =
    before?.sha256 === sha256 && (await ledger.knows(tx, { type: 'time-limits', id: before.id }))
  if (known) return
  const now = clock.now()
  const id = uuid(now)
  await tx.insertInto('time_limits').values({ id, in_force_at: now, sha256, body }).execute()
  await ledger.append(tx, {
    action: 'time_limits.in_force',
    object: { type: 'time-limits', id },
    ...{ actor: 'hub', occurredAt: now },
    content: {
      sha256,
      serviceLevels: regimes.serviceLevels.name,
      regulators: regimes.regulators.map(({ name }) => name),
    },
  })
}
