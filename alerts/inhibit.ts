import type { Labels } from './alert.ts'
import { formatMatchers, matchesAll } from './matchers.ts'
import type { InhibitRule } from './routing-config.ts'

interface Sides {
  /** Firing sources that are no targets of the same rule. */
  readonly sources: Set<string>
  /** Firing sources that are targets too. */
  readonly twoSided: Set<string>
  readonly targets: Set<string>
}

/**
 * Which firing alerts are sources and targets of each rule, by the values of `equal`, so that one alert costs as
 * many steps as there are rules and not as there are alerts. Derived from the firing alerts, never stored.
 */
export class InhibitIndex {
  readonly #rules: readonly InhibitRule[]
  readonly #sides: readonly Map<string, Sides>[]

  constructor(rules: readonly InhibitRule[]) {
    this.#rules = rules
    this.#sides = rules.map(() => new Map<string, Sides>())
  }

  /** Enters a firing alert; returns the fingerprints whose answer may have changed. */
  add(fingerprint: string, labels: Labels): readonly string[] {
    return this.#rules.flatMap((rule, i) => {
      const source = matchesAll(rule.source, labels)
      const target = matchesAll(rule.target, labels)
      if (!source && !target) return []
      const key = equalKey(rule, labels)
      const sides = this.#sides[i]!.get(key) ?? newSides()
      this.#sides[i]!.set(key, sides)
      if (target) sides.targets.add(fingerprint)
      if (!source) return []
      const before = state(sides)
      const own = target ? sides.twoSided : sides.sources
      own.add(fingerprint)
      return state(sides) === before ? [] : [...sides.targets]
    })
  }

  /** Takes an alert out that no longer fires; returns the fingerprints whose answer may have changed. */
  remove(fingerprint: string, labels: Labels): readonly string[] {
    return this.#rules.flatMap((rule, i) => {
      const key = equalKey(rule, labels)
      const sides = this.#sides[i]!.get(key)
      if (sides === undefined) return []
      const before = state(sides)
      sides.targets.delete(fingerprint)
      sides.sources.delete(fingerprint)
      sides.twoSided.delete(fingerprint)
      if (sides.sources.size + sides.twoSided.size + sides.targets.size === 0)
        this.#sides[i]!.delete(key)
      return state(sides) === before ? [] : [...sides.targets]
    })
  }

  /**
   * The rule that holds this alert now, and why. An alert never inhibits itself; one that matches both sides of a
   * rule is not inhibited by another that does (Alertmanager, inhibit.go).
   */
  inhibitor(
    fingerprint: string,
    labels: Labels,
  ): { readonly rule: number; readonly because: string } | undefined {
    for (const [i, rule] of this.#rules.entries()) {
      const sides = this.#sides[i]!.get(equalKey(rule, labels))
      if (sides === undefined || !sides.targets.has(fingerprint)) continue
      const bySource = sides.sources.size > 0
      const byTwoSided = sides.twoSided.size > 0 && !sides.twoSided.has(fingerprint)
      if (bySource || byTwoSided) return { rule: i, because: reason(rule, labels) }
    }
    return undefined
  }

  /** The firing sources that hold this alert by that rule, at most `max`. */
  sourcesOf(rule: number, labels: Labels, max: number): readonly string[] {
    const found = this.#rules[rule]
    const sides = found === undefined ? undefined : this.#sides[rule]!.get(equalKey(found, labels))
    return sides === undefined ? [] : [...sides.sources, ...sides.twoSided].slice(0, max)
  }
}

function newSides(): Sides {
  return { sources: new Set(), twoSided: new Set(), targets: new Set() }
}

/** What targets can tell: whether there is a source of each kind. */
function state(sides: Sides): number {
  return (sides.sources.size > 0 ? 2 : 0) + (sides.twoSided.size > 0 ? 1 : 0)
}

function reason(rule: InhibitRule, labels: Labels): string {
  const same = rule.equal.map((name) => `${name}=${JSON.stringify(labels[name] ?? '')}`).join(', ')
  return `inhibited while ${formatMatchers(rule.source)} fires${same === '' ? '' : ` with ${same}`}`
}

/** Absent and empty are equal, as in Alertmanager. */
function equalKey(rule: InhibitRule, labels: Labels): string {
  return JSON.stringify(rule.equal.map((name) => labels[name] ?? ''))
}
