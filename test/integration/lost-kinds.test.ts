import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { fingerprint } from '../../alerts/alert.ts'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { uuid } from '../../server/ids.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'

const labels = { alertname: 'TrunkDown', severity: 'critical', server: 'pbx-1' }

/** An alert that fires in the tables and that nothing else has heard of. */
async function fire({ records }: FastifyInstance): Promise<void> {
  const now = Date.now()
  await records.write((tx) =>
    tx
      .insertInto('alerts')
      .values({
        ...{ id: uuid(now), fingerprint: fingerprint(labels), rule: 'TrunkDown', rule_group: 'g' },
        ...{ severity: 'critical', instance: null, labels: JSON.stringify(labels) },
        ...{ annotations: '{}', state: 'firing', value: '1', active_at: now, fired_at: now },
        ...{ keep_firing_since: null, resolved_at: null, updated_at: now },
        ...{ acknowledged_at: null, acknowledged_by: null },
      })
      .execute(),
  )
}

/** An incident whose alert ended just now. */
async function recovering(app: FastifyInstance): Promise<void> {
  const by = { id: 'p', name: 'ines', role: 'operator', via: 'token' } as const
  const id = await app.incidents.record(by, { phenomenon: 'Silence.', services: ['hotline'] })
  await app.records.write(async (tx) => {
    const row = await tx.selectFrom('alerts').selectAll().executeTakeFirstOrThrow()
    const ended = { state: 'resolved', resolved_at: Date.now(), fingerprint: 'ended' }
    const alert = { ...row, ...ended, id: uuid(Date.now()) }
    await tx.insertInto('alerts').values(alert).execute()
    const joined = { incident_id: id, alert_id: alert.id, joined_at: Date.now(), related: 0 }
    await tx.insertInto('incident_alerts').values(joined).execute()
  })
}

/** A notice with a receiver that has not got it, and a technician who has not answered. */
async function unanswered({ records, access }: FastifyInstance, kind: string): Promise<void> {
  const now = Date.now()
  const query = records.read.selectFrom('incidents').select('id')
  const { id } = await query.executeTakeFirstOrThrow()
  const notice = {
    ...{ id: uuid(now), incident_id: id, series_id: uuid(now), version: 1, audience: 'staff' },
    ...{ form: 'overdue', language: 'en', title: 'x', text: 'x', text_hash: 'x', state: 'sent' },
    ...{ contact_points: '[]', approval_id: null, fact_id: null, next_update_at: null },
    ...{ request_key: null, written_by: 'hub', approved_by: null, written_at: now, sent_at: now },
    url: null,
  }
  const delivery = {
    ...{ id: uuid(now), notice_id: notice.id, contact_point_id: 'none', recipient: 'x' },
    ...{ channel: 'email', key: uuid(now), state: 'waiting', attempts: 0, reason: '' },
    ...{ provider_reference: null, opened_at: now, updated_at: now },
  }
  const assignment = {
    ...{ fact_id: uuid(now), incident_id: id, principal_id: access.adminId, technician: 'admin' },
    ...{ assigned_by: 'hub', text: 'x', state: 'waiting', assigned_at: now },
    ...{ due_at: now + 3_600_000, ended_at: null, reason: null, exhausted_at: null },
    request_key: null,
  }
  await records.write(async (tx) => {
    if (kind === 'notice') {
      await tx.insertInto('incident_notices').values(notice).execute()
      await tx.insertInto('incident_notice_deliveries').values(delivery).execute()
    } else await tx.insertInto('incident_assignments').values(assignment).execute()
  })
}

const drop = ({ records }: FastifyInstance, kind: string) =>
  records.write((tx) => tx.deleteFrom('obligations').where('kind', '=', kind).execute())

/** An incident recorded by hand. */
const incident = (app: FastifyInstance) =>
  app.incidents.record(
    { id: 'p', name: 'ines', role: 'operator', via: 'token' },
    { phenomenon: 'no calls come in', services: ['telephony'] },
  )

/**
 * For each kind of obligation how its row goes missing while its own tables still say that something is owed. In this order;
 * a new kind gets its line here.
 */
const breaks: Readonly<Record<string, (app: FastifyInstance) => Promise<unknown>>> = {
  routing: fire,
  page: ({ records }) => records.write((tx) => tx.deleteFrom('page_alerts').execute()),
  escalation: (app) => drop(app, 'escalation'),
  telling: async (app) => {
    const { id } = await app.records.read.selectFrom('pages').select('id').executeTakeFirstOrThrow()
    const now = Date.now()
    const telling = {
      ...{ id: uuid(now), page_id: id, key: 'k', kind: 'page', state: 'waiting', reason: '' },
      ...{ recipient_kind: 'person', recipient_id: 'p', name: 'P', place: 'g0.r0.s0' },
      ...{ opened_at: now, ended_at: null },
    }
    await app.records.write((tx) => tx.insertInto('page_tellings').values(telling).execute())
  },
  'routing-time': async (app) => {
    const next_at = Date.now() + 3_600_000
    await app.records.write((tx) => tx.updateTable('routing_state').set({ next_at }).execute())
    await drop(app, 'routing-time')
  },
  canary: (app) => drop(app, 'canary'),
  evidence: async (app) => {
    const id = await incident(app)
    app.obligations.wake()
    await app.obligations.settled()
    const row = { incident_id: id, stage: 'recovery 99', due_at: Date.now() + 3_600_000 }
    await app.records.write((tx) =>
      tx
        .insertInto('incident_freezes')
        .values({ ...row, done_at: null })
        .execute(),
    )
    await drop(app, 'evidence')
  },
  'incident-webhook': async (app) => {
    const { id } = await app.records.read
      .selectFrom('incidents')
      .select('id')
      .limit(1)
      .executeTakeFirstOrThrow()
    const now = Date.now()
    const message = {
      ...{ id: uuid(now), webhook: 'gone', incident_id: id, event: 'step', body: '{}', at: now },
      ...{ state: 'waiting', answer: null, ended_at: null },
    }
    await app.records.write((tx) =>
      tx.insertInto('incident_webhook_messages').values(message).execute(),
    )
  },
  'incident-recurrence': (app) => drop(app, 'incident-recurrence'),
  'incident-recovery': async (app) => {
    await recovering(app)
    await drop(app, 'incident-recovery')
  },
  notice: (app) => unanswered(app, 'notice'),
  update: (app) => drop(app, 'update'),
  assignment: (app) => unanswered(app, 'assignment'),
  'incident-unattended': async ({ records }) => {
    const alone = { workflow_state: 'restored', attended: 0 }
    const restored = { ...alone, state: 'resolved', resolved_at: Date.now() }
    await records.write((tx) => tx.updateTable('incidents').set(restored).execute())
  },
  'incident-clock': (app) => drop(app, 'incident-clock'),
  'incident-action': async (app) => {
    const by = { id: 'p', name: 'ines', role: 'operator', via: 'token' } as const
    const { id } = await app.records.read
      .selectFrom('incidents')
      .select('id')
      .executeTakeFirstOrThrow()
    const owed = { number: 1, action: 'repair', dueAt: Date.now() + 3_600_000 }
    const facts = [{ kind: 'action', value: { text: 'Mend it.', ...owed } }]
    await app.incidents.add(id, by, { facts })
    await drop(app, 'incident-action')
  },
}

t.test('a row that is missing is named by the watchdog, of every kind there is', async (t) => {
  const file = join(folderOf(t), 'callward.yaml')
  // Late enough that it does not fly meanwhile.
  const at = new Date(Date.now() + 12 * 3_600_000).toISOString().slice(11, 16)
  writeFileSync(file, JSON.stringify({ hub: { canary: { at }, timeZone: 'UTC' } }))
  const config = readHubConfig({
    CALLWARD_DATA: join(t.testdirName, 'data'),
    CALLWARD_CONFIG: file,
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  t.teardown(() => app.close())
  await app.ready()
  const ask = async (url: string) =>
    (await app.inject({ url, headers: { authorization: `Bearer ${adminToken}` } })).json()
  const { kinds } = (await ask('/api/v1/obligations')) as { kinds: { kind: string }[] }
  for (const { kind } of kinds)
    t.ok(
      Object.hasOwn(breaks, kind),
      `${kind} is tested; a new kind gets its line in test/integration/lost-kinds.test.ts`,
    )
  for (const kind of Object.keys(breaks))
    t.ok(
      kinds.some((one) => one.kind === kind),
      `${kind} is a kind of the hub`,
    )
  const named = async () =>
    ((await ask('/api/v1/obligations/lost')) as { lost: { kind: string; mendedAt: unknown }[] })
      .lost
  for (const [kind, breakIt] of Object.entries(breaks)) {
    await app.obligations.settled()
    const before = (await named()).length
    await breakIt(app)
    await app.obligations.watch()
    const found = (await named()).slice(0, (await named()).length - before)
    t.same([...new Set(found.map((one) => one.kind))], [kind], `${kind}: named, and no other`)
    t.ok(
      found.every(({ mendedAt }) => mendedAt !== null),
      `${kind}: opened anew`,
    )
    const again = (await named()).length
    await app.obligations.settled()
    await app.obligations.watch()
    t.equal((await named()).length, again, `${kind}: not lost a second time`)
  }
})
