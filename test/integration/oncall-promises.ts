import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import type { Clock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'

const hour = 3_600_000
const day = 24 * hour

/** A clock moved by hand: Wednesday, 4 March 2026, 10:00 in Moscow. */
class HandClock implements Clock {
  ahead = 0
  now = () => Date.UTC(2026, 2, 4, 7) + this.ahead
  monotonic = () => this.ahead
}

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  readonly body: any
}

/** The whole hub in this process with four people. */
class Desk {
  readonly app: FastifyInstance
  readonly clock: HandClock
  readonly #tokens: Record<string, string> = { admin: adminToken }
  readonly ids: Record<string, string> = {}

  private constructor(app: FastifyInstance, clock: HandClock) {
    this.app = app
    this.clock = clock
  }

  static async start(t: Test, recordsUrl?: string): Promise<Desk> {
    const data = join(folderOf(t, { data: {} }), 'data')
    const config = readHubConfig({
      CALLWARD_DATA: data,
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
      ...(recordsUrl === undefined ? {} : { CALLWARD_RECORDS: recordsUrl }),
    })
    mkdirSync(config.data, { recursive: true })
    prepareDataFolder(config)
    const clock = new HandClock()
    const app = await buildApp(config, clock)
    t.teardown(() => app.close())
    await app.ready()
    const desk = new Desk(app, clock)
    for (const [name, role] of [
      ['anna', 'operator'],
      ['boris', 'operator'],
      ['carla', 'operator'],
      ['vera', 'auditor'],
    ] as const)
      desk.#tokens[name] = (await app.access.people.createToken(name, role, '')).token
    const { people } = (await desk.get('/people')).body
    for (const { id, name } of people) desk.ids[name] = id
    return desk
  }

  async call(
    who: string,
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    payload?: object,
  ): Promise<Answer> {
    const answer = await this.app.inject({
      method,
      url: `/api/v1/oncall${path}`,
      headers: { authorization: `Bearer ${this.#tokens[who]}` },
      ...(payload === undefined ? {} : { payload }),
    })
    return { status: answer.statusCode, body: answer.body === '' ? null : answer.json() }
  }

  get(path: string, who = 'vera'): Promise<Answer> {
    return this.call(who, 'GET', path)
  }

  post(path: string, payload: object, who = 'admin'): Promise<Answer> {
    return this.call(who, 'POST', path, payload)
  }

  async disable(name: string): Promise<void> {
    await this.app.records.write(async (tx) => {
      await tx.updateTable('principals').set({ disabled_at: 1 }).where('name', '=', name).execute()
    })
  }

  async onCall(at?: number): Promise<string> {
    const people = await this.app.oncall.onCallAt(
      this.app.records.read,
      'pbx',
      at ?? this.clock.now(),
    )
    return people.map(({ name, layer }) => `${name} ${layer}`).join()
  }

  /** Values of a stored series of the hub by its labels beside the hub's own. */
  async series(name: string): Promise<Record<string, number>> {
    await this.app.oncall.look()
    const at = this.clock.now() / 1000
    const answer = await this.app.inject({
      url: `/prom/api/v1/query?query=${name}&time=${at}`,
      headers: { authorization: `Bearer ${adminToken}` },
    })
    const { result } = answer.json().data
    return Object.fromEntries(
      result.map(
        ({ metric, value }: { metric: Record<string, string>; value: [number, string] }) => [
          [metric['schedule'], metric['reason']].filter(Boolean).join(' '),
          Number(value[1]),
        ],
      ),
    )
  }
}

const rota = {
  name: 'Call systems',
  timeZone: 'Europe/Moscow',
  layers: [
    {
      name: 'week',
      rotation: { unit: 'week', count: 1 },
      handOff: '09:00',
      startsOn: '2026-03-02',
      participants: ['anna', 'boris'],
    },
  ],
}
const policy = {
  name: 'Calls',
  steps: [
    { delaySeconds: 300, targets: [{ kind: 'schedule', id: 'pbx' }] },
    { delaySeconds: 600, targets: [{ kind: 'person', id: 'carla' }] },
  ],
  catchAll: [{ kind: 'contact', id: 'noc-phone' }],
}

type Promises = Readonly<Record<string, (t: Test, recordsUrl?: string) => Promise<void>>>

/** What on-call duty promises on either database. */
export const oncallSuite: Promises = {
  'a schedule is made, seen, changed and its history kept': async (t, url) => {
    const desk = await Desk.start(t, url)
    const put = (body: object, who = 'admin') => desk.call(who, 'PUT', '/schedules/pbx', body)
    t.equal((await put({ schedule: rota }, 'anna')).status, 403, 'administrators only')
    t.equal((await put({ schedule: rota }, 'vera')).status, 403)
    const made = await put({ schedule: rota })
    t.match(made, { status: 200, body: { schedule: { id: 'pbx', revision: 1 } } })
    t.match(made.body.schedule.layers[0], {
      timeZone: 'Europe/Moscow',
      windows: [],
      participants: [{ name: 'anna', id: desk.ids['anna'] }, { name: 'boris' }],
    })
    t.equal(await desk.onCall(), 'anna week')
    t.equal(await desk.onCall(desk.clock.now() + 7 * day), 'boris week')
    const now = await desk.get('')
    t.match(now.body.schedules, [
      {
        id: 'pbx',
        onCall: [{ name: 'anna', until: '2026-03-09T06:00:00.000Z' }],
        gap: null,
        next: { name: 'boris', at: '2026-03-09T06:00:00.000Z' },
      },
    ])
    const shown = await desk.get('/schedules/pbx')
    t.equal(shown.body.expansion.days.length, 7, 'a week of days')
    t.match(shown.body.expansion.final, [
      { person: { name: 'anna' } },
      { person: { name: 'boris' } },
    ])
    t.match(await put({ schedule: rota }), {
      status: 409,
      body: { error: { message: /give its revision/ } },
    })
    const wrong = { ...rota, timeZone: 'Mars/Olympus' }
    t.match(await put({ schedule: wrong, revision: 1 }), {
      status: 400,
      body: { error: { message: /IANA/ } },
    })
    const unknown = { ...rota, layers: [{ ...rota.layers[0], participants: ['nobody'] }] }
    t.match(await put({ schedule: unknown, revision: 1 }), {
      status: 422,
      body: { error: { message: /no person "nobody"/ } },
    })
    t.match(await put({ schedule: { ...rota, extra: 1 }, revision: 1 }), { status: 400 })
    t.equal(
      (await put({ schedule: { ...rota, name: 'Telephony' }, revision: 1 })).body.schedule.revision,
      2,
    )
    t.equal(
      (await put({ schedule: { ...rota, name: 'Telephony' }, revision: 2 })).body.schedule.revision,
      2,
      'nothing new',
    )
    t.match(await put({ schedule: rota, revision: 1 }), {
      status: 409,
      body: { error: { message: /revision 2/ } },
    })
    t.equal((await desk.call('admin', 'DELETE', '/schedules/pbx')).status, 204)
    t.equal((await desk.get('/schedules/pbx')).status, 404)
    t.equal((await put({ schedule: rota })).body.schedule.revision, 4, 'the count goes on')
    const { history, next } = (await desk.get('/history?type=schedule&id=pbx')).body
    t.same(
      history.map((one: { action: string }) => one.action),
      ['created', 'deleted', 'changed', 'created'],
    )
    t.match(history[2], {
      before: { name: 'Call systems' },
      after: { name: 'Telephony' },
      recordedBy: 'bootstrap',
    })
    t.equal(next, null)
    t.equal((await desk.get('/history?limit=1')).body.next, 4)
  },

  'overrides: an operator gives away the own shift, an administrator any': async (t, url) => {
    const desk = await Desk.start(t, url)
    await desk.call('admin', 'PUT', '/schedules/pbx', { schedule: rota })
    const add = (who: string, person: string, from: string, to: string) =>
      desk.post('/schedules/pbx/overrides', { person, from, to, reason: 'dentist' }, who)
    t.match(await add('boris', 'boris', '2026-03-05T09:00:00Z', '2026-03-05T12:00:00Z'), {
      status: 403,
      body: { error: { message: /own shift/ } },
    })
    t.match(
      await add('anna', 'carla', '2026-03-08T09:00:00Z', '2026-03-10T12:00:00Z'),
      { status: 403 },
      'reaches into another’s shift',
    )
    t.equal(
      (await add('vera', 'carla', '2026-03-05T09:00:00Z', '2026-03-05T12:00:00Z')).status,
      403,
    )
    const made = await add('anna', 'carla', '2026-03-05T09:00:00Z', '2026-03-05T12:00:00Z')
    t.match(made, {
      status: 201,
      body: { override: { person: { name: 'carla' }, createdBy: 'anna' } },
    })
    t.equal(await desk.onCall(Date.parse('2026-03-05T10:00:00Z')), 'carla override')
    t.equal(await desk.onCall(Date.parse('2026-03-05T12:00:00Z')), 'anna week')
    t.match(await add('admin', 'boris', '2026-03-01T09:00:00Z', '2026-03-03T12:00:00Z'), {
      status: 400,
      body: { error: { message: /in the past/ } },
    })
    t.match(await add('admin', 'boris', '2026-02-31T09:00:00Z', '2026-03-03T12:00:00Z'), {
      status: 400,
    })
    t.match(await add('admin', 'boris', '2026-03-05T09:00:00Z', '2026-09-03T12:00:00Z'), {
      status: 400,
      body: { error: { message: /92 days/ } },
    })
    const running = await add('admin', 'boris', '2026-03-01T09:00:00Z', '2026-03-04T12:00:00Z')
    t.equal(running.body.override.from, '2026-03-04T07:00:00.000Z', 'what was stays as it was')
    t.equal(await desk.onCall(), 'boris override')
    desk.clock.ahead += hour
    const cancel = (id: string, who: string) => desk.post(`/overrides/${id}/cancel`, {}, who)
    t.equal((await cancel(running.body.override.id, 'anna')).status, 403)
    t.equal((await cancel(running.body.override.id, 'admin')).status, 204)
    t.equal(await desk.onCall(), 'anna week')
    t.equal(await desk.onCall(desk.clock.now() - 1), 'boris override', 'who was on call stays true')
    t.equal((await cancel(made.body.override.id, 'anna')).status, 204)
    t.equal((await cancel(made.body.override.id, 'anna')).status, 404)
    t.equal(await desk.onCall(Date.parse('2026-03-05T10:00:00Z')), 'anna week')
    const { history } = (await desk.get('/history?type=override')).body
    t.same(
      history.map(
        (one: { action: string; recordedBy: string }) => `${one.action} ${one.recordedBy}`,
      ),
      ['cancelled anna', 'cancelled bootstrap', 'created bootstrap', 'created anna'],
    )
  },

  'a policy tells whom it reaches now; its snapshot stays as it was': async (t, url) => {
    const desk = await Desk.start(t, url)
    const put = (body: object) => desk.call('admin', 'PUT', '/policies/calls', body)
    t.match(await put({ policy }), {
      status: 422,
      body: { error: { message: /no schedule "pbx"/ } },
    })
    await desk.call('admin', 'PUT', '/schedules/pbx', { schedule: rota })
    t.match(
      await put({ policy: { ...policy, catchAll: [] } }),
      { status: 400 },
      'no end in silence',
    )
    t.match(
      await put({ policy: { ...policy, steps: [{ delaySeconds: 1, targets: policy.catchAll }] } }),
      { status: 400 },
    )
    const { body, status } = await put({ policy })
    t.equal(status, 200)
    t.match(body.policy.steps, [
      { targets: [{ kind: 'schedule', now: ['anna'], reason: '' }] },
      { targets: [{ name: 'carla', now: ['carla'] }] },
    ])
    t.match(body.policy, { acknowledgementSeconds: null, catchAllEverySeconds: 900, repeat: 0 })
    t.match(await desk.call('admin', 'DELETE', '/schedules/pbx'), {
      status: 409,
      body: { error: { message: /policy "calls" names/ } },
    })
    const { oncall, records } = desk.app
    const frozen = await oncall.snapshot(records.read, 'calls')
    t.equal(
      (await put({ policy: { ...policy, steps: policy.steps.slice(1) }, revision: 1 })).status,
      200,
    )
    t.equal(frozen.steps.length, 2)
    await desk.disable('anna')
    const resolve = await oncall.resolverAt(records.read, desk.clock.now())
    const { nextStep, triggered } = oncall.escalation
    const { decisions } = nextStep(frozen, triggered(desk.clock.now()), desk.clock.now(), resolve)
    t.match(decisions, [
      { kind: 'skip', key: 'g0.r0.s0', reason: /account of anna is disabled/ },
      { kind: 'notify', key: 'g0.r0.s1', recipients: [{ kind: 'person', id: desk.ids['carla'] }] },
    ])
    t.equal(await desk.onCall(), '', 'nobody can be reached')
    t.match((await desk.get('')).body.schedules[0], {
      onCall: [],
      gap: { reason: /anna is disabled/, planned: false },
    })
    await t.rejects(oncall.snapshot(records.read, 'none'), { code: 'not_found' })
  },

  'readiness is never green by what nobody can tell': async (t, url) => {
    const desk = await Desk.start(t, url)
    t.match(
      (await desk.get('/readiness')).body,
      { state: 'unknown', counts: { ready: 0 } },
      'no schedule proves nothing',
    )
    t.same(await desk.series('callward_oncall_current'), {})
    await desk.call('admin', 'PUT', '/schedules/pbx', { schedule: rota })
    t.match((await desk.get('/readiness?days=10')).body, {
      state: 'unready',
      counts: { ready: 0, unknown: 0, unready: 2 },
    })
    t.same(await desk.series('callward_oncall_shift_unready'), { 'pbx too few tested channels': 3 })
    t.same(await desk.series('callward_oncall_current'), { pbx: 1 })
    t.same(await desk.series('callward_oncall_uncovered'), { pbx: 0 })
    desk.app.oncall.provideContactPoints(async () => {
      throw new Error('away')
    })
    t.match(
      (await desk.get('/readiness')).body,
      { state: 'unknown', counts: { ready: 0 } },
      'who cannot answer tells nothing',
    )
    const now = desk.clock.now()
    const points = ['sms', 'email'].map((channel) => ({ channel, testedAt: now, disabledAt: null }))
    desk.app.oncall.provideContactPoints(
      async (ids) =>
        new Map(ids.map((id) => [id, id === desk.ids['anna'] ? points : points.slice(1)])),
    )
    const found = (await desk.get('/readiness?days=10')).body
    t.match(found, { state: 'unready', counts: { ready: 1, unready: 1 } })
    t.match(found.shifts[0], { person: 'boris', reason: 'too few tested channels' })
    t.match(
      found.proof,
      { day: '2026-03-04', state: 'unready' },
      'tonight’s proof is kept as it was',
    )
    await desk.disable('anna')
    desk.clock.ahead += day
    t.same(await desk.series('callward_oncall_uncovered'), { pbx: 1 })
    t.same(await desk.series('callward_oncall_current'), { pbx: 0 })
    t.same(await desk.series('callward_oncall_shift_unready'), {
      'pbx person disabled': 2,
      'pbx too few tested channels': 1,
    })
    t.match((await desk.get('/readiness')).body.proof, { day: '2026-03-05', state: 'unready' })
    const metrics = await desk.app.telemetry.registry.metrics()
    t.match(metrics, /callward_oncall_rounds_failed_total 0/)
    t.notMatch(
      JSON.stringify(
        await desk.app
          .inject({
            url: '/prom/api/v1/label/schedule/values',
            headers: { authorization: `Bearer ${adminToken}` },
          })
          .then((a) => a.json()),
      ),
      /anna|boris/,
      'no names in labels',
    )
  },

  'a hand-over carries what is open and the notes, and the taker acknowledges it': async (
    t,
    url,
  ) => {
    const desk = await Desk.start(t, url)
    await desk.call('admin', 'PUT', '/schedules/pbx', { schedule: rota })
    await desk.app.oncall.look()
    const first = (await desk.get('/handovers')).body.handovers
    t.match(first, [{ from: null, to: { name: 'anna' }, at: '2026-03-04T07:00:00.000Z' }])
    t.equal(
      (await desk.post('/schedules/pbx/notes', { text: 'Trunk 7 flaps, provider told' }, 'anna'))
        .status,
      201,
    )
    t.equal((await desk.post('/schedules/none/notes', { text: 'x' }, 'anna')).status, 404)
    await desk.app.records.write(async (tx) => {
      const times = {
        opened_at: 1,
        acknowledged_at: null,
        acknowledged_by: null,
        resolved_at: null,
        updated_at: 1,
        closed_at: null,
      }
      const workflow = { workflow_state: 'recorded', attended: 0, major: 0 }
      const place = { join_key: 'pbx-1', server: 'pbx-1', runbook_name: null, runbook_hash: null }
      await tx
        .insertInto('incidents')
        .values({
          id: 'i1',
          number: 12,
          title: 'Trunk down',
          severity: 'sev2',
          state: 'open',
          ...place,
          ...workflow,
          ...times,
        })
        .execute()
    })
    desk.clock.ahead = Date.parse('2026-03-09T06:00:05Z') - Date.UTC(2026, 2, 4, 7)
    await desk.app.oncall.look()
    await desk.app.oncall.look()
    const { handovers } = (await desk.get('/handovers?schedule=pbx')).body
    t.equal(handovers.length, 2, 'once a hand-off')
    t.match(handovers[0], {
      at: '2026-03-09T06:00:00.000Z',
      from: { name: 'anna' },
      to: { name: 'boris' },
      incidents: [{ text: 'sev2 #12 Trunk down' }],
      alerts: [],
      notes: [{ text: 'Trunk 7 flaps, provider told', by: 'anna' }],
      acknowledgedAt: null,
    })
    const path = `/handovers/${handovers[0].id}/acknowledge`
    t.match(await desk.post(path, {}, 'anna'), { status: 403 })
    t.match(await desk.post(path, {}, 'boris'), {
      status: 200,
      body: { handover: { acknowledgedAt: '2026-03-09T06:00:05.000Z' } },
    })
    t.equal((await desk.post(path, {}, 'boris')).status, 200, 'twice is once')
    t.equal((await desk.get('/history?type=handover')).body.history.length, 1)
    t.equal((await desk.get('/handovers?state=open')).body.handovers.length, 1)
  },

  'a file of schedules and policies: dry run, all or nothing, and applied again nothing': async (
    t,
    url,
  ) => {
    const desk = await Desk.start(t, url)
    const apply = (plan: object, more: object = {}) => desk.post('/plan', { plan, ...more })
    const plan = { schedules: { pbx: rota }, policies: { calls: policy } }
    t.match(await apply(plan), {
      status: 200,
      body: { applied: false, changes: [{ id: 'pbx', action: 'created' }, { id: 'calls' }] },
    })
    t.same(
      (await desk.get('/plan')).body.plan,
      { schedules: {}, policies: {} },
      'a dry run leaves nothing',
    )
    t.equal((await desk.get('/history')).body.history.length, 0)
    t.equal((await desk.call('anna', 'POST', '/plan', { plan })).status, 403)
    const broken = {
      schedules: { pbx: rota },
      policies: {
        calls: {
          ...policy,
          steps: [{ delaySeconds: 60, targets: [{ kind: 'person', id: 'nobody' }] }],
        },
      },
    }
    t.match(await apply(broken, { dryRun: false }), { status: 422 })
    t.same((await desk.get('/plan')).body.plan.schedules, {}, 'all or nothing')
    t.match(await apply(plan, { dryRun: false }), { body: { applied: true } })
    const exported = (await desk.get('/plan')).body.plan
    t.match(await apply(exported, { dryRun: false }), {
      body: { applied: true, changes: [], unchanged: 2 },
    })
    t.match(exported.schedules.pbx.layers[0], { participants: ['anna', 'boris'] })
    const later = structuredClone(exported)
    later.schedules.pbx.layers[0].handOff = '10:00'
    t.match((await apply(later)).body.changes, [
      { action: 'changed', lines: ['layers.0.handOff: 09:00 -> 10:00'] },
    ])
    t.match(await apply({ policies: {} }, { prune: true }), {
      body: {
        changes: [
          { type: 'policy', action: 'deleted' },
          { type: 'schedule', action: 'deleted' },
        ],
      },
    })
    t.match(await apply({ schedules: { 'Not A Slug': rota } }), { status: 400 })
  },
}
