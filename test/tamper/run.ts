import type { Report } from '../../verifier/verify.ts'
import type { Door } from './door.ts'
import { type Edited, type EditKind, editKinds, type Ground, randomEdit } from './edits.ts'
import type { TamperWorld } from './world.ts'

/** What became of the edits of one kind. */
export interface Tally {
  readonly kind: EditKind
  made: number
  /** Seconds from the question for a bundle to the verdict, of each edit. */
  readonly seconds: number[]
  /** Seconds of processor, hub and verifier together: what a busy machine does not change. */
  readonly busy: number[]
  /** Edits that the verifier did not name. */
  readonly missed: string[]
}

export interface RunOptions {
  readonly edits: number
  readonly seed: number
  /** Edits that one bundle must name, each for itself; 1 unless time is short. */
  readonly atOnce?: number
  /** Called after each bundle, with how many edits were made and which of them were missed. */
  readonly onBundle?: (edits: number, missed: readonly string[]) => void
}

/** Random edits past the hub, judged by a new bundle of the whole ledger, and taken back. Throws where an untouched ledger is not verified. */
export async function tamper(
  world: TamperWorld,
  door: Door,
  { edits, seed, atOnce = 1, onBundle }: RunOptions,
): Promise<Tally[]> {
  const tallies = editKinds.map(
    (kind): Tally => ({ kind, made: 0, seconds: [], busy: [], missed: [] }),
  )
  await requireSound(world, door)
  const shown = await world.shown()
  await world.reset(door)
  const ground = { door, size: world.size, draw: drawFrom(seed), shown }
  for (let made = 0; made < edits; ) {
    const group = await someEdits(ground, Math.min(atOnce, edits - made))
    const [began, before] = [performance.now(), process.cpuUsage()]
    const report = await world.judge()
    const seconds = (performance.now() - began) / 1000
    const { user, system } = process.cpuUsage(before)
    for (const edit of [...group].reverse()) await edit.undo()
    await world.reset(door)
    for (const edit of group) {
      const tally = tallies.find(({ kind }) => kind === edit.kind)!
      tally.made++
      tally.seconds.push(seconds)
      tally.busy.push((user + system) / 1e6)
      const fault = missedBy(report, edit)
      if (fault !== undefined) tally.missed.push(fault)
    }
    made += group.length
    onBundle?.(
      made,
      tallies.flatMap(({ missed }) => missed),
    )
  }
  await requireSound(world, door)
  return tallies
}

/** Edits of different entries and objects, so that each must be named for itself. */
async function someEdits(world: Omit<Ground, 'touched'>, count: number): Promise<Edited[]> {
  const group: Edited[] = []
  const touched = new Set<string>()
  const ground = { ...world, touched }
  while (group.length < count) {
    const edit = await randomEdit(ground)
    const clashes = edit.touches.some((one) => touched.has(one))
    if (clashes || (edit.isAlone === true && group.length > 0)) {
      await edit.undo()
      continue
    }
    group.push(edit)
    for (const one of edit.touches) touched.add(one)
    if (edit.isAlone === true) break
  }
  return group
}

function missedBy(report: Report, { named, what }: Edited): string | undefined {
  const faults = faultsOf(report)
  const isNamed = report.verdict === 'failed' && faults.some((fault) => named.test(fault))
  return isNamed ? undefined : `${what}: ${faults[0] ?? report.verdict}`
}

/** What nobody touched is verified, so that no edit was named because of the one before. */
async function requireSound(world: TamperWorld, door: Door): Promise<void> {
  const report = await world.judge()
  await world.reset(door)
  if (report.verdict !== 'verified')
    throw new Error(`The untouched ledger is not verified: ${faultsOf(report).slice(0, 3)}`)
}

function faultsOf({ checks }: Report): string[] {
  return checks.flatMap(({ faults }) => faults)
}

/** The same numbers for the same seed (mulberry32). */
function drawFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
