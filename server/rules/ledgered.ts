import type { AlertChange } from '../../alerts/alert.ts'
import type { LedgerEntry } from '../ledger/plugin.ts'

const actions = {
  firing: 'alert.fired',
  resolved: 'alert.resolved',
  acknowledged: 'alert.acknowledged',
} as const satisfies Record<AlertChange['kind'], string>

/** What the ledger holds of an alert's change. */
export function ledgerEntryOf(change: AlertChange, incident: number | undefined): LedgerEntry {
  const { alert, at, by, kind, late } = change
  const { fingerprint, labels, rule, severity, value } = alert
  return {
    action: actions[kind],
    object: { type: 'alert', id: alert.id },
    actor: by ?? 'hub',
    occurredAt: at,
    content: {
      fingerprint,
      labels,
      rule,
      severity,
      value,
      incident: incident ?? null,
      ...(late ? { late } : {}),
    },
  }
}
