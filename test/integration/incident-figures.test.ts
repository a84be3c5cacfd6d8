import { sql } from 'kysely'
import t from 'tap'
import { listQuery } from '../../server/incidents/list.ts'
import { IncidentDesk } from './incident-desk.ts'

const csv = 'text/csv'
const ndjson = 'application/x-ndjson'
const head =
  'reference,title,phenomenon,services,severity,occurredAt,detectedAt,acknowledgedAt,acknowledgedBy,recoveredAt,technician,verifier,rootCauses,callsAttempted,callsFailed'
const capacity = 'system_failure/hardware_capacity'

/** Restored 30 minutes after it was detected, taken after 5. */
function line(reference: string, month: number, more: Readonly<Record<string, string>> = {}) {
  const day = `2026-${String(month).padStart(2, '0')}-10T`
  const cells: Record<string, string> = {
    ...{ reference, title: `"Lines, of ${reference}"`, phenomenon: '"no ""dial"" tone"' },
    ...{ services: 'telephony;recording', severity: 'sev3', occurredAt: `${day}08:55:00Z` },
    ...{ detectedAt: `${day}09:00:00Z`, acknowledgedAt: `${day}09:05:00Z`, acknowledgedBy: 'ines' },
    ...{ recoveredAt: `${day}09:30:00Z`, technician: 'ines', verifier: 'jonas' },
    ...{ rootCauses: capacity, callsAttempted: '100', callsFailed: '10', ...more },
  }
  return head
    .split(',')
    .map((name) => cells[name] ?? '')
    .join(',')
}

t.test('incidents of the past come in once, judged, with what is wrong named', async (t) => {
  const desk = await IncidentDesk.start(t)
  const take = (lines: readonly string[], query = '', type = csv) =>
    desk.as('ines', 'POST', `/incidents/import${query}`, `${lines.join('\r\n')}\r\n`, type)

  const bad = [
    head,
    line('A-1', 2),
    line('A-2', 2, { severity: 'terrible', callsFailed: '200' }),
    line('A-3', 2, { detectedAt: '2026-02-10 09:00', verifier: '' }),
    line('A-4', 2, { verifier: 'ines' }),
    line('A-1', 3),
    line('A-5', 2, { recoveredAt: '', services: '', rootCauses: 'bad_luck' }),
    line('A-6', 2, { occurredAt: '2026-02-10T10:00:00Z' }),
    'A-7,short',
  ]
  const dry = await take(bad, '?dryRun=true')
  t.equal(dry.status, 200)
  const named = dry.body.faults.map(
    (one: { line: number; reference: string; field: string }) =>
      `${one.line} ${one.reference} ${one.field}`,
  )
  for (const one of [
    ...['3 A-2 severity', '4 A-3 detectedAt', '4 A-3 verifier', '5 A-4 verifier'],
    ...['6 A-1 reference', '7 A-5 services', '7 A-5 rootCauses', '8 A-6 occurredAt', '9  '],
  ])
    t.ok(named.includes(one), `${one} is named`)
  t.match(dry.body, { dryRun: true, lines: 8, imported: [] })
  const refused = await take(bad)
  t.equal(refused.status, 422, 'all or none')
  t.same(refused.body.imported, [])
  t.equal((await desk.as('vera', 'GET', '/incidents?state=all')).body.incidents.length, 0)

  const good = [head, line('A-1', 2), line('A-2', 2, { recoveredAt: '', verifier: '' })]
  const taken = await take(good)
  t.equal(taken.status, 200, taken.text)
  t.same(taken.body.imported, [
    { reference: 'A-1', number: 1 },
    { reference: 'A-2', number: 2 },
  ])
  const again = await take([...good, line('A-3', 4)])
  t.same(again.body.imported, [{ reference: 'A-3', number: 3 }])
  t.equal(again.body.already.length, 2, 'sent again, they are passed over')
  t.match(await take([head, line('A-1', 5)]), {
    status: 422,
    body: { faults: [{ line: 2, field: 'reference', text: /other content as incident 1/ }] },
  })
  t.equal((await take([head, line('B-1', 2)], '', 'text/plain')).status, 400)
  t.equal(
    (await desk.as('vera', 'POST', '/incidents/import', good.join('\n'), csv)).status,
    403,
    'an auditor writes nothing',
  )

  const { body } = await desk.as('vera', 'GET', '/incidents/1')
  t.match(body.incident, {
    ...{ title: 'Lines, of A-1', workflowState: 'restored', severity: 'sev3' },
    ...{ openedAt: '2026-02-10T09:00:00.000Z', resolvedAt: '2026-02-10T09:30:00.000Z' },
  })
  const [opened] = await desk.facts(1, 'opened')
  t.match(opened, {
    recordedBy: 'ines',
    value: { how: 'import' },
    occurredAt: '2026-02-10T09:00:00.000Z',
  })
  t.match(await desk.facts(1, 'accepted'), [
    {
      recordedBy: 'ines (imported)',
      certainty: 'actual',
      value: { technician: 'ines (imported)' },
    },
  ])
  t.match(await desk.facts(1, 'arrived'), [{ certainty: 'estimate' }], 'nobody kept when')
  const recorded = body.incident.facts.map((one: { recordedAt: string }) =>
    Date.parse(one.recordedAt),
  )
  t.ok(
    recorded.every((at: number) => at > Date.now() - 3_600_000),
    'recorded now, whatever they say of then',
  )
  t.match((await desk.as('vera', 'GET', '/incidents/2')).body.incident, { state: 'acknowledged' })
  await desk.app.obligations.settled()
  t.same((await desk.evidenceOf(1)).owed, [], 'nothing is frozen of the past')

  const whole = {
    ...{ reference: 'C-1', phenomenon: 'no recording', services: ['recording'] },
    detectedAt: '2026-05-01T10:00:00+02:00',
    chapters: [
      {
        facts: [
          {
            ...{ kind: 'cancelled', value: { text: 'a test', reason: 'test' }, by: 'anna' },
            at: '2026-05-01T11:00:00+02:00',
          },
        ],
        step: { to: 'cancelled', role: 'commander', by: 'anna', at: '2026-05-01T11:00:00+02:00' },
      },
    ],
  }
  const unlawful = { ...whole, reference: 'C-2', chapters: [{ ...whole.chapters[0], facts: [] }] }
  const json = await take([JSON.stringify(whole), '', '{'], '', ndjson)
  t.match(json.body.faults, [{ line: 3, text: /no JSON/ }])
  t.match((await take([JSON.stringify(unlawful)], '', ndjson)).body.faults, [
    { line: 1, reference: 'C-2', text: /coded reason is missing/ },
  ])
  t.equal((await take([JSON.stringify(whole)], '', ndjson)).status, 200)
  t.match((await desk.as('vera', 'GET', '/incidents/4')).body.incident, {
    workflowState: 'cancelled',
  })
  // What is imported goes on by the same steps as any other, and its picture replays.
  t.equal(
    (
      await desk.app.incidents.picture(
        (
          await desk.as('vera', 'GET', '/incidents/1')
        ).body.incident.id,
      )
    ).picture.state,
    'restored',
  )
})

t.test(
  'the bundle of an imported incident is verified, whatever states it went through',
  async (t) => {
    const desk = await IncidentDesk.start(t)
    const lines = [head, line('A-1', 2), line('A-2', 3)].join('\r\n')
    t.equal((await desk.as('ines', 'POST', '/incidents/import', `${lines}\r\n`, csv)).status, 200)
    // Taken by one, with a note of another written beside it; over when a third called it a test.
    const at = '2026-05-01T11:00:00+02:00'
    const fact = (kind: string, by: string, more: object = {}) => ({
      ...{ kind, by, at },
      value: { text: 'As written down then.', ...more },
    })
    const whole = {
      ...{ reference: 'C-1', phenomenon: 'no recording', services: ['recording'] },
      detectedAt: '2026-05-01T10:00:00+02:00',
      chapters: [
        { facts: [fact('acknowledged', 'anna'), fact('note', 'boris')] },
        {
          facts: [fact('cancelled', 'clara', { reason: 'test' }), fact('note', 'boris')],
          step: { to: 'cancelled', role: 'commander', by: 'clara', at },
        },
      ],
    }
    const json = JSON.stringify(whole)
    t.equal((await desk.as('ines', 'POST', '/incidents/import', json, ndjson)).status, 200)
    for (const number of [1, 2, 3]) {
      const report = await desk.verified(number)
      t.same(
        report.checks.flatMap(({ faults }) => faults),
        [],
      )
      t.equal(report.verdict, 'verified')
    }
  },
)

t.test('figures, recurrences, their signature, and lists by page', async (t) => {
  const desk = await IncidentDesk.start(t)
  const now = new Date()
  const day = (ago: number, time: string) =>
    `${new Date(now.getTime() - ago * 86_400_000).toISOString().slice(0, 10)}T${time}Z`
  const row = (
    reference: string,
    ago: number,
    restored: string,
    more: Record<string, string> = {},
  ) =>
    line(reference, 1, {
      ...{ occurredAt: day(ago, '08:55:00'), detectedAt: day(ago, '09:00:00') },
      ...{ acknowledgedAt: day(ago, '09:05:00'), recoveredAt: day(ago, restored), ...more },
    })
  const lines = [
    row('F-1', 5, '09:30:00'),
    row('F-2', 6, '10:00:00', { callsAttempted: '300', callsFailed: '90' }),
    row('F-3', 7, '17:00:00', { services: '=telephony' }),
    row('F-4', 40, '09:10:00', { rootCauses: '', severity: 'sev4' }),
  ]
  const body = [head, ...lines].join('\n')
  t.equal((await desk.as('ines', 'POST', '/incidents/import', body, csv)).status, 200)

  const figures = await desk.as('vera', 'GET', '/incidents/figures')
  t.equal(figures.status, 200, figures.text)
  const of = (service: string) =>
    figures.body.services.find((one: { service: string }) => one.service === service)
  t.match(of('telephony'), {
    incidents: 2,
    failedCallShare: 0.25,
    toAcknowledge: { count: 2, medianMillis: 300_000, withinTargetShare: 1 },
    toRestore: { medianMillis: 45 * 60_000, p90Millis: 60 * 60_000 },
  })
  t.match(of('=telephony'), { toRestore: { withinTarget: 0 } }, '8 hours are over the 4')
  const one = await desk.as('vera', 'GET', '/incidents/figures?service=recording&restoreMinutes=45')
  t.match(one.body.services, [{ service: 'recording', toRestore: { withinTarget: 1 } }])
  const { text } = await desk.as('vera', 'GET', '/incidents/figures?format=csv')
  t.match(text, /^service,from,to,incidents/)
  t.match(text, /\r\n'=telephony,/, 'no spreadsheet runs it as a formula')
  for (const query of ['from=x', 'from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 'by=host'])
    t.equal((await desk.as('vera', 'GET', `/incidents/figures?${query}`)).status, 400, query)
  const months = await desk.as('vera', 'GET', '/incidents/figures?by=month&service=telephony')
  t.equal(months.status, 200, months.text)
  t.match(months.body, { whole: { incidents: 2 } })
  const counted = months.body.months.map(
    (month: { whole: { incidents: number } }) => month.whole.incidents,
  )
  t.equal(
    counted.reduce((sum: number, count: number) => sum + count, 0),
    2,
    'each in one month',
  )
  for (const month of months.body.months)
    t.ok(month.services.every(({ service }: { service: string }) => service === 'telephony'))
  const byMonth = (await desk.as('vera', 'GET', '/incidents/figures?by=month&format=csv')).text
  t.match(byMonth, /^month,service,from,to,incidents/)
  t.match(byMonth, /\r\n\d{4}-\d{2},,/, 'a line of all services together')
  t.match(byMonth, /\r\n\d{4}-\d{2},'=telephony,/)
  t.notOk('months' in figures.body, 'only where they are asked for')
  await desk.app.figures.look()
  const metrics = (
    await desk.app.inject({
      url: '/metrics',
      headers: { authorization: `Bearer ${await admin(desk)}` },
    })
  ).body
  t.match(metrics, /callward_incident_count_30d\{service="telephony"\} 2/)
  t.match(metrics, /callward_incident_restore_seconds\{service="telephony",quantile="0.5"\} 2700/)
  t.match(metrics, /callward_incident_disrupted_seconds\{service="telephony"\} \d/)
  t.match(metrics, /callward_incident_recurring\{service="telephony",cause="[^"]+"\} \d/)

  const recurring = await desk.as('vera', 'GET', '/incidents/recurrences')
  t.match(recurring.body.groups, [
    { service: 'recording', cause: capacity, incidents: [{ number: 2 }, { number: 1 }] },
    { service: 'telephony', cause: capacity },
  ])
  t.match(recurring.body, { uncodedCount: 1, months: [{ overdue: false, decision: null }] })
  const [{ month }] = recurring.body.months
  const word = { month, decision: 'watched', text: 'The disk array is ordered.' }
  const sign = (who: string, more: object = {}) =>
    desk.as(who, 'POST', '/incidents/recurrences/signoff', { ...word, ...more })
  t.equal((await sign('vera')).status, 403)
  t.match(await sign('admin'), { status: 403, body: { error: { message: /by a person/ } } })
  t.equal((await sign('ines', { month: '2001-01' })).status, 404)
  t.equal((await sign('ines', { decision: 'fine' })).status, 400)

  const page = async (query: string) => {
    const answer = await desk.as('vera', 'GET', `/incidents?state=all&${query}`)
    t.equal(answer.status, 200, answer.text)
    return {
      numbers: answer.body.incidents.map((each: { number: number }) => each.number),
      next: answer.body.next,
    }
  }
  t.same(await page('limit=3'), { numbers: [4, 3, 2], next: 2 })
  t.same(await page('limit=3&cursor=2'), { numbers: [1], next: null })
  t.same(await page('severity=sev4'), { numbers: [4], next: null })
  t.same(await page('service=recording&limit=2'), { numbers: [4, 2], next: 2 })
  t.same(await page('service=recording&limit=2&cursor=2'), { numbers: [1], next: null })
  t.same(await page('workflow=restored&limit=1'), { numbers: [4], next: 4 })
  t.same((await page('workflow=closed')).numbers, [])

  const db = desk.app.records.read
  for (const filter of [
    {},
    { state: 'open' },
    { state: 'resolved' },
    { severity: 'sev1' },
    { workflow: 'review' },
    { service: 'telephony' },
  ] as const)
    for (const cursor of [undefined, 1000]) {
      const asked = { state: 'all', limit: 100, cursor, ...filter } as const
      const query = listQuery(db, asked).compile()
      const plan = await sql<{
        detail: string
      }>`explain query plan ${sql.raw(withValues(query))}`.execute(db)
      const steps = plan.rows.map(({ detail }) => detail)
      const isAll = Object.keys(filter).length === 0
      t.ok(
        steps.every(
          (step) =>
            step.startsWith('SEARCH') ||
            /USING (?:INDEX|COVERING)/.test(step) ||
            step.includes('TEMP B-TREE'),
        ),
        `${JSON.stringify({ ...filter, cursor })}: ${steps.join('; ')}`,
      )
      if (!isAll && !('state' in filter && filter.state === 'open'))
        t.notOk(
          steps.some((step) => step.startsWith('SCAN') || step.includes('TEMP B-TREE')),
          'in order, without sorting',
        )
    }

  // The month ends unsigned: it stays owed, and shows as overdue; the next one opens.
  desk.clock.ahead += 40 * 86_400_000
  await desk.untilSo('the next month', async () => {
    const { months } = (await desk.as('vera', 'GET', '/incidents/recurrences')).body
    return months.length > 1
  })
  const late = (await desk.as('vera', 'GET', '/incidents/recurrences')).body.months
  t.match(
    late.find((one: { month: string }) => one.month === month),
    { overdue: true },
  )
  const signed = await sign('ines')
  t.equal(signed.status, 200, signed.text)
  t.match(
    signed.body.months.find((one: { month: string }) => one.month === month),
    { overdue: false, decision: 'watched', signedBy: 'ines', text: word.text },
  )
  t.equal((await sign('jonas')).status, 409, 'once')
  const entries = await desk.app.records.read
    .selectFrom('ledger_entries')
    .select('entry')
    .where('object_id', '=', month)
    .execute()
  t.match(entries, [{ entry: /incident\.recurrence_signed/ }])
})

async function admin(desk: IncidentDesk): Promise<string> {
  return (await desk.app.access.people.createToken('metrics', 'admin', '')).token
}

/** A statement with its values in place, for EXPLAIN. */
function withValues({ sql: text, parameters }: { sql: string; parameters: readonly unknown[] }) {
  let index = 0
  return text.replace(/\?/g, () => {
    const value = parameters[index++]
    return typeof value === 'number' ? String(value) : `'${String(value)}'`
  })
}
