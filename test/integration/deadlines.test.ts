import t, { type Test } from 'tap'
import { describe } from '../../incidents/replay.ts'
import { transitions } from '../../incidents/workflow.ts'
import { keptDeadlines } from '../../server/deadlines/deadline-store.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import fc from '../helpers/property.ts'
import { carl, Desk, hour, minute, rita } from './deadlines-desk.ts'

interface Clocks {
  readonly regimes: readonly {
    readonly regime: string
    readonly inForce: boolean
    readonly clocks: readonly {
      readonly code: string
      readonly state: string
      readonly deadline: string | null
      readonly facts: readonly string[]
      readonly citation: { readonly article: string }
    }[]
  }[]
  readonly actions: readonly object[]
}

async function toldOf(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await new Desk(t, recordsUrl).start()
  const id = await desk.record()
  // Named by somebody else: carl himself has not said that he is at it.
  await desk.add(id, 'role', { role: 'commander', person: 'carl' }, {}, rita)
  t.same(await desk.faults(id), [])
  await desk.pass(11 * minute)
  t.match(await desk.titles(), [
    /^notice: Incident 1: Response sev1: time limit is at risk, due Tuesday 2026-04-07 08:15/,
  ])
  const told = await desk.app.records.read.selectFrom('page_steps').select('content').execute()
  t.match(JSON.stringify(told), /carl/, 'whoever leads is asked for by name')
  await desk.pass(10 * minute)
  t.match(
    (await desk.titles()).at(-1),
    /^page open: Incident 1: Response sev1: time limit is over, it was due/,
  )
  t.same(await desk.faults(id), [])
  await desk.restart()
  t.same(await desk.faults(id), [], 'a restart neither forgets nor repeats')
  const count = (await desk.titles()).length
  await desk.pass(minute)
  t.equal((await desk.titles()).length, count)
  await desk.add(id, 'acknowledged', {})
  t.match((await desk.titles()).at(-1), /^page closed: .*Response/)
  t.same(await desk.faults(id), [])
  const metrics = await desk.ask<string>('/metrics')
  t.match(
    metrics.body,
    /callward_incident_clocks_breached_total\{clock="sla.response-sev1"\} 1|callward_incident_clock_remaining/,
  )
  t.match(
    metrics.body,
    /callward_incident_clock_remaining_seconds\{clock="sla.restore-sev1",severity="sev1"\} \d/,
  )

  await desk.add(id, 'action', {
    number: 1,
    action: 'detect',
    owner: 'olga',
    dueAt: desk.clock.now() + hour,
  })
  await desk.add(id, 'action', {
    number: 2,
    action: 'repair',
    owner: 'olga',
    dueAt: desk.clock.now() + hour,
  })
  await desk.add(id, 'action_done', { number: 2 })
  await desk.pass(2 * hour)
  const overdue = async () => (await desk.titles()).filter((one) => one.includes('action'))
  t.match(await overdue(), [/^notice: Incident 1: action 1 is overdue since .*So it is/])
  await desk.pass(25 * hour)
  t.match((await overdue())[1], /action 1 of olga is overdue/)
  t.equal((await overdue()).length, 2)
  t.same(await desk.faults(id), [])
}

const toldInTime =
  'a clock is told at risk, paged when it is breached, and the page ends when it is met'
t.test(toldInTime, (t) => toldOf(t))

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'
t.test(
  `${toldInTime}, on PostgreSQL`,
  { skip: missing && 'PostgreSQL is not installed' },
  async (t) => {
    if (programs === undefined) {
      t.fail('PostgreSQL is not installed')
      return
    }
    const cluster = await startPostgres(programs)
    t.teardown(() => cluster.stop())
    await toldOf(t, await cluster.database('deadlines'))
  },
)

t.test('the answers: clocks with what-if, what is due, the draft, the suggestion', async (t) => {
  const desk = await new Desk(t).start()
  const id = await desk.record('sev2')
  const clocksOf = async (query = '') =>
    (await desk.ask<Clocks>(`/api/v1/incidents/1/clocks${query}`)).body
  t.same(
    (await clocksOf()).regimes.map(({ regime }) => regime),
    ['sla'],
  )
  const at = encodeURIComponent('2026-04-07T18:00:00+02:00')
  const supposed = await clocksOf(`?regime=dora&suppose.classified=${at}`)
  t.match(supposed.regimes[1], { regime: 'dora', inForce: false })
  t.match(supposed.regimes[1]!.clocks[0], {
    ...{ code: 'initial', state: 'running', deadline: '2026-04-07T22:00:00+02:00' },
    citation: { article: /5\(1\)\(a\)/ },
  })
  const faulty = await desk.ask('/api/v1/incidents/1/clocks?suppose.classified=noon&regime=dora')
  t.match(faulty, {
    status: 400,
    body: { error: { message: /suppose.classified: write an instant/ } },
  })
  t.match(await desk.ask('/api/v1/incidents/1/clocks?suppose.lunch=x'), {
    ...{ status: 400, body: { error: { message: /knows "lunch".*opened/ } } },
  })
  t.match(await desk.ask('/api/v1/incidents/1/clocks?regime=gold'), { status: 404 })
  t.match(await desk.ask('/api/v1/incidents/77/clocks'), { status: 404 })
  await desk.add(id, 'aware', {})
  await desk.add(id, 'major', { major: true })
  const { picture } = await desk.app.incidents.picture(id)
  t.same(
    picture.facts.filter(({ kind }) => kind === 'duty_owed').map(({ recordedBy }) => recordedBy),
    ['hub', 'hub', 'hub'],
    'the duties of the regime came in the same transaction',
  )
  t.same(await desk.faults(id), [])
  const initial = (await clocksOf()).regimes[1]!.clocks[0]!
  t.match(initial, { state: 'running', deadline: '2026-04-07T12:02:00+02:00' })
  t.equal(initial.facts.length, 2, 'it rests on aware and major')
  const due = await desk.ask<{ total: number; due: { dueAt: string; clock: string }[] }>(
    '/api/v1/clocks/due?limit=3',
  )
  t.equal(due.body.due.length, 3)
  t.ok(due.body.total > 3)
  const times = due.body.due.map(({ dueAt }) => dueAt)
  t.same(times, [...times].sort(), 'the soonest first')
  const draft = await desk.ask<{ counts: { missing: number }; fields: { number: string }[] }>(
    '/api/v1/incidents/1/drafts/dora?stage=initial',
  )
  t.match(draft.body, { stage: 'initial', source: /2025\/302/, fields: { length: 25 } })
  t.ok(draft.body.counts.missing > 0)
  const markdown = await desk.ask<string>(
    '/api/v1/incidents/1/drafts/dora?stage=final&language=zh&format=markdown',
  )
  t.match(markdown.body, /^# 最终报告/)
  t.match(await desk.ask('/api/v1/incidents/1/drafts/dora?stage=none'), { status: 400 })
  const preview = await desk.ask('/api/v1/incidents/1/classification/preview', {
    impact: { criticalFunctionAffected: true, clientsAffectedShare: 0.2, memberStates: 2 },
  })
  t.match(preview.body, { suggestion: true, major: true, unknown: [] })
  const wrong = { impact: { clientsAffectedShare: 20 } }
  t.match(await desk.ask('/api/v1/incidents/1/classification/preview', wrong), { status: 400 })
})

const codes = ['sev1', 'sev2', 'sev3', 'sev4']
const duties = [
  'dora.initial',
  'dora.intermediate',
  'dora.final',
  'dora.intermediate-update',
  'dora.clients',
  'x',
]

/** Something that may happen; what the workflow refuses does not happen. */
type Happening = (desk: Desk, id: string, which: number) => Promise<unknown>

/** States a kind that has one value; what stands is corrected. */
async function state(desk: Desk, id: string, kind: string, value: object, by = carl) {
  const { picture } = await desk.app.incidents.picture(id)
  const { fields } = describe(picture, desk.clock.now())
  const known = [...fields].find(
    ([name]) => name === kind || name === `${kind} ${'duty' in value ? value.duty : ''}`,
  )
  const supersedes = known === undefined ? {} : { supersedes: known[1].current.id }
  const back = new Date(desk.clock.now() - (picture.facts.length % 90) * minute).toISOString()
  await desk.add(id, kind, value, { ...supersedes, occurredAt: back }, by)
}

const happenings: readonly Happening[] = [
  (d, id, n) => state(d, id, 'severity', { severity: codes[n % 4] }),
  (d, id, n) => state(d, id, 'major', { major: n % 3 !== 0 }),
  (d, id) => state(d, id, 'classified', {}),
  (d, id) => state(d, id, 'aware', {}),
  (d, id, n) => state(d, id, 'duty_met', { duty: duties[n % duties.length] }),
  (d, id, n) => state(d, id, 'duty_met', { duty: duties[n % 3] }),
  (d, id, n) => state(d, id, 'duty_waived', { duty: duties[n % duties.length] }),
  (d, id) => state(d, id, 'duty_owed', { duty: 'dora.clients', regime: 'dora' }),
  (d, id) => d.add(id, 'clock_paused', { text: 'access refused', clock: 'restore' }),
  (d, id) => d.add(id, 'clock_resumed', { clock: 'restore' }),
  (d, id) => d.add(id, 'acknowledged', {}),
  (d, id, n) =>
    d.add(id, 'action', {
      number: n % 4,
      action: 'repair',
      owner: 'olga',
      dueAt: d.clock.now() + n * hour,
    }),
  (d, id, n) => d.add(id, 'action_done', { number: n % 4 }),
  (d, id) => state(d, id, 'root_cause_addressed', {}),
  (d, _id, n) => d.pass((n % 50) * hour),
]

/** Whatever each step lacks, as far as it can be said at once; taken by who may. */
async function onwards(desk: Desk, id: string, which: number): Promise<void> {
  const { picture } = await desk.app.incidents.picture(id)
  const ways = transitions.filter(
    ({ from, roles }) => from.includes(picture.state) && roles.some((role) => role !== 'hub'),
  )
  const way = ways[which % 4 === 0 ? which % Math.max(1, ways.length) : 0]
  if (way === undefined) return
  const role = way.roles.find((one) => one !== 'hub')!
  const by = role === 'reviewer' ? rita : carl
  const say = (kind: string, value: object, who = by) =>
    desk.add(id, kind, value, {}, who).catch(() => undefined)
  await say('role', { role, person: by.name })
  await say('plan_activated', { reason: 'none_exists' })
  await say('assigned', { technician: 'carl' })
  await say('accepted', { technician: 'carl' })
  await say('arrived', { technician: 'carl', mode: 'remote' })
  await say('temporary_measure', { none: true })
  await say('permanent_measure', { none: true })
  await say('root_cause', { codes: ['system_failure/hardware_capacity'], evidence: ['x'] })
  await say('notice_not_needed', {})
  for (const question of ['promptness', 'analysis_quality', 'escalation', 'communication'])
    await say('answer', { question })
  if (way.to === 'restored') {
    await say('role', { role: 'verifier', person: 'rita' }, rita)
    await say('recovered', { evidence: 'person', verifier: 'rita' }, rita)
  }
  if (way.rule.includes('relapse')) await say('relapse', {})
  if (way.to === 'closed') await say('attestation', {}, rita)
  const extra =
    way.to === 'cancelled'
      ? [{ kind: 'cancelled', value: { text: 'A drill.', reason: 'test' } }]
      : []
  desk.clock.wall += minute
  await desk.app.incidents.step(id, by, { to: way.to, role, with: extra })
}

t.test('any lawful history: what is kept and owed is what its facts say', async (t) => {
  const desk = await new Desk(t).start()
  const states = new Map<string, number>()
  const seen = { facts: 0, kept: 0, owed: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 999 })), { minLength: 5, maxLength: 30 }),
      async (list) => {
        const id = await desk.record(codes[list.length % 4])
        for (const [kind, which] of list) {
          const one = kind >= 2 ? onwards : happenings[which % happenings.length]!
          await one(desk, id, which).catch(() => void seen.refused++)
          await desk.app.obligations.settled()
          const faults = await desk.faults(id)
          if (faults.length > 0) throw new Error(faults.join('\n'))
        }
        const { picture } = await desk.app.incidents.picture(id)
        states.set(picture.state, (states.get(picture.state) ?? 0) + 1)
        seen.facts += picture.facts.length
        seen.kept += (await keptDeadlines(desk.app.records.read, id)).length
        seen.owed += (await desk.owed(id)).length
      },
    ),
    { numRuns: 8, endOnFailure: true },
  )
  t.ok(seen.kept > 20 && seen.owed > 3, JSON.stringify(seen))
  t.ok(states.size >= 3, JSON.stringify([...states]))
  const before = await desk.app.records.read.selectFrom('incident_deadlines').selectAll().execute()
  await desk.app.records.write((tx) => tx.deleteFrom('incident_deadlines').execute())
  await desk.app.deadlines.followAll()
  const after = await desk.app.records.read.selectFrom('incident_deadlines').selectAll().execute()
  const plain = (rows: typeof before) =>
    rows
      .filter(({ state }) => state === 'owed' || state === 'paused')
      .map(({ told: _t, next_at: _n, ...row }) => JSON.stringify(row))
      .sort()
  const open = new Set(
    (
      await desk.app.records.read
        .selectFrom('incidents')
        .select('id')
        .where('closed_at', 'is', null)
        .execute()
    ).map(({ id }) => id),
  )
  const ofOpen = (rows: typeof before) =>
    plain(rows.filter(({ incident_id }) => open.has(incident_id)))
  t.same(ofOpen(after), ofOpen(before), 'rebuilt from facts alone')
})
