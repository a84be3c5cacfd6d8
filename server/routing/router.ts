import type { AlertChange } from '../../alerts/alert.ts'
import { type PipelineInput, type PipelineResult, runPipeline } from '../../alerts/pipeline.ts'
import type { PipelineContext } from '../../alerts/pipeline-state.ts'
import { rowOf, rowsOf } from '../../alerts/table.ts'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Obligations } from '../obligations/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import { RecordsError } from '../records/records-error.ts'
import type { RoutingStateRow } from '../records/schema.ts'
import { type Carrying, carryOut, columnsOf } from './decisions.ts'
import type { PipelineKeeper } from './keeper.ts'
import type { RoutingPlan } from './routing-file.ts'
import { release, saveChanges, saveHead } from './routing-store.ts'

/** A change of an alert with the incident it belongs to. */
export interface RoutedChange {
  readonly change: AlertChange
  readonly incidentId: string | undefined
}

/** What people configured, as the pipeline takes it and as its decisions are carried out. */
export interface Setting {
  readonly context: PipelineContext
  readonly plan: RoutingPlan
}

export interface RouterOptions extends Carrying {
  readonly clock: Clock
  readonly keeper: PipelineKeeper
  readonly obligations: Pick<Obligations, 'open' | 'close'>
  readonly setting: () => Setting
  /** Pure; tests put a faulty one in its place. */
  readonly pipeline?: typeof runPipeline
  /** Something here is broken; alerts page without it meanwhile. */
  readonly onFault: (error: unknown, alerts: number) => void
}

/** What one run was asked for, besides its inputs. */
export interface RunOptions {
  readonly incidents?: ReadonlyMap<string, string>
  readonly actor?: string
  /** Accounts of those who set silences, by silence. */
  readonly authors?: ReadonlyMap<string, string>
  /** Key of the obligation that is being met. */
  readonly met?: string
}

export const timeKind = 'routing-time'
export const timeSubject = 'pipeline'

/** How long alerts page without routing after it failed to write what it decided. */
const bypassMillis = 60_000

/** What the database answers when it is given what it cannot hold. */
const refusals: ReadonlySet<string> = new Set(['constraint', 'constraint_unique'])

/** The pipeline threw: a bug in it, not trouble with the records. */
export class PipelineFault extends Error {}

/** Runs the pipeline inside transactions of the records and writes down what follows. */
export class Router {
  readonly #options: RouterOptions
  #bypassUntil = Number.NEGATIVE_INFINITY

  constructor(options: RouterOptions) {
    this.#options = options
  }

  /** Routes changes of alerts; when routing is broken, critical ones page without it. */
  async take(tx: RecordsTransaction, changes: readonly RoutedChange[]): Promise<void> {
    const { clock, onFault } = this.#options
    if (changes.length === 0) return
    if (clock.monotonic() < this.#bypassUntil) return this.#direct(tx, changes)
    try {
      await this.#route(tx, changes)
    } catch (error) {
      // Trouble with the records, not with what routing gave them: the caller tries again as a whole.
      if (error instanceof RecordsError && !refusals.has(error.code)) throw error
      onFault(error, changes.length)
      // Nothing is written yet: these page at once. Else the attempt is taken back, and the next goes past routing.
      if (error instanceof PipelineFault) return this.#direct(tx, changes)
      this.#bypassUntil = clock.monotonic() + bypassMillis
      throw error
    }
  }

  async #route(tx: RecordsTransaction, changes: readonly RoutedChange[]): Promise<void> {
    const { pages } = this.#options
    const incidents = new Map<string, string>()
    for (const { change, incidentId } of changes)
      if (incidentId !== undefined) incidents.set(change.alert.id, incidentId)
    const inputs = changes
      .map(({ change }): PipelineInput => ({ kind: 'alert', at: change.at, change }))
      .sort((a, b) => a.at - b.at)
    const { before } = await this.run(tx, inputs, { incidents })
    for (const { change, incidentId } of changes) {
      const known = rowOf(before.alerts, change.alert.fingerprint)
      // Taken by a person, or one that routing never heard of: its page knows.
      const unknown = change.kind === 'resolved' && known?.alert.id !== change.alert.id
      if (change.kind === 'acknowledged' || unknown)
        await pages.alertChanged(tx, change, incidentId)
    }
  }

  async #direct(tx: RecordsTransaction, changes: readonly RoutedChange[]): Promise<void> {
    for (const { change, incidentId } of changes)
      await this.#options.pages.alertChanged(tx, change, incidentId)
  }

  /** One run: what changed, what follows from it, and when to look again. Throws PipelineFault before it writes. */
  async run(
    tx: RecordsTransaction,
    inputs: readonly PipelineInput[],
    { incidents = new Map(), actor, authors = new Map(), met }: RunOptions = {},
  ) {
    const { clock, keeper, setting, pipeline = runPipeline } = this.#options
    const { head, state: before } = await keeper.current(tx)
    const { context, plan } = setting()
    const now = Math.max(clock.now(), ...inputs.slice(-1).map(({ at }) => at))
    let result: PipelineResult
    try {
      result = pipeline(before, context, inputs, now)
    } catch (error) {
      throw new PipelineFault('routing failed', { cause: error })
    }
    const columns = columnsOf(plan)
    const receiverOf = (group: string) =>
      (rowOf(result.state.groups, group) ?? rowOf(before.groups, group))?.receiver
    await saveChanges(tx, result.changes, (row) => columns(row, receiverOf), authors)
    const revision = uuid(now)
    const { next_at, plan: key } = await this.#planned(tx, head, result.nextAt, revision, met)
    await saveHead(tx, { revision, at: result.state.at, next_at, plan: key })
    keeper.wrote(revision, result.state)
    await carryOut(this.#options, tx, { before, result, plan, incidents, actor })
    return { before, result }
  }

  /** Looks at everything as the setting says now, as after a start; nothing where routing has seen nothing. */
  async review(tx: RecordsTransaction): Promise<void> {
    const { head } = await this.#options.keeper.current(tx)
    if (head !== undefined) await this.run(tx, [])
  }

  /**
   * The pipeline could not look at what had become due: critical alerts that wait page without it. Gives how many.
   */
  async rescue(tx: RecordsTransaction): Promise<number> {
    const { keeper, pages, clock } = this.#options
    const { state } = await keeper.current(tx)
    let count = 0
    const now = clock.now()
    for (const row of rowsOf(state.alerts)) {
      if (!row.firing || row.severity !== 'critical') continue
      const { hold } = row
      if (hold !== undefined && (hold.until === undefined || hold.until > now)) continue
      // Nobody else says so while the pipeline cannot, and a page that is held climbs no further.
      if (hold !== undefined) await release(tx, row.alert.id)
      const waits = Object.values(row.memberships).some(({ told }) => told?.life !== row.alert.id)
      if (!waits) continue
      count += 1
      const alert = { ...row.alert, severity: row.severity }
      await pages.alertChanged(tx, { kind: 'firing', alert, at: now }, undefined)
    }
    return count
  }

  /** Owes a look at the time the pipeline asks for; one that comes earlier than needed stays. */
  async #planned(
    tx: RecordsTransaction,
    head: RoutingStateRow | undefined,
    nextAt: number | undefined,
    revision: string,
    met: string | undefined,
  ): Promise<Pick<RoutingStateRow, 'next_at' | 'plan'>> {
    const { obligations } = this.#options
    const standing = head?.plan === met ? undefined : head
    const [plan, at] = [standing?.plan ?? null, standing?.next_at ?? null]
    if (nextAt === undefined || (plan !== null && at !== null && at <= nextAt))
      return { plan, next_at: at }
    if (plan !== null) await obligations.close(tx, timeKind, timeSubject, 'looked at earlier')
    const key = `${timeSubject}/${revision}`
    await obligations.open(tx, { kind: timeKind, subject: timeSubject, key, dueAt: nextAt })
    return { plan: key, next_at: nextAt }
  }
}
