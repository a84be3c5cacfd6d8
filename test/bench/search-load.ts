// Incidents with their facts in a fresh database, then searches over them; prints what it measured as JSON. Arguments: database, incidents, searches.
import { sql } from 'kysely'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { SearchDesk } from '../../server/search/desk.ts'
import { findIncidents } from '../../server/search/incident-query.ts'
import { indexFact } from '../../server/search/index-fact.ts'
import { termsOf } from '../../server/search/words.ts'

const target = process.argv[2] ?? ''
const incidents = Number(process.argv[3])
const searches = Number(process.argv[4])
const factsOfEach = 50
const records = target.startsWith('postgres')
  ? await openPostgresRecords({ connectionString: target })
  : await openSqliteRecords({ path: target })

/** The same numbers in every run. */
let seed = 1
function random(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}

const common =
  'trunk carrier calls failed queue agent server disk restarted alert fired resolved operator answered the of to on again checked packet loss jitter codec recording database backup sự cố đường truyền nhà mạng máy chủ tổng đài cuộc gọi ghi âm khách hàng транк оператор звонки сервер диск запись очередь сбой 中继 故障 呼叫 运营商 服务器 磁盘 录音 坐席 客户 重启'.split(
    ' ',
  )
/** Few words often, many seldom, as people write. */
function word(): string {
  if (random() < 0.8) return common[Math.floor(random() ** 2 * common.length)] ?? ''
  const rare = Math.floor(random() ** 2 * 20_000).toString(36)
  return random() < 0.5 ? `pbx-${rare}` : `x${rare}`
}
const text = (words: number) => Array.from({ length: words }, word).join(' ')

const kinds = ['note', 'note', 'note', 'alert_fired', 'alert_resolved', 'preliminary_cause']

async function fill(): Promise<number> {
  const startedAt = performance.now()
  for (let number = 1; number <= incidents; number += 1) {
    const id = `incident-${number}`
    const row = {
      id,
      number,
      title: text(6),
      severity: 'sev2',
      state: 'resolved',
      join_key: `pbx-${number % 400}`,
      server: `pbx-${number % 400}`,
      runbook_name: null,
      runbook_hash: null,
      opened_at: number * 60_000,
      acknowledged_at: null,
      acknowledged_by: null,
      resolved_at: number * 60_000,
      updated_at: number * 60_000,
      workflow_state: 'restored',
      attended: 1,
      major: 0,
      closed_at: null,
    }
    const facts = Array.from({ length: factsOfEach }, (_, index) => ({
      id: `${id}-${index + 1}`,
      incident_id: id,
      sequence: index + 1,
      kind: kinds[index % kinds.length] ?? 'note',
      value: JSON.stringify({ text: text(12) }),
      certainty: 'actual',
      occurred_at: number * 60_000,
      recorded_at: number * 60_000,
      recorded_by: 'ines',
      supersedes: null,
    }))
    const written = records.write(async (tx) => {
      await tx.insertInto('incidents').values(row).execute()
      await tx.insertInto('incident_facts').values(facts).execute()
      for (const fact of facts) indexFact(tx, id, fact)
    })
    if (number % 50 === 0 || number === incidents) await written
    else written.catch(() => process.exit(1))
  }
  return (performance.now() - startedAt) / 1000
}

const questions = {
  'one common word': () => common[Math.floor(random() * 10)] ?? '',
  'two common words': () =>
    `${common[Math.floor(random() * 10)]} ${common[30 + Math.floor(random() * 10)]}`,
  'a rare word': () => `x${Math.floor(random() * 20_000).toString(36)}`,
  'the first two letters of a word': () => (common[Math.floor(random() * 20)] ?? '').slice(0, 2),
  'two Chinese characters': () => ['故障', '中继', '录音', '磁盘'][Math.floor(random() * 4)] ?? '',
  'Vietnamese without accents': () =>
    ['su co', 'nha mang', 'duong truyen'][Math.floor(random() * 3)] ?? '',
  'four words': () => `su co trunk ${word()}`,
} as const

const quantile = (sorted: readonly number[], q: number) =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN

const filledSeconds = await fill()
if (records.kind === 'postgres') await sql`vacuum analyze`.execute(records.read)
const { rows: counts } = await sql<{
  words: number
}>`select count(*) as words from incident_words`.execute(records.read)
const desk = new SearchDesk(records.read, () => [])
const measured: Record<
  string,
  { medianMillis: number; p99Millis: number; rowsRead: number; cut: number }
> = {}
const filter = { service: undefined, from: undefined, to: undefined }
for (const [name, question] of Object.entries(questions)) {
  const millis: number[] = []
  let rowsRead = 0
  let cut = 0
  for (let search = 0; search < searches; search += 1) {
    const words = question()
    const startedAt = performance.now()
    const answer = await desk.ask({
      text: words,
      kind: 'all',
      cursor: undefined,
      limit: 20,
      ...filter,
    })
    millis.push(performance.now() - startedAt)
    if (answer.cut) cut += 1
    const found = await findIncidents(records.read, termsOf(words), filter, {
      after: undefined,
      limit: 1,
    })
    rowsRead = Math.max(rowsRead, found.rowsRead)
  }
  millis.sort((a, b) => a - b)
  measured[name] = {
    medianMillis: quantile(millis, 0.5),
    p99Millis: quantile(millis, 0.99),
    rowsRead,
    cut,
  }
}
process.stdout.write(JSON.stringify({ filledSeconds, words: Number(counts[0]?.words), measured }))
await records.close()
process.exit(0)
