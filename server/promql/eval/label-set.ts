import type { Labels } from '../../store/reader.ts'
import { isPlainLabelName, quote } from '../syntax/quote.ts'

/** Labels as the engine compares them: names ascending, no empty values, `key` equal exactly when the sets are. */
export interface LabelSet {
  readonly names: readonly string[]
  readonly values: readonly string[]
  readonly key: string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these separate the parts of a key.
const separators = /[\u0000\u0001]/

function keyPart(text: string): string {
  return separators.test(text) ? JSON.stringify(text) : text
}

function make(names: readonly string[], values: readonly string[]): LabelSet {
  let key = ''
  for (let index = 0; index < names.length; index += 1) {
    key += `${keyPart(names[index] ?? '')}\u0000${keyPart(values[index] ?? '')}\u0001`
  }
  return { names, values, key }
}

/** The set without labels. */
export const noLabels: LabelSet = make([], [])

/** A store gives the same object for the same series again and again; sets go when it drops it. */
const known = new WeakMap<Labels, LabelSet>()

/** Takes a store's labels, which must not change any more; empty values are dropped. */
export function fromLabels(labels: Labels): LabelSet {
  let set = known.get(labels)
  if (set === undefined) {
    const names = Object.keys(labels).filter((name) => labels[name] !== '')
    names.sort()
    const values = names.map((name) => labels[name] ?? '')
    set = make(names, values)
    known.set(labels, set)
  }
  return set
}

/** Gives labels as a plain object, names ascending. */
export function toLabels(set: LabelSet): Labels {
  const labels: Record<string, string> = {}
  set.names.forEach((name, index) => {
    // An own property even for a name such as __proto__.
    Object.defineProperty(labels, name, {
      value: set.values[index] ?? '',
      enumerable: true,
      writable: true,
      configurable: true,
    })
  })
  return labels
}

/** The value of a label, or an empty string. */
export function labelValue(set: LabelSet, name: string): string {
  const index = set.names.indexOf(name)
  return index < 0 ? '' : (set.values[index] ?? '')
}

/** The metric's name, or an empty string. */
export function metricName(set: LabelSet): string {
  return labelValue(set, '__name__')
}

function filtered(set: LabelSet, keeps: (name: string) => boolean): LabelSet {
  if (set.names.every(keeps)) return set
  const names: string[] = []
  const values: string[] = []
  set.names.forEach((name, index) => {
    if (!keeps(name)) return
    names.push(name)
    values.push(set.values[index] ?? '')
  })
  return make(names, values)
}

/** The set without some labels. */
export function without(set: LabelSet, names: readonly string[]): LabelSet {
  return filtered(set, (name) => !names.includes(name))
}

/** The set with only some labels. */
export function only(set: LabelSet, names: readonly string[]): LabelSet {
  return filtered(set, (name) => names.includes(name))
}

/** What describes a metric rather than a series: gone once a value is computed from it. */
const metadataLabels = ['__name__', '__type__', '__unit__']

const nameless = new WeakMap<LabelSet, LabelSet>()

/** The set without the metric's name, type and unit. */
export function withoutName(set: LabelSet): LabelSet {
  let cut = nameless.get(set)
  if (cut === undefined) {
    cut = without(set, metadataLabels)
    nameless.set(set, cut)
  }
  return cut
}

/** The set with one label set; an empty value removes it. */
export function withLabel(set: LabelSet, name: string, value: string): LabelSet {
  const labels: Record<string, string> = Object.assign(Object.create(null), toLabels(set))
  labels[name] = value
  return fromLabels(labels)
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** Order of results: label by label, name then value; a prefix comes first. */
export function compareLabels(left: LabelSet, right: LabelSet): number {
  const shared = Math.min(left.names.length, right.names.length)
  for (let index = 0; index < shared; index += 1) {
    const order =
      compareText(left.names[index] ?? '', right.names[index] ?? '') ||
      compareText(left.values[index] ?? '', right.values[index] ?? '')
    if (order !== 0) return order
  }
  return left.names.length - right.names.length
}

/** Prints a set as `{a="b", c="d"}`. */
export function printLabels(set: LabelSet): string {
  const parts = set.names.map((name, index) => {
    const shown = isPlainLabelName(name) ? name : quote(name)
    return `${shown}=${quote(set.values[index] ?? '')}`
  })
  return `{${parts.join(', ')}}`
}
