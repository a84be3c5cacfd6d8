import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Records } from '../records/records.ts'
import { type NamedKey, readCheckpoint } from './checkpoint.ts'
import { readWitnessKey, witnessSaid } from './cosignature.ts'
import type { ConfiguredWitness } from './witness-config.ts'
import { lastCosignature, saveCosignature, witnessesSince } from './witness-store.ts'

/** How a configured witness stands. */
export interface WitnessState extends ConfiguredWitness {
  readonly since: Millis
  /** The newest checkpoint it cosigned. */
  readonly last:
    | { readonly epoch: number; readonly size: number; readonly witnessedAt: Millis }
    | undefined
}

/** A checkpoint of the records. */
export interface StoredCheckpoint {
  readonly epoch: number
  readonly size: number
  readonly note: string
}

/** A witness's clock may be this much ahead of the hub's. */
const aheadMillis = 5 * 60_000

/** Takes cosignatures of configured witnesses, however they come, and knows how each witness stands. */
export class WitnessDesk {
  readonly #records: Records
  readonly #clock: Clock
  readonly #configured: readonly ConfiguredWitness[]
  readonly #states = new Map<string, WitnessState>()

  private constructor(records: Records, clock: Clock, configured: readonly ConfiguredWitness[]) {
    this.#records = records
    this.#clock = clock
    this.#configured = configured
  }

  static async open(
    records: Records,
    clock: Clock,
    configured: readonly ConfiguredWitness[],
  ): Promise<WitnessDesk> {
    const desk = new WitnessDesk(records, clock, configured)
    await desk.refresh()
    return desk
  }

  /** Reads how the witnesses stand: another hub over the same records may have taken a cosignature. */
  async refresh(): Promise<void> {
    const since = await witnessesSince(this.#records.read)
    for (const witness of this.#configured)
      await this.#load(witness, since.get(witness.name) ?? this.#clock.now())
  }

  async #load(configured: ConfiguredWitness, since: Millis): Promise<WitnessState> {
    const row = await lastCosignature(this.#records.read, configured.key)
    const last = row && { epoch: row.epoch, size: row.size, witnessedAt: row.witnessed_at }
    const state = { ...configured, since, last }
    this.#states.set(configured.key, state)
    return state
  }

  states(): readonly WitnessState[] {
    return [...this.#states.values()]
  }

  state(key: string): WitnessState | undefined {
    return this.#states.get(key)
  }

  /** How long ago a witness last cosigned, seconds; for one that never did, since it is configured. */
  ageSeconds(key: string): number {
    const state = this.#states.get(key)
    if (state === undefined) return 0
    const at = state.last?.witnessedAt ?? state.since
    return Math.max(0, this.#clock.now() - at) / 1000
  }

  /** Verifies lines under a checkpoint by the key pinned in the configuration, and keeps them. Throws unprocessable. */
  async take(checkpoint: StoredCheckpoint, lines: string): Promise<WitnessState> {
    const head = readCheckpoint(`${checkpoint.note}${lines}`)
    // What comes from outside adds lines under the note, and no text to it.
    if (head === undefined || head.text !== readCheckpoint(checkpoint.note)?.text)
      throw new CallwardError('unprocessable', 'This is no signature line.')
    for (const configured of this.#configured) {
      const said = witnessSaid(head, pinned(configured))
      if (said.kind === 'absent') continue
      if (said.kind === 'invalid')
        throw new CallwardError(
          'unprocessable',
          `The cosignature of ${configured.name} is not one of this checkpoint.`,
        )
      const { line, seconds } = said
      return this.#keep(configured, checkpoint, line, seconds * 1000)
    }
    throw new CallwardError(
      'unprocessable',
      'No witness of the configuration has that key. An administrator adds it to `witnesses` (docs/ledger.md).',
    )
  }

  async #keep(
    configured: ConfiguredWitness,
    { epoch, size }: StoredCheckpoint,
    line: string,
    witnessedAt: Millis,
  ): Promise<WitnessState> {
    const now = this.#clock.now()
    if (witnessedAt > now + aheadMillis)
      throw new CallwardError(
        'unprocessable',
        `The cosignature is of ${new Date(witnessedAt).toISOString()}, which is ahead of this hub's clock: see which of the two is wrong.`,
      )
    const { key } = configured
    await this.#records.write((tx) =>
      saveCosignature(tx, { epoch, size, key, line, witnessed_at: witnessedAt, received_at: now }),
    )
    return this.#load(configured, this.#states.get(key)?.since ?? now)
  }
}

function pinned({ name, key }: ConfiguredWitness): NamedKey {
  const named = readWitnessKey(key)
  if (named === undefined) throw new Error(`BUG: the key of witness ${name} was not checked`)
  return named
}
