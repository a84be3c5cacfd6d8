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

const drop = ({ records }: FastifyInstance, kind: string) =>
  records.write((tx) => tx.deleteFrom('obligations').where('kind', '=', kind).execute())

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
