import type { Labels } from '../../store/reader.ts'
import { isPlainLabelName, quote } from '../syntax/quote.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these separate the parts of a key.
const separators = /[\u0000\u0001]/

/** Labels as the engine compares them: names ascending, no empty values. */
export class LabelSet {
  readonly names: readonly string[]
  readonly values: readonly string[]
  private text: string | undefined
  private isPlain = true

  constructor(names: readonly string[], values: readonly string[]) {
    this.names = names
    this.values = values
  }

  /** Equal exactly when the sets are; made when it is first asked for. */
  get key(): string {
    this.text ??= this.makeKey()
    return this.text
  }

  /** Whether keys of plain sets sort as the sets do. */
  get plain(): boolean {
    this.text ??= this.makeKey()
    return this.isPlain
  }

  private part(text: string): string {
    if (!separators.test(text)) return text
    this.isPlain = false
    return JSON.stringify(text)
  }

  private makeKey(): string {
    let key = ''
    for (let index = 0; index < this.names.length; index += 1) {
      key += `${this.part(this.names[index]!)}\u0000${this.part(this.values[index]!)}\u0001`
    }
    return key
  }
}

/** The set without labels. */
export const noLabels: LabelSet = new LabelSet([], [])

/** A store gives the same object for the same series again and again; sets go when it drops it. */
const known = new WeakMap<Labels, LabelSet>()

function isSortedAndFilled(names: readonly string[], values: readonly string[]): boolean {
  for (let index = 0; index < names.length; index += 1) {
    if (values[index] === '') return false
    if (index > 0 && names[index - 1]! > names[index]!) return false
  }
  return true
}

function setOf(labels: Labels): LabelSet {
  const names = Object.keys(labels)
  const values = names.map((name) => labels[name] ?? '')
  if (isSortedAndFilled(names, values)) return new LabelSet(names, values)
  const kept = names.filter((name) => labels[name] !== '').sort()
  return new LabelSet(
    kept,
    kept.map((name) => labels[name] ?? ''),
  )
}

/** Takes a store's labels, which must not change any more; empty values are dropped. */
export function fromLabels(labels: Labels): LabelSet {
  let set = known.get(labels)
  if (set === undefined) {
    set = setOf(labels)
    known.set(labels, set)
  }
  return set
}

/** Gives labels as a plain object, names ascending. */
export function toLabels({ names, values }: LabelSet): Labels {
  const labels: Record<string, string> = {}
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index]!
    if (name !== '__proto__') labels[name] = values[index]!
    else {
      // An own property, which assignment does not make of this name.
      const own = { value: values[index], enumerable: true, writable: true, configurable: true }
      Object.defineProperty(labels, name, own)
    }
  }
  return labels
}

/** The value of a label, or an empty string. */
export function labelValue(set: LabelSet, name: string): string {
  const index = set.names.indexOf(name)
  return index < 0 ? '' : set.values[index]!
}

/** The metric's name, or an empty string. */
export function metricName(set: LabelSet): string {
  return labelValue(set, '__name__')
}

function filtered(set: LabelSet, listed: readonly string[], wanted: boolean): LabelSet {
  const names: string[] = []
  const values: string[] = []
  for (let index = 0; index < set.names.length; index += 1) {
    const name = set.names[index]!
    if (listed.includes(name) !== wanted) continue
    names.push(name)
    values.push(set.values[index]!)
  }
  return names.length === set.names.length ? set : new LabelSet(names, values)
}

/** The set without some labels. */
export function without(set: LabelSet, names: readonly string[]): LabelSet {
  return filtered(set, names, false)
}

/** The set with only some labels. */
export function only(set: LabelSet, names: readonly string[]): LabelSet {
  return filtered(set, names, true)
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
  return setOf(labels)
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** Order of results: label by label, name then value; a prefix comes first. */
export function compareLabels(left: LabelSet, right: LabelSet): number {
  if (left.plain && right.plain) return compareText(left.key, right.key)
  const shared = Math.min(left.names.length, right.names.length)
  for (let index = 0; index < shared; index += 1) {
    const order =
      compareText(left.names[index]!, right.names[index]!) ||
      compareText(left.values[index]!, right.values[index]!)
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
