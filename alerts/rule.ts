import type { Labels, Millis } from './alert.ts'
import { parseDuration } from './duration.ts'
import { templateFault } from './template.ts'

/** A rule that raises alerts. */
export interface AlertingRule {
  readonly kind: 'alert'
  readonly name: string
  readonly group: string
  readonly file: string
  /** PromQL text. */
  readonly expr: string
  /** How long the condition must hold before the alert fires. */
  readonly for: Millis
  /** How long a firing alert outlives its condition. */
  readonly keepFiringFor: Millis
  readonly labels: Labels
  readonly annotations: Labels
}

/** A rule that stores its expression's result as a new series. */
export interface RecordingRule {
  readonly kind: 'record'
  readonly name: string
  readonly group: string
  readonly file: string
  readonly expr: string
  readonly labels: Labels
}

export type Rule = AlertingRule | RecordingRule

export interface RuleGroup {
  readonly name: string
  readonly file: string
  /** Undefined: the scheduler's default. */
  readonly interval: Millis | undefined
  /** Alerts or series one rule may make; 0 is no limit. */
  readonly limit: number
  /** How long before the instant of an evaluation its rules look, so that late samples count. */
  readonly queryOffset: Millis
  readonly rules: readonly Rule[]
}

/** Something wrong in a rule file. */
export interface RuleFault {
  /** Where in the document: `['groups', 0, 'rules', 2, 'for']`. */
  readonly path: readonly (string | number)[]
  /** Names group, rule and field, and shows a right example. */
  readonly message: string
  /** What does not run because of it; `nothing`: the rule runs, the text shows the error. */
  readonly leavesOut: 'file' | 'group' | 'rule' | 'nothing'
}

export interface ParsedRuleFile {
  /** What may run: groups and rules without faults of their own. */
  readonly groups: readonly RuleGroup[]
  readonly faults: readonly RuleFault[]
}

type Path = readonly (string | number)[]
type Mapping = Readonly<Record<string, unknown>>

const groupKeys = ['name', 'interval', 'limit', 'query_offset', 'labels', 'rules']
const ruleKeys = ['alert', 'record', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations']
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/**
 * Reads a Prometheus rule file that was already parsed from YAML. Finds every fault at once; a faulty rule is
 * left out, the others stay. `checkExpression` says what is wrong with a PromQL text. Never throws.
 */
export function parseRuleFile(
  document: unknown,
  file: string,
  checkExpression: (text: string) => string | undefined = () => undefined,
): ParsedRuleFile {
  return new RuleFileReader(file, checkExpression).read(document)
}

class RuleFileReader {
  readonly #file: string
  readonly #checkExpression: (text: string) => string | undefined
  readonly #faults: RuleFault[] = []

  constructor(file: string, checkExpression: (text: string) => string | undefined) {
    this.#file = file
    this.#checkExpression = checkExpression
  }

  read(document: unknown): ParsedRuleFile {
    if (document === null || document === undefined) return { groups: [], faults: [] }
    if (!isMapping(document) || !Array.isArray(document['groups'])) {
      this.#fault(
        [],
        'file',
        'a rule file is a mapping with "groups"; example: "groups: [{name: disk, rules: []}]"',
      )
      return { groups: [], faults: this.#faults }
    }
    this.#unknownKeys(document, ['groups'], [], 'the file', 'nothing')
    const names = new Set<string>()
    const groups: RuleGroup[] = []
    for (const [i, item] of (document['groups'] as unknown[]).entries()) {
      const group = this.#group(item, ['groups', i])
      if (group === undefined) continue
      if (names.has(group.name)) {
        this.#fault(
          ['groups', i, 'name'],
          'group',
          `group "${group.name}" is repeated in this file; give each group its own name`,
        )
        continue
      }
      names.add(group.name)
      groups.push(group)
    }
    return { groups, faults: this.#faults }
  }

  #group(item: unknown, path: Path): RuleGroup | undefined {
    if (!isMapping(item)) {
      this.#fault(path, 'group', 'a group is a mapping; example: "- name: disk"')
      return undefined
    }
    const name = item['name']
    if (typeof name !== 'string' || name === '') {
      this.#fault([...path, 'name'], 'group', 'a group needs a "name"; example: "name: disk"')
      return undefined
    }
    const where = `group "${name}"`
    this.#unknownKeys(item, groupKeys, path, where, 'nothing')
    const before = this.#leftOut()
    const interval = this.#duration(item, 'interval', path, where, 'group')
    if (interval === 0)
      this.#fault(
        [...path, 'interval'],
        'group',
        `${where}, interval: must be above 0; example: "interval: 10s"`,
      )
    const queryOffset = this.#duration(item, 'query_offset', path, where, 'group') ?? 0
    const labels = this.#texts(item, 'labels', path, where, 'group')
    const limit = item['limit'] ?? 0
    if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 0) {
      this.#fault(
        [...path, 'limit'],
        'group',
        `${where}, limit: must be a whole number; example: "limit: 100"`,
      )
    }
    const items = item['rules'] ?? []
    if (!Array.isArray(items))
      this.#fault(
        [...path, 'rules'],
        'group',
        `${where}, rules: must be a list; example: "rules: [{alert: Name, expr: up == 0}]"`,
      )
    if (this.#leftOut() > before) return undefined
    const rules = (items as unknown[]).map((rule, i) =>
      this.#rule(rule, [...path, 'rules', i], name, labels),
    )
    return {
      name,
      file: this.#file,
      interval,
      limit: limit as number,
      queryOffset,
      rules: rules.filter((rule) => rule !== undefined),
    }
  }

  /** `common`: labels of the group, which those of the rule come before. */
  #rule(item: unknown, path: Path, group: string, common: Labels): Rule | undefined {
    if (!isMapping(item)) {
      this.#fault(
        path,
        'rule',
        `group "${group}": a rule is a mapping; example: "- alert: DiskFull"`,
      )
      return undefined
    }
    const before = this.#leftOut()
    const kind = this.#kind(item, path, group)
    if (kind === undefined) return undefined
    const name = String(item[kind])
    const where = `group "${group}", rule "${name}"`
    this.#unknownKeys(item, ruleKeys, path, where, 'rule')
    const expr = this.#expr(item, path, where)
    const labels = { ...common, ...this.#texts(item, 'labels', path, where) }
    const base = { name, group, file: this.#file, expr, labels }
    if (kind === 'record') {
      this.#checkRecord(item, name, path, where)
      return this.#leftOut() > before ? undefined : { kind, ...base }
    }
    const rule: AlertingRule = {
      kind,
      ...base,
      for: this.#duration(item, 'for', path, where, 'rule') ?? 0,
      keepFiringFor: this.#duration(item, 'keep_firing_for', path, where, 'rule') ?? 0,
      annotations: this.#texts(item, 'annotations', path, where),
    }
    this.#templates(rule, path, where)
    return this.#leftOut() > before ? undefined : rule
  }

  #kind(item: Mapping, path: Path, group: string): 'alert' | 'record' | undefined {
    const named = (['alert', 'record'] as const).filter((key) => item[key] !== undefined)
    const kind = named[0]
    if (named.length !== 1 || kind === undefined) {
      this.#fault(
        path,
        'rule',
        `group "${group}": a rule has either "alert" or "record"; example: "alert: DiskFull"`,
      )
      return undefined
    }
    if (typeof item[kind] !== 'string' || item[kind] === '') {
      this.#fault(
        [...path, kind],
        'rule',
        `group "${group}", ${kind}: must be a name; example: "alert: DiskFull"`,
      )
      return undefined
    }
    return kind
  }

  #checkRecord(item: Mapping, name: string, path: Path, where: string): void {
    for (const key of ['for', 'keep_firing_for', 'annotations']) {
      if (item[key] !== undefined)
        this.#fault(
          [...path, key],
          'rule',
          `${where}, ${key}: a recording rule has none; remove it`,
        )
    }
    if (!metricName.test(name))
      this.#fault(
        [...path, 'record'],
        'rule',
        `${where}, record: not a metric name; example: "record: site:calls:rate5m"`,
      )
  }

  #expr(item: Mapping, path: Path, where: string): string {
    const expr = item['expr']
    const text =
      typeof expr === 'number' ? String(expr) : typeof expr === 'string' ? expr.trim() : ''
    if (text !== '') {
      const fault = this.#checkExpression(text)
      if (fault !== undefined) this.#fault([...path, 'expr'], 'rule', `${where}, expr: ${fault}`)
      return text
    }
    this.#fault(
      [...path, 'expr'],
      'rule',
      `${where}, expr: must be a PromQL expression; example: "expr: callward_collector_up == 0"`,
    )
    return text
  }

  #duration(
    item: Mapping,
    key: string,
    path: Path,
    where: string,
    leavesOut: 'group' | 'rule',
  ): Millis | undefined {
    const text = item[key]
    if (text === undefined || text === null) return undefined
    const duration =
      typeof text === 'string' || text === 0 ? parseDuration(String(text)) : undefined
    if (duration === undefined) {
      this.#fault(
        [...path, key],
        leavesOut,
        `${where}, ${key}: ${JSON.stringify(text)} is not a duration; example: "${key}: 1m30s"`,
      )
    }
    return duration
  }

  #texts(
    item: Mapping,
    key: 'labels' | 'annotations',
    path: Path,
    where: string,
    leavesOut: 'group' | 'rule' = 'rule',
  ): Labels {
    const value = item[key]
    if (value === undefined || value === null) return {}
    if (!isMapping(value)) {
      this.#fault(
        [...path, key],
        leavesOut,
        `${where}, ${key}: must be a mapping of texts; example: "${key}: {severity: critical}"`,
      )
      return {}
    }
    const texts: Record<string, string> = {}
    for (const [name, text] of Object.entries(value)) {
      const reserved = key === 'labels' && name === '__name__'
      if (!labelName.test(name) || reserved) {
        this.#fault(
          [...path, key, name],
          leavesOut,
          `${where}, ${key}: "${name}" is not a label name one may set; example: "severity"`,
        )
      } else if (text !== null && typeof text === 'object') {
        this.#fault(
          [...path, key, name],
          leavesOut,
          `${where}, ${key}.${name}: must be a text; put it in quotes`,
        )
      } else {
        texts[name] = String(text ?? '')
      }
    }
    return texts
  }

  #templates(rule: AlertingRule, path: Path, where: string): void {
    for (const key of ['labels', 'annotations'] as const) {
      for (const [name, text] of Object.entries(rule[key])) {
        const fault = templateFault(text)
        if (fault === undefined) continue
        this.#fault(
          [...path, key, name],
          'nothing',
          `${where}, ${key}.${name}: ${fault}; example: "{{ $labels.server }} is at {{ $value | humanize }}"`,
        )
      }
    }
  }

  #unknownKeys(
    item: Mapping,
    known: readonly string[],
    path: Path,
    where: string,
    leavesOut: RuleFault['leavesOut'],
  ): void {
    for (const key of Object.keys(item)) {
      if (known.includes(key)) continue
      this.#fault(
        [...path, key],
        leavesOut,
        `${where}: unknown key "${key}"; known are ${known.join(', ')}`,
      )
    }
  }

  #leftOut(): number {
    return this.#faults.filter((fault) => fault.leavesOut !== 'nothing').length
  }

  #fault(path: Path, leavesOut: RuleFault['leavesOut'], message: string): void {
    this.#faults.push({ path, message, leavesOut })
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
