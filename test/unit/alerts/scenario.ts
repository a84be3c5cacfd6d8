import type { Labels, Millis } from '../../../alerts/alert.ts'
import { parseDuration } from '../../../alerts/duration.ts'
import type { AlertingRule } from '../../../alerts/rule.ts'
import {
  type ActiveAlert,
  type ActiveAlerts,
  advance,
  noAlerts,
  type VectorElement,
} from '../../../alerts/state.ts'

/** A story about one rule; test/scenarios/alerts/README.md explains the format. */
export interface Scenario {
  readonly forMillis: Millis
  readonly keepMillis: Millis
  readonly step: Millis
  readonly length: number
  readonly series: ReadonlyMap<string, readonly (number | undefined)[]>
  readonly states: ReadonlyMap<string, readonly string[]>
  readonly changes: ReadonlyMap<string, string>
  readonly only: ReadonlyMap<number, string>
  readonly clock: ReadonlyMap<number, Millis>
  readonly restarts: ReadonlySet<number>
  readonly holds: readonly {
    readonly from: number
    readonly to: number
    readonly instance: string
  }[]
}

export const startAt: Millis = Date.UTC(2026, 0, 5, 8, 0, 0)

/** What came of a story. */
export interface Outcome {
  readonly states: ReadonlyMap<string, readonly string[]>
  readonly changes: ReadonlyMap<string, string>
}

function duration(text: string): Millis {
  const negative = text.startsWith('-')
  const parsed = parseDuration(negative ? text.slice(1) : text)
  if (parsed === undefined) throw new Error(`"${text}" is no duration`)
  return negative ? -parsed : parsed
}

export function parseScenario(text: string): Scenario {
  const series = new Map<string, (number | undefined)[]>()
  const states = new Map<string, string[]>()
  const changes = new Map<string, string>()
  const only = new Map<number, string>()
  const clock = new Map<number, Millis>()
  const restarts = new Set<number>()
  const holds: { from: number; to: number; instance: string }[] = []
  let [forMillis, keepMillis, step] = [0, 0, 10_000]
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [word, ...rest] = line.trim().split(/\s+/)
    if (word === 'rule') {
      for (const setting of rest) {
        const [key, value] = setting.split('=')
        if (key === 'for') forMillis = duration(value!)
        else if (key === 'keep') keepMillis = duration(value!)
        else throw new Error(`unknown setting ${setting}`)
      }
    } else if (word === 'step') step = duration(rest[0]!)
    else if (word === 'only') only.set(Number(rest[0]), rest[1]!)
    else if (word === 'clock') clock.set(Number(rest[0]), duration(rest[1]!))
    else if (word === 'restart') restarts.add(Number(rest[0]))
    else if (word === 'hold') {
      const [from, to] = rest[0]!.split('-')
      holds.push({ from: Number(from), to: Number(to), instance: rest[1]! })
    } else if (word === 'series')
      series.set(
        rest[0]!,
        repeated(rest.slice(1)).map((value) => (value === '.' ? undefined : Number(value))),
      )
    else if (word === 'state') states.set(rest[0]!, repeated(rest.slice(1)))
    else if (word === 'changes') changes.set(rest[0]!, rest.slice(1).join(' '))
    else throw new Error(`unknown line "${line}"`)
  }
  const length = Math.max(...[...series.values()].map((values) => values.length))
  return {
    forMillis,
    keepMillis,
    step,
    length,
    series,
    states,
    changes,
    only,
    clock,
    restarts,
    holds,
  }
}

function repeated(words: readonly string[]): string[] {
  return words.flatMap((word) => {
    const match = /^(.+)x(\d+)$/.exec(word)
    return match === null ? [word] : Array.from({ length: Number(match[2]) }, () => match[1]!)
  })
}

/** Labels of a series' name: `a{disk="1"}`. */
export function labelsOf(name: string): Labels {
  const match = /^(\w+)(?:\{(.*)\})?$/.exec(name)
  if (match === null) throw new Error(`"${name}" names no series`)
  const labels: Record<string, string> = { instance: match[1]! }
  for (const pair of match[2]?.split(',') ?? [])
    labels[pair.split('=')[0]!] = pair.split('=')[1]!.replaceAll('"', '')
  return labels
}

export function ruleOf(scenario: Pick<Scenario, 'forMillis' | 'keepMillis'>): AlertingRule {
  return {
    kind: 'alert',
    name: 'Story',
    group: 'stories',
    file: 'story.yaml',
    expr: 'x',
    for: scenario.forMillis,
    keepFiringFor: scenario.keepMillis,
    labels: { severity: 'critical' },
    annotations: { summary: '{{ $labels.instance }} is at {{ $value }}' },
  }
}

export function runScenario(scenario: Scenario): Outcome {
  const rule = ruleOf(scenario)
  const states = new Map([...scenario.series.keys()].map((name) => [name, [] as string[]]))
  const changes = new Map([...scenario.series.keys()].map((name) => [name, [] as string[]]))
  let active: ActiveAlerts = noAlerts
  let now = startAt - scenario.step
  let lives = 0
  for (let i = 0; i < scenario.length; i++) {
    now += scenario.step + (scenario.clock.get(i) ?? 0)
    if (scenario.restarts.has(i)) active = reloaded(active)
    const onlyInstance = scenario.only.get(i)
    const held = new Set(
      scenario.holds.filter(({ from, to }) => i >= from && i <= to).map(({ instance }) => instance),
    )
    const result = advance(rule, active, vectorAt(scenario, i, onlyInstance), now, {
      newId: () => `life-${++lives}`,
      onlyInstance,
      hold: (alert) => held.has(alert.labels['instance']!),
    })
    active = result.active
    for (const { kind, alert, at } of result.transitions) {
      if (kind !== 'firing' && kind !== 'resolved') continue
      changes.get(nameOf(scenario, alert))!.push(`${(at - startAt) / 1000}s ${kind}`)
    }
    for (const [name, list] of states)
      list.push(
        stateOf(
          [...active.byFingerprint.values()].find((alert) => nameOf(scenario, alert) === name),
        ),
      )
  }
  return {
    states,
    changes: new Map([...changes].map(([name, list]) => [name, list.join(' ') || 'none'])),
  }
}

function vectorAt(
  scenario: Scenario,
  i: number,
  onlyInstance: string | undefined,
): VectorElement[] {
  return [...scenario.series].flatMap(([name, values]) => {
    const value = values[i]
    const labels: Labels = { __name__: 'x', ...labelsOf(name) }
    return value === undefined ||
      (onlyInstance !== undefined && labels['instance'] !== onlyInstance)
      ? []
      : [{ labels, value }]
  })
}

function nameOf(scenario: Scenario, alert: ActiveAlert): string {
  const name = [...scenario.series.keys()].find((key) =>
    Object.entries(labelsOf(key)).every(([label, value]) => alert.labels[label] === value),
  )
  if (name === undefined) throw new Error(`no series for ${JSON.stringify(alert.labels)}`)
  return name
}

/** Through JSON and back, as a restart does. */
function reloaded(active: ActiveAlerts): ActiveAlerts {
  const alerts = JSON.parse(JSON.stringify([...active.byFingerprint.values()])) as ActiveAlert[]
  return {
    byFingerprint: new Map(alerts.map((alert) => [alert.fingerprint, alert])),
    evaluatedAt: active.evaluatedAt,
  }
}

function stateOf(alert: ActiveAlert | undefined): string {
  if (alert === undefined) return '-'
  return alert.state === 'pending' ? 'p' : alert.keepFiringSince === undefined ? 'F' : 'k'
}
