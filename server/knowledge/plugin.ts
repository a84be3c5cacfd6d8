import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type Clock, systemClock } from '../clock.ts'
import type {} from '../people/plugin.ts'
import type {} from '../promql/plugin.ts'
import type { RecordsTransaction } from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import { pageRoutes, runbookRoutes, useRoutes } from './routes.ts'
import type { Runbook, RunbookStep } from './runbook.ts'
import { ownRunbooksFolder, RunbookFiles } from './runbook-files.ts'
import { RunbookStore } from './runbook-store.ts'

export type { Runbook, RunbookStep } from './runbook.ts'

/** A runbook as an incident is worked by it. */
export interface PinnedRunbook {
  readonly name: string
  /** SHA-256 of the file's bytes, hex. */
  readonly hash: string
  readonly steps: readonly RunbookStep[]
}

/** A version that was kept. */
export interface RunbookVersion {
  readonly name: string
  readonly hash: string
  readonly recordedAt: number
  /** The whole file. */
  readonly text: string
}

/** The runbooks as they are now, and as they were. */
export interface Runbooks {
  /** The runbook of an alert's name; undefined when there is none. */
  find(name: string): Runbook | undefined
  /** All of them by name. */
  list(): readonly Runbook[]
  /**
   * Keeps the present version of a runbook and counts its use, inside the transaction that writes it into an incident; undefined when
   * there is none.
   */
  pinnedRunbook(tx: RecordsTransaction, name: string): Promise<PinnedRunbook | undefined>
  /** A version that was ever seen; undefined for any other hash. */
  runbookByHash(hash: string): Promise<RunbookVersion | undefined>
}

declare module 'fastify' {
  interface FastifyInstance {
    runbooks: Runbooks
  }
}

export interface KnowledgeOptions {
  readonly clock?: Clock
  /** Another folder than the one that ships. */
  readonly runbooksFolder?: string
}

/** Serves the runbooks, keeps their versions, counts their use. */
export const knowledgePlugin = fp(
  async (app, { clock = systemClock, runbooksFolder = ownRunbooksFolder }: KnowledgeOptions) => {
    const store = new RunbookStore(app.records, clock)
    const seen = keepSeen(app, store)
    const files = new RunbookFiles(
      runbooksFolder,
      (file, err) => app.log.error({ err, file }, 'a runbook cannot be used'),
      seen,
    )
    checkSoon(app, files)
    app.decorate('runbooks', {
      find: (name: string) => files.find(name),
      list: () => files.list(),
      async pinnedRunbook(tx, name) {
        const runbook = files.find(name)
        if (runbook === undefined) return undefined
        await store.keepIn(tx, runbook)
        await store.countUse(tx, name, 'pinned')
        return { name, hash: runbook.hash, steps: runbook.steps }
      },
      async runbookByHash(hash) {
        const row = await store.byHash(hash)
        return row && { name: row.name, hash, recordedAt: row.recorded_at, text: row.body }
      },
    } satisfies Runbooks)
    await app.register(runbookRoutes, { clock, store })
    await app.register(pageRoutes, { clock, store })
    await app.register(useRoutes, { clock, store })
  },
  { name: 'callward-knowledge', dependencies: ['callward-records'] },
)

/** Between two files that are looked at after the start. */
const checkMillis = 20

/** Faults are told soon after the start, not when somebody needs the runbook; one file at a time, as a start is busy enough. */
function checkSoon(app: FastifyInstance, files: RunbookFiles): void {
  let timer: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    const names = files.names()
    timer = setInterval(() => {
      const name = names.pop()
      if (name === undefined) clearInterval(timer)
      else files.find(name)
    }, checkMillis).unref()
  })
  app.addHook('onClose', async () => clearInterval(timer))
}

/** How long versions that are seen one after the other wait for each other. */
const gatherMillis = 5000
/** After a failure it is tried again; a disk may be full. */
const againMillis = 60_000

/** Keeps what is seen, soon and many at once; whoever asks for a runbook never waits for it. */
function keepSeen(app: FastifyInstance, store: RunbookStore): (runbook: Runbook) => void {
  const waiting = new Map<string, Runbook>()
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const keep = async () => {
    timer = undefined
    const all = [...waiting.values()]
    let nextMillis = gatherMillis
    try {
      await store.keep(all)
      for (const { hash } of all) waiting.delete(hash)
    } catch (err) {
      nextMillis = againMillis
      app.log.error({ err }, 'versions of runbooks were not kept; tried again in a minute')
    }
    if (waiting.size > 0) start(nextMillis)
  }
  const start = (millis: number) => {
    timer ??= setTimeout(() => {
      running = keep()
    }, millis).unref()
  }
  app.addHook('preClose', async () => {
    clearTimeout(timer)
    await running
    // What was seen a moment ago is kept before the records close.
    await store.keep([...waiting.values()]).catch(() => undefined)
  })
  return (runbook) => {
    if (store.isKept(runbook)) return
    waiting.set(runbook.hash, runbook)
    start(gatherMillis)
  }
}
