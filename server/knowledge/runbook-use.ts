import type { RuleGroupStatus } from '../rules/plugin.ts'
import type { Runbook } from './runbook.ts'
import type { RunbookUse } from './runbook-store.ts'

/** A rule that pages people and leaves them alone with it. */
export interface RuleWithoutRunbook {
  readonly rule: string
  readonly group: string
  readonly file: string
  readonly severity: string
  /** Its `runbook_url`, where that leads elsewhere. */
  readonly elsewhere: string | null
}

/** What stands against what: rules without a runbook, runbooks nobody ever used, and the use of the others. */
export interface UseReport {
  readonly rulesWithoutRunbook: readonly RuleWithoutRunbook[]
  readonly neverUsed: readonly Runbook[]
  readonly used: readonly (RunbookUse & { readonly runbook: Runbook | undefined })[]
}

/** Each rule's name once, though several groups may have it. */
export function useReport(
  groups: readonly RuleGroupStatus[],
  runbooks: readonly Runbook[],
  uses: readonly RunbookUse[],
): UseReport {
  const byName = new Map(runbooks.map((runbook) => [runbook.name, runbook]))
  const missing = new Map<string, RuleWithoutRunbook>()
  for (const { name: group, file, rules } of groups) {
    for (const { kind, name: rule, labels, annotations } of rules) {
      if (kind !== 'alert' || byName.has(rule) || missing.has(rule)) continue
      const severity = labels['severity'] ?? ''
      missing.set(rule, { rule, group, file, severity, elsewhere: elsewhereOf(annotations, rule) })
    }
  }
  const usedNames = new Set(uses.map(({ name }) => name))
  return {
    rulesWithoutRunbook: sorted([...missing.values()], ({ rule }) => rule),
    neverUsed: runbooks.filter(({ name }) => !usedNames.has(name)),
    used: sorted(
      uses.map((use) => ({ ...use, runbook: byName.get(use.name) })),
      ({ name }) => name,
    ),
  }
}

function elsewhereOf(annotations: Readonly<Record<string, string>>, rule: string): string | null {
  const url = annotations['runbook_url']
  // Its own page of this hub, where nothing is.
  return url === undefined || url.endsWith(`/runbooks/${rule}`) ? null : url
}

function sorted<T>(list: readonly T[], nameOf: (one: T) => string): T[] {
  return [...list].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
