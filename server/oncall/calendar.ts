import type { Millis } from '../clock.ts'
import { concatenated, expandLayer, type LayerSegment, requireInterval } from './expand.ts'
import { type FinalSegment, finalSchedule } from './final.ts'
import type { Override, ScheduleContent } from './schedule.ts'
import { dayMillis } from './zone.ts'

/** A schedule with the overrides that may matter. */
export interface ScheduleVersion {
  readonly id: string
  /** Stands for `content`: another whenever that is another. */
  readonly digest: string
  readonly content: ScheduleContent
  readonly overrides: readonly Override[]
}

/** Layers and final schedule over one interval. */
export interface Expansion {
  readonly layers: readonly { readonly name: string; readonly segments: readonly LayerSegment[] }[]
  readonly final: readonly FinalSegment[]
}

const blockMillis = 7 * dayMillis
const blocksKept = 10_000
/** How far `until` and the next shift are looked for. */
export const lookAheadDays = 35

/** Expands schedules, and remembers the layers of whole weeks; at most `blocksKept` of them, the oldest go first. */
export class Calendar {
  readonly #blocks = new Map<string, readonly (readonly LayerSegment[])[]>()

  /** Throws RangeError beyond `scheduleLimits.expandDays`. */
  expand(schedule: ScheduleVersion, from: Millis, to: Millis): Expansion {
    requireInterval(from, to)
    const { content, overrides } = schedule
    const blocks: (readonly (readonly LayerSegment[])[])[] = []
    for (let block = Math.floor(from / blockMillis); block * blockMillis < to; block += 1)
      blocks.push(this.#block(schedule, block))
    const layers = content.layers.map((layer, index) => ({
      layer,
      segments: clipped(concatenated(blocks.map((block) => block[index]!)), from, to),
    }))
    return {
      layers: layers.map(({ layer, segments }) => ({ name: layer.name, segments })),
      final: from === to ? [] : finalSchedule(layers, overrides, from, to),
    }
  }

  /** The final segment at an instant, its end merged over layers for as long as the same person stays on call. */
  at(schedule: ScheduleVersion, at: Millis): FinalSegment {
    const { final } = this.expand(schedule, at, at + lookAheadDays * dayMillis)
    const [first, ...rest] = final
    let to = first!.to
    for (const next of rest) {
      if (!samePerson(first!, next)) break
      to = next.to
    }
    return { ...first!, to }
  }

  #block(schedule: ScheduleVersion, block: number): readonly (readonly LayerSegment[])[] {
    const key = `${schedule.digest} ${block}`
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    const [from, to] = [block * blockMillis, (block + 1) * blockMillis]
    const made = schedule.content.layers.map((layer) => expandLayer(layer, from, to))
    if (this.#blocks.size >= blocksKept) {
      const oldest = this.#blocks.keys().next().value
      if (oldest !== undefined) this.#blocks.delete(oldest)
    }
    this.#blocks.set(key, made)
    return made
  }
}

function samePerson(a: FinalSegment, b: FinalSegment): boolean {
  if (a.kind === 'gap') return b.kind === 'gap'
  return b.kind === 'shift' && a.principalId === b.principalId
}

function clipped(segments: readonly LayerSegment[], from: Millis, to: Millis): LayerSegment[] {
  return segments.flatMap((one) => {
    const [first, last] = [Math.max(one.from, from), Math.min(one.to, to)]
    return first < last ? [{ ...one, from: first, to: last }] : []
  })
}
