import type { TestHub } from '../helpers/hub.ts'
import { progress } from './kit.ts'

/** How many incidents the hub is filled with, and how many facts each has. */
export interface Past {
  readonly incidents: number
  readonly facts: number
}

const perRequest = 200
const yearMinutes = 525_600
const years = 5
/** One of so many is still being worked on, one of so many others waits for its review; the rest are closed. */
export const openEvery = 200
export const unreviewedEvery = 20
/** Facts that an incident has without its notes, by how far it came. */
const ownFacts = { open: 9, restored: 18, closed: 31 } as const

const services = ['telephony', 'recording', 'dialler', 'ivr', 'agents', 'trunks', 'queue', 'crm']
const causes = ['hardware_capacity', 'software_configuration', 'network_configuration']
const sentences = [
  'the trunk of the carrier was looked at again, calls go through',
  'thoại đi không được, đã gọi cho nhà mạng về sự cố đường truyền',
  '中继故障，已联系运营商，录音服务器磁盘已检查',
  'проверили транк и запись разговоров, операторы предупреждены',
  'the agents were told to use the second queue until the recorder answers',
] as const

/** Services that incident `number` affects: one of eight, and one of forty sites. */
export const servicesOf = (number: number) => [
  services[number % services.length] ?? '',
  `site-${number % 40}`,
]

/** Words that few incidents have. */
export const rareWord = (number: number) => `pbx${(number * 7919) % 5000}x`

/** Line `number` of an import: its incident has exactly `facts` facts, most of them notes in four languages. */
function lineOf(number: number, { incidents, facts }: Past): string {
  const ago = 90 + ((incidents - number) / incidents) * years * yearMinutes
  const at = (minutes: number) => new Date(Date.now() - (ago - minutes) * 60_000).toISOString()
  const state =
    number % openEvery === 0 ? 'open' : number % unreviewedEvery === 1 ? 'restored' : 'closed'
  const notes = Array.from({ length: Math.max(0, facts - ownFacts[state]) }, (_, index) => {
    const text = `${sentences[(number + index) % sentences.length]} (${rareWord(number + index)}, ${index + 1})`
    return { kind: 'note', at: at(20), by: 'anna', value: { text } }
  })
  return JSON.stringify({
    reference: `BENCH-${number}`,
    phenomenon: `No dial tone at site ${number % 40}, line ${number}`,
    services: servicesOf(number),
    severity: `sev${1 + (number % 4)}`,
    ...{ occurredAt: at(0), detectedAt: at(1), acknowledgedAt: at(5), acknowledgedBy: 'anna' },
    ...(state === 'open' ? {} : recovered(number, at(30))),
    chapters: [
      ...(notes.length === 0 ? [] : [{ facts: notes }]),
      ...(state === 'closed' ? reviewed(at(40)) : []),
    ],
  })
}

function recovered(number: number, recoveredAt: string) {
  const code = causes[number % causes.length]
  return {
    ...{ recoveredAt, technician: 'anna', verifier: 'boris' },
    rootCauses: [`system_failure/${code}`],
  }
}

/** From restored to closed, with all that the workflow asks for. */
function reviewed(at: string) {
  const said = (kind: string, value: object, by = 'anna') => ({
    ...{ kind, at, by },
    value: { text: 'As agreed in the meeting.', ...value },
  })
  const step = (to: string, by = 'anna', role = 'commander') => ({ to, role, by, at })
  const questions = ['promptness', 'analysis_quality', 'escalation', 'communication']
  return [
    { facts: [said('temporary_measure', {})], step: step('root_cause') },
    { facts: [said('permanent_measure', {})], step: step('review') },
    {
      facts: [
        said('action', { number: 1, action: 'prevent', owner: 'anna', dueAt: Date.parse(at) }),
        ...questions.map((question) => said('answer', { question }, 'rita')),
        said('notice_not_needed', {}),
        said('attestation', {}, 'rita'),
      ],
      step: step('closed', 'rita', 'reviewer'),
    },
  ]
}

/** Fills a hub by the import that people use, through the judge, the ledger and the index; gives how long that took. */
export async function fillPast(hub: TestHub, token: string, past: Past): Promise<number> {
  const { incidents } = past
  const began = performance.now()
  for (let from = 0; from < incidents; from += perRequest) {
    const count = Math.min(perRequest, incidents - from)
    const lines = Array.from({ length: count }, (_, index) => lineOf(from + index + 1, past))
    const answer = await fetch(`${hub.url}/api/v1/incidents/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`import: ${answer.status} ${text.slice(0, 500)}`)
    const done = from + count
    if (done % 2000 === 0)
      progress(
        `${done} of ${incidents} incidents, ${((done * 1000) / (performance.now() - began)).toFixed(0)} a second`,
      )
  }
  return (performance.now() - began) / 1000
}
