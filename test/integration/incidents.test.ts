import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { type AlertChange, type AlertView, fingerprint } from '../../alerts/alert.ts'
import { type Clock, rfc3339 } from '../../server/clock.ts'
import { answerErrors } from '../../server/error-answers.ts'
import { incidentsPlugin } from '../../server/incidents/plugin.ts'
import type { ObligationKind, Opening } from '../../server/obligations/plugin.ts'
import type { Principal } from '../../server/people/plugin.ts'
import { type RecordsTransaction, recordsPlugin } from '../../server/records/plugin.ts'
import { rowOf, saveAlerts, stampAcknowledged } from '../../server/rules/alert-store.ts'
import { createMemoryStore } from '../../server/store/memory-store.ts'
import { folderOf } from '../helpers/folder.ts'

const minute = 60_000
const ines: Principal = { id: 'p-ines', name: 'ines', role: 'operator', via: 'token' }
const jonas: Principal = { id: 'p-jonas', name: 'jonas', role: 'operator', via: 'token' }

interface Pushed {
  readonly kind: string
  readonly at: number
  readonly body: { readonly change: string; readonly incident: Record<string, unknown> }
}

interface AlertOptions {
  readonly severity?: AlertView['severity']
  /** `null`: an alert about no host. */
  readonly instance?: string | null
  readonly annotations?: AlertView['annotations']
  readonly labels?: AlertView['labels']
}

/** The incidents with real records; what they need beside that are stubs that remember. */
class Desk {
  readonly app: FastifyInstance = Fastify()
  readonly clock = new (class implements Clock {
    wall = Date.UTC(2026, 0, 5, 8, 0, 0)
    now = () => this.wall
    monotonic = () => this.wall
  })()
  readonly pushed: Pushed[] = []
  readonly hints: string[] = []
  /** What was flushed: number of messages queued at that time. */
  readonly flushes: number[] = []
  /** `HostSilent by ines`. */
  readonly acknowledged: string[] = []
  readonly runbooks = new Map<string, string>()
  readonly duties = new Map<string, ObligationKind>()
  readonly owed: Opening[] = []
  #lives = 0

  static async start(t: Test): Promise<Desk> {
    const desk = new Desk()
    t.teardown(() => desk.app.close())
    await desk.#build(folderOf(t))
    return desk
  }

  async #build(folder: string): Promise<void> {
    const { app, clock } = this
    answerErrors(app)
    app.decorateRequest('principal', undefined)
    app.addHook('onRequest', async (request) => {
      request.principal = ines
    })
    const telemetry = { registry: new Registry(), notReady: () => () => undefined }
    await app.register(named('callward-telemetry', { telemetry }))
    await app.register(recordsPlugin, { folder })
    await app.register(named('callward-store', { store: createMemoryStore() }))
    await app.register(named('callward-access', { access: {} }))
    await app.register(named('callward-live', { live: this.#live() }))
    await app.register(named('callward-ledger', { ledger: { append: async () => undefined } }))
    await app.register(named('callward-knowledge', { runbooks: { find: this.#runbook } }))
    await app.register(named('callward-rules', { rules: { acknowledge: this.#acknowledge } }))
    await app.register(named('callward-obligations', { obligations: this.#obligations() }))
    await app.register(incidentsPlugin, { clock, externalUrl: 'http://hub' })
    await app.ready()
  }

  #live() {
    return {
      publish: async (_tx: RecordsTransaction, message: Pushed) => void this.pushed.push(message),
      flush: () => void this.flushes.push(this.pushed.length),
      hint: (topic: string) => void this.hints.push(topic),
    }
  }

  #obligations() {
    return {
      register: (kind: ObligationKind) => void this.duties.set(kind.kind, kind),
      open: async (_tx: RecordsTransaction, opening: Opening) => {
        this.owed.push(opening)
        return true
      },
      wake: () => undefined,
    }
  }

  /** Meets what is due, as the worker does. */
  async meet(): Promise<void> {
    const now = this.clock.now()
    const due = this.owed.filter(({ dueAt }) => dueAt <= now)
    for (const one of due) {
      this.owed.splice(this.owed.indexOf(one), 1)
      const kind = this.duties.get(one.kind)!
      const obligation = { ...one, id: one.key, lane: '', attempts: 0, payload: undefined }
      const { again } = await kind.perform(obligation, new AbortController().signal)
      if (again !== undefined) this.owed.push({ ...one, dueAt: again.dueAt })
    }
  }

  /** Recovers, and stays well for the five minutes that the machine waits. */
  async heals(firing: AlertView): Promise<void> {
    await this.recovers(firing)
    this.pass(5 * minute)
    await this.meet()
  }

  /** Subjects that a kind says are owed something. */
  async owedBy(kind: string): Promise<string[]> {
    const { read } = this.app.records
    const rows = await read
      .selectFrom(this.duties.get(kind)!.owed(read).as('owed'))
      .select('subject')
      .execute()
    return rows.map(({ subject }) => subject)
  }

  readonly #runbook = (name: string) => {
    const text = this.runbooks.get(name)
    return text === undefined ? undefined : { name, text, body: 'the text without its head' }
  }

  /** As the rules do it: the alert is stamped, and its incident told, in one transaction. */
  readonly #acknowledge = async (print: string, by: Principal, at: number): Promise<void> => {
    await this.app.records.write(async (tx) => {
      const row = await tx
        .selectFrom('alerts')
        .selectAll()
        .where('fingerprint', '=', print)
        .where('state', '=', 'firing')
        .executeTakeFirstOrThrow()
      this.acknowledged.push(`${row.rule} by ${by.name} at ${rfc3339(at)}`)
      await stampAcknowledged(tx, row.id, by.name, at)
      const alert = { ...this.alert(row.rule), id: row.id, fingerprint: print }
      await this.app.incidents.alertChanged(tx, { kind: 'acknowledged', alert, at, by: by.name })
    })
  }

  /** A new life of an alert that begins to fire now. */
  alert(rule: string, options: AlertOptions = {}): AlertView {
    const { severity = 'critical', instance = 'pbx-1', annotations = {}, labels = {} } = options
    const all = {
      ...labels,
      alertname: rule,
      severity,
      ...(instance === null ? {} : { instance, server: `${instance}.bank.example` }),
    }
    const now = this.clock.now()
    return {
      id: `life-${++this.#lives}`,
      fingerprint: fingerprint(all),
      rule,
      group: 'hosts',
      severity,
      instance: instance ?? undefined,
      labels: all,
      annotations,
      state: 'firing',
      value: '1',
      activeAt: now - 2 * minute,
      firedAt: now,
    }
  }

  /** Writes the alert's row and tells the incidents in one transaction, as the rules do. */
  async changed(change: AlertChange): Promise<void> {
    await this.app.records.write((tx) => this.changing(tx, change))
  }

  async changing(tx: RecordsTransaction, change: AlertChange): Promise<void> {
    const row = rowOf(change.alert, undefined, this.clock.now())
    await saveAlerts(tx, [{ kind: 'save', row }])
    await this.app.incidents.alertChanged(tx, change)
  }

  async fires(rule: string, options: AlertOptions = {}): Promise<AlertView> {
    const alert = this.alert(rule, options)
    await this.changed({ kind: 'firing', alert, at: this.clock.now() })
    return alert
  }

  async recovers(firing: AlertView): Promise<void> {
    const at = this.clock.now()
    const alert: AlertView = { ...firing, state: 'resolved', resolvedAt: at }
    await this.changed({ kind: 'resolved', alert, at })
  }

  pass(millis: number): void {
    this.clock.wall += millis
  }

  incidents() {
    return this.app.records.read.selectFrom('incidents').selectAll().orderBy('number').execute()
  }

  /** `1 open`, by number. */
  async states(): Promise<string[]> {
    return (await this.incidents()).map(({ number, state }) => `${number} ${state}`)
  }

  /** The only incident, or the one of that number. */
  async incident(number = 1) {
    const found = (await this.incidents()).find((row) => row.number === number)
    if (found === undefined) throw new Error(`no incident ${number}`)
    return found
  }

  facts(incidentId: string) {
    const query = this.app.records.read.selectFrom('incident_facts').selectAll()
    return query.where('incident_id', '=', incidentId).orderBy('sequence').execute()
  }

  async kinds(number = 1): Promise<string[]> {
    return (await this.facts((await this.incident(number)).id)).map(({ kind }) => kind)
  }

  /** `opened 1`, as pushed to staff. */
  get told(): string[] {
    return this.pushed.map(({ body }) => `${body.change} ${String(body.incident['number'])}`)
  }
}

function named(name: string, decorators: Readonly<Record<string, unknown>>) {
  return fp(
    async (app) => {
      for (const [key, value] of Object.entries(decorators)) app.decorate(key, value)
    },
    { name },
  )
}

const opening = [
  'opened',
  'phenomenon',
  'occurred',
  'detected',
  'impact',
  'preliminary_cause',
  'severity',
  'runbook',
  'alert_fired',
  'transition',
]
const withoutRunbook = opening.filter((kind) => kind !== 'runbook')

t.test('a critical alert opens an incident with its first facts', async (t) => {
  const desk = await Desk.start(t)
  desk.runbooks.set('HostSilent', '---\ntitle: x\n---\nLook at it.')
  const now = desk.clock.now()
  const alert = await desk.fires('HostSilent', {
    annotations: {
      summary: 'pbx-1 says nothing',
      description: 'The collector of pbx-1 has been silent for 2 minutes.',
      callward_impact: 'Calls of pbx-1 may fail.',
      callward_cause: 'Power or network.',
    },
  })
  const row = await desk.incident()
  t.match(row, {
    number: 1,
    title: 'pbx-1 says nothing',
    severity: 'sev2',
    state: 'open',
    join_key: 'pbx-1',
    server: 'pbx-1.bank.example',
    runbook_name: 'HostSilent',
    opened_at: now,
    acknowledged_at: null,
    resolved_at: null,
  })
  const facts = await desk.facts(row.id)
  t.same(
    facts.map(({ kind, certainty }) => `${kind} ${certainty}`),
    [
      'opened actual',
      'phenomenon actual',
      'occurred estimate',
      'detected actual',
      'impact suggestion',
      'preliminary_cause suggestion',
      'severity suggestion',
      'runbook actual',
      'alert_fired actual',
      'transition actual',
    ],
  )
  t.same(
    facts.map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  t.same(
    facts.map(({ value }) => (JSON.parse(value) as { text: string }).text),
    [
      'Recorded by the hub, from the alert HostSilent.',
      'The collector of pbx-1 has been silent for 2 minutes.',
      `First seen at ${rfc3339(alert.activeAt)}; the fault may be older.`,
      'Alert HostSilent fired.',
      'Calls of pbx-1 may fail.',
      'Power or network.',
      'As every incident of a critical alert; say otherwise.',
      'Runbook HostSilent attached as it was.',
      'HostSilent fired: pbx-1 says nothing',
      'Recorded, by hub (the program itself, on machine evidence).',
    ],
  )
  t.same(
    facts.map(({ occurred_at }) => occurred_at - now),
    [0, -2 * minute, -2 * minute, 0, 0, 0, 0, 0, 0, 0],
  )
  t.ok(facts.every(({ recorded_by, recorded_at }) => recorded_by === 'hub' && recorded_at === now))
  t.match(JSON.parse(facts[4]!.value), {
    services: ['pbx-1.bank.example'],
    hosts: ['pbx-1'],
  })
  t.match(JSON.parse(facts[8]!.value), { fingerprint: alert.fingerprint, value: '1' })
  t.match(
    desk.pushed,
    [
      {
        kind: 'incident',
        at: now,
        body: {
          change: 'opened',
          incident: {
            id: row.id,
            number: 1,
            title: 'pbx-1 says nothing',
            severity: 'sev2',
            state: 'open',
            server: 'pbx-1.bank.example',
            openedAt: rfc3339(now),
            acknowledgedAt: null,
            acknowledgedBy: null,
            resolvedAt: null,
            simulated: false,
            firing: 1,
          },
        },
      },
    ],
    'staff is told',
  )
  t.equal(desk.pushed.length, 1)
  t.same(desk.hints, ['incidents'])
})

t.test('without annotations, runbook and host the facts say so', async (t) => {
  const desk = await Desk.start(t)
  await desk.fires('StoreFull', { instance: null, labels: { simulated: 'true' } })
  const row = await desk.incident()
  t.match(row, { title: 'StoreFull on the hub', runbook_name: null, runbook_hash: null })
  t.same(await desk.kinds(), withoutRunbook)
  const texts = (await desk.facts(row.id)).map(({ value }) => JSON.parse(value).text)
  t.same([texts[4], texts[5]], ['Not known yet.', 'Not known yet.'])
  t.equal(desk.pushed[0]!.body.incident['simulated'], true)
  await desk.fires('QueueFull', { instance: null })
  t.same(await desk.states(), ['1 open', '2 open'], 'alerts about no host are not related')
})

t.test('warnings join what is open and open nothing', async (t) => {
  const desk = await Desk.start(t)
  const early = await desk.fires('DiskFilling', { severity: 'warning' })
  const info = await desk.fires('Ticket', { severity: 'info' })
  t.same(await desk.states(), [], 'nothing opened')
  await desk.recovers(early)
  await desk.recovers(info)
  t.same([await desk.states(), desk.told], [[], []], 'nor by their end')

  await desk.fires('HostSilent')
  await desk.fires('DiskFilling', { severity: 'warning' })
  await desk.fires('Ticket', { severity: 'info' })
  await desk.fires('LinkDown')
  t.same(await desk.states(), ['1 open'])
  t.same(await desk.kinds(), [...withoutRunbook, 'alert_fired', 'alert_fired', 'alert_fired'])
  t.same(desk.told, ['opened 1', 'joined 1', 'joined 1', 'joined 1'])
  t.equal(desk.pushed.at(-1)!.body.incident['firing'], 4)

  await desk.fires('DiskFilling', { severity: 'warning', instance: 'pbx-2' })
  t.same(await desk.states(), ['1 open'], 'a warning of another host stays alone')
  await desk.fires('HostSilent', { instance: 'pbx-2' })
  t.same(await desk.states(), ['1 open', '2 open'], 'another host has its own incident')
  t.equal((await desk.incident(2)).join_key, 'pbx-2')
  const joined = await desk.app.records.read
    .selectFrom('incident_alerts')
    .innerJoin('incidents', 'incidents.id', 'incident_alerts.incident_id')
    .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
    .select(['incidents.number', 'alerts.rule'])
    .execute()
  t.same(joined.map(({ number, rule }) => `${number} ${rule}`).sort(), [
    '1 DiskFilling',
    '1 HostSilent',
    '1 LinkDown',
    '1 Ticket',
    '2 HostSilent',
  ])
})

t.test(
  'a lasting warning does not hold the restoration, and the record says that it fires on',
  async (t) => {
    const desk = await Desk.start(t)
    const fault = await desk.fires('HostSilent')
    await desk.fires('ClockNotSynchronised', { severity: 'warning' })
    const { id } = await desk.incident()
    const value = (kind: string) => async () =>
      (await desk.facts(id))
        .filter((fact) => fact.kind === kind)
        .map((fact) => JSON.parse(fact.value))
    t.match(await value('alert_fired')(), [
      { severity: 'critical', related: false },
      { severity: 'warning', related: true, text: /related: the incident recovers without it/ },
    ])
    t.same(
      await desk.owedBy('incident-recovery'),
      [],
      'while the critical one fires nothing is owed',
    )
    await desk.recovers(fault)
    t.same(await desk.owedBy('incident-recovery'), [id])
    desk.pass(5 * minute)
    await desk.meet()
    t.same(await desk.states(), ['1 resolved'])
    t.match(await value('recovered')(), [
      { text: /still firing: ClockNotSynchronised pbx-1/, sources: ['HostSilent pbx-1'] },
    ])
  },
)

t.test('what stays well for five minutes is restored', async (t) => {
  const desk = await Desk.start(t)
  const first = await desk.fires('HostSilent')
  const second = await desk.fires('DiskFilling')
  const elsewhere = await desk.fires('HostSilent', { instance: 'pbx-2' })
  desk.pass(minute)
  await desk.recovers(first)
  t.same(desk.told, ['opened 1', 'joined 1', 'opened 2'], 'one still fires: nobody is told')
  t.same(desk.owed, [], 'and nothing is owed')
  desk.pass(minute)
  const end = desk.clock.now()
  await desk.recovers(second)
  const { id } = await desk.incident()
  t.match(desk.owed, [{ kind: 'incident-recovery', subject: id, dueAt: end + 5 * minute }])
  t.same(await desk.owedBy('incident-recovery'), [id], 'the tables say so too')
  desk.pass(5 * minute - 1)
  desk.owed[0] = { ...desk.owed[0]!, dueAt: desk.clock.now() }
  await desk.meet()
  t.same(await desk.states(), ['1 open', '2 open'], 'a millisecond before it is not yet')
  t.match(desk.owed, [{ dueAt: end + 5 * minute }], 'it is owed again then')
  desk.pass(1)
  await desk.meet()
  t.same(await desk.states(), ['1 resolved', '2 open'], 'another host’s is left alone')
  t.same(await desk.owedBy('incident-recovery'), [])
  t.same(await desk.kinds(), [
    ...withoutRunbook,
    'alert_fired',
    'alert_resolved',
    'alert_resolved',
    'recovered',
    'transition',
  ])
  t.match(await desk.incident(), {
    ...{ resolved_at: end, acknowledged_at: null, workflow_state: 'restored', attended: 0 },
    updated_at: end + 5 * minute,
  })
  const facts = await desk.facts(id)
  t.match(facts.slice(-2), [
    { kind: 'recovered', certainty: 'actual', occurred_at: end, recorded_by: 'hub' },
    { kind: 'transition', certainty: 'actual', recorded_by: 'hub' },
  ])
  t.match(JSON.parse(facts.at(-2)!.value), {
    ...{ evidence: 'machine', greenMillis: 5 * minute },
    sources: ['DiskFilling pbx-1', 'HostSilent pbx-1'],
  })
  t.match(desk.pushed.at(-1), {
    body: {
      change: 'resolved',
      incident: { number: 1, state: 'resolved', firing: 0, resolvedAt: rfc3339(end) },
    },
  })
  await desk.heals(elsewhere)
  t.same(await desk.states(), ['1 resolved', '2 resolved'])
})

t.test('what people wrote out of order does not hold the machine’s restoration', async (t) => {
  const desk = await Desk.start(t)
  await desk.recovers(await desk.fires('HostSilent'))
  desk.pass(14_000)
  const mitigated = { kind: 'mitigated', value: { text: 'It runs again.', fixer: 'ines' } }
  const answer = await desk.app.inject({
    ...{ method: 'POST', url: '/api/v1/incidents/1/facts', payload: { facts: [mitigated] } },
  })
  t.equal(answer.statusCode, 200)
  desk.pass(5 * minute)
  await desk.meet()
  t.match(await desk.incident(), { state: 'resolved', workflow_state: 'restored' })
  t.notOk(
    desk.owed.some(({ kind }) => kind === 'incident-recovery'),
    'and nothing is tried again',
  )
})

t.test('a fault that comes back while it is watched changes nothing', async (t) => {
  const desk = await Desk.start(t)
  await desk.recovers(await desk.fires('HostSilent'))
  desk.pass(4 * minute)
  const again = await desk.fires('HostSilent')
  desk.pass(minute)
  await desk.meet()
  t.same(await desk.states(), ['1 open'])
  t.same(desk.owed, [], 'nothing is owed while it fires')
  desk.pass(minute)
  await desk.recovers(again)
  desk.pass(5 * minute)
  await desk.meet()
  t.match(await desk.incident(), { state: 'resolved', workflow_state: 'restored' })
  t.notOk((await desk.kinds()).includes('relapse'), 'it had not been restored before')
})

t.test('a fault that comes back within 10 minutes is the same incident', async (t) => {
  const desk = await Desk.start(t)
  await desk.heals(await desk.fires('HostSilent'))
  await desk.fires('DiskFilling', { severity: 'warning' })
  t.same(await desk.states(), ['1 resolved'], 'a warning does not take it up')
  t.equal((await desk.kinds()).at(-1), 'transition', 'and leaves no fact')
  desk.pass(5 * minute)
  const again = await desk.fires('HostSilent')
  t.same(await desk.states(), ['1 open'], 'after 10 minutes exactly')
  t.match(await desk.incident(), {
    ...{ resolved_at: null, acknowledged_at: null, workflow_state: 'recorded' },
  })
  t.same((await desk.kinds()).slice(-3), ['relapse', 'transition', 'alert_fired'])
  t.same(desk.told.slice(-2), ['resolved 1', 'relapsed 1'])
  t.match(desk.pushed.at(-1)!.body.incident, { state: 'open', resolvedAt: null, firing: 1 })

  const { id } = await desk.incident()
  await desk.app.incidents.acknowledge(id, ines)
  await desk.heals(again)
  t.match(await desk.incident(), { state: 'resolved', acknowledged_by: 'ines' })
  desk.pass(minute)
  const third = await desk.fires('HostSilent')
  t.same(await desk.states(), ['1 open'], 'open to everybody again')
  t.match(await desk.incident(), {
    acknowledged_at: null,
    acknowledged_by: null,
    resolved_at: null,
  })
  t.ok((await desk.kinds()).includes('acknowledged'), 'the fact of the first one stays')
  await desk.app.incidents.acknowledge(id, jonas)
  t.match(await desk.incident(), { state: 'acknowledged', acknowledged_by: 'jonas' })

  desk.pass(minute)
  await desk.heals(third)
  desk.pass(5 * minute + 1)
  await desk.fires('HostSilent')
  t.same(await desk.states(), ['1 resolved', '2 open'], 'later it is another')
  t.same(
    await desk.kinds(2),
    withoutRunbook.flatMap((kind) => (kind === 'alert_fired' ? ['recurrence_of', kind] : [kind])),
    'with facts of its own, which name the one before',
  )
  const named = (await desk.facts((await desk.incident(2)).id)).find(
    ({ kind }) => kind === 'recurrence_of',
  )
  t.match(named, { certainty: 'suggestion' })
  t.equal(JSON.parse(named!.value).incident, id)
  t.equal(desk.told.at(-1), 'opened 2')
})

t.test('another fault of the host after the end is another incident', async (t) => {
  const desk = await Desk.start(t)
  await desk.heals(await desk.fires('HostSilent'))
  const other = await desk.fires('LinkDown')
  t.same(await desk.states(), ['1 resolved', '2 open'])
  t.equal((await desk.kinds()).at(-1), 'transition', 'nothing is added to the first')
  await desk.heals(other)
  await desk.fires('LinkDown')
  t.same(await desk.states(), ['1 resolved', '2 open'], 'its own relapse')
  t.equal(desk.told.at(-1), 'relapsed 2')
})

t.test('a relapse finds its incident behind a later one of the host', async (t) => {
  const desk = await Desk.start(t)
  await desk.heals(await desk.fires('HostSilent'))
  await desk.heals(await desk.fires('LinkDown'))
  await desk.fires('HostSilent')
  t.same(await desk.states(), ['1 open', '2 resolved'])
  t.equal(desk.told.at(-1), 'relapsed 1')
})

t.test('what recovered while nobody acted is closed after a day', async (t) => {
  const desk = await Desk.start(t)
  await desk.heals(await desk.fires('HostSilent'))
  await desk.heals(await desk.fires('HostSilent', { instance: 'pbx-2' }))
  const second = await desk.incident(2)
  t.same((await desk.owedBy('incident-unattended')).length, 2)
  const severity = { kind: 'severity', value: { text: 'Calls were lost.', severity: 'sev1' } }
  const [old] = (await desk.facts(second.id)).filter(({ kind }) => kind === 'severity')
  await desk.app.incidents.add(second.id, ines, { facts: [{ ...severity, supersedes: old!.id }] })
  t.match(await desk.incident(2), { severity: 'sev1', attended: 1 })
  t.same(await desk.owedBy('incident-unattended'), [(await desk.incident()).id])
  desk.pass(24 * 60 * minute)
  await desk.meet()
  t.match(await desk.incident(), { workflow_state: 'closed', closed_at: desk.clock.now() })
  t.match(await desk.incident(2), { workflow_state: 'restored', closed_at: null })
  t.same((await desk.kinds()).slice(-2), ['closed', 'transition'])
  await desk.fires('HostSilent')
  t.same((await desk.states()).at(-1), '3 open', 'what is closed never opens again')
})

t.test('acknowledging', async (t) => {
  const desk = await Desk.start(t)
  await desk.fires('HostSilent')
  await desk.fires('DiskFilling', { severity: 'warning' })
  const gone = await desk.fires('LinkDown')
  await desk.recovers(gone)
  await desk.fires('HostSilent', { instance: 'pbx-2' })
  const { id } = await desk.incident()
  desk.pass(minute)
  const at = desk.clock.now()
  await desk.app.incidents.acknowledge(id, ines, 'on my way')
  t.match(await desk.incident(), {
    state: 'acknowledged',
    acknowledged_at: at,
    acknowledged_by: 'ines',
  })
  t.same(
    desk.acknowledged.sort(),
    [`DiskFilling by ines at ${rfc3339(at)}`, `HostSilent by ines at ${rfc3339(at)}`],
    'its firing alerts too, not those of others or resolved ones',
  )
  const last = (await desk.facts(id)).at(-1)!
  t.match(last, { kind: 'acknowledged', occurred_at: at, recorded_by: 'ines', certainty: 'actual' })
  t.equal(JSON.parse(last.value).text, 'Acknowledged by ines: on my way')
  t.equal(desk.told.filter((line) => line === 'acknowledged 1').length, 1)
  t.match(desk.pushed.at(-1)!.body.incident, {
    state: 'acknowledged',
    acknowledgedBy: 'ines',
    acknowledgedAt: rfc3339(at),
  })
  t.same(desk.flushes, [desk.pushed.length], 'flushed after the message')
  t.same(await desk.states(), ['1 acknowledged', '2 open'])

  desk.pass(minute)
  await desk.fires('TrunkDown')
  const facts = await desk.facts(id)
  await desk.app.incidents.acknowledge(id, jonas)
  t.match(
    await desk.incident(),
    { acknowledged_at: at, acknowledged_by: 'ines' },
    'the first stays',
  )
  t.same(await desk.facts(id), facts, 'no fact of the second')
  t.equal(desk.told.filter((line) => line === 'acknowledged 1').length, 1)
  t.match(desk.acknowledged.slice(2), [/^TrunkDown by jonas/], 'only what was not acknowledged yet')
})

t.test('an acknowledged alert acknowledges its incident', async (t) => {
  const desk = await Desk.start(t)
  const alert = await desk.fires('HostSilent')
  desk.pass(minute)
  const at = desk.clock.now()
  const change: AlertChange = { kind: 'acknowledged', alert, at, by: 'jonas' }
  await desk.changed(change)
  t.match(await desk.incident(), {
    state: 'acknowledged',
    acknowledged_by: 'jonas',
    acknowledged_at: at,
  })
  t.equal((await desk.kinds()).at(-1), 'acknowledged')
  t.same(desk.told, ['opened 1', 'acknowledged 1'])
  desk.pass(minute)
  await desk.changed({ ...change, by: 'ines', at: desk.clock.now() })
  t.match(await desk.incident(), { acknowledged_by: 'jonas', acknowledged_at: at })
  t.same(desk.told, ['opened 1', 'acknowledged 1'], 'once')
  const alone = desk.alert('DiskFilling', { severity: 'warning', instance: 'pbx-2' })
  await desk.changed({ kind: 'acknowledged', alert: alone, at, by: 'ines' })
  t.same(await desk.states(), ['1 acknowledged'], 'an alert without an incident is no fault')
})

t.test('what people may do with a resolved incident, and with none', async (t) => {
  const desk = await Desk.start(t)
  const { incidents } = desk.app
  const note = (id: string, by: Principal, text: string, key?: string) =>
    incidents.add(id, by, { facts: [{ kind: 'note', value: { text } }], key })
  const alert = await desk.fires('HostSilent')
  const { id } = await desk.incident()
  const cancelled = {
    ...{ to: 'cancelled', role: 'commander' },
    with: [
      { kind: 'role', value: { text: 'I lead.', role: 'commander', person: 'ines' } },
      { kind: 'cancelled', value: { text: 'The plug was pulled for a test.', reason: 'test' } },
    ],
  }
  await incidents.step(id, ines, cancelled)
  const ended = await desk.incident()
  t.match(ended, {
    ...{ state: 'resolved', workflow_state: 'cancelled', closed_at: desk.clock.now() },
    resolved_at: desk.clock.now(),
  })
  desk.pass(minute)
  await t.rejects(incidents.step(id, jonas, cancelled), { code: 'conflict', status: 409 })
  t.same(await desk.incident(), ended)
  await t.rejects(incidents.acknowledge(id, jonas), { code: 'conflict', status: 409 })
  t.same(await desk.incident(), ended)
  t.same(desk.acknowledged, [], 'nor its alerts')
  await desk.changed({ kind: 'acknowledged', alert, at: desk.clock.now(), by: 'jonas' })
  t.match(await desk.incident(), { state: 'resolved', acknowledged_at: null })
  await note(id, jonas, 'Cable replaced.', 'sent-offline-1')
  await note(id, jonas, 'Cable replaced.', 'sent-offline-1')
  const written = (await desk.facts(id)).filter(({ kind }) => kind === 'note')
  t.equal(written.length, 1, 'sent twice with one key: written once')
  t.match(written[0], { recorded_by: 'jonas', occurred_at: desk.clock.now() })
  t.same(desk.told, ['opened 1', 'resolved 1', 'noted 1'])
  await desk.recovers(alert)
  t.same((await desk.kinds()).slice(-2), ['note', 'alert_resolved'], 'recovery afterwards: a fact')
  t.match(await desk.incident(), { state: 'resolved', resolved_at: ended.resolved_at })
  t.equal(desk.told.length, 3)

  const unknown = { code: 'not_found', status: 404 }
  await t.rejects(incidents.acknowledge('nothing', ines), unknown)
  await t.rejects(note('nothing', ines, 'x'), unknown)
  await t.rejects(incidents.step('nothing', ines, cancelled), unknown)
  t.equal(desk.told.length, 3)
})

t.test('a transaction that rolls back leaves nothing', async (t) => {
  const desk = await Desk.start(t)
  desk.runbooks.set('HostSilent', 'Look at it.')
  const change: AlertChange = {
    kind: 'firing',
    alert: desk.alert('HostSilent'),
    at: desk.clock.now(),
  }
  const rolledBack = desk.app.records.write(async (tx) => {
    await desk.changing(tx, change)
    t.equal((await tx.selectFrom('incidents').select('id').execute()).length, 1, 'seen inside')
    throw new Error('the rules failed')
  })
  await t.rejects(rolledBack, { message: 'the rules failed' })
  for (const table of [
    'alerts',
    'incidents',
    'incident_facts',
    'incident_alerts',
    'runbook_versions',
  ] as const) {
    t.same(await desk.app.records.read.selectFrom(table).selectAll().execute(), [], table)
  }
  await desk.changed(change)
  t.same(await desk.states(), ['1 open'], 'the number is not lost')
  t.same(await desk.kinds(), opening)
})

t.test('the runbook stays as it was', async (t) => {
  const desk = await Desk.start(t)
  const texts = ['---\ntitle: x\n---\nPull the cable.', '---\ntitle: x\n---\nPush the cable.']
  const hashes = texts.map((text) => createHash('sha256').update(text).digest('hex'))
  desk.runbooks.set('HostSilent', texts[0]!)
  await desk.fires('HostSilent')
  desk.runbooks.set('HostSilent', texts[1]!)
  await desk.fires('HostSilent', { instance: 'pbx-2' })
  await desk.fires('HostSilent', { instance: 'pbx-3' })
  const versions = await desk.app.records.read
    .selectFrom('runbook_versions')
    .select(['hash', 'name', 'body'])
    .execute()
  const byHash = Object.fromEntries(versions.map(({ hash, name, body }) => [hash, { name, body }]))
  t.same(byHash, {
    [hashes[0]!]: { name: 'HostSilent', body: texts[0] },
    [hashes[1]!]: { name: 'HostSilent', body: texts[1] },
  })
  t.same(
    (await desk.incidents()).map((row) => row.runbook_hash),
    [hashes[0], hashes[1], hashes[1]],
  )
  const fact = (await desk.facts((await desk.incident()).id)).find(({ kind }) => kind === 'runbook')
  t.match(JSON.parse(fact!.value), { name: 'HostSilent', hash: hashes[0] })
  const answer = await desk.app.inject('/api/v1/incidents/1')
  t.match(answer.json().incident.runbook, {
    name: 'HostSilent',
    hash: hashes[0],
    body: texts[0],
    html: '<p>Pull the cable.</p>\n',
  })
})

t.test('facts are numbered without gaps and never change', async (t) => {
  const desk = await Desk.start(t)
  const { incidents } = desk.app
  const first = await desk.fires('HostSilent')
  const { id } = await desk.incident()
  let before = await desk.facts(id)
  const step = async (what: string, more: number, work: () => Promise<unknown>) => {
    desk.pass(minute)
    await work()
    const now = await desk.facts(id)
    t.same(now.slice(0, before.length), before, `${what}: what was written stays`)
    t.equal(now.length - before.length, more, `${what}: ${more} more`)
    t.ok(
      now.slice(before.length).every((fact) => fact.recorded_at === desk.clock.now()),
      `${what}: stamped`,
    )
    t.equal(
      (await desk.incident()).updated_at,
      more > 0 ? desk.clock.now() : before.at(-1)!.recorded_at,
    )
    before = now
  }
  let second = first
  await step('a join', 1, async () => {
    second = await desk.fires('DiskFilling', { severity: 'warning' })
  })
  const note = (by: Principal, text: string) =>
    incidents.add(id, by, { facts: [{ kind: 'note', value: { text } }] })
  await step('a note', 1, () => note(ines, 'Hm.'))
  await step('an acknowledgement', 1, () => incidents.acknowledge(id, ines))
  await step('another', 0, () => incidents.acknowledge(id, jonas))
  await step('another host', 0, () => desk.fires('HostSilent', { instance: 'pbx-2' }))
  await step('a recovery', 1, () => desk.recovers(first))
  await step('the last recovery', 1, () => desk.recovers(second))
  await step('nothing due', 0, () => desk.meet())
  desk.pass(3 * minute)
  await step('five minutes later', 2, () => desk.meet())
  await step('a note after the end', 1, () => note(jonas, 'Why?'))
  await step('a relapse', 3, () => desk.fires('HostSilent'))
  t.same(
    before.map(({ sequence }) => sequence),
    before.map((_, index) => index + 1),
  )
  t.ok(before.every(({ supersedes }) => supersedes === null))
  t.equal(new Set(before.map((fact) => fact.id)).size, before.length)
})

t.test('a change written late says so', async (t) => {
  const desk = await Desk.start(t)
  const alert = desk.alert('HostSilent')
  const at = desk.clock.now()
  desk.pass(5 * minute)
  await desk.changed({ kind: 'firing', alert, at, late: true })
  const fact = (await desk.facts((await desk.incident()).id)).at(-2)!
  t.match(fact, { occurred_at: at, recorded_at: at + 5 * minute })
  t.match(JSON.parse(fact.value).text, /recorded late/)
})

t.test('lists, and a whole record by number or id', async (t) => {
  const desk = await Desk.start(t)
  await desk.heals(await desk.fires('HostSilent'))
  await desk.fires('HostSilent', { instance: 'pbx-2' })
  await desk.fires('HostSilent', { instance: 'pbx-3' })
  await desk.app.incidents.acknowledge((await desk.incident(3)).id, ines)
  const list = async (query: string) =>
    (await desk.app.inject(`/api/v1/incidents${query}`))
      .json()
      .incidents.map(({ number }: { number: number }) => number)
  t.same(await list(''), [3, 2], 'acknowledged ones are still open')
  t.same(await list('?state=resolved'), [1])
  t.same(await list('?state=all'), [3, 2, 1])
  t.same(await list('?state=all&limit=2'), [3, 2])
  const { id } = await desk.incident(2)
  const byNumber = (await desk.app.inject('/api/v1/incidents/2')).json()
  t.same((await desk.app.inject(`/api/v1/incidents/${id}`)).json(), byNumber)
  t.match(byNumber.incident, {
    id,
    number: 2,
    runbook: null,
    alerts: [{ rule: 'HostSilent', instance: 'pbx-2', incident: { id, number: 2 } }],
  })
  t.same(
    byNumber.incident.facts.map(({ kind }: { kind: string }) => kind),
    withoutRunbook,
  )
  t.equal((await desk.app.inject('/api/v1/incidents/4')).statusCode, 404)
  const post = async (path: string, payload: object) =>
    (await desk.app.inject({ method: 'POST', url: `/api/v1/incidents/${path}`, payload }))
      .statusCode
  t.equal(await post('1/acknowledge', {}), 409)
  t.equal(await post('1/notes', { text: 'why' }), 200)
  t.equal(await post('1/notes', { text: ' ' }), 400)
  t.same(await list(''), [3, 2])
})

const bySite = `rules:
  - {name: drills, matchers: ['alertname="Drill"'], action: ignore}
  - name: site down
    matchers: ['alertname="HostSilent"']
    action: open
    same: [site]
    count: {at_least: 3, of: instance, within: 5m}
    severity: sev1
    services: [telephony, telephony]
    runbook: SiteDown
  - {name: slow, matchers: ['alertname="CallsSlow"'], action: open, severity: sev4}
  - {name: faults, matchers: ['severity="critical"'], action: open}
  - {name: beside, action: join, same: [site], within: 2h}
`

async function ruled(t: Test, document = bySite): Promise<Desk> {
  const desk = await Desk.start(t)
  await stores(desk, document)
  return desk
}

async function stores(desk: Desk, document: string): Promise<void> {
  const payload = { document }
  const answer = await desk.app.inject({ method: 'PUT', url: '/api/v1/correlation', payload })
  if (answer.statusCode !== 200) throw new Error(answer.body)
}

const inHanoi = (instance: string) => ({ instance, labels: { site: 'hanoi' } })

/** Which incidents each alert that fires is open in; by rules of one's own it is one at most. */
async function openOfAlerts(desk: Desk): Promise<Record<string, number[]>> {
  const rows = await desk.app.records.read
    .selectFrom('alerts')
    .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'alerts.id')
    .innerJoin('incidents', 'incidents.id', 'incident_alerts.incident_id')
    .select(['alerts.rule', 'alerts.instance', 'incidents.number'])
    .where('incidents.state', '!=', 'resolved')
    .where('alerts.state', '=', 'firing')
    .orderBy('incidents.number')
    .execute()
  const open: Record<string, number[]> = {}
  for (const { rule, instance, number } of rows) {
    const name = `${rule} ${instance}`
    open[name] = [...(open[name] ?? []), number]
  }
  return open
}

t.test(
  'three hosts of a site are one incident, and those of the first two go into it',
  async (t) => {
    const desk = await ruled(t)
    desk.runbooks.set('SiteDown', 'Call the site.')
    await desk.fires('HostSilent', inHanoi('pbx-1'))
    await desk.fires('DiskFilling', { ...inHanoi('pbx-1'), severity: 'warning' })
    desk.pass(minute)
    await desk.fires('HostSilent', inHanoi('pbx-2'))
    t.same(await desk.states(), ['1 open', '2 open'], 'the count is not reached')
    desk.pass(minute)
    await desk.fires('HostSilent', inHanoi('pbx-3'))
    t.same(await desk.states(), ['1 resolved', '2 resolved', '3 open'])
    t.match(await desk.incident(1), { workflow_state: 'merged' })
    t.match(await desk.incident(3), {
      ...{ severity: 'sev1', join_key: '{site="hanoi"}', runbook_name: 'SiteDown' },
    })
    t.same(await openOfAlerts(desk), {
      'DiskFilling pbx-1': [3],
      'HostSilent pbx-1': [3],
      'HostSilent pbx-2': [3],
      'HostSilent pbx-3': [3],
    })
    const facts = await desk.facts((await desk.incident(3)).id)
    const impact = facts.find(({ kind }) => kind === 'impact')
    t.same(JSON.parse(impact!.value).services, ['telephony'])
    await desk.fires('HostSilent', inHanoi('pbx-4'))
    await desk.fires('LinkSlow', { ...inHanoi('sw-1'), severity: 'warning' })
    await desk.fires('HostSilent', { instance: 'pbx-9', labels: { site: 'hue' } })
    t.same(await desk.states(), ['1 resolved', '2 resolved', '3 open', '4 open'])
    t.same((await openOfAlerts(desk))['LinkSlow sw-1'], [3], 'by its site')
  },
)

t.test('what fires in one transaction is one incident, each alert written once', async (t) => {
  const desk = await ruled(t)
  const alerts = ['a', 'b', 'c', 'd'].map((host) => desk.alert('HostSilent', inHanoi(host)))
  await desk.app.records.write(async (tx) => {
    const now = desk.clock.now()
    const writes = alerts.map((alert) => ({ kind: 'save', row: rowOf(alert, undefined, now) }))
    await saveAlerts(tx, writes as Parameters<typeof saveAlerts>[1])
    for (const alert of alerts)
      await desk.app.incidents.alertChanged(tx, { kind: 'firing', alert, at: now })
  })
  t.same(await desk.states(), ['1 open'])
  const kinds = await desk.kinds()
  t.equal(kinds.filter((kind) => kind === 'alert_fired').length, 4)
})

t.test('an incident that somebody took up is left with its alerts', async (t) => {
  const desk = await ruled(t)
  await desk.fires('HostSilent', inHanoi('pbx-1'))
  await desk.app.incidents.acknowledge((await desk.incident(1)).id, jonas)
  await desk.fires('HostSilent', inHanoi('pbx-2'))
  await desk.fires('HostSilent', inHanoi('pbx-3'))
  t.same(await desk.states(), ['1 acknowledged', '2 resolved', '3 open'])
  t.same(await openOfAlerts(desk), {
    'HostSilent pbx-1': [1],
    'HostSilent pbx-2': [3],
    'HostSilent pbx-3': [3],
  })
})

t.test('a warning may open an incident by a rule, and holds its recovery', async (t) => {
  const desk = await ruled(t)
  await desk.fires('Drill', inHanoi('pbx-1'))
  t.same(await desk.states(), [], 'ignored, though critical')
  const slow = await desk.fires('CallsSlow', { severity: 'warning' })
  t.match(await desk.incident(), { severity: 'sev4', state: 'open' })
  desk.pass(10 * minute)
  await desk.meet()
  t.same(await desk.states(), ['1 open'])
  t.same(await desk.owedBy('incident-recovery'), [], 'it holds')
  await desk.heals(slow)
  t.same(await desk.states(), ['1 resolved'])
  await desk.fires('CallsSlow', { severity: 'warning' })
  t.same(await desk.states(), ['1 open'], 'and takes it up again')
})

t.test('other rules leave what is open as it is, and no alert is in two', async (t) => {
  const desk = await ruled(t)
  const first = await desk.fires('HostSilent', inHanoi('pbx-1'))
  await stores(desk, 'rules: [{name: all, action: open, same: [site]}]')
  await desk.recovers(first)
  desk.pass(minute)
  await desk.fires('HostSilent', inHanoi('pbx-1'))
  t.same(await desk.states(), ['1 open'], 'it goes on where it was')
  await desk.fires('HostSilent', inHanoi('pbx-2'))
  t.same(await desk.states(), ['1 open', '2 open'])
  await stores(desk, 'rules: []')
  await desk.fires('HostSilent', inHanoi('pbx-3'))
  t.same(await desk.states(), ['1 open', '2 open'], 'no rule, no incident')
})
