import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { BaselineVersionRow } from '../records/schema.ts'
import {
  type BaselineFileFault,
  type BaselineFiles,
  type ReadBaseline,
  readBaselineText,
} from './baseline-files.ts'

/** Each version of a baseline as it was first read. */
export class BaselineStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #twoPersons: boolean

  /** `twoPersons`: a new version counts only once `approve` took it. */
  constructor(records: Records, clock: Clock, ledger: Ledger, twoPersons: boolean) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
    this.#twoPersons = twoPersons
  }

  /** Takes a version that two people agreed on. Throws conflict when it was taken before. */
  async approve(
    tx: RecordsTransaction,
    { role, version, hash, text }: ApprovedVersion,
    actor: string,
  ): Promise<void> {
    const row = { role, version, hash, body: text, first_seen_at: this.#clock.now() }
    const added = await tx
      .insertInto('baseline_versions')
      .values(row)
      .onConflict((conflict) => conflict.columns(['role', 'version']).doNothing())
      .executeTakeFirst()
    if (added.numInsertedOrUpdatedRows === 0n)
      throw new CallwardError(
        'conflict',
        `The version "${version}" of the role "${role}" is in the records already; give the new text a version of its own.`,
      )
    await this.#note(tx, row, actor)
  }

  /** The version of a role that was taken last. */
  async #newest(role: string): Promise<ReadBaseline | undefined> {
    const row = await this.#records.read
      .selectFrom('baseline_versions')
      .selectAll()
      .where('role', '=', role)
      .orderBy('first_seen_at', 'desc')
      .limit(1)
      .executeTakeFirst()
    const baseline = row === undefined ? undefined : readBaselineText(row.body).baseline
    if (row === undefined || baseline === undefined) return undefined
    return { baseline, file: `${role} ${row.version}`, text: row.body, hash: row.hash }
  }

  async #note(
    tx: RecordsTransaction,
    { role, version, hash, first_seen_at }: BaselineVersionRow,
    actor: string,
  ): Promise<void> {
    await this.#ledger.append(tx, {
      action: 'baseline.version',
      object: { type: 'baseline', id: `${role} ${version}` },
      actor,
      occurredAt: first_seen_at,
      content: { role, version, hash },
    })
  }

  /** Whether a role ever had a baseline. */
  async isKnown(role: string): Promise<boolean> {
    const row = await this.#records.read
      .selectFrom('baseline_versions')
      .select('role')
      .where('role', '=', role)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }

  /**
   * Keeps versions that are new, and leaves out files that say something else under a version that was read before: what was approved
   * under a name stays what it was. Where two people must agree, a new version waits, and the one before it stays in force.
   */
  async keep(files: BaselineFiles): Promise<BaselineFiles> {
    const all = [...files.byRole.values()]
    if (all.length === 0) return files
    const waiting: ReadBaseline[] = []
    const changed = await this.#records.write(async (tx) => {
      const others: ReadBaseline[] = []
      waiting.length = 0
      for (const read of all) {
        const { role, version } = read.baseline
        const known = await tx
          .selectFrom('baseline_versions')
          .select('hash')
          .where('role', '=', role)
          .where('version', '=', version)
          .executeTakeFirst()
        if (known === undefined && this.#twoPersons) waiting.push(read)
        else if (known === undefined) {
          const { hash, text: body } = read
          const row = { role, version, hash, body, first_seen_at: this.#clock.now() }
          await tx.insertInto('baseline_versions').values(row).execute()
          await this.#note(tx, row, 'hub')
        } else if (known !== undefined && known.hash !== read.hash) others.push(read)
      }
      return others
    })
    const byRole = new Map(files.byRole)
    const faults: BaselineFileFault[] = [...files.faults]
    for (const { baseline, file } of changed) {
      const { role, version } = baseline
      byRole.delete(role)
      const message = `version: "${version}" of the role "${role}" was read before with other words, which stay what was approved; give this text a version of its own. Example: version: "${version}.1"`
      faults.push({ file, line: 1, message })
    }
    for (const { baseline } of waiting) {
      const before = await this.#newest(baseline.role)
      if (before === undefined) byRole.delete(baseline.role)
      else byRole.set(baseline.role, before)
    }
    return { byRole, faults, waiting }
  }
}

/** What a request for two people says of a version. */
export interface ApprovedVersion {
  readonly role: string
  readonly version: string
  readonly hash: string
  readonly text: string
}
