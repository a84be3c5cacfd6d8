import { CallwardError } from '../errors.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { nameKey } from './password.ts'

/** Accounts of people, disabled ones included. */
export const peopleKept = 10_000

/** Whom records name when no person did it. */
const reservedNames: ReadonlySet<string> = new Set(['hub', 'unknown', 'bootstrap'])

/**
 * That a new account may have a name: names that read the same are one, for records and approvals tell accounts apart by them.
 * Throws conflict, and unprocessable for one person too many.
 */
export async function checkNewName(
  tx: RecordsTransaction,
  name: string,
  kind: 'person' | 'service',
): Promise<void> {
  const wanted = nameKey(name)
  if (reservedNames.has(wanted))
    throw new CallwardError('conflict', `"${name}" stands for the hub itself; choose another name.`)
  const rows = await tx.selectFrom('principals').select(['name', 'kind']).execute()
  const taken = rows.find((row) => nameKey(row.name) === wanted)
  if (taken !== undefined)
    throw new CallwardError(
      'conflict',
      taken.kind === 'person'
        ? `There is an account "${taken.name}" already; choose another name, or make a link for it: callward people link ${taken.name}`
        : `There is an account "${taken.name}" already; choose another name.`,
    )
  if (kind === 'person' && rows.filter((row) => row.kind === 'person').length >= peopleKept)
    throw new CallwardError('unprocessable', `There are ${peopleKept} people already.`)
}
