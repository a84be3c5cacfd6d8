import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import type {} from '../approvals/plugin.ts'
import type { Clock } from '../clock.ts'
import type { HostFigure } from '../inventory/plugin.ts'
import { baselineApproval } from './baseline-approval.ts'
import {
  type BaselineFiles,
  noBaselines,
  readBaselineFiles,
  signatureOf,
} from './baseline-files.ts'
import { BaselineStore } from './baseline-store.ts'
import { driftKinds, type Finding, judge, withoutBaseline } from './judge.ts'
import { JudgeQueue } from './judge-queue.ts'
import { baselineRoutes } from './routes.ts'

/** What each role's hosts may run, and which hosts differ. */
export interface Baselines {
  /** Reads the folder again if it has changed; the timer calls it. */
  look(): Promise<void>
  /** How a host differs from its role's baseline now; undefined where none judges it. */
  findingsOf(instance: string): Promise<readonly Finding[] | undefined>
  /** Resolves when every host that waited has been judged. */
  settled(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    baselines: Baselines
  }
}

export interface BaselinesOptions {
  readonly clock: Clock
  /** One YAML file a role; absent: no role has a baseline. */
  readonly folder?: string | undefined
  /** A new version counts only once two people agreed. */
  readonly twoPersons?: boolean
  readonly lookEveryMillis?: number
}

const defaultLookMillis = 5_000

export const baselinesPlugin = fp(
  async (
    app,
    { clock, folder, twoPersons = false, lookEveryMillis = defaultLookMillis }: BaselinesOptions,
  ) => {
    const store = new BaselineStore(app.records, clock, app.ledger, twoPersons)
    let files: BaselineFiles = noBaselines
    let signature: string | undefined
    /** Role each host was last judged by. */
    const judged = new Map<string, string>()
    /** Hosts that a baseline has judged since the start, under whatever role. */
    const everJudged = new Set<string>()

    async function findings(instance: string, role: string): Promise<readonly Finding[]> {
      const read = files.byRole.get(role)
      if (read !== undefined) return judge(read.baseline, await app.changes.versionsOf(instance))
      return [withoutBaseline(role, reasonWithout())]
    }
    function reasonWithout(): string {
      if (folder === undefined) return 'no folder of baselines is set (hub.baselinesFolder)'
      const { length } = files.faults
      if (length === 0) return 'no file is for this role'
      return `no file that can be used is for this role; ${length} fault(s) in the folder, see /api/v1/baselines`
    }
    const ofHost = findingsOfHost(app, (role) => files.byRole.has(role), findings)
    const queue = new JudgeQueue(async (instance) => {
      const role = app.inventory.host(instance)?.labels.role
      if (role === undefined) {
        judged.delete(instance)
        return
      }
      const version = files.byRole.get(role)?.baseline.version
      if (version !== undefined) everJudged.add(instance)
      const wasJudged = everJudged.has(instance) || (await store.isKnown(role))
      const figures = figuresOf(await findings(instance, role), version, wasJudged)
      app.inventory.showFigures(instance, 'baselines', figures)
      judged.set(instance, role)
    }, app.log)

    /** True when there was something to read. */
    async function readAgain(folder: string): Promise<boolean> {
      const now = await signatureOf(folder)
      if (now === signature) return false
      files = await store.keep(await readBaselineFiles(folder))
      signature = now
      for (const { file, line, message } of files.faults)
        app.log.error({ file, line }, `${file}:${line}: ${message}`)
      for (const { baseline } of files.byRole.values())
        app.log.info({ role: baseline.role, version: baseline.version }, 'baseline in force')
      for (const { baseline } of files.waiting)
        app.log.info(
          { role: baseline.role, version: baseline.version },
          'baseline waits for two people',
        )
      return true
    }
    async function look(): Promise<void> {
      // Without a folder no host is judged, and none gets series about it.
      if (folder === undefined) return
      if (!(await readAgain(folder))) return
      for (const { labels } of app.inventory.hosts()) queue.add(labels.instance, 'idle')
    }

    app.decorate('baselines', { look, findingsOf: ofHost, settled: () => queue.settled() })
    app.inventory.watchDocuments({
      greeted({ instance, role }) {
        if (folder !== undefined && judged.get(instance) !== role) queue.add(instance, 'idle')
      },
    })
    app.changes.onChanged((instance) => {
      if (folder !== undefined) queue.add(instance, 'now')
    })
    app.rules.watchFigure('callward_baseline_file_faults', () => files.faults.length)
    new Gauge({
      name: 'callward_baseline_file_faults',
      help: 'Faults in the files of baselines; what is faulty judges no host.',
      registers: [app.telemetry.registry],
      collect() {
        this.set(files.faults.length)
      },
    })
    await app.register(baselineRoutes, { files: () => files, findings })
    let looking = Promise.resolve()
    const lookSoon = () => {
      looking = looking
        .then(look)
        .catch((err: unknown) => app.log.warn({ err }, 'baselines not looked at'))
    }
    if (twoPersons)
      app.approvals.provide('baseline', {
        ...baselineApproval(store, () => files),
        applied() {
          signature = undefined
          lookSoon()
        },
      })
    let timer: NodeJS.Timeout | undefined
    app.addHook('onReady', async () => {
      lookSoon()
      timer = setInterval(lookSoon, lookEveryMillis)
      timer.unref()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      queue.stop()
      await looking
      await queue.settled()
    })
  },
  {
    name: 'callward-baselines',
    dependencies: [
      'callward-records',
      'callward-ledger',
      'callward-telemetry',
      'callward-rules',
      'callward-inventory',
      'callward-changes',
      'callward-approvals',
    ],
  },
)

/** What differs now on a host whose role has a baseline. */
function findingsOfHost(
  { inventory }: FastifyInstance,
  isJudged: (role: string) => boolean,
  findings: (instance: string, role: string) => Promise<readonly Finding[]>,
): Baselines['findingsOf'] {
  return async (instance) => {
    const role = inventory.host(instance)?.labels.role
    return role === undefined || !isJudged(role) ? undefined : findings(instance, role)
  }
}

function figuresOf(
  findings: readonly Finding[],
  version: string | undefined,
  wasJudged: boolean,
): HostFigure[] {
  const count = (kind: string) => findings.filter((finding) => finding.kind === kind).length
  const drift = (kind: string) => ({
    name: 'callward_drift_findings',
    labels: { kind },
    value: count(kind),
  })
  // A role that had a baseline is not one that never had: that it is gone must not end its alarms without another.
  if (version === undefined)
    return wasJudged
      ? [
          drift('unknown'),
          { name: 'callward_baseline_info', labels: { version: 'none' }, value: 1 },
        ]
      : [drift('unknown')]
  return [
    ...driftKinds.map(drift),
    { name: 'callward_baseline_info', labels: { version }, value: 1 },
  ]
}
