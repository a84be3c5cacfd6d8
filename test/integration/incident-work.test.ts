import t, { type Test } from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { TestHub } from '../helpers/hub.ts'
import { type As, investigate, type People, restore } from '../helpers/incident-walk.ts'

interface Fact {
  readonly id: string
  readonly kind: string
  readonly certainty: string
  readonly supersedes: string | null
  readonly recordedBy: string
}
interface Incident {
  readonly id: string
  readonly number: number
  readonly state: string
  readonly workflowState: string
  readonly severity: string
  readonly major: boolean
  readonly facts: readonly Fact[]
}
interface Refusal {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly missing?: readonly { readonly guard?: string; readonly text: string }[]
  }
}

const opening = { phenomenon: 'Callers hear nothing', services: ['hotline'] }

class Desk {
  readonly hub: TestHub
  readonly #tokens = new Map<string, string>()

  constructor(hub: TestHub) {
    this.hub = hub
  }

  static async start(t: Test): Promise<Desk> {
    const hub = await TestHub.start(folderOf(t))
    t.teardown(() => hub.stop())
    return new Desk(hub)
  }

  async post(by: string, path: string, body: unknown): Promise<{ status: number; body: unknown }> {
    const token = this.#tokens.get(by) ?? (await this.hub.token(by, 'operator'))
    this.#tokens.set(by, token)
    const answer = await this.hub.fetch(`/api/v1/incidents${path}`, { method: 'POST', body, token })
    return { status: answer.status, body: await answer.json() }
  }

  async record(by: string, more: object = {}): Promise<Incident> {
    const { body } = await this.post(by, '', { ...opening, ...more })
    return (body as { incident: Incident }).incident
  }

  facts(by: string, incident: number, ...facts: object[]) {
    return this.post(by, `/${incident}/facts`, { facts })
  }

  /** Without what the hub freezes by itself, whenever it comes to that. */
  async read(incident: number): Promise<Incident> {
    const path = `/api/v1/incidents/${incident}`
    const { incident: read } = await this.hub.api<{ incident: Incident }>(path)
    const facts = read.facts.filter(({ kind }) => kind !== 'evidence')
    return {
      ...read,
      facts: facts.filter(
        ({ certainty, supersedes }) => certainty !== 'suggestion' || supersedes === null,
      ),
    }
  }

  async people(): Promise<People> {
    const as = async (name: string): Promise<As> => {
      const token = await this.hub.token(name, 'operator')
      return (path, body) => this.hub.api(path, { method: 'POST', body, token })
    }
    return {
      ...{ lead: await as('lead'), leadName: 'lead' },
      ...{ technician: await as('tech'), technicianName: 'tech' },
    }
  }
}

t.test('what is written wrongly is refused, by name, and leaves nothing', async (t) => {
  const desk = await Desk.start(t)
  const { number } = await desk.record('ines')
  const before = (await desk.read(number)).facts.length
  const refusals: readonly (readonly [string, object, number, RegExp])[] = [
    ['unknown kind', { kind: 'magic', value: { text: 'x' } }, 422, /not known/],
    ['a step as a fact', { kind: 'transition', value: { text: 'x' } }, 422, /ask for the step/],
    ['an alert by hand', { kind: 'alert_fired', value: { text: 'x' } }, 422, /alerts write it/],
    ['evidence by hand', { kind: 'evidence', value: { text: 'x' } }, 422, /the hub freezes it/],
    ['a notice nobody sent', { kind: 'notice', value: { text: 'x' } }, 422, /notices/],
    ['a second phenomenon', { kind: 'phenomenon', value: { text: 'x' } }, 422, /supersedes/],
    ['no text', { kind: 'note', value: {} }, 422, /note\.text is missing/],
    ['a field too many', { kind: 'note', value: { text: 'x', colour: 1 } }, 422, /not known/],
    ['NUL', { kind: 'note', value: { text: 'a\0' } }, 422, /note\.text/],
    ['half a character', { kind: 'note', value: { text: '\ud800' } }, 422, /note\.text/],
    ['too long', { kind: 'note', value: { text: 'x'.repeat(10_001) } }, 422, /note\.text/],
    [
      'tomorrow',
      { kind: 'note', value: { text: 'x' }, occurredAt: '2999-01-01T00:00:00Z' },
      422,
      /between 2000 and now/,
    ],
    [
      'no time at all',
      { kind: 'note', value: { text: 'x' }, occurredAt: 'yesterday!' },
      422,
      /zone/,
    ],
    ['a list as a value', { kind: 'note', value: ['x'] }, 400, /object/],
    ['a suggestion', { kind: 'note', value: { text: 'x' }, certainty: 'suggestion' }, 400, /./],
    [
      'in the place of none',
      { kind: 'note', value: { text: 'x' }, supersedes: 'no' },
      422,
      /no fact/,
    ],
    [
      'machine evidence by hand',
      {
        kind: 'recovered',
        value: { text: 'x', evidence: 'machine', greenMillis: 300_000, sources: ['a'] },
      },
      422,
      /written by hub/,
    ],
    [
      'another’s word',
      { kind: 'accepted', value: { text: 'x', technician: 'tam' } },
      422,
      /in person/,
    ],
    [
      'more calls failed than made',
      {
        kind: 'impact',
        value: { text: 'x', callsAttempted: 1, callsFailed: 2 },
        supersedes: (await desk.read(number)).facts.find(({ kind }) => kind === 'impact')!.id,
      },
      422,
      /2 calls failed of 1/,
    ],
  ]
  for (const [name, fact, status, message] of refusals) {
    const answer = await desk.facts('ines', number, fact)
    t.equal(answer.status, status, name)
    t.match((answer.body as Refusal).error.message, message, name)
  }
  const mixed = [
    { kind: 'note', value: { text: 'Good.' } },
    { kind: 'note', value: {} },
  ]
  t.equal((await desk.facts('ines', number, ...mixed)).status, 422, 'all or nothing')
  t.equal((await desk.read(number)).facts.length, before, 'nothing was written')
  t.equal((await desk.post('ines', '', { phenomenon: 'x', services: [] })).status, 400)
  t.equal((await desk.post('ines', '', { phenomenon: ' ', services: ['a'] })).status, 400)
  t.equal((await desk.facts('ines', 99, mixed[0]!)).status, 404)
})

t.test('steps without a part, unknown ones, and twice sent ones', async (t) => {
  const desk = await Desk.start(t)
  const { number, id } = await desk.record('ines', { key: 'recorded-once' })
  t.equal((await desk.record('ines', { key: 'recorded-once' })).number, number, 'recorded once')
  const step = (by: string, body: object) => desk.post(by, `/${number}/steps`, body)
  t.match(await step('ines', { to: 'heaven', role: 'commander' }), { status: 400 })
  t.match(await step('ines', { to: 'plan_active', role: 'king' }), { status: 400 })
  const hub = await step('ines', { to: 'restored', role: 'hub' })
  t.equal(hub.status, 409)
  t.match((hub.body as Refusal).error.missing, [{ text: /program’s own/ }])
  const plan = { kind: 'plan_activated', value: { text: 'None.', reason: 'none_exists' } }
  const mine = { kind: 'role', value: { text: 'I lead.', role: 'commander', person: 'ines' } }
  const theirs = { kind: 'role', value: { text: 'I lead.', role: 'commander', person: 'jonas' } }
  const stranger = await step('ines', {
    to: 'plan_active',
    role: 'commander',
    with: [theirs, plan],
  })
  t.match(stranger, { status: 409, body: { error: { missing: [{ text: /not commander/ }] } } })
  const once = { to: 'plan_active', role: 'commander', with: [mine, plan], key: 'step-sent-twice' }
  t.match(await step('ines', once), { status: 200 })
  const count = (await desk.read(number)).facts.length
  t.match(await step('ines', once), { status: 200 }, 'the same again is the same')
  t.equal((await desk.read(number)).facts.length, count)
  const own = { kind: 'role', value: { text: 'x', role: 'verifier', person: 'bootstrap' } }
  const bootstrap = await desk.hub.fetch(`/api/v1/incidents/${id}/steps`, {
    method: 'POST',
    body: { to: 'restored', role: 'verifier', with: [own] },
  })
  t.match(await bootstrap.text(), /never one of two people/)
  const ended = { kind: 'role', value: { ...mine.value, ended: true } }
  t.match(await desk.facts('ines', number, ended), { status: 200 })
  t.match(await step('ines', { to: 'dispatched', role: 'commander' }), {
    status: 409,
    body: { error: { missing: [{ text: /not commander/ }, { guard: 'technician_accepted' }] } },
  })
})

t.test('severity, corrections and what lists show follow the facts', async (t) => {
  const desk = await Desk.start(t)
  const { number } = await desk.record('ines', { severity: 'sev3' })
  const severity = (await desk.read(number)).facts.find(({ kind }) => kind === 'severity')!
  const graver = { text: 'All lines.', severity: 'sev1' }
  const corrected = { kind: 'severity', value: graver, supersedes: severity.id }
  t.match(await desk.facts('ines', number, corrected), { status: 200 })
  t.match(await desk.facts('ines', number, corrected), {
    status: 422,
    body: { error: { message: /superseded by/ } },
  })
  const major = { kind: 'major', value: { text: 'Yes.', major: true } }
  t.match(await desk.facts('ines', number, major), { status: 200 })
  t.match(await desk.read(number), { severity: 'sev1', major: true, state: 'open' })
})

t.test('what is merged sends its alerts to the other', async (t) => {
  const desk = await Desk.start(t)
  const alert = (name: string) => {
    const labels = { alertname: name, severity: 'critical', instance: 'pbx-1', server: 'pbx-1' }
    const body = [{ labels, annotations: { summary: `${name} on pbx-1` } }]
    return desk.hub.api('/am/api/v2/alerts', { method: 'POST', body })
  }
  const target = await desk.record('ines')
  await alert('TrunkDown')
  const merged = 2
  const into = (text: string) => ({
    ...{ to: 'merged', role: 'commander' },
    with: [
      { kind: 'role', value: { text: 'I lead.', role: 'commander', person: 'ines' } },
      { kind: 'merged', value: { text: 'The same fault.', into: text } },
    ],
  })
  t.match(await desk.post('ines', `/${merged}/steps`, into('nowhere')), { status: 409 })
  const own = (await desk.read(merged)).id
  t.match(await desk.post('ines', `/${merged}/steps`, into(own)), { status: 409 }, 'into itself')
  t.match(await desk.post('ines', `/${merged}/steps`, into(target.id)), { status: 200 })
  t.match(await desk.read(merged), { workflowState: 'merged', state: 'resolved' })
  await alert('DiskFull')
  const facts = (await desk.read(target.number)).facts
  t.equal(facts.at(-1)?.kind, 'alert_fired', 'the next alert of that host goes to the other')
  const document = await desk.hub.fetch(
    `/api/v1/incidents/${target.number}/post-mortem?format=markdown`,
  )
  t.match(await document.text(), /TrunkDown/, 'whose post-mortem has the facts of both')
})

t.test('who takes a part that handles it has acknowledged it', async (t) => {
  const desk = await Desk.start(t)
  const { number } = await desk.record('ines')
  const part = (role: string, person: string) => ({
    kind: 'role',
    value: { text: `${person} is ${role}.`, role, person },
  })
  const state = async () => (await desk.read(number)).state
  await desk.facts('ines', number, part('commander', 'bob'), part('scribe', 'ines'))
  t.equal(await state(), 'open', 'naming somebody else is not, and writing it down is not')
  await desk.facts('bob', number, part('commander', 'bob'))
  t.match(await desk.read(number), { state: 'acknowledged', acknowledgedBy: 'bob' })
  const { number: second } = await desk.record('ines')
  const laidDown = { kind: 'role', value: { ...part('commander', 'bob').value, ended: true } }
  await desk.facts('bob', second, laidDown)
  t.equal((await desk.read(second)).state, 'open', 'laying a part down is not')
})

t.test('a relapse by an alert takes up what people restored', async (t) => {
  const desk = await Desk.start(t)
  const people = await desk.people()
  const post = (over: boolean) => {
    const labels = { alertname: 'TrunkDown', severity: 'critical', instance: 'pbx-2' }
    const ends = over ? { endsAt: new Date(Date.now() - 1000).toISOString() } : {}
    const body = [{ labels, annotations: { summary: 'down' }, ...ends }]
    return desk.hub.api('/am/api/v2/alerts', { method: 'POST', body })
  }
  await post(false)
  await post(true)
  await investigate(1, people)
  await restore(1, people)
  t.match(await desk.read(1), { state: 'resolved', workflowState: 'restored' })
  await post(false)
  t.match(await desk.read(1), { state: 'open', workflowState: 'investigating' })
  t.same(
    (await desk.read(1)).facts.slice(-3).map(({ kind }) => kind),
    ['relapse', 'transition', 'alert_fired'],
  )
})
