import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent } from '../../collector/agent.ts'
import type { OutgoingReport } from '../../collector/pending.ts'
import type { Session } from '../../collector/session.ts'
import { hostSources } from '../../collector/sources/all.ts'
import { ReportDecoder, ReportEncoder } from '../../collector/wire/report.ts'
import { packageRoot } from '../../server/assets.ts'
import { ownRulesFolder } from '../../server/rules/rule-files.ts'
import { layTree } from '../helpers/file-tree.ts'
import { folderOf } from '../helpers/folder.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { RulesHub } from './rules-hub.ts'

const instance = hostLabels.instance
const tickSeconds = 60

/** A machine that is a file tree: its sources, its report over the wire, the store, the rules that ship. */
class Machine {
  readonly hub: RulesHub
  readonly folder: string
  readonly #agent: Agent
  #report: OutgoingReport | undefined

  private constructor(hub: RulesHub, folder: string) {
    this.hub = hub
    this.folder = folder
    const place = (name: string) => join(folder, name)
    const roots = { proc: place('proc'), sys: place('sys'), rootfs: '/', smart: place('smart') }
    const session = {
      send: (report: OutgoingReport) => {
        this.#report = report
      },
      sections: () => undefined,
      figures: () => ({
        pending: 0,
        dropped: 0,
        droppedBy: {},
        refused: 0,
        connections: 1,
        clockOffsetSeconds: 0,
      }),
    }
    // A report that fails is none, and then there is nothing to see: say so.
    const silent = {
      info() {},
      warn() {},
      error(fields: object, message: string) {
        throw new Error(message, { cause: fields })
      },
    }
    this.#agent = new Agent({
      labels: hostLabels,
      intervalSeconds: 10,
      // The file systems and the time service of this very machine are not the tree's.
      sources: hostSources(roots, { filesystem: false, clock_sync: false }),
      session: session as unknown as Session, // a tick uses these three only
      clock: hub.clock,
      logger: silent,
      version: '0.0.0-test',
      os: { name: 'Debian', version: '12' },
    })
  }

  static async start(t: Test, name: string): Promise<Machine> {
    const folder = folderOf(t, { [name]: { host: {}, records: {} } })
    const hub = await RulesHub.start({
      rulesFolder: ownRulesFolder,
      folder: join(folder, name, 'records'),
    })
    t.teardown(() => hub.close())
    const machine = new Machine(hub, join(folder, name, 'host'))
    machine.lay('healthy')
    return machine
  }

  lay(tree: string): void {
    layTree(this.folder, tree, this.hub.clock.now())
  }

  /** Reports for so many minutes; `before` may change the tree ahead of each tick. */
  async live(minutes: number, before: () => void = () => {}): Promise<void> {
    for (let tick = 0; tick < (minutes * 60) / tickSeconds; tick++) {
      before()
      await this.#agent.tick()
      this.#store(this.#report!)
      await this.hub.reported(instance)
      await this.hub.pass(tickSeconds)
    }
  }

  #store(report: OutgoingReport): void {
    const { store } = this.hub
    const { lane, wall, monotonic, series, stale } = report
    const values = Float64Array.from(report.values)
    const sent = { lane, sequence: 1, wall, monotonic, values, absent: undefined, stale: undefined }
    const frame = new ReportEncoder().encode(sent)
    const received = new ReportDecoder().decode(frame, series.length)
    const idOf = ({ name, labels }: (typeof series)[number]) =>
      store.intern({ __name__: name, ...labels })
    const ids = Uint32Array.from(series, idOf)
    const ended = Uint32Array.from(stale, idOf)
    const row = { t: received.wall, ids, values: Float64Array.from(received.values) }
    void store.append({ rows: [ended.length === 0 ? row : { ...row, stale: ended }] })
  }

  /** Rules that fire now. */
  firing(): string[] {
    const active = this.hub.app.rules.activeAlerts().filter(({ state }) => state === 'firing')
    return [...new Set(active.map(({ rule }) => rule))].sort()
  }

  /** Rules people were told of, once each, with the runbook that stands in the message. */
  told(change: 'firing' | 'resolved'): Map<string, unknown> {
    const bodies = this.hub.published.map(({ body }) => body).filter((one) => one.change === change)
    return new Map(
      bodies.map(({ alert }) => [alert.rule, (alert as { runbook?: unknown }).runbook]),
    )
  }
}

interface StorySpec {
  /** How long the fault lasts, and how long is looked at afterwards. */
  readonly minutes: number
  readonly after?: number
  /** Trees laid before the story begins. */
  readonly start?: readonly string[]
  /** Changes the tree ahead of each tick of the fault. */
  readonly change?: (machine: Machine) => void
}

/** Healthy, then the fault, then healthy again: what fires, with its runbook, and that all of it resolves. */
async function story(
  t: Test,
  fault: string,
  { minutes, after = 12, start = [], change = () => {} }: StorySpec,
  expected: readonly string[],
): Promise<void> {
  const machine = await Machine.start(t, fault)
  for (const tree of start) machine.lay(tree)
  await machine.live(2)
  t.same(machine.firing(), [], `${fault}: nothing before`)
  machine.lay(fault)
  await machine.live(minutes, () => change(machine))
  t.same(machine.firing(), [...expected].sort(), `${fault}: fires`)
  for (const [rule, runbook] of machine.told('firing')) {
    t.equal(runbook, `/runbooks/${rule}`, `${rule}: its runbook`)
    t.ok(existsSync(join(packageRoot, 'runbooks', `${rule}.md`)), `${rule}: the runbook is there`)
  }
  machine.lay('healthy')
  await machine.live(after)
  t.same(machine.firing(), [], `${fault}: nothing after`)
  t.same([...machine.told('resolved').keys()].sort(), [...expected].sort(), `${fault}: resolved`)
}

t.test('a RAID that lost a disk and rebuilds', async (t) => {
  await story(t, 'degraded-raid', { minutes: 3 }, [
    'RaidDegraded',
    'RaidMismatch',
    'RaidRebuilding',
  ])
})

t.test('a disk that says PASSED while its sectors go; an old scar is no alarm', async (t) => {
  await story(t, 'failing-disk', { minutes: 12, start: ['worn-disk'] }, ['DiskDecaying'])
})

t.test('a disk that says FAILED and a worn NVMe disk', async (t) => {
  const rules = ['DiskDecaying', 'DiskFailing', 'DiskSpareLow', 'DiskWornOut']
  await story(t, 'dying-disk', { minutes: 12 }, rules)
})

t.test('memory errors, corrected and not', async (t) => {
  const rules = ['MemoryErrorUncorrected', 'MemoryErrorsGrow']
  await story(t, 'memory-errors', { minutes: 3 }, rules)
})

t.test('a hot CPU that throttles, and the fan that caused it', async (t) => {
  let throttles = 933
  const change = (machine: Machine) => {
    throttles += 7
    const file = 'sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count'
    writeFileSync(join(machine.folder, file), `${throttles}\n`)
  }
  const rules = ['CpuThrottled', 'FanStopped', 'TemperatureCritical']
  await story(t, 'hot-cpu', { minutes: 12, change }, rules)
})

t.test('a network card in half duplex, and a bond that lost a member', async (t) => {
  const rules = ['BondMemberDown', 'LinkFlapping', 'LinkHalfDuplex']
  await story(t, 'bad-link', { minutes: 3, after: 22 }, rules)
})
