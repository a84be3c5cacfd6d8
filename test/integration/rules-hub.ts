import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import type { AlertChange } from '../../alerts/alert.ts'
import type { Clock } from '../../server/clock.ts'
import { CallwardError } from '../../server/errors.ts'
import type { Principal } from '../../server/people/plugin.ts'
import { promqlPlugin } from '../../server/promql/plugin.ts'
import type { Records, RecordsTransaction } from '../../server/records/records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { rulesPlugin } from '../../server/rules/plugin.ts'
import { createMemoryStore, type MemoryStore } from '../../server/store/memory-store.ts'
import type { Labels } from '../../server/store/reader.ts'
import type { Timers } from '../../server/timers.ts'

/** A clock moved by hand; `wall` may jump, `monotonic` never goes back. */
export class HandClock implements Clock {
  wall = Date.UTC(2026, 0, 5, 8, 0, 0)
  mono = 1_000

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.mono
  }
}

/** Timers that run when the hand clock has come that far. */
export class HandTimers implements Timers {
  readonly #clock: HandClock
  readonly #waiting = new Set<{ at: number; work: () => void }>()

  constructor(clock: HandClock) {
    this.#clock = clock
  }

  after(delay: number, work: () => void): () => void {
    const timer = { at: this.#clock.mono + delay, work }
    this.#waiting.add(timer)
    return () => this.#waiting.delete(timer)
  }

  /** Runs the next timer due until `until`, moving the clock to it; false when there is none. */
  step(until: number): boolean {
    const [next] = [...this.#waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
    if (next === undefined) return false
    this.#waiting.delete(next)
    const ahead = Math.max(0, next.at - this.#clock.mono)
    this.#clock.mono += ahead
    this.#clock.wall += ahead
    next.work()
    return true
  }
}

export const operator: Principal = { id: 'p-ines', name: 'ines', role: 'operator', via: 'token' }

export interface RulesHubOptions {
  readonly rulesFolder: string
  readonly extraFolder?: string
  /** Kept over a restart. */
  readonly clock?: HandClock
  readonly store?: MemoryStore
  /** Folder of records.sqlite. */
  readonly folder: string
}

/**
 * The rules with the real query engine, a store in memory and SQLite records; incidents and live are stubs that
 * remember, the clock and the timers move by hand.
 */
export class RulesHub {
  readonly app: FastifyInstance
  readonly clock: HandClock
  readonly timers: HandTimers
  readonly store: MemoryStore
  readonly records: Records
  /** What incidents were told: `firing HostSilent pbx-1`. */
  readonly told: string[] = []
  /** What was committed for people, and what they were woken for. */
  readonly published: {
    kind: string
    at: number
    body: { change: string; late?: true; alert: { rule: string; incident: unknown } }
  }[] = []
  readonly hints: string[] = []
  readonly log: string[] = []
  flushes = 0
  /** Makes the next writes fail. */
  refuseWrites: string | undefined
  writes = 0
  /** What incidents throw for a rule. */
  readonly poisoned = new Set<string>()

  private constructor(options: RulesHubOptions, records: Records) {
    this.clock = options.clock ?? new HandClock()
    this.timers = new HandTimers(this.clock)
    this.store = options.store ?? createMemoryStore()
    this.records = records
    const lines = this.log
    this.app = Fastify({
      logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } },
      ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array' } },
    })
  }

  static async start(options: RulesHubOptions): Promise<RulesHub> {
    mkdirSync(options.folder, { recursive: true })
    const hub = new RulesHub(
      options,
      await openSqliteRecords({ path: join(options.folder, 'records.sqlite') }),
    )
    await hub.#build(options)
    return hub
  }

  async #build(options: RulesHubOptions): Promise<void> {
    const { app } = this
    app.setErrorHandler((error, _request, reply) => {
      const status =
        error instanceof CallwardError
          ? error.status
          : ((error as { statusCode?: number }).statusCode ?? 500)
      return reply.code(status).send({
        error: { code: (error as { code?: string }).code, message: (error as Error).message },
      })
    })
    app.decorateRequest('principal', undefined)
    app.addHook('onRequest', async (request) => {
      request.principal = operator
    })
    await app.register(
      named('callward-telemetry', {
        telemetry: { registry: new Registry(), notReady: () => () => undefined },
      }),
    )
    await app.register(named('callward-records', { records: this.#guardedRecords() }))
    await app.register(named('callward-store', { store: this.store }))
    await app.register(named('callward-live', { live: this.#live() }))
    await app.register(named('callward-ledger', { ledger: { append: async () => undefined } }))
    await app.register(
      named('callward-incidents', {
        incidents: {
          alertChanged: (tx: RecordsTransaction, change: AlertChange) =>
            this.#alertChanged(tx, change),
        },
      }),
    )
    await app.register(promqlPlugin, { clock: this.clock })
    await app.register(rulesPlugin, {
      clock: this.clock,
      timers: this.timers,
      rulesFolder: options.rulesFolder,
      config: {
        ruleIntervalSeconds: 10,
        ...(options.extraFolder === undefined ? {} : { rulesFolder: options.extraFolder }),
      },
    })
    await app.ready()
  }

  #guardedRecords(): Records {
    const { records } = this
    return {
      kind: records.kind,
      read: records.read,
      close: () => records.close(),
      write: async (work) => {
        this.writes++
        if (this.refuseWrites !== undefined) throw new Error(this.refuseWrites)
        return records.write(work)
      },
    }
  }

  #live() {
    return {
      publish: async (_tx: RecordsTransaction, message: RulesHub['published'][number]) =>
        void this.published.push(message),
      flush: () => void this.flushes++,
      hint: (topic: string) => void this.hints.push(topic),
      listeners: () => [],
    }
  }

  async #alertChanged(tx: RecordsTransaction, { kind, alert }: AlertChange): Promise<void> {
    if (this.poisoned.has(alert.rule)) throw new Error(`incidents cannot take ${alert.rule}`)
    const row = await tx
      .selectFrom('alerts')
      .select('state')
      .where('id', '=', alert.id)
      .executeTakeFirst()
    this.told.push(
      `${kind} ${alert.rule} ${alert.instance ?? '-'}${row === undefined ? ' WITHOUT ROW' : ''}`,
    )
  }

  /** Stores samples of one host at the clock's time. */
  report(
    instance: string,
    samples: Readonly<Record<string, number>>,
    labels: Labels = {},
    ahead = 0,
  ): void {
    const names = Object.keys(samples)
    const ids = names.map((name) =>
      this.store.intern({ __name__: name, job: 'node', instance, server: instance, ...labels }),
    )
    void this.store.append({
      rows: [
        {
          t: this.clock.now() + ahead,
          ids: Uint32Array.from(ids),
          values: Float64Array.from(Object.values(samples)),
        },
      ],
    })
  }

  /** A host reports that it is there, and its rules run. */
  async reported(instance: string, samples: Readonly<Record<string, number>> = {}): Promise<void> {
    this.report(instance, { callward_collector_up: 1, ...samples })
    this.app.rules.hostReported(instance)
    await this.quiet()
  }

  /** Moves the time, running what falls due. */
  async pass(seconds: number): Promise<void> {
    const until = this.clock.mono + seconds * 1000
    while (this.timers.step(until)) await this.quiet()
    const rest = until - this.clock.mono
    this.clock.mono = until
    this.clock.wall += rest
  }

  /** Lets everything that was started come to its end. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) {
      await new Promise((resolve) => setImmediate(resolve))
      await this.records.read.selectFrom('settings').select('key').execute()
      await this.app.rules.settled()
    }
  }

  /** `HostSilent pbx-1 firing`, sorted. */
  active(): string[] {
    return this.app.rules
      .activeAlerts()
      .map(({ rule, instance, state }) => `${rule} ${instance ?? '-'} ${state}`)
      .sort()
  }

  async rows(): Promise<string[]> {
    const rows = await this.records.read
      .selectFrom('alerts')
      .select(['rule', 'instance', 'state'])
      .orderBy('active_at')
      .orderBy('rule')
      .execute()
    return rows.map(({ rule, instance, state }) => `${rule} ${instance ?? '-'} ${state}`)
  }

  async query(text: string): Promise<string[]> {
    const { value } = await this.app.promql.instant(text, this.clock.now())
    if (value.kind !== 'vector') throw new Error(value.kind)
    return value.samples
      .map(
        ({ labels, value: number }) =>
          `${labels['alertname'] ?? labels['__name__'] ?? ''} ${labels['instance'] ?? '-'} ${labels['alertstate'] ?? '-'} ${number}`,
      )
      .sort()
  }

  /** As after kill -9: nothing is told, nothing is finished; only the records and the store live on. */
  async kill(): Promise<void> {
    this.refuseWrites = 'killed'
    await this.app.close()
    await this.records.close()
  }

  async close(): Promise<void> {
    await this.app.close()
    await this.records.close()
  }
}

function named(name: string, decorators: Readonly<Record<string, unknown>>) {
  return fp(
    async (app) => {
      for (const [key, value] of Object.entries(decorators)) app.decorate(key, value)
    },
    { name },
  )
}
