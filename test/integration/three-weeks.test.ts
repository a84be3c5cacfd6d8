import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AlertView } from '../../alerts/alert.ts'
import { pageOf, shoutingPages } from '../../server/paging/paging-store.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import fc from '../helpers/property.ts'
import { begins, day, type Plan, peopleCount, policyNames, World } from './three-weeks-world.ts'

const minute = 60_000

const planOf = (days: number, alerts: number): fc.Arbitrary<Plan> => {
  const at = fc.integer({ min: 0, max: days * 1440 - 600 })
  return fc.record({
    seed: fc.integer(),
    days: fc.constant(days),
    alerts: fc.array(
      fc.record({
        at,
        lasts: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 400 })),
        server: fc.integer({ min: 0, max: 4 }),
        severity: fc.constantFrom('critical', 'critical', 'critical', 'warning'),
        // One more than there are: a policy that does not exist.
        policy: fc.integer({ min: 0, max: policyNames.length }),
      }),
      { minLength: Math.ceil(alerts / 2), maxLength: alerts, size: 'max' },
    ),
    outages: fc.array(
      fc.record({
        who: fc.integer({ min: 0, max: peopleCount }),
        at,
        lasts: fc.integer({ min: 10, max: 2000 }),
      }),
      { minLength: 10, maxLength: 40, size: 'max' },
    ),
    restarts: fc.array(fc.record({ at, lasts: fc.integer({ min: 0, max: 40 }) }), {
      minLength: 2,
      maxLength: 8,
      size: 'max',
    }),
  })
}

/** What a run had, so that a run without it fails instead of proving nothing. */
interface Seen {
  alerts: number
  acknowledged: number
  shouted: number
  resolvedBefore: number
  skipped: number
  restarts: number
  steps: number
}
const nothingSeen = (): Seen => ({
  alerts: 0,
  acknowledged: 0,
  shouted: 0,
  resolvedBefore: 0,
  skipped: 0,
  restarts: 0,
  steps: 0,
})

/** What is to happen, in order of time. */
class Agenda {
  readonly #entries: { at: number; work: () => Promise<void> }[] = []

  add(at: number, work: () => Promise<void>): void {
    this.#entries.push({ at, work })
    this.#entries.sort((a, b) => a.at - b.at)
  }

  get next(): number | undefined {
    return this.#entries[0]?.at
  }

  take(now: number): (() => Promise<void>) | undefined {
    return (this.next ?? Number.POSITIVE_INFINITY) <= now ? this.#entries.shift()?.work : undefined
  }
}

async function live(records: CountedRecords, plan: Plan, seen: Seen): Promise<void> {
  const world = new World(records, plan)
  await world.begin()
  const agenda = new Agenda()
  const at = (minutes: number) => begins + minutes * minute
  let upAgainAt = 0
  /** What happens while the hub is down is seen when it is up again. */
  const whenUp = (work: () => Promise<void>) => async () => {
    if (world.isUp) await work()
    else agenda.add(upAgainAt, whenUp(work))
  }
  for (const planned of plan.alerts) {
    agenda.add(
      at(planned.at),
      whenUp(async () => {
        const alert: AlertView = await world.fire(planned)
        agenda.add(
          world.time.now() + planned.lasts * minute,
          whenUp(() => world.resolved(alert)),
        )
      }),
    )
  }
  for (const { at: from, lasts } of plan.restarts) {
    agenda.add(at(from), async () => {
      if (!world.isUp) return
      upAgainAt = world.time.now() + lasts * minute
      await world.stopHub()
      seen.restarts += 1
      agenda.add(upAgainAt, () => world.startHub())
    })
  }
  const end = begins + plan.days * day
  const downMillis = plan.restarts.reduce((sum, { lasts }) => sum + lasts * minute, 0)
  for (;;) {
    const next = Math.min(agenda.next ?? end, (await world.nextDue()) ?? end)
    if (next >= end) break
    const before = world.time.now()
    await world.moveTo(next)
    for (let work = agenda.take(next); work !== undefined; work = agenda.take(next)) await work()
    for (const { page, person } of world.told.splice(0)) {
      if (!world.chance(0.4)) continue
      agenda.add(
        world.time.now() + world.minutes(0, 25),
        whenUp(() => world.takePage(page, person)),
      )
    }
    seen.steps += 1
    if (world.isUp) await check(world, downMillis)
    const stuck = await world.nextDue()
    if (world.isUp && stuck !== undefined && stuck <= before)
      throw new Error(`nobody met what was due at ${new Date(stuck).toISOString()}`)
  }
  if (!world.isUp) await world.startHub()
  await check(world, downMillis)
  await count(world, seen)
  await world.stopHub()
  const broken = world.faults.filter(
    (fault) => !/the sender broke|the page changed meanwhile|the hub is stopping/.test(fault),
  )
  if (broken.length > 0) throw new Error(`unexpected faults: ${broken.slice(0, 3).join('; ')}`)
}

/** What holds whenever the hub has done what was due. */
async function check(world: World, downMillis: number): Promise<void> {
  const now = world.time.now()
  const lost = await world.lost()
  if (lost.length > 0) throw new Error(`lost: ${JSON.stringify(lost)}`)
  const { read } = world.records
  const rows = await read.selectFrom('pages').selectAll().where('state', '<>', 'closed').execute()
  let shouting = 0
  for (const row of rows) {
    const { policy, escalation } = pageOf(row)
    const name = `page ${row.number} (${policy.name}) at ${new Date(now).toISOString()}`
    if (row.state === 'acknowledged') continue
    if (escalation.dueAt === null || escalation.dueAt < now)
      throw new Error(`${name} has no next step: ${row.escalation}`)
    const calls = await read
      .selectFrom('page_steps')
      .select(['kind', 'at'])
      .where('page_id', '=', row.id)
      .orderBy('sequence')
      .execute()
    const begun = Math.max(
      Number(row.opened_at),
      ...calls
        .filter(({ kind }) => kind === 'acknowledgement expired')
        .map((one) => Number(one.at)),
    )
    const climbs = policy.steps.reduce((sum, { delaySeconds }) => sum + delaySeconds * 1000, 0)
    const longest = climbs * (policy.repeat + 1) + downMillis + minute
    if (escalation.phase === 'shouting') {
      shouting += 1
      const told = await read
        .selectFrom('page_tellings')
        .select('id')
        .where('page_id', '=', row.id)
        .where('place', '=', `g${escalation.generation}.c${escalation.step - 1}`)
        .execute()
      if (told.length === 0) throw new Error(`${name} shouts and tells nobody`)
    } else if (now - begun > longest)
      throw new Error(`${name} should shout since ${now - begun - longest} ms: ${row.escalation}`)
  }
  const figure = await shoutingPages(read)
  if (figure !== shouting) throw new Error(`PageUnanswered sees ${figure} of ${shouting}`)
}

/** How each alert that pages ended. */
async function count(world: World, seen: Seen): Promise<void> {
  const { read } = world.records
  const alerts = await read
    .selectFrom('alerts')
    .leftJoin('page_alerts', 'page_alerts.alert_id', 'alerts.id')
    .select(['alerts.id', 'alerts.severity', 'alerts.state', 'page_alerts.page_id'])
    .execute()
  for (const alert of alerts) {
    if (alert.severity !== 'critical') {
      if (alert.page_id !== null) throw new Error(`${alert.id} is a warning and has a page`)
      continue
    }
    seen.alerts += 1
    if (alert.page_id === null) throw new Error(`${alert.id} has no page`)
    const steps = await read
      .selectFrom('page_steps')
      .select('kind')
      .where('page_id', '=', alert.page_id)
      .execute()
    const kinds = new Set(steps.map(({ kind }) => kind))
    if (kinds.has('skip')) seen.skipped += 1
    if (kinds.has('acknowledged')) seen.acknowledged += 1
    else if (kinds.has('catch-all')) seen.shouted += 1
    else if (alert.state === 'resolved') seen.resolvedBefore += 1
    else throw new Error(`${alert.id} fires, nobody took it and nobody shouted`)
  }
  const waiting = await read
    .selectFrom('page_tellings')
    .innerJoin('pages', 'pages.id', 'page_tellings.page_id')
    .select('page_tellings.id')
    .where('page_tellings.state', '=', 'waiting')
    .where('page_tellings.kind', '=', 'page')
    .where('pages.state', '=', 'closed')
    .execute()
  if (waiting.length > 0) throw new Error(`${waiting.length} tellings of closed pages wait`)
}

function checkSeen(t: Test, seen: Seen): void {
  t.comment(JSON.stringify(seen))
  for (const [what, number] of Object.entries(seen)) t.ok(number > 0, `${what}: ${number}`)
}

t.test('three weeks on SQLite', { timeout: 280_000 }, async (t) => {
  const seen = nothingSeen()
  await fc.assert(
    fc.asyncProperty(planOf(21, 40), async (plan) => {
      const folder = mkdtempSync(join(tmpdir(), 'callward-weeks-'))
      const records = await openSqliteRecords({ path: join(folder, 'r.sqlite') })
      try {
        await live(records, plan, seen)
      } finally {
        await records.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 2, endOnFailure: true },
  )
  checkSeen(t, seen)
})

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'
const skip = missing && 'PostgreSQL is not installed'
t.test('one week on PostgreSQL', { skip, timeout: 280_000 }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  const seen = nothingSeen()
  let number = 0
  await fc.assert(
    fc.asyncProperty(planOf(7, 16), async (plan) => {
      number += 1
      const connectionString = await cluster.database(`weeks${number}`)
      const records = await openPostgresRecords({ connectionString })
      try {
        await live(records, plan, seen)
      } finally {
        await records.close()
      }
    }),
    { numRuns: 1, endOnFailure: true },
  )
  checkSeen(t, seen)
})
