import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { InfluxDB, type IPoint } from 'influx'
import { AnswerTooLong, mostAnswerBytes } from '../spool/bounded-text.ts'
import { EngineAway } from '../spool/retry-loop.ts'
import { boundedAgent } from './bounded-agent.ts'
import type { InfluxSettings } from './settings.ts'

/** InfluxDB refused what was sent; sending the same again is of no use. */
export class PointsRefused extends Error {
  /** Points it names as dropped, having kept the others; undefined when it does not say. */
  readonly dropped: number | undefined

  constructor(message: string, dropped: number | undefined) {
    super(message)
    this.dropped = dropped
  }
}

/**
 * The package bars a host for a while after one failure, and every write in that time fails at once: here the hub's own loop
 * waits.
 */
const noBackoff = {
  getDelay: () => 0,
  next: () => noBackoff,
  reset: () => noBackoff,
}

const standardPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** What the hub asks of InfluxDB, through the package `influx`. */
export class InfluxClient {
  readonly #influx: InfluxDB
  readonly #settings: InfluxSettings
  /** Ends the question under way. */
  #refuse: (error: Error) => void = () => undefined
  /** Tells one InfluxDB, database and policy from another. */
  readonly target: string

  constructor(settings: InfluxSettings, maxAnswerBytes = mostAnswerBytes) {
    const { url, database, retentionPolicy, username, password } = settings
    this.#settings = settings
    this.target = createHash('sha256')
      .update(JSON.stringify([url, database, retentionPolicy]))
      .digest('hex')
    const { protocol, hostname, port, pathname } = new URL(url)
    const agent = boundedAgent(protocol, maxAnswerBytes, () =>
      this.#refuse(new AnswerTooLong('InfluxDB', maxAnswerBytes)),
    )
    this.#influx = new InfluxDB({
      hosts: [
        {
          protocol: protocol === 'https:' ? 'https' : 'http',
          // The package hands it to Node, which takes an IPv6 address without its brackets.
          host: hostname,
          port: port === '' ? standardPorts[protocol]! : Number(port),
          path: pathname.replace(/\/+$/, ''),
          options: {
            agent,
            ...(hostname.startsWith('[') ? { hostname: hostname.slice(1, -1) } : {}),
          },
        },
      ],
      database,
      // An absent user becomes the package's own "root"; null stands for no user, which its types do not say.
      username: (username ?? null) as string,
      password: (password ?? null) as string,
      pool: {
        maxRetries: 0,
        requestTimeout: settings.timeoutSeconds * 1000,
        backoff: noBackoff,
      },
    })
  }

  /**
   * Makes database and retention policy where they are missing. Before either is made `isEmpty` is told, so that a fall between leaves
   * nothing that looks filled. Throws EngineAway.
   */
  async prepare(isEmpty: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { database, retentionPolicy, retentionDays } = this.#settings
    const found = await this.#ask(() => this.#influx.getDatabaseNames(), signal)
    const isNew = !found.includes(database)
    if (isNew) {
      await isEmpty()
      await this.#ask(() => this.#influx.createDatabase(database), signal)
    }
    const policies = await this.#ask(() => this.#influx.showRetentionPolicies(database), signal)
    if (policies.some(({ name }) => name === retentionPolicy)) return
    await isEmpty()
    await this.#ask(
      () =>
        this.#influx.createRetentionPolicy(retentionPolicy, {
          database,
          duration: retentionDays === 0 ? 'INF' : `${retentionDays}d`,
          replication: 1,
          // Queries that name no policy read the default: another's default in a database of others stays.
          isDefault: isNew || policies.length === 1,
        }),
      signal,
    )
  }

  /** Asks something small. Throws EngineAway. */
  async probe(signal: AbortSignal): Promise<void> {
    const { database } = this.#settings
    await this.#ask(() => this.#influx.showRetentionPolicies(database), signal)
  }

  /** Writes points; what was answered is on its disk. Throws EngineAway, PointsRefused. */
  async write(points: readonly IPoint[], signal: AbortSignal): Promise<void> {
    const { database, retentionPolicy } = this.#settings
    await this.#ask(
      () => this.#influx.writePoints([...points], { database, retentionPolicy, precision: 'ms' }),
      signal,
    )
  }

  /** The package may wait for ever when an answer breaks off in its middle: nobody waits longer than the limit. */
  async #ask<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const over = new AbortController()
    const waiting = AbortSignal.any([signal, over.signal])
    const limit = sleep(this.#settings.timeoutSeconds * 1000 + 1000, undefined, {
      signal: waiting,
    }).then(() => {
      throw new EngineAway('InfluxDB cannot be reached (no answer in time)')
    })
    try {
      const refused = new Promise<never>((_, reject) => {
        this.#refuse = reject
      })
      return await Promise.race([send(), limit, refused])
    } catch (error) {
      signal.throwIfAborted()
      throw faultOf(error)
    } finally {
      over.abort()
      limit.catch(() => undefined)
    }
  }
}

/** What a failure of the package means. */
function faultOf(error: unknown): Error {
  if (error instanceof EngineAway) return error
  const { res, code, message, name } = error as Error & {
    readonly res?: { readonly statusCode?: number }
    readonly code?: unknown
  }
  const status = res?.statusCode
  if (status === 400 || status === 413) {
    const dropped = /partial write: .*dropped=(\d+)/.exec(message)?.[1]
    const said = /"error":"((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? ''
    return new PointsRefused(
      `InfluxDB refused points with ${status}: ${said.slice(0, 300)}`,
      dropped === undefined ? undefined : Number(dropped),
    )
  }
  if (status !== undefined) return new EngineAway(`InfluxDB answered with ${status}`)
  if (typeof code === 'string') return new EngineAway(`InfluxDB cannot be reached (${code})`)
  // Errors that a query answers with 200, and those of a server that fails: the package gives both no code.
  return new EngineAway(`InfluxDB failed (${(message || name).slice(0, 200)})`)
}
