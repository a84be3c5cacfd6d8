import t from 'tap'
import { fingerprint } from '../../../alerts/alert.ts'
import { alertViewOf, checkedAlertViewOf } from '../../../server/records/alert-view.ts'
import type { AlertRow } from '../../../server/records/schema.ts'

const labels = { alertname: 'TrunkDown', severity: 'critical', instance: 'pbx-1' }
const row: AlertRow = {
  id: 'a1',
  fingerprint: fingerprint(labels),
  rule: 'TrunkDown',
  rule_group: 'trunks',
  severity: 'critical',
  instance: 'pbx-1',
  labels: JSON.stringify(labels),
  annotations: JSON.stringify({ summary: 'Trunk 1 is down' }),
  state: 'firing',
  value: '1',
  active_at: 1000,
  fired_at: 2000,
  keep_firing_since: null,
  resolved_at: null,
  acknowledged_at: null,
  acknowledged_by: null,
  updated_at: 3000,
}

t.test('the row of an alert, as SQLite and as PostgreSQL give it', async (t) => {
  const view = alertViewOf(row)
  t.match(view, { id: 'a1', group: 'trunks', severity: 'critical', labels, state: 'firing' })
  t.same([view.activeAt, view.firedAt, view.resolvedAt], [1000, 2000, undefined])
  t.equal(view.acknowledgedBy, undefined)
  // PostgreSQL gives bigint as text.
  const asText = { active_at: '1000', fired_at: '2000', resolved_at: null } as unknown as AlertRow
  t.same(alertViewOf({ ...row, ...asText }), view)
  t.same(checkedAlertViewOf(row), view, 'a sound row is the same to both')
})

t.test('a damaged row still tells people, and is not gone on with', async (t) => {
  const damaged: [more: Partial<AlertRow>, reason: RegExp][] = [
    [{ state: 'odd' as AlertRow['state'] }, /in state "odd"/],
    [{ labels: JSON.stringify({ ...labels, port: 5060 }) }, /not a mapping of texts/],
    [{ annotations: 'null' }, /not a mapping of texts/],
  ]
  for (const [more, reason] of damaged) {
    t.equal(alertViewOf({ ...row, ...more }).rule, 'TrunkDown')
    t.throws(() => checkedAlertViewOf({ ...row, ...more }), reason)
  }
  t.equal(alertViewOf({ ...row, state: 'odd' as AlertRow['state'] }).state, 'resolved')
  const other = { ...row, fingerprint: 'ffff' }
  t.equal(checkedAlertViewOf(other).fingerprint, fingerprint(labels), 'worked out anew')
  t.equal(alertViewOf(other).fingerprint, 'ffff')
  t.throws(() => alertViewOf({ ...row, labels: '{' }))
})
