import type { HostLabels, Section } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'

/** A host counts as silent once nothing was heard for this many report intervals. */
export const silentAfterIntervals = 3

/** What the hub knows of a host from its sessions; figures come from the store. */
export interface Host {
  readonly collectorId: string
  readonly labels: HostLabels
  readonly version: string
  readonly intervalSeconds: number
  /** Newest report of any session, by the hub's clock; undefined before the first one ever. */
  readonly lastReportAt: Millis | undefined
  /** Newest report since this hub started, by its monotonic clock, in milliseconds. */
  readonly heardAt: number | undefined
  readonly connected: boolean
  readonly sections: readonly Section[]
}

/** When a host counts as silent if nothing more is heard of it, by the hub's monotonic clock, in milliseconds. */
export function silentAt(host: Host, startedAt: number): number {
  return (host.heardAt ?? startedAt) + silentAfterIntervals * host.intervalSeconds * 1000
}

/**
 * Whether a host reports: 1, 0 once silent, undefined while the hub has not listened long enough to know.
 * `startedAt` and `now` are monotonic milliseconds.
 */
export function upState(host: Host, startedAt: number, now: number): 0 | 1 | undefined {
  if (now >= silentAt(host, startedAt)) return 0
  return host.heardAt === undefined ? undefined : 1
}

export type HostState = 'ok' | 'attention' | 'critical' | 'silent' | 'unknown'

/** The state a screen shows; absence of knowledge is never `ok`. */
export function hostState(
  up: 0 | 1 | undefined,
  firing: readonly { readonly severity: string }[],
  sections: readonly Section[],
): HostState {
  if (up === 0) return 'silent'
  if (firing.some(({ severity }) => severity === 'critical')) return 'critical'
  if (up === undefined) return 'unknown'
  if (firing.some(({ severity }) => severity === 'warning')) return 'attention'
  // An unprivileged collector never sees all of the hardware: said on the card, no reason for attention.
  const seen = sections.filter(({ name }) => name !== 'inventory')
  return seen.some(({ state }) => state === 'denied' || state === 'error') ? 'attention' : 'ok'
}

/** Hosts by collector; an instance has one at most. */
export class Hosts extends Map<string, Host> {
  readonly #collectors = new Map<string, string>()

  override set(collectorId: string, host: Host): this {
    const { instance } = host.labels
    if (this.get(collectorId)?.labels.instance !== instance) {
      this.#release(collectorId)
      this.#collectors.set(instance, collectorId)
    }
    return super.set(collectorId, host)
  }

  override delete(collectorId: string): boolean {
    this.#release(collectorId)
    return super.delete(collectorId)
  }

  byInstance(instance: string): Host | undefined {
    const collectorId = this.#collectors.get(instance)
    return collectorId === undefined ? undefined : this.get(collectorId)
  }

  #release(collectorId: string): void {
    const instance = this.get(collectorId)?.labels.instance
    if (instance !== undefined && this.#collectors.get(instance) === collectorId)
      this.#collectors.delete(instance)
  }
}
