import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { ExternalAlertRow } from '../records/schema.ts'
import type { AlertIntake, AlertSource } from '../rules/plugin.ts'
import type { Timers } from '../timers.ts'
import {
  afterPost,
  afterSilence,
  type ExternalAlert,
  externalGroup,
  resolvedAt,
} from './external-alert.ts'
import { dropExternal, saveExternal } from './external-store.ts'
import type { PostedAlert } from './posted-alert.ts'

export interface ExternalAlertsOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly newId: () => string
  /** Active posted alerts at most; the last fifth is kept for critical ones. */
  readonly activeMax: number
  readonly resolveTimeoutMillis: Millis
  /** Rows of posted alerts as the records hold them. */
  readonly saved: ReadonlyMap<string, ExternalAlertRow>
  readonly onError: (error: unknown) => void
}

/** What became of the alerts of one post. */
export interface PostResult {
  readonly fired: number
  readonly renewed: number
  readonly resolved: number
  /** Label sets that a rule of the hub raises itself; theirs counts. */
  readonly ofRules: number
  /** Not taken because too many are active. */
  readonly refused: number
}

const slice = 200
const waitingMax = 2_000
const endedMax = 20_000
const tickMillis = 5_000
/** A gap between two ticks after which the hub could hear nobody. */
const deafMillis = 30_000
const textsEveryMillis = 60_000
const textsMax = 500

/** The posted alerts that are active, and their way to the records. */
export class ExternalAlerts implements AlertSource {
  readonly #options: ExternalAlertsOptions
  readonly #active = new Map<string, ExternalAlert>()
  /** `endsAt` that the records hold, by id. */
  readonly #storedEnds = new Map<string, Millis>()
  readonly #endedAt = new Map<string, Millis>()
  /** By fingerprint: the newest change that is not durable yet. */
  readonly #writing = new Map<string, Round>()
  /** Fingerprints whose texts differ from the records'. */
  readonly #texts = new Set<string>()
  #intake: AlertIntake | undefined
  #cancel: (() => void) | undefined
  #tickedAt: Millis
  #textsAt: Millis

  constructor(options: ExternalAlertsOptions) {
    this.#options = options
    this.#tickedAt = this.#textsAt = options.clock.now()
  }

  get count(): number {
    return this.#active.size
  }

  /** Begins to end what nobody posts any more. */
  start(intake: AlertIntake): void {
    this.#intake = intake
    this.#tickLater()
  }

  stop(): void {
    this.#cancel?.()
  }

  active(): readonly AlertView[] {
    return [...this.#active.values()].map(({ alert }) => alert)
  }

  find(fingerprint: string): AlertView | undefined {
    return this.#active.get(fingerprint)?.alert
  }

  external(fingerprint: string): ExternalAlert | undefined {
    return this.#active.get(fingerprint)
  }

  acknowledged(id: string, fingerprint: string, by: string, at: Millis): void {
    const known = this.#active.get(fingerprint)
    if (known?.alert.id !== id) return
    const alert = { ...known.alert, acknowledgedAt: at, acknowledgedBy: by }
    this.#active.set(fingerprint, { ...known, alert })
  }

  restore(alert: AlertView): boolean {
    const row = this.#options.saved.get(alert.id)
    if (row === undefined) return false
    const { clock, resolveTimeoutMillis } = this.#options
    const external = {
      alert: { ...alert, group: externalGroup },
      endsAt: row.ends_at,
      explicit: row.explicit === 1,
      generatorUrl: row.generator_url,
      postedBy: row.posted_by,
    }
    this.#storedEnds.set(alert.id, row.ends_at)
    this.#active.set(alert.fingerprint, afterSilence(external, clock.now(), resolveTimeoutMillis))
    return true
  }

  giveWay(fingerprint: string, at: Millis): AlertView | undefined {
    const known = this.#active.get(fingerprint)
    if (known === undefined) return undefined
    this.#forget(known.alert, at)
    return resolvedAt(known.alert, at)
  }

  /**
   * Takes a post and resolves when all of it is durable. Throws unavailable when the records are behind, or refuse:
   * then what was taken is in memory, people are told, and it is written as soon as the records take it.
   */
  async post(posts: readonly PostedAlert[], by: string): Promise<PostResult> {
    const total = { fired: 0, renewed: 0, resolved: 0, ofRules: 0, refused: 0 }
    const waits = new Set<Promise<boolean>>()
    let behind = 0
    for (const some of slicesOf(posts)) {
      const round = new Round()
      const full = this.#intake!.waiting > waitingMax
      for (const post of some) if (!this.#take(post, full, by, round, total)) behind++
      this.#put(round)
      for (const { fingerprint } of some) {
        const written = this.#writing.get(fingerprint)?.written
        if (written !== undefined) waits.add(written)
      }
      // Others have their turn between two slices.
      await (round.empty ? new Promise((resolve) => setImmediate(resolve)) : round.written)
    }
    if ((await Promise.all(waits)).includes(false))
      throw new CallwardError(
        'storage_unavailable',
        'The records refuse writes; people are told all the same. Post again: nothing happens twice.',
      )
    if (behind > 0)
      throw new CallwardError(
        'unavailable',
        `More than ${waitingMax} changes of alerts wait for the records; ${behind} of this post were left out, post again in a few seconds.`,
      )
    return total
  }

  /** False when it has to wait for the records; that an alert still stands is always heard, and critical ones always pass. */
  #take(
    post: PostedAlert,
    full: boolean,
    by: string,
    round: Round,
    total: { -readonly [K in keyof PostResult]: PostResult[K] },
  ): boolean {
    const { clock, newId, resolveTimeoutMillis } = this.#options
    const { fingerprint } = post
    const now = clock.now()
    const known = this.#active.get(fingerprint)
    if (known === undefined && this.#intake!.raisedByRule(fingerprint)) {
      total.ofRules++
      return true
    }
    const endedAt = this.#endedAt.get(fingerprint)
    const effect = afterPost(known, post, now, { newId, resolveTimeoutMillis, by, endedAt })
    if (effect.kind === 'ignored') return true
    if (effect.kind === 'resolved') {
      if (full) return false
      this.#end(effect.alert, post.endsAt ?? now, round)
      total.resolved++
      return true
    }
    const { external } = effect
    if (full && effect.kind === 'fired' && external.alert.severity !== 'critical') return false
    if (effect.kind === 'fired' && !this.#hasRoom(external.alert)) {
      total.refused++
      return true
    }
    this.#active.set(fingerprint, external)
    total[effect.kind]++
    if (effect.kind === 'fired') {
      round.change({ kind: 'firing', alert: external.alert, at: now })
      this.#touch(external, round)
    } else {
      if (effect.text) this.#texts.add(fingerprint)
      if (!full && this.#needsTouch(external, now)) {
        round.alerts.push(external.alert)
        this.#touch(external, round)
      }
    }
    return true
  }

  /** Warnings leave the last fifth to critical alerts. */
  #hasRoom({ severity }: AlertView): boolean {
    const { activeMax } = this.#options
    return this.#active.size < (severity === 'critical' ? activeMax : activeMax * 0.8)
  }

  /** A restart gives every alert the timeout; only longer ends must be kept, and not at every post. */
  #needsTouch({ alert, endsAt }: ExternalAlert, now: Millis): boolean {
    const { resolveTimeoutMillis } = this.#options
    const ahead = endsAt - now
    const stored = this.#storedEnds.get(alert.id) ?? 0
    return (
      ahead > resolveTimeoutMillis && endsAt - stored > Math.max(resolveTimeoutMillis, ahead / 2)
    )
  }

  #touch({ alert, endsAt, explicit, generatorUrl, postedBy }: ExternalAlert, round: Round): void {
    this.#storedEnds.set(alert.id, endsAt)
    round.touched.push({
      alert_id: alert.id,
      ends_at: endsAt,
      explicit: explicit ? 1 : 0,
      generator_url: generatorUrl,
      posted_by: postedBy,
    })
    round.fingerprints.push(alert.fingerprint)
  }

  #end(resolved: AlertView, endedAt: Millis, round: Round): void {
    this.#forget(resolved, endedAt)
    round.change({ kind: 'resolved', alert: resolved, at: resolved.resolvedAt ?? endedAt })
    round.ended.push(resolved.id)
  }

  #forget({ id, fingerprint }: AlertView, endedAt: Millis): void {
    this.#active.delete(fingerprint)
    this.#storedEnds.delete(id)
    this.#texts.delete(fingerprint)
    this.#endedAt.delete(fingerprint)
    this.#endedAt.set(fingerprint, endedAt)
    if (this.#endedAt.size <= endedMax) return
    const [oldest] = this.#endedAt.keys()
    if (oldest !== undefined) this.#endedAt.delete(oldest)
  }

  #put(round: Round): void {
    if (round.empty) return
    const { alerts, changes, fingerprints } = round
    for (const fingerprint of fingerprints) this.#writing.set(fingerprint, round)
    round.written = this.#intake!.put({
      at: this.#options.clock.now(),
      alerts,
      changes,
      also: (tx, ids) => round.write(tx, ids),
      onWritten: () => {
        for (const fingerprint of fingerprints)
          if (this.#writing.get(fingerprint) === round) this.#writing.delete(fingerprint)
      },
    })
  }

  #tickLater(): void {
    const { timers, onError } = this.#options
    this.#cancel = timers.after(tickMillis, () => {
      try {
        this.tick()
      } catch (error) {
        onError(error)
      }
      this.#tickLater()
    })
  }

  /** Ends what was not posted any more; now and then writes down the texts that changed. */
  tick(): void {
    const { clock, resolveTimeoutMillis } = this.#options
    const now = clock.now()
    const deaf = now - this.#tickedAt > deafMillis
    this.#tickedAt = now
    const due = [...this.#active.values()].filter(({ endsAt }) => endsAt <= now)
    if (deaf)
      for (const external of due)
        this.#active.set(
          external.alert.fingerprint,
          afterSilence(external, now, resolveTimeoutMillis),
        )
    else this.#expire(due)
    if (Math.abs(now - this.#textsAt) < textsEveryMillis) return
    this.#textsAt = now
    this.#writeTexts()
  }

  /** As many as there is room for on the way to the records; the others at the next tick. */
  #expire(due: readonly ExternalAlert[]): void {
    for (let from = 0; from < due.length; from += slice) {
      if (this.#intake!.waiting > waitingMax) return
      const round = new Round()
      for (const { alert, endsAt } of due.slice(from, from + slice))
        this.#end(resolvedAt(alert, endsAt), endsAt, round)
      this.#put(round)
    }
  }

  #writeTexts(): void {
    const round = new Round()
    for (const fingerprint of [...this.#texts].slice(0, textsMax)) {
      this.#texts.delete(fingerprint)
      const external = this.#active.get(fingerprint)
      if (external === undefined) continue
      round.alerts.push(external.alert)
      this.#touch(external, round)
    }
    this.#put(round)
  }
}

/** In no slice is a label set twice: each of its changes finds its row as it was then. */
function* slicesOf(posts: readonly PostedAlert[]): Generator<readonly PostedAlert[]> {
  let some = new Map<string, PostedAlert>()
  for (const post of posts) {
    if (some.size === slice || some.has(post.fingerprint)) {
      yield [...some.values()]
      some = new Map()
    }
    some.set(post.fingerprint, post)
  }
  if (some.size > 0) yield [...some.values()]
}

/** What goes to the records in one batch. */
class Round {
  readonly alerts: AlertView[] = []
  readonly changes: AlertChange[] = []
  readonly touched: ExternalAlertRow[] = []
  readonly ended: string[] = []
  readonly fingerprints: string[] = []
  written: Promise<boolean> | undefined

  get empty(): boolean {
    return this.alerts.length === 0
  }

  change(change: AlertChange): void {
    this.changes.push(change)
    this.alerts.push(change.alert)
    this.fingerprints.push(change.alert.fingerprint)
  }

  /** The rows of these alerts. */
  async write(tx: RecordsTransaction, ids: ReadonlySet<string>): Promise<void> {
    const ended = new Set(this.ended)
    await saveExternal(
      tx,
      this.touched.filter(({ alert_id: id }) => ids.has(id) && !ended.has(id)),
    )
    await dropExternal(
      tx,
      this.ended.filter((id) => ids.has(id)),
    )
  }
}
