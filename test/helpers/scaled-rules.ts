import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { formatDuration, parseDuration } from '../../alerts/duration.ts'
import { packageRoot } from '../../server/assets.ts'

interface RuleText {
  alert?: string
  expr: string
  for?: string
  keep_firing_for?: string
  labels?: Record<string, string>
}

interface RuleFileText {
  groups: { name: string; interval?: string; rules: RuleText[] }[]
}

/**
 * Writes the shipped rules of these alerts into `folder`, for `hub.rulesFolder`, with every duration in them (windows,
 * offsets, `for`, intervals) divided: the same rules, in a world that runs that much faster. Their alerts bear the
 * label `scaled`.
 */
export function writeScaledRules(folder: string, alerts: readonly string[], divisor: number): void {
  mkdirSync(folder, { recursive: true })
  const rulesFolder = join(packageRoot, 'alerts/rules')
  const left = new Set(alerts)
  for (const file of readdirSync(rulesFolder).filter((name) => name.endsWith('.yaml'))) {
    const { groups } = parse(readFileSync(join(rulesFolder, file), 'utf8')) as RuleFileText
    const scaled = groups.flatMap(({ name, interval, rules }) => {
      const wanted = rules.filter(({ alert }) => alert !== undefined && left.delete(alert))
      if (wanted.length === 0) return []
      return [
        {
          name: `scaled-${name}`,
          interval: shorter(interval ?? '10s', divisor),
          rules: wanted.map((rule) => scaledRule(rule, divisor)),
        },
      ]
    })
    if (scaled.length > 0) writeFileSync(join(folder, file), stringify({ groups: scaled }))
  }
  if (left.size > 0) throw new Error(`BUG: no rules ${[...left]}`)
}

function scaledRule(rule: RuleText, divisor: number): RuleText {
  const expr = rule.expr
    .replace(/\[(\w+)\]/g, (_, duration: string) => `[${shorter(duration, divisor)}]`)
    .replace(/offset (\w+)/g, (_, duration: string) => `offset ${shorter(duration, divisor)}`)
  return {
    ...rule,
    expr,
    ...(rule.for === undefined ? {} : { for: shorter(rule.for, divisor) }),
    ...(rule.keep_firing_for === undefined
      ? {}
      : { keep_firing_for: shorter(rule.keep_firing_for, divisor) }),
    labels: { ...rule.labels, scaled: 'yes' },
  }
}

function shorter(duration: string, divisor: number): string {
  const milliseconds = parseDuration(duration)
  if (milliseconds === undefined) throw new Error(`BUG: ${duration} is no duration`)
  return formatDuration(Math.max(1, Math.round(milliseconds / divisor)))
}
