import { createHash } from 'node:crypto'
import { parse, stringify } from 'yaml'
import { datasource } from './shared.ts'

/** A rule as it stands in `alerts/rules`. */
interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

/** Grafana's name of its own arithmetic. */
const expressions = '__expr__'

function promQuery(refId: string, expr: string): Record<string, unknown> {
  return {
    refId,
    relativeTimeRange: { from: 600, to: 0 },
    datasourceUid: datasource.uid,
    model: { refId, expr, instant: true, range: false },
  }
}

/** The value of the query, where Prometheus's templates say `$value`. */
function inGrafana(text: string): string {
  return text.replace(/\$value\b/g, '$values.A.Value')
}

function annotationsOf(rule: Rule, hubUrl: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(rule.annotations ?? {}).map(([name, text]) => [
      name,
      name === 'runbook_url' ? `${hubUrl}${text}` : inGrafana(text),
    ]),
  )
}

/**
 * A Prometheus rule fires for each series, whatever its value; Grafana's threshold looks at the value. So the condition is asked
 * of the query to the power of zero, which is 1 for any value; A is the value that the texts name. The uid follows from the title
 * alone: Grafana keeps a rule whose uid left the file, and refuses a second one of the same title in a folder.
 */
function ruleOf(rule: Rule, title: string, hubUrl: string): Record<string, unknown> {
  const identity = createHash('sha256').update(title).digest('hex')
  return {
    uid: `callward-${identity.slice(0, 16)}`,
    title,
    condition: 'C',
    data: [
      promQuery('A', `(${rule.expr}) * 1`),
      promQuery('B', `(${rule.expr}) ^ 0`),
      {
        refId: 'C',
        datasourceUid: expressions,
        model: {
          refId: 'C',
          type: 'threshold',
          expression: 'B',
          datasource: { type: expressions, uid: expressions },
          conditions: [{ evaluator: { type: 'gt', params: [0] } }],
        },
      },
    ],
    noDataState: 'OK',
    execErrState: 'Error',
    for: rule.for ?? '0s',
    annotations: annotationsOf(rule, hubUrl),
    labels: rule.labels ?? {},
  }
}

const head = `# Written by \`npm run boards\`. Fields: Grafana's "Use configuration files to provision alerting resources"
# (docs/sources/alerting/set-up/provision-alerting-resources/file-provisioning in grafana/grafana).
`

/** The rules of the hub as rules of Grafana, from the texts of the rule files in order; one Grafana group a group. */
export function grafanaRulesFile(ruleFiles: readonly string[], hubUrl: string): string {
  const used = new Map<string, number>()
  const titled = (name: string) => {
    const times = (used.get(name) ?? 0) + 1
    used.set(name, times)
    return times === 1 ? name : `${name} (${times})`
  }
  const groups = ruleFiles.flatMap((text) =>
    (parse(text) as RuleFile).groups.map(({ name, rules }) => ({
      orgId: 1,
      name: `callward ${name}`,
      folder: 'Callward alerts',
      interval: '1m',
      rules: rules.map((rule) => ruleOf(rule, titled(rule.alert), hubUrl)),
    })),
  )
  return head + stringify({ apiVersion: 1, groups }, { lineWidth: 0, aliasDuplicateObjects: false })
}

/** A contact point that brings alerts of Grafana to the hub, whose routing, pages and incidents take them up. */
export const contactPointFile = `${head}apiVersion: 1
contactPoints:
  - orgId: 1
    name: Callward hub
    receivers:
      - uid: callward-hub
        type: prometheus-alertmanager
        settings:
          url: $CALLWARD_URL/am
          basicAuthUser: callward
          basicAuthPassword: $CALLWARD_ALERTS_TOKEN
`
