import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type AlertChange, type AlertView, fingerprint } from '../../alerts/alert.ts'
import { uuid } from '../../server/ids.ts'
import { pageFigures } from '../../server/paging/figures-store.ts'
import { alertViewOf } from '../../server/records/alert-view.ts'
import { allMigrations } from '../../server/records/migrations.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { Desk, minute } from './deadlines-desk.ts'
import { receiver } from './notify-desk.ts'
import { rows } from './records-tables.ts'

interface Heard {
  readonly kind: string
  readonly title: string
  readonly alerts?: readonly { readonly title: string }[]
}
interface Page {
  readonly number: number
  readonly state: string
  readonly acknowledgedBy: string | null
  readonly asks: readonly { readonly title: string; readonly endedAt: string | null }[]
  readonly steps: readonly { readonly kind: string }[]
}

/** The desk of deadlines with people whom a webhook tells, and alerts of incidents. */
class Scene {
  readonly desk: Desk
  readonly #heard: readonly { readonly body: string }[]

  private constructor(desk: Desk, heard: readonly { readonly body: string }[]) {
    this.desk = desk
    this.#heard = heard
  }

  static async start(t: Test, recordsUrl?: string): Promise<Scene> {
    const { heard, url } = await receiver(t, (_heard, response) => void response.end('taken'))
    const desk = await new Desk(t, recordsUrl, { notifyAllow: ['127.0.0.1'] }).start()
    const owner = { kind: 'person', id: desk.app.access.adminId }
    const settings = { url, secret: 'x'.repeat(16) }
    const point = { channel: 'webhook', label: 'admin', owner, settings }
    const made = await desk.ask('/api/v1/contact-points', point)
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return new Scene(desk, heard)
  }

  /** What people were told since the last question: `kind: title`. */
  #asked = 0
  told(): string[] {
    const since = this.#heard.slice(this.#asked)
    this.#asked = this.#heard.length
    return since.map(({ body }) => {
      const { kind, title } = JSON.parse(body) as Heard
      return `${kind}: ${title}`
    })
  }

  /** Alerts that the last message lists. */
  listed(): readonly string[] {
    const { alerts } = JSON.parse(this.#heard.at(-1)!.body) as Heard
    return (alerts ?? []).map(({ title }) => title)
  }

  async settle(millis = 0): Promise<void> {
    await this.desk.pass(millis)
    // What a step owes is met in the next round.
    for (let round = 0; round < 4; round += 1) await this.desk.pass(1)
  }

  /** An alert of the incident fires and pages. */
  async fire(incident: string, rule: string): Promise<AlertView> {
    const { app, clock } = this.desk
    const now = clock.now()
    const labels = { alertname: rule, severity: 'critical', server: 'pbx-1' }
    const row = {
      ...{ id: uuid(now), fingerprint: fingerprint(labels), rule, rule_group: 'g' },
      ...{ severity: 'critical', instance: 'pbx-1', labels: JSON.stringify(labels) },
      annotations: JSON.stringify({ summary: `${rule} on pbx-1` }),
      ...{ state: 'firing', value: '1', active_at: now, fired_at: now, keep_firing_since: null },
      ...{ resolved_at: null, updated_at: now, acknowledged_at: null, acknowledged_by: null },
    }
    const alert = alertViewOf(row)
    await app.records.write(async (tx) => {
      await tx.insertInto('alerts').values(row).execute()
      const joined = { incident_id: incident, alert_id: row.id, joined_at: now, related: 0 }
      await tx.insertInto('incident_alerts').values(joined).execute()
      const change = { kind: 'firing', alert, at: now } as AlertChange
      await app.paging.alertChanged(tx, change, incident)
    })
    await this.settle()
    return alert
  }

  async over({ id }: AlertView): Promise<void> {
    const { app, clock } = this.desk
    const now = clock.now()
    await app.records.write(async (tx) => {
      const ended = { state: 'resolved', resolved_at: now }
      await tx.updateTable('alerts').set(ended).where('id', '=', id).execute()
      await app.paging.ended(tx, id, now)
    })
    await this.settle()
  }

  /** Pages that ask, or asked, for somebody: no notices. */
  async pages(): Promise<Page[]> {
    const rows = await this.desk.app.records.read
      .selectFrom('pages')
      .select('id')
      .where('group_key', 'not like', 'notice:%')
      .orderBy('number')
      .execute()
    const pages: Page[] = []
    for (const { id } of rows)
      pages.push((await this.desk.ask<{ page: Page }>(`/api/v1/pages/${id}`)).body.page)
    return pages
  }

  async take(number: number): Promise<void> {
    await this.desk.ask(`/api/v1/pages/${number}/acknowledge`, {})
    await this.settle()
  }

  /** Past the first time limit of an incident of sev1; nobody leads it, so that its first word goes to staff too. */
  breach = () => this.settle(16 * minute)
}

const over = /Incident 1: Response sev1: time limit is over/

async function onePage(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const { desk } = scene
  const id = await desk.record()
  const trunk = await scene.fire(id, 'TrunkDown')
  t.same(scene.told(), ['firing: TrunkDown on pbx-1'])
  const { number } = (await scene.pages())[0]!
  await scene.take(number)
  t.match(await scene.pages(), [{ state: 'acknowledged' }])
  await scene.breach()
  const told = scene.told().filter((one) => over.test(one))
  t.match(told, [/^escalated: .*\(and 1 more\)$/], 'told once, and named')
  t.match(scene.listed(), [over, 'TrunkDown on pbx-1'])
  const pages = await scene.pages()
  t.match(pages, [{ state: 'open', acknowledgedBy: null, asks: [{ title: over }] }])
  t.equal(pages.length, 1, 'one page for the fault')
  t.same(
    pages[0]!.steps.map(({ kind }) => kind),
    ['opened', 'notify', 'acknowledged', 'asked', 'acknowledgement expired', 'notify'],
    'whoever took it is asked again, from the first step',
  )
  await scene.take(number)
  await desk.restart()
  await scene.settle(minute)
  t.same(scene.told(), [], 'a restart says nothing twice')

  await scene.over(trunk)
  const [held] = await scene.pages()
  t.match(held, { state: 'acknowledged' }, 'it stays for the time limit')
  t.match(held!.steps.at(-1), { kind: 'alerts over' })
  await desk.add(id, 'acknowledged', {})
  await scene.settle()
  t.match(await scene.pages(), [{ state: 'closed', asks: [{ endedAt: String }] }])
  t.match(scene.told(), [/^resolved: TrunkDown/], 'whom it told hears once that it is over')
}

/** Nobody has taken the page when the time limit is over. */
async function untaken(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const id = await scene.desk.record()
  await scene.desk.pass(14 * minute)
  const trunk = await scene.fire(id, 'TrunkDown')
  scene.told()
  await scene.settle(2 * minute)
  const told = scene.told().filter((one) => over.test(one))
  t.match(told, [/^firing: .*\(and 1 more\)$/], 'whom it named is told once more')
  await scene.over(trunk)
  t.match(await scene.pages(), [{ state: 'open' }])
  await scene.settle(5 * minute)
  const alone = /^escalated: Incident 1: Response sev1: time limit is over.*\(sla\)$/
  t.match(scene.told().at(-1), alone, 'without the alert that is over')
}

async function withoutPage(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const { desk } = scene
  const id = await desk.record()
  await scene.breach()
  t.match(await scene.pages(), [{ state: 'open', asks: [{ title: over }] }], 'a page of its own')
  t.match(
    scene.told().filter((one) => over.test(one)),
    [/^firing: /],
  )
  const { number } = (await scene.pages())[0]!
  await scene.take(number)
  const trunk = await scene.fire(id, 'TrunkDown')
  t.match(await scene.pages(), [{ state: 'open' }], 'an alert of the incident joins it')
  t.match(scene.told(), [/^escalated: TrunkDown on pbx-1 \(and 1 more\)$/])
  await scene.take(number)
  await scene.settle(230 * minute)
  const asks = [{ title: over }, { title: /Restore sev1/ }]
  t.match(await scene.pages(), [{ state: 'open', asks }], 'the next time limit asks there too')
  t.match(scene.told().at(-1), /^escalated: Incident 1: Restore sev1: .* \(and 2 more\)$/)
  await desk.add(id, 'acknowledged', {})
  await scene.settle()
  await scene.over(trunk)
  const [page] = await scene.pages()
  t.equal(page!.state, 'open', 'it stays for what is left')
  const left = page!.asks.filter(({ endedAt }) => endedAt === null)
  t.match(left, [{ title: /Restore sev1/ }])
  t.equal(left.length, 1)
}

/** What boards show of pages, read from the records. */
async function counted(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const { records } = scene.desk.app
  const id = await scene.desk.record()
  const now = () => pageFigures(records.read, start)
  const start = scene.desk.clock.now()
  t.same(await now(), { opened: [], escalations: [], taken: [] })
  await scene.fire(id, 'TrunkDown')
  await scene.settle(2 * minute)
  await scene.take((await scene.pages())[0]!.number)
  await scene.breach()
  const policy = 'everybody on staff'
  t.match(await now(), {
    opened: [{ policy, of: 'critical', count: 1 }],
    escalations: [{ policy, of: 'asked again', count: 1 }],
    taken: [{ policy }],
  })
  const [taken] = (await now()).taken
  t.ok(taken!.millis >= 2 * minute && taken!.millis < 3 * minute, 'by the clock of the hub')
  await scene.settle(6 * minute)
  const kinds = (await now()).escalations.map(({ of, count }) => `${of} ${count}`).sort()
  t.same(kinds, ['asked again 1', 'step 1'], 'the first step again')
  t.same(await pageFigures(records.read, scene.desk.clock.now() + 1), {
    ...{ opened: [], escalations: [], taken: [] },
  })
}

/** Nobody has taken the page, and its alert is silenced. */
async function held(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const { desk } = scene
  const id = await desk.record()
  const { id: alert, fingerprint } = await scene.fire(id, 'TrunkDown')
  const { records } = desk.app
  const flags = { firing: 1, held: 1, paged: 1 }
  const silenced = { fingerprint, alert_id: alert, body: '{}', ...flags }
  await records.write((tx) => tx.insertInto('routing_alerts').values(silenced).execute())
  scene.told()
  await scene.settle(6 * minute)
  t.notOk(
    scene.told().some((one) => one.startsWith('escalated')),
    'silenced, it climbs no further',
  )
  await scene.settle(10 * minute)
  await scene.settle(minute)
  t.ok(
    scene.told().some((one) => over.test(one)),
    'a time limit that is over is no silenced alert',
  )
  t.equal((await scene.pages()).length, 1)
}

async function lost(t: Test, recordsUrl?: string): Promise<void> {
  const scene = await Scene.start(t, recordsUrl)
  const { desk } = scene
  await desk.record()
  await scene.breach()
  t.match(await scene.pages(), [{ state: 'open' }])
  await desk.app.records.write((tx) => tx.deleteFrom('page_asks').execute())
  scene.told()
  const found = await desk.app.obligations.watch()
  t.same([...new Set(found.map(({ kind }) => kind))], ['incident-clock'])
  await scene.settle(minute)
  t.ok(
    scene.told().some((one) => over.test(one)),
    'it is told anew',
  )
  t.match(
    await scene.pages(),
    [{ state: 'open', asks: [{ title: over }] }],
    'on the page that is open',
  )
  t.same(await desk.app.obligations.watch(), [])
}

const promises = {
  'a breach is told on the page that the incident has open, which stays open for it': onePage,
  'a page that nobody has taken says it to whom it named': untaken,
  'without a page it opens one, which alerts of the incident join': withoutPage,
  'what became of pages is counted by policy': counted,
  'a silenced page climbs for a breach': held,
  'a breach that no page asks for is found and told': lost,
}

for (const [promise, check] of Object.entries(promises)) t.test(promise, (t) => check(t))

t.test('an open page of a time limit from before comes along', async (t) => {
  const path = join(folderOf(t), 'r.sqlite')
  const migrations = allMigrations.filter(({ name }) => name < '0025')
  const old = await openSqliteRecords({ path, migrations })
  const incident = uuid(Date.now())
  const name = `clock:${incident}/sla/response-sev1`
  const page = { ...rows.pages, title: 'Response is over', opened_at: 7 }
  await old.write(async (tx) => {
    await tx
      .insertInto('pages')
      .values({ ...page, group_key: name })
      .execute()
    const closed = { id: 'h', number: 2, group_key: name, state: 'closed' }
    await tx
      .insertInto('pages')
      .values({ ...page, ...closed })
      .execute()
  })
  await old.close()
  const records = await openSqliteRecords({ path })
  t.teardown(() => records.close())
  const asks = await records.read.selectFrom('page_asks').selectAll().execute()
  t.strictSame(asks, [
    {
      ...{ id: 'g', page_id: 'g', name, incident_id: incident, title: 'Response is over' },
      ...{ asked_at: 7, ended_at: null },
    },
  ])
})

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'
t.test('on PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  let number = 0
  for (const [promise, check] of Object.entries(promises)) {
    number += 1
    const database = await cluster.database(`breach${number}`)
    await t.test(promise, (t) => check(t, database))
  }
})
