import type { Labels } from '../../alerts/alert.ts'
import type { Matcher } from '../../alerts/matchers.ts'
import type { PipelineInput } from '../../alerts/pipeline.ts'
import { breadthOf, type Silence, silenceFaults } from '../../alerts/silence.ts'
import { rowOf, rowsOf } from '../../alerts/table.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { LedgerEntry } from '../ledger/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { PipelineKeeper } from './keeper.ts'
import { PipelineFault, type Router, type RouterOptions, type RunOptions } from './router.ts'
import { type SilencePreview, type SilenceView, silenceViews } from './views.ts'

/** Who sets or ends a silence. */
export type Author = Pick<Principal, 'id' | 'name'>

export interface DeskOptions {
  readonly records: Records
  readonly clock: Clock
  readonly router: Router
  readonly keeper: PipelineKeeper
  readonly ledger: (tx: RecordsTransaction, entry: LedgerEntry) => Promise<void>
  /** Labels of known hosts, by which it is judged how broad a silence is. */
  readonly hosts: () => readonly Labels[]
  /** After a commit. */
  readonly changed: () => void
}

const silencesMax = 10_000

/** Where people set and end silences. */
export class SilenceDesk {
  readonly #options: DeskOptions

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** One run of the pipeline in a transaction of its own; when it resolves the state says so. */
  async change(
    inputs: readonly PipelineInput[],
    options: RunOptions = {},
    more: (tx: RecordsTransaction) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { records, router, keeper, changed } = this.#options
    await records.write(async (tx) => {
      await more(tx)
      await router.run(tx, inputs, options)
    })
    changed()
    await keeper.confirm()
  }

  /** Looks at all alerts anew, in a transaction of its own; a fault of the pipeline is told before it is thrown. */
  async review(onFault: RouterOptions['onFault'] = () => undefined): Promise<void> {
    const { records, router, keeper, changed } = this.#options
    try {
      await records.write((tx) => router.review(tx))
    } catch (error) {
      if (error instanceof PipelineFault) onFault(error, 0)
      throw error
    }
    changed()
    await keeper.confirm()
  }

  preview(matchers: readonly Matcher[]): SilencePreview {
    const { keeper, hosts } = this.#options
    const firing = [...rowsOf(keeper.committed.alerts)]
      .filter(({ shown }) => shown === 'firing')
      .map(({ alert }) => alert)
    const { alerts, tooBroad } = breadthOf(matchers, firing, hosts())
    return {
      hides: alerts,
      ...(tooBroad.length === 0 ? {} : { tooBroad: tooBroad.join('; ') }),
    }
  }

  /** Throws bad_request, and conflict for one that is too broad without `force`. */
  async set(silence: Silence, by: Author, { force = false } = {}): Promise<SilenceView> {
    const { clock, keeper, ledger } = this.#options
    const at = clock.now()
    const tooBroad = this.#check(silence, at, force)
    const { matchers, startsAt, endsAt, createdBy, untilResolved = false, reason } = silence
    const authors = new Map([[silence.id, by.id]])
    await this.change([{ kind: 'silence', at, silence }], { actor: by.name, authors }, (tx) =>
      ledger(tx, {
        action: 'silence.set',
        object: { type: 'silence', id: silence.id },
        actor: by.name,
        occurredAt: at,
        content: {
          matchers: matchers.map((one) => ({ ...one })),
          ...{ startsAt, endsAt, createdBy, untilResolved },
          forced: tooBroad,
        },
        sensitive: { reason },
      }),
    )
    const view = silenceViews(keeper.committed).find((one) => one.silence.id === silence.id)
    if (view === undefined)
      throw new CallwardError('conflict', 'The silence has ended in the moment it was set.')
    return view
  }

  /** Throws not_found. */
  async end(id: string, by: Author): Promise<void> {
    const { clock, keeper } = this.#options
    if (rowOf(keeper.committed.silences, id) === undefined)
      throw new CallwardError('not_found', `There is no silence ${id}; it may have ended.`)
    const input = { kind: 'end-silence', at: clock.now(), id, by: by.name } as const
    await this.change([input], { actor: by.name })
  }

  /** Gives whether it is too broad and forced. */
  #check(silence: Silence, at: number, force: boolean): boolean {
    const { silences } = this.#options.keeper.committed
    const wrong = silenceFaults(silence, at)
    if (wrong.length > 0)
      throw new CallwardError('bad_request', `The silence cannot be set: ${wrong.join('; ')}.`)
    if (rowOf(silences, silence.id) === undefined && silences.size >= silencesMax)
      throw new CallwardError('conflict', `There are ${silencesMax} silences; end some first.`)
    const { tooBroad } = this.preview(silence.matchers)
    if (tooBroad !== undefined && !force)
      throw new CallwardError(
        'conflict',
        `The silence is too broad: it ${tooBroad}. Set it with force if that is meant.`,
      )
    return tooBroad !== undefined
  }
}
