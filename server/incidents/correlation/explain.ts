import type { Kysely } from 'kysely'
import type { Static } from 'typebox'
import type { Millis } from '../../../alerts/alert.ts'
import { isBeside, type Subject, unmet } from '../../../alerts/correlation.ts'
import type { CorrelationRule } from '../../../alerts/correlation-config.ts'
import type { IncidentRow, RecordsSchema } from '../../records/schema.ts'
import type { Correlator, Verdict } from './correlator.ts'
import type { CorrelationDocument } from './document-store.ts'
import type { ExplainAnswer } from './schema.ts'

type Answer = Static<typeof ExplainAnswer>

/** What the rules would make of an alert that fires now, and why each of them decides or not. */
export async function explain(
  correlator: Correlator,
  read: Kysely<RecordsSchema>,
  document: CorrelationDocument,
  subject: Subject,
  at: Millis,
): Promise<Answer> {
  const counts = new Map<CorrelationRule, number>()
  const onCounted = (one: { candidate: { rule: CorrelationRule }; count: number }) =>
    void counts.set(one.candidate.rule, one.count)
  const verdict = await correlator.decide(read, { document, subject, at, onCounted })
  const decided = ruleOf(verdict)
  const rules: Answer['rules'] = []
  for (const rule of document.rules) {
    const because = whyNot(rule, subject, counts.get(rule))
    const decides = rule === decided
    rules.push({
      ...{ rule: rule.name, action: rule.action, decides },
      because: decides ? 'it is the first that matches' : (because ?? 'a rule before it decides'),
    })
  }
  return { version: document.version, ...outcome(verdict, subject), rules }
}

function ruleOf(verdict: Verdict): CorrelationRule | undefined {
  return verdict.kind === 'decided' ? verdict.decision?.candidate?.rule : undefined
}

/** Why a rule does not decide; undefined when it might. */
function whyNot(
  rule: CorrelationRule,
  subject: Subject,
  count: number | undefined,
): string | undefined {
  const matcher = unmet(rule, subject)
  if (matcher !== undefined) return `the alert does not meet ${matcher}`
  if (rule.count === undefined || count === undefined || count >= rule.count.atLeast)
    return undefined
  return `${count} of ${rule.count.atLeast} different values of ${rule.count.of} so far`
}

function outcome(
  verdict: Verdict,
  subject: Subject,
): Pick<Answer, 'outcome' | 'rule' | 'incident' | 'related' | 'text'> {
  const rule = ruleOf(verdict)?.name ?? null
  const into = (name: 'join' | 'goes on' | 'relapse', row: IncidentRow, related: boolean) => {
    const number = Number(row.number)
    const beside = related ? '; the incident recovers without it' : ''
    const words = {
      join: `joins incident ${number}`,
      'goes on': `is in incident ${number} already and stays there`,
      relapse: `takes incident ${number} up again: the fault came back`,
    }
    const incident = { id: row.id, number }
    return { outcome: name, rule, incident, related, text: `${words[name]}${beside}` } as const
  }
  if (verdict.kind === 'held') return into('goes on', verdict.held.row, verdict.held.related)
  if (verdict.kind === 'relapse') return into('relapse', verdict.held.row, false)
  const { decision } = verdict
  const none = { rule, incident: null, related: null }
  if (decision?.kind === 'open') {
    const { severity, major } = decision.candidate.rule.opening
    const text = `opens an incident of ${severity}${major ? ', major' : ''}`
    return { outcome: 'open', ...none, related: false, text }
  }
  if (decision?.kind === 'join') {
    const { action } = decision.candidate.rule
    return into('join', decision.incident, isBeside(subject.labels['severity'] ?? '', action))
  }
  const why =
    decision?.candidate === undefined
      ? 'no rule decides'
      : decision.candidate.rule.action === 'ignore'
        ? 'its rule ignores it'
        : 'no open incident of these labels is there to join'
  return { outcome: 'nothing', ...none, text: `opens and joins nothing: ${why}` }
}
