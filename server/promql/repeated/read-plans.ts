import type { LatestEntry } from '../../store/reader.ts'
import { extrapolate, extrapolations } from '../eval/counters.ts'
import { compareLabels, fromLabels, type LabelSet, withoutName } from '../eval/label-set.ts'
import { implementation, keepsName } from '../eval/range-call.ts'
import { moveWindow, type RangeBounds, startWindow } from '../eval/window.ts'
import type { Call, Duration, VectorSelector } from '../syntax/ast.ts'
import { type Planning, Unplanned, type Vector, withoutDuplicates } from './plan.ts'

interface Read {
  /** In the order of the labels. */
  readonly places: Uint32Array
  readonly labels: readonly LabelSet[]
  readonly offset: number
}

function milliseconds(duration: Duration): number {
  if (typeof duration !== 'number') throw new Unplanned('a duration that varies')
  return duration
}

function planRead(planning: Planning, selector: VectorSelector): Read {
  if (selector.at !== undefined) throw new Unplanned('@')
  if (selector.extension !== undefined) throw new Unplanned(selector.extension)
  const found = planning.series
    .select(selector.matchers)
    .map(({ place, labels }) => ({ place, labels: fromLabels(labels) }))
  if (found.length > planning.maxSeries) throw new Unplanned('too many series')
  found.sort((left, right) => compareLabels(left.labels, right.labels))
  return {
    places: Uint32Array.from(found, ({ place }) => place),
    labels: found.map(({ labels }) => labels),
    offset: milliseconds(selector.offset),
  }
}

/** The newest sample of each series within the lookback, hidden by a stale mark after it; see `selectInstant`. */
export function planSelector(planning: Planning, selector: VectorSelector): Vector {
  return planInstant(planning, selector, 'value')
}

/** `timestamp` of a selector: the times of its samples, seconds. */
export function planTimestamp(planning: Planning, selector: VectorSelector): Vector {
  const { at, labels, run } = planInstant(planning, selector, 'time')
  return withoutDuplicates({ at, labels: labels.map(withoutName), run }, planning.slots)
}

function planInstant(planning: Planning, selector: VectorSelector, what: 'value' | 'time'): Vector {
  const { lookback, slots } = planning
  const { values, present } = slots
  const { places, labels, offset } = planRead(planning, selector)
  const at = planning.take(places.length)
  const found: LatestEntry = { time: 0, value: 0, isMark: false }
  return {
    labels,
    at,
    run(moment) {
      const { series } = moment
      const end = moment.start - offset
      const oldest = end - lookback
      let count = 0
      for (let index = 0; index < places.length; index += 1) {
        if (!series.latest(places[index]!, oldest + 1, end, found)) {
          moment.handedOver = true
          return 0
        }
        const here = found.time > oldest && !found.isMark ? 1 : 0
        present[at + index] = here
        if (here === 0) continue
        values[at + index] = what === 'value' ? found.value : found.time / 1000
        count += 1
      }
      return count
    },
  }
}

/** A function of a range of each series; see `callRangeFunction`. */
export function planRange(planning: Planning, call: Call): Vector {
  const { name } = call.signature
  const { slots } = planning
  const { values, present } = slots
  const argument = call.args.find((arg) => arg.kind === 'matrix')
  if (argument === undefined) throw new Unplanned('a subquery')
  if (name === 'absent_over_time') throw new Unplanned(name)
  const { places, labels, offset } = planRead(planning, argument.selector)
  const range = milliseconds(argument.range)
  const bounds: RangeBounds = {
    range,
    slack: 0,
    lookback: planning.lookback,
    extension: undefined,
    at: undefined,
    offset,
  }
  const [first, second] = call.args.filter((arg) => arg !== argument).map(planning.scalar)
  const extrapolation = extrapolations[name]
  const compute = implementation(name)
  const at = planning.take(places.length)
  const vector: Vector = {
    labels: keepsName.has(name) ? labels : labels.map(withoutName),
    at,
    run(moment) {
      const { series } = moment
      const end = moment.start - offset
      const one = first?.(moment) ?? 0
      const other = second?.(moment) ?? 0
      let count = 0
      for (let index = 0; index < places.length; index += 1) {
        const column = series.samples(places[index]!, end - range + 1, end)
        if (column === undefined) {
          moment.handedOver = true
          return 0
        }
        const slot = at + index
        present[slot] = 0
        if (extrapolation !== undefined) {
          extrapolate(column, bounds, moment, extrapolation, slots.row(slot))
        } else {
          const window = startWindow(column, bounds)
          moveWindow(window, bounds, moment, 0)
          const value = window.from < window.to ? compute(window, one, other) : undefined
          if (value === undefined) continue
          values[slot] = value
          present[slot] = 1
        }
        count += present[slot]!
      }
      return count
    },
  }
  return withoutDuplicates(vector, slots)
}
