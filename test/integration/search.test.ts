import { CompiledQuery } from 'kysely'
import t from 'tap'
import type { Runbook } from '../../server/knowledge/plugin.ts'
import { readRunbook } from '../../server/knowledge/runbook.ts'
import type { RecordsTransaction } from '../../server/records/records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { catchUp } from '../../server/search/catch-up.ts'
import { type Question, SearchDesk } from '../../server/search/desk.ts'
import { findIncidents } from '../../server/search/incident-query.ts'
import { indexAnew, indexFact } from '../../server/search/index-fact.ts'
import { termsOf } from '../../server/search/words.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'

interface Written {
  readonly number: number
  readonly title: string
  readonly facts: readonly (readonly [kind: string, text: string | object])[]
  readonly server?: string
}

const day = 86_400_000
const factRow = (incident: number, sequence: number, [kind, text]: Written['facts'][number]) => ({
  id: `f${incident}-${sequence}`,
  incident_id: `i${incident}`,
  sequence,
  kind,
  value: JSON.stringify(typeof text === 'string' ? { text } : text),
  certainty: 'actual',
  occurred_at: incident * day,
  recorded_at: incident * day,
  recorded_by: 'ines',
  supersedes: null,
})

/** Steps by which PostgreSQL reads rows of words instead of their index alone. */
async function rowsRead(records: CountedRecords, { sql: text, parameters }: CompiledQuery) {
  const { rows } = await records.write(async (tx) => {
    // A table of few rows is read whole otherwise, whatever indexes it has.
    for (const way of ['seqscan', 'bitmapscan'])
      await tx.executeQuery(CompiledQuery.raw(`set local enable_${way} = off`))
    const explain = CompiledQuery.raw(`explain (costs off) ${text}`, [...parameters])
    return tx.executeQuery<{ 'QUERY PLAN': string }>(explain)
  })
  const steps = rows.map((row) => row['QUERY PLAN'])
  return steps.filter((step) => / on incident_words/.test(step) && !/Index Only Scan/.test(step))
}

/** An incident and its facts; indexed as the incidents do it unless `silently`. */
async function write(tx: RecordsTransaction, one: Written, silently = false): Promise<void> {
  const { number, title, facts, server = 'pbx-1' } = one
  await tx
    .insertInto('incidents')
    .values({
      id: `i${number}`,
      number,
      title,
      severity: 'sev2',
      state: 'open',
      join_key: server,
      server,
      runbook_name: null,
      runbook_hash: null,
      opened_at: number * day,
      acknowledged_at: null,
      acknowledged_by: null,
      resolved_at: null,
      updated_at: 1,
      workflow_state: 'recorded',
      attended: 1,
      major: 0,
      closed_at: null,
    })
    .execute()
  for (const [index, fact] of facts.entries()) {
    const row = factRow(number, index + 1, fact)
    await tx.insertInto('incident_facts').values(row).execute()
    if (!silently) indexFact(tx, row.incident_id, row)
  }
}

const runbook = (name: string, title: string, body: string): Runbook =>
  readRunbook(
    name,
    `---\nalert: ${name}\ntitle: ${title}\nseverity: critical\nroles: [on-call]\nestimated_minutes: 5\nsteps: [{id: look, text: Look at the rack}]\n---\n${body}`,
  )
const runbooks = [
  runbook('TrunkDown', 'A trunk is down', 'Ask the carrier.\n\n电话中继故障时先看灯。'),
  runbook('FanStopped', 'A fan stopped', 'Nothing of a trunk here.'),
  runbook('HeartbeatLost', 'The heartbeat is gone', 'Нетипичный случай: Không gọilại.'),
]

function deskOf(records: CountedRecords) {
  const desk = new SearchDesk(records.read, () => runbooks)
  return (text: string, more: Partial<Question> = {}) =>
    desk.ask({
      text,
      kind: 'all',
      service: undefined,
      from: undefined,
      to: undefined,
      cursor: undefined,
      limit: 20,
      ...more,
    })
}

type Ask = ReturnType<typeof deskOf>
const names = async (answer: ReturnType<Ask>) =>
  (await answer).results.map((one) => (one.kind === 'incident' ? one.number : one.name))

const story: readonly Written[] = [
  { number: 1, title: 'Trunk 7 is down', facts: [['phenomenon', 'Callers hear nothing']] },
  {
    number: 2,
    title: 'Sự cố đường truyền',
    server: 'sbc-2',
    facts: [
      ['note', 'Đã gọi nhà mạng'],
      ['impact', { text: 'Không gọi được', services: ['Tổng đài'] }],
    ],
  },
  { number: 3, title: '中继故障', facts: [['note', '运营商的trunk断了']] },
  { number: 4, title: 'Нет связи', facts: [['root_cause', 'Упал транк оператора']] },
  {
    number: 5,
    title: 'Calls fail',
    facts: [
      ['note', 'It was the trunk again'],
      ['five_whys', { text: 'Whys', whys: ['Because of dust', 'Because of a fan'] }],
    ],
  },
]

onBothDatabases('search', {
  async 'finds four languages over incidents and runbooks, the best first'(t, records) {
    await records.write(async (tx) => {
      for (const one of story) await write(tx, one)
    })
    const ask = deskOf(records)
    t.same(
      await names(ask('trunk')),
      ['TrunkDown', 1, 'FanStopped', 5, 3],
      'title before text, whole before begun, newer first',
    )
    t.same(await names(ask('su co')), [2])
    t.same(await names(ask('SỰ CỐ')), [2])
    t.same(await names(ask('da goi nha mang')), [2])
    t.same(await names(ask('故障')), [3, 'TrunkDown'])
    t.same(await names(ask('中继')), [3, 'TrunkDown'])
    t.same(await names(ask('транк')), [4])
    t.same(await names(ask('trun')), ['TrunkDown', 1, 'FanStopped', 5, 3])
    t.same(await names(ask('dust fan')), [5])
    t.same(
      await names(ask('hear')),
      [1, 'HeartbeatLost'],
      'a whole word before a title that begins so',
    )
    t.same(await names(ask('нет')), [4, 'HeartbeatLost'])
    t.same(await names(ask('goi')), [2, 'HeartbeatLost'])
    t.same(await names(ask('carrier trunk')), ['TrunkDown'])
    t.same(await names(ask('service down')), [], 'every word must be found')
    t.same(await names(ask('trunk', { kind: 'incident' })), [1, 5, 3])
    t.same(await names(ask('trunk', { kind: 'runbook' })), ['TrunkDown', 'FanStopped'])
    t.same(await names(ask('goi', { service: 'tong dai' })), [2])
    t.same(await names(ask('goi', { service: 'sbc-2' })), [2], 'the server is one too')
    t.same(await names(ask('trunk', { service: 'tong dai' })), [])
    t.same(
      await names(ask('service', { service: 'sbc-2' })),
      [],
      'what services are kept by is no word',
    )
    t.same(await names(ask('trunk', { from: 3 * day, to: 5 * day })), [3])
    await t.rejects(ask('?!'), { code: 'bad_request' })
    const long = Array.from({ length: 26 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join('')
    await t.rejects(ask(long), { code: 'bad_request' })
    for (const hostile of [
      "' or 1=1 --",
      '%',
      '_',
      '"trunk" NEAR x',
      'trunk*',
      '\u0000',
      '\ud800',
      'a'.repeat(200),
    ])
      await ask(hostile).catch((error) => t.equal(error.code, 'bad_request', hostile))

    const [found] = (await ask('транк')).results
    t.match(found, {
      kind: 'incident',
      score: 102,
      excerpts: [{ kind: 'root_cause', text: 'Упал транк оператора', marks: [[5, 10]] }],
    })
    const [chinese] = (await ask('中继')).results
    t.match(chinese, { title: { text: '中继故障', marks: [[0, 2]] }, excerpts: [] })
  },

  async 'pages give everything once'(t, records) {
    await records.write(async (tx) => {
      for (let number = 1; number <= 45; number += 1)
        await write(tx, {
          number,
          title: number % 3 === 0 ? 'Trunk' : 'Calls',
          facts: [['note', 'the trunk']],
        })
    })
    const ask = deskOf(records)
    const all: (string | number)[] = []
    let cursor: string | undefined
    let pages = 0
    do {
      const answer = await ask('trunk', { limit: 10, cursor })
      all.push(...(await names(Promise.resolve(answer))))
      cursor = answer.next ?? undefined
      pages += 1
      t.notOk(answer.cut)
    } while (cursor !== undefined && pages < 10)
    t.equal(pages, 5)
    t.equal(new Set(all).size, 47)
    t.same(all, await names(ask('trunk', { limit: 50 })))
  },

  async 'a fact is found with its transaction, never without it'(t, records) {
    const ask = deskOf(records)
    await t.rejects(
      records.write(async (tx) => {
        await write(tx, { number: 1, title: 'Trunk', facts: [['note', 'zebra']] })
        throw new Error('the disk')
      }),
      /the disk/,
    )
    t.same(await names(ask('zebra')), [])
    await records.write((tx) => write(tx, { number: 1, title: 'Trunk', facts: [['note', 'lion']] }))
    await records.write(async (tx) => {
      const row = factRow(1, 2, ['root_cause', 'zebra lion'])
      await tx.insertInto('incident_facts').values(row).execute()
      indexFact(tx, row.incident_id, row)
    })
    t.match((await ask('zebra')).results, [{ number: 1, score: 102 }])
    t.match((await ask('lion')).results, [{ score: 102, excerpts: [{ kind: 'root_cause' }] }])
    t.same(await records.read.selectFrom('incident_search').selectAll().execute(), [
      { number: 1, facts: 2, version: 1 },
    ])
    t.equal(await catchUp(records, () => false), 0)
  },

  async 'what is missing is found after a start, and another version is made anew'(t, records) {
    const ask = deskOf(records)
    await records.write(async (tx) => {
      for (const one of story) await write(tx, one, true)
      await write(tx, { number: 6, title: 'Lamp', facts: [['note', 'lamp']] })
    })
    t.same(await names(ask('su co')), [])
    t.equal(await catchUp(records, () => true), 0, 'stopped at once')
    t.equal(await catchUp(records, () => false), 5)
    t.same(await names(ask('su co')), [2])
    t.equal(await catchUp(records, () => false), 0)
    await records.write(async (tx) => {
      await tx
        .insertInto('incident_facts')
        .values(factRow(2, 3, ['note', 'zebra']))
        .execute()
    })
    t.equal(await catchUp(records, () => false), 1, 'a fact that came past the index')
    t.same(await names(ask('zebra')), [2])
    await records.write(async (tx) => {
      await tx.updateTable('incident_search').set({ version: 0 }).where('number', '=', 3).execute()
      await tx
        .insertInto('incident_words')
        .values({ word: 'ghost', number: 3, weight: 1 })
        .execute()
    })
    t.equal(await catchUp(records, () => false), 6)
    t.same(await names(ask('ghost')), [])
    t.same(await names(ask('中继')), [3, 'TrunkDown'])
  },

  async 'an erased fact is not found, what others say still is'(t, records) {
    const ask = deskOf(records)
    const secret = factRow(1, 2, ['root_cause', 'Nguyễn Văn An cut the trunk'])
    await records.write(async (tx) => {
      await write(tx, { number: 1, title: 'Trunk', facts: [['note', 'An engineer cut it']] })
      await tx.insertInto('incident_facts').values(secret).execute()
      indexFact(tx, 'i1', secret)
    })
    t.same(await names(ask('nguyen van')), [1])
    t.match((await ask('cut')).results, [{ score: 102 }])
    await records.write(async (tx) => {
      await tx
        .updateTable('incident_facts')
        .set({ value: '{"erased":true}' })
        .where('id', '=', secret.id)
        .execute()
      await indexAnew(tx, 'i1')
    })
    t.same(await names(ask('nguyen')), [])
    t.match((await ask('cut')).results, [{ score: 101 }], 'by the note alone')
    t.match((await ask('an')).results, [{ number: 1 }])
    t.same(await names(ask('trunk', { kind: 'incident' })), [1])
    t.equal(await catchUp(records, () => false), 0)
  },

  async 'every statement goes by the key of the index'(t, records) {
    await records.write(async (tx) => {
      for (const one of story) await write(tx, one)
    })
    const executor = records.read.getExecutor()
    const asked: CompiledQuery[] = []
    const listening = new Proxy(executor, {
      get(target, key) {
        const own = Reflect.get(target, key) as unknown
        if (typeof own !== 'function') return own
        return (...args: unknown[]) => {
          if (key === 'executeQuery') asked.push(args[0] as CompiledQuery)
          return own.apply(target, args) as unknown
        }
      },
    })
    const db = { getExecutor: () => listening } as unknown as typeof records.read
    const filter = { service: 'pbx-1', from: 0, to: 9 * day }
    const terms = termsOf('trun 中继 fault a')
    await findIncidents(db, termsOf('trunk'), filter, { after: undefined, limit: 5 })
    await findIncidents(
      db,
      terms,
      { ...filter, service: undefined },
      { after: { score: 9, number: 3 }, limit: 5 },
    )
    t.ok(asked.length >= 4)
    if (records.kind === 'postgres') {
      for (const query of asked) t.same(await rowsRead(records, query), [], query.sql)
      return
    }
    for (const { sql: text, parameters } of asked) {
      const plan = await executor.executeQuery<{ detail: string }>(
        CompiledQuery.raw(`explain query plan ${text}`, [...parameters]),
      )
      const details = plan.rows.map(({ detail }) => detail)
      t.same(
        details.filter((one) => /^SCAN (?:incident_words|w|i|incidents)\b/.test(one)),
        [],
        text,
      )
      t.ok(
        details.some((one) =>
          /^SEARCH (?:incident_words|w) USING (?:COVERING )?(?:PRIMARY KEY|INDEX)/.test(one),
        ),
        details.join('; '),
      )
    }
  },

  async 'a long text, many words and many beginnings stay within their limits'(t, records) {
    const words = Array.from({ length: 300 }, (_, i) => `zz${i.toString(36).padStart(2, '0')}`)
    await records.write(async (tx) => {
      await write(tx, {
        number: 1,
        title: 'Many',
        facts: [
          ['note', words.join(' ')],
          ['note', `${'故障'.repeat(4000)}停`],
        ],
      })
      const deep = Array.from(
        { length: 620 },
        (_, i) => ['note', i === 610 ? 'needle' : `hay ${i}`] as const,
      )
      await write(tx, { number: 2, title: 'Deep', facts: deep })
    })
    const ask = deskOf(records)
    const many = await ask('zz')
    t.match(many, { cut: true, results: [{ number: 1 }] })
    t.match(await ask('zz01'), { cut: false, results: [{ number: 1 }] })
    t.match(await ask(words.slice(0, 24).join(' ')), { results: [{ number: 1 }] })
    t.same(await names(ask('停')), [1])
    const beginnings = Array.from('abcdefghijklmnopqrst', (letter) => `z${letter}`).join(' ')
    t.same(await names(ask(`${beginnings} zz`)), [])
    t.match(
      (await ask('needle')).results,
      [{ number: 2, excerpts: [{ text: 'needle' }] }],
      'deep in the incident',
    )
  },
})

t.test('a search beyond the limit is refused, not queued for ever', async (t) => {
  let release: (rows: never[]) => void = () => undefined
  const waiting = new Promise<never[]>((resolve) => {
    release = resolve
  })
  const executor = {
    executeQuery: () => waiting.then((rows) => ({ rows })),
    transformQuery: (node: unknown) => node,
    compileQuery: () => ({}),
    withPlugins: () => executor,
  }
  const desk = new SearchDesk({ getExecutor: () => executor } as never, () => [])
  const question = {
    text: 'x',
    kind: 'incident',
    service: undefined,
    from: undefined,
    to: undefined,
    cursor: undefined,
    limit: 1,
  } as const
  const first = Array.from({ length: 32 }, () => desk.ask(question))
  await t.rejects(desk.ask(question), { code: 'too_many_requests' })
  release([])
  t.same(
    (await Promise.all(first)).map(({ results }) => results.length),
    Array(32).fill(0),
  )
  t.same((await desk.ask(question)).results, [])
})
