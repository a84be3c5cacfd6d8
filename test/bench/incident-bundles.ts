import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adminToken, until } from '../helpers/hub.ts'
import { http, progress, quantile, type Sheet, sized } from './kit.ts'
import { type Past, servicesOf } from './past-incidents.ts'
import { type BenchHub, hubMetrics, monitorMillis } from './subjects.ts'
import { verifyOnce } from './verify-once.ts'

const bundles = sized(11, 3)
const newOnes = sized(11, 3)
const millis = { unit: 'ms', better: 'less' } as const
/** Incidents after which the ledger has nearly as many entries as the bundle of an incident takes along. */
const tail = 350
const seconds = { unit: 's', better: 'less' } as const
const headers = { authorization: `Bearer ${adminToken}` }

/** New incidents: until each is recorded, and until its evidence, with the similar ones of the past, is frozen. */
export async function measureNew(sheet: Sheet, subject: string, { hub }: BenchHub): Promise<void> {
  const recorded: number[] = []
  const frozen: number[] = []
  for (let round = 0; round < newOnes; round++) {
    const began = performance.now()
    const { incident } = await hub.api<{ incident: { id: string } }>('/api/v1/incidents', {
      method: 'POST',
      body: { phenomenon: 'No dial tone.', services: servicesOf(round) },
    })
    recorded.push(performance.now() - began)
    const path = `/api/v1/incidents/${incident.id}/evidence`
    const isFrozen = async () => (await hub.api<{ evidence: unknown[] }>(path)).evidence.length > 0
    await until('its evidence is frozen', isFrozen)
    frozen.push(performance.now() - began)
  }
  const name = 'a new incident'
  sheet.add({ name: `${name}: recorded`, ...millis }, subject, quantile(recorded, 0.5))
  sheet.add(
    { name: `${name}: its evidence with similar ones frozen`, ...millis },
    subject,
    quantile(frozen, 0.5),
  )
  progress(
    `${name}: recorded ${quantile(recorded, 0.5).toFixed(0)} ms, frozen ${quantile(frozen, 0.5).toFixed(0)} ms`,
  )
}

/** Bundles of single incidents, old ones, and those whose bundle is as long as one can be: made by the hub, checked by `callward verify`. */
export async function measureBundles(
  sheet: Sheet,
  subject: string,
  { hub, target }: BenchHub,
  past: Past,
  folder: string,
) {
  const { verifierKeys } = await hub.api<{ verifierKeys: string[] }>('/api/v1/ledger/status')
  const file = join(folder, 'bundle.zip')
  const kinds = {
    'of years ago': (round: number) => 1 + ((round * 7919) % (past.incidents / 2)),
    'with the longest tail': (round: number) => Math.max(1, past.incidents - tail - round),
  }
  for (const [kind, numberOf] of Object.entries(kinds)) {
    const made: number[] = []
    const verified: number[] = []
    let bytes = 0
    await hubMetrics(target)
    for (let round = 0; round < bundles; round++) {
      const began = performance.now()
      const { status, body } = await http(
        `${hub.url}/api/v1/ledger/bundle?incident=${numberOf(round)}`,
        { headers },
      )
      if (status !== 200) throw new Error(`bundle: ${status} ${body.toString().slice(0, 300)}`)
      made.push((performance.now() - began) / 1000)
      bytes = body.length
      writeFileSync(file, body)
      verified.push((await verifyOnce(file, verifierKeys[0] ?? '')).seconds)
    }
    const held =
      (await hubMetrics(target))('nodejs_eventloop_lag_max_seconds') * 1000 - monitorMillis
    const goal = { goal: { reach: { is: 1 }, floor: { is: 2 } } }
    const name = `bundle of an incident ${kind}`
    const add = (what: string, figures: readonly number[]) =>
      sheet.add({ name: `${name}: ${what}`, ...seconds, ...goal }, subject, quantile(figures, 0.5))
    add('made', made)
    add('verified', verified)
    const size = { unit: 'MB', better: 'less' } as const
    sheet.add({ name: `${name}: size`, ...size }, subject, bytes / 1e6)
    sheet.add(
      {
        name: `${name}: longest the loop was held`,
        ...millis,
        goal: { reach: { is: 50 }, floor: { is: 200 } },
      },
      subject,
      held,
    )
    progress(
      `${name}: made ${quantile(made, 0.5).toFixed(2)} s, verified ${quantile(verified, 0.5).toFixed(2)} s, ${(bytes / 1e6).toFixed(1)} MB, loop held ${held.toFixed(0)} ms`,
    )
  }
}
