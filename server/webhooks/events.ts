import type { Fact } from '../../incidents/facts.ts'
import { rfc3339 } from '../clock.ts'
import type { IncidentRow } from '../records/schema.ts'

/** What a receiver may ask to be told of; docs/incidents.md says when each is. */
export const incidentEvents = [
  ...(['recorded', 'acknowledged', 'severity', 'step', 'restored', 'relapsed'] as const),
  ...(['ended', 'facts'] as const),
] as const
export type IncidentEvent = (typeof incidentEvents)[number]

/** A receiver as the configuration names it. */
export interface ConfiguredWebhook {
  readonly name: string
  readonly url: string
  readonly secret: string
  /** All but `facts` where it is left out. */
  readonly events?: readonly IncidentEvent[] | undefined
}

/** What happened to an incident by its new facts, in this order. */
export function eventsOf(
  before: IncidentRow | undefined,
  after: IncidentRow,
  facts: readonly Fact[],
): IncidentEvent[] {
  const ended = ['closed', 'cancelled', 'merged']
  const moved = before?.workflow_state !== after.workflow_state
  const events: (IncidentEvent | false)[] = [
    before === undefined && 'recorded',
    facts.some(({ kind }) => kind === 'acknowledged') && 'acknowledged',
    before !== undefined &&
      (before.severity !== after.severity || Number(before.major) !== Number(after.major)) &&
      'severity',
    before !== undefined && moved && 'step',
    moved && after.workflow_state === 'restored' && 'restored',
    facts.some(({ kind }) => kind === 'relapse') && 'relapsed',
    moved && ended.includes(after.workflow_state) && 'ended',
    'facts',
  ]
  return events.filter((event) => event !== false)
}

export function wants({ events }: ConfiguredWebhook, event: IncidentEvent): boolean {
  return events === undefined ? event !== 'facts' : events.includes(event)
}

/** What is sent: the incident as lists show it, and the kinds of its new facts; their texts are fetched by who may read them. */
export function bodyOf(
  message: { readonly id: string; readonly event: IncidentEvent; readonly at: number },
  row: IncidentRow,
  facts: readonly Fact[],
  factCount: number,
  url: string,
): string {
  const instant = (at: number | null) => (at === null ? null : rfc3339(Number(at)))
  return JSON.stringify({
    version: 1,
    ...{ id: message.id, event: message.event, at: rfc3339(message.at) },
    incident: {
      ...{ id: row.id, number: Number(row.number), title: row.title, server: row.server },
      ...{ severity: row.severity, major: Number(row.major) === 1, state: row.state },
      workflowState: row.workflow_state,
      openedAt: instant(row.opened_at),
      acknowledgedAt: instant(row.acknowledged_at),
      resolvedAt: instant(row.resolved_at),
      closedAt: instant(row.closed_at),
      // Messages may come in another order: the larger number is the later one.
      facts: factCount,
      url: `${url}/incidents/${row.number}`,
    },
    kinds: [...new Set(facts.map(({ kind }) => kind))],
  })
}

/** What is wrong with the receivers of a configuration beyond their shape. */
export function webhookFaults(given: unknown): string[] {
  const list = (given as { webhooks?: unknown } | undefined)?.webhooks
  if (!Array.isArray(list)) return []
  const names = list.map((one) => (one as { name?: unknown } | null)?.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return [
    ...(twice === undefined ? [] : [`"${String(twice).slice(0, 100)}" is there twice.`]),
    ...list.flatMap((one) => {
      const { url } = (one ?? {}) as { url?: unknown }
      return typeof url === 'string' && !URL.canParse(url)
        ? [`"${url.slice(0, 100)}" is no address. Example: https://desk.bank.example/callward`]
        : []
    }),
  ]
}
