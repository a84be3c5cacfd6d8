// Fills the records with incidents of the past through the same judge, store and ledger as any other, and measures over HTTP how long a
// list, one incident and the figures take. Run: node dist/test/bench/incidents-load.js [incidents] [facts each]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'

const incidents = Number(process.argv[2] ?? 20_000)
const facts = Number(process.argv[3] ?? 50)
const perRequest = 200
const rounds = 101
const adminToken = 'bench-admin-token-0123456789'
const services = ['telephony', 'recording', 'dialler', 'ivr', 'agents', 'trunks', 'queue', 'crm']

const folder = mkdtempSync(join(tmpdir(), 'callward-incidents-'))
const file = join(folder, 'callward.yaml')
writeFileSync(file, '{}')
const config = readHubConfig({
  CALLWARD_CONFIG: file,
  CALLWARD_DATA: join(folder, 'data'),
  CALLWARD_ADMIN_TOKEN: adminToken,
  CALLWARD_LISTEN: '127.0.0.1:0',
  CALLWARD_LOG: 'error',
})
prepareDataFolder(config)
const app = await buildApp(config, systemClock)
const address = await app.listen({ host: '127.0.0.1', port: 0 })
const headers = { authorization: `Bearer ${adminToken}` }

const instant = (minutesAgo: number) => new Date(Date.now() - minutesAgo * 60_000).toISOString()

/** An incident with about `facts` facts, five years back to now. */
function lineOf(number: number): string {
  const ago = 60 + ((incidents - number) / incidents) * 5 * 525_600
  const note = (index: number) => ({
    ...{ kind: 'note', at: instant(ago - 20), by: 'anna' },
    value: { text: `Note ${index} of ${number}: the trunk was looked at again, and it was well.` },
  })
  // 17 come with the columns below and the steps they mean.
  const notes = Array.from({ length: Math.max(0, facts - 18) }, (_, index) => note(index))
  return JSON.stringify({
    ...{ reference: `BENCH-${number}`, phenomenon: `no dial tone on line ${number}` },
    services: [services[number % services.length], `site-${number % 40}`],
    ...{
      severity: `sev${1 + (number % 4)}`,
      occurredAt: instant(ago),
      detectedAt: instant(ago - 1),
    },
    ...{ acknowledgedAt: instant(ago - 5), acknowledgedBy: 'anna', recoveredAt: instant(ago - 30) },
    ...{ technician: 'anna', verifier: 'boris', rootCauses: ['system_failure/hardware_capacity'] },
    chapters: notes.length === 0 ? [] : [{ facts: notes }],
  })
}

async function fill(): Promise<void> {
  const began = performance.now()
  for (let from = 0; from < incidents; from += perRequest) {
    const count = Math.min(perRequest, incidents - from)
    const body = Array.from({ length: count }, (_, index) => lineOf(from + index + 1)).join('\n')
    const answer = await fetch(`${address}/api/v1/incidents/import`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body,
    })
    if (answer.status !== 200)
      throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 500)}`)
    await answer.arrayBuffer()
    const done = from + count
    if (done % 1000 < perRequest) {
      const perSecond = (done * 1000) / (performance.now() - began)
      process.stderr.write(`${done} of ${incidents} incidents, ${perSecond.toFixed(0)} a second\n`)
    }
  }
  const { count } = await app.records.read
    .selectFrom('incident_facts')
    .select((s) => s.fn.countAll().as('count'))
    .executeTakeFirstOrThrow()
  const seconds = (performance.now() - began) / 1000
  console.log(`filled ${incidents} incidents with ${count} facts in ${seconds.toFixed(0)} s`)
}

async function measure(name: string, url: (round: number) => string): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const began = performance.now()
    const answer = await fetch(`${address}${url(round)}`, { headers })
    await answer.arrayBuffer()
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status}`)
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (rounds - 1))]?.toFixed(1)
  console.log(`${name}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, ${rounds} requests`)
}

const list = '/api/v1/incidents?limit=100'
try {
  await fill()
  const any = (round: number) => 1 + ((round * 7919) % incidents)
  await measure('list, newest page', () => `${list}&state=all`)
  await measure('list, any page', (round) => `${list}&state=all&cursor=${any(round) + 1}`)
  await measure('list, open', () => `${list}&state=open`)
  await measure('list, severity', (round) => `${list}&state=all&severity=sev${1 + (round % 4)}`)
  await measure('list, state', () => `${list}&state=all&workflow=restored`)
  await measure('list, service', (round) => `${list}&state=all&service=site-${round % 40}`)
  await measure('open one', (round) => `/api/v1/incidents/${any(round)}`)
  await measure('its workflow', (round) => `/api/v1/incidents/${any(round)}/workflow`)
  await measure('its deadlines', (round) => `/api/v1/incidents/${any(round)}/clocks`)
  await measure('its post-mortem', (round) => `/api/v1/incidents/${any(round)}/post-mortem`)
  await measure('search, a rare word', (round) => `/api/v1/search?q=${any(round)}`)
  await measure('search, words of all', () => '/api/v1/search?q=trunk%20looked')
  await measure('search, a beginning', () => '/api/v1/search?q=recor')
  await measure('figures, 30 days', () => '/api/v1/incidents/figures')
  await measure('figures, a year', () => `/api/v1/incidents/figures?from=${instant(525_600)}`)
  await measure('my work', () => '/api/v1/incidents/mine')
  await measure('recurrences', () => '/api/v1/incidents/recurrences')
} finally {
  await app.close()
  rmSync(folder, { recursive: true, force: true })
}
