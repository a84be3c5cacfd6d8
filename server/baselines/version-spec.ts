import { compareDebianVersions } from '../../collector/wire/debian-version.ts'
import { compareRpmVersions } from './rpm-version.ts'

const operators = ['>=', '<=', '>', '<', '='] as const

/** One bound: `>= 1.2`. */
interface Bound {
  readonly operator: (typeof operators)[number]
  readonly version: string
}

/** What a baseline allows of one version: any of these, each an exact text or bounds that all hold; empty: any version. */
export interface VersionSpec {
  /** As it was written, for findings. */
  readonly text: string
  readonly anyOf: readonly (string | readonly Bound[])[]
}

/** How versions are ordered. */
export type VersionOrder = 'dpkg' | 'rpm'

const orders: Readonly<Record<VersionOrder, (a: string, b: string) => number>> = {
  dpkg: compareDebianVersions,
  rpm: compareRpmVersions,
}

/** Reads what stands behind a name in a baseline; a text says what is wrong and shows an example. */
export function parseSpec(value: unknown): VersionSpec | string {
  const texts = Array.isArray(value) ? value : [value]
  if (texts.length === 0) return 'the list is empty. Example: ["1.2-3", "1.2-4"]'
  const anyOf: VersionSpec['anyOf'][number][] = []
  for (const one of texts as unknown[]) {
    if (typeof one === 'number')
      return `${one} is a number, which loses zeros; put the version in quotes. Example: "${one}"`
    if (typeof one !== 'string' || one.trim() === '')
      return 'must be a version in quotes, a bound or a list. Example: "1.2-3", ">= 1.2", ["1.2-3", "1.2-4"]'
    const parsed = parseOne(one.trim())
    if (typeof parsed === 'string') return parsed
    anyOf.push(parsed.allowed)
  }
  return { text: texts.join(' or '), anyOf: anyOf.includes('*') ? [] : anyOf }
}

function parseOne(text: string): { readonly allowed: string | readonly Bound[] } | string {
  if (!/^[<>=]/.test(text)) {
    if (/[\s,]/.test(text))
      return `"${text}" is no version. Example: "1:20.6.0~dfsg-1", ">= 1.2, < 2"`
    return { allowed: text }
  }
  const bounds: Bound[] = []
  for (const part of text.split(',')) {
    const [, operator, version] = /^\s*(>=|<=|>|<|=)\s*([^\s<>=]+)\s*$/.exec(part) ?? []
    const known = operators.find((one) => one === operator)
    if (known === undefined || version === undefined)
      return `"${text}" is no bound. Example: ">= 1.2", ">= 1.2, < 2"`
    bounds.push({ operator: known, version })
  }
  return { allowed: bounds }
}

/** Whether a version is allowed. An exact one must be the same text; that there is no epoch and that it is 0 are the same. */
export function allows(spec: VersionSpec, version: string, order: VersionOrder): boolean {
  if (spec.anyOf.length === 0) return true
  return spec.anyOf.some((allowed) =>
    typeof allowed === 'string'
      ? withoutZeroEpoch(allowed) === withoutZeroEpoch(version)
      : allowed.every((bound) => holds(bound, orders[order](version, bound.version))),
  )
}

function holds({ operator }: Bound, order: number): boolean {
  if (operator === '>=') return order >= 0
  if (operator === '<=') return order <= 0
  if (operator === '>') return order > 0
  return operator === '<' ? order < 0 : order === 0
}

function withoutZeroEpoch(version: string): string {
  return version.replace(/^(?:0|\(none\)):/, '')
}
