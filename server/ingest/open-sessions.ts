import { closeCodes } from '../../collector/wire/frames.ts'
import type { Session } from './session.ts'

/** Sessions that are open, and which of them is the newest of a collector and of a host: the ones before it are closed. */
export class OpenSessions {
  readonly all = new Set<Session>()
  readonly #byCollector = new Map<string, Session>()
  readonly #byInstance = new Map<string, Session>()

  /** The session's collector is known, and may report for its host. */
  greeted(session: Session): void {
    const [collector, instance] = [session.collector as string, session.instance as string]
    const former = this.#byCollector.get(collector)
    this.#byCollector.set(collector, session)
    former?.close(closeCodes.replaced, 'the same collector connected again')
    // Whoever reported for this host before comes back with a hello of its own, or is refused.
    const other = this.#byInstance.get(instance)
    this.#byInstance.set(instance, session)
    if (other !== former)
      other?.close(closeCodes.shuttingDown, 'another collector took over this host')
  }

  /** Gives the collector when it was its newest session that ended. */
  ended(session: Session): string | undefined {
    this.all.delete(session)
    const { collector, instance } = session
    if (instance !== undefined && this.#byInstance.get(instance) === session)
      this.#byInstance.delete(instance)
    if (collector === undefined || this.#byCollector.get(collector) !== session) return undefined
    this.#byCollector.delete(collector)
    return collector
  }
}
