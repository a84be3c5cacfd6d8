import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records } from '../records/records.ts'
import type { BaselineFileFault, BaselineFiles, ReadBaseline } from './baseline-files.ts'

/** Each version of a baseline as it was first read. */
export class BaselineStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
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
   * under a name stays what it was.
   */
  async keep(files: BaselineFiles): Promise<BaselineFiles> {
    const all = [...files.byRole.values()]
    if (all.length === 0) return files
    const changed = await this.#records.write(async (tx) => {
      const others: ReadBaseline[] = []
      for (const read of all) {
        const { role, version } = read.baseline
        const known = await tx
          .selectFrom('baseline_versions')
          .select('hash')
          .where('role', '=', role)
          .where('version', '=', version)
          .executeTakeFirst()
        if (known === undefined) {
          const { hash, text: body } = read
          const row = { role, version, hash, body, first_seen_at: this.#clock.now() }
          await tx.insertInto('baseline_versions').values(row).execute()
          await this.#ledger.append(tx, {
            action: 'baseline.version',
            object: { type: 'baseline', id: `${role} ${version}` },
            actor: 'hub',
            occurredAt: row.first_seen_at,
            content: { role, version, hash },
          })
        } else if (known.hash !== read.hash) others.push(read)
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
    return { byRole, faults }
  }
}
