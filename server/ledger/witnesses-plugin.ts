import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import type { Clock } from '../clock.ts'
import type {} from '../notify/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../telemetry/plugin.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { lastCheckpoint } from './ledger-store.ts'
import type { LedgerInside } from './plugin.ts'
import type { ConfiguredWitness } from './witness-config.ts'
import { WitnessDesk } from './witness-desk.ts'
import { type OfferOutcome, WitnessOffer } from './witness-offer.ts'
import { witnessRoutes } from './witness-routes.ts'
import { noteWitnesses } from './witness-store.ts'

export interface WitnessesOptions {
  readonly clock: Clock
  readonly timers?: Timers
  readonly witnesses: readonly ConfiguredWitness[]
}

/** Another hub over the same records may take cosignatures too. */
const refreshMillis = 60_000
const ageMetric = 'callward_ledger_witness_age_seconds'

/** Witnesses of the ledger: offered each checkpoint, or coming for it; what they cosign is verified and kept. */
export const witnessesPlugin = fp(
  async (app, { clock, timers = systemTimers, witnesses }: WitnessesOptions) => {
    // Its own plugin made the decorator.
    const ledger = app.ledger as LedgerInside
    await noteChanges(app, clock, witnesses)
    const desk = await WitnessDesk.open(app.records, clock, witnesses)
    watch(app, desk, witnesses)
    const onOutcome = outcomes(app)
    const offers = witnesses.flatMap(({ name, url, key }) =>
      url === undefined
        ? []
        : [
            new WitnessOffer(url, {
              timers,
              now: () => clock.now(),
              newest: () => newest(app, ledger),
              proof: (from, to) => ledger.log.consistencyProof(from, to),
              state: () => desk.state(key),
              request: ({ url, body }, signal) => {
                const headers = { 'content-type': 'text/plain; charset=utf-8' }
                return app.notify.request({ method: 'POST', url, headers, body }, signal)
              },
              take: (checkpoint, lines) => desk.take(checkpoint, lines),
              onOutcome: (outcome) => onOutcome(name, outcome),
            }),
          ],
    )
    await app.register(witnessRoutes, { desk })
    let cancel = () => {}
    const refresh = () => {
      cancel = timers.after(refreshMillis, () => {
        // The records' own faults are told by the records; the age then goes on from what was known.
        void desk.refresh().then(refresh, refresh)
      })
    }
    app.addHook('onReady', async () => {
      if (witnesses.length > 0) refresh()
      for (const offer of offers) offer.start()
    })
    app.addHook('preClose', async () => {
      cancel()
      await Promise.all(offers.map((offer) => offer.stop()))
    })
  },
  {
    name: 'callward-witnesses',
    dependencies: ['callward-ledger', 'callward-notify', 'callward-rules'],
  },
)

/** The configuration may have changed while the hub was down: who vouches for the ledger is ledgered. */
async function noteChanges(
  app: FastifyInstance,
  clock: Clock,
  witnesses: readonly ConfiguredWitness[],
): Promise<void> {
  const now = clock.now()
  await app.records.write(async (tx) => {
    for (const { change, name, key, before } of await noteWitnesses(tx, witnesses, now))
      await app.ledger.append(tx, {
        action: 'ledger.witness',
        object: { type: 'ledger-witness', id: name },
        actor: 'hub',
        occurredAt: now,
        content: { change, ...(key && { key }), ...(before && { before }) },
      })
  })
}

async function newest(app: FastifyInstance, ledger: LedgerInside) {
  const { number } = await ledger.log.epoch()
  const row = await lastCheckpoint(app.records.read, number)
  return row && { epoch: number, size: row.size, note: row.note }
}

function watch(
  app: FastifyInstance,
  desk: WitnessDesk,
  witnesses: readonly ConfiguredWitness[],
): void {
  for (const { name, key } of witnesses)
    app.rules.watchFigure(ageMetric, () => desk.ageSeconds(key), { witness: name })
  new Gauge({
    name: ageMetric,
    help: 'How long ago a witness last cosigned a checkpoint; for one that never did, since it is configured.',
    labelNames: ['witness'],
    registers: [app.telemetry.registry],
    collect() {
      for (const { name, key } of witnesses) this.set({ witness: name }, desk.ageSeconds(key))
    },
  })
}

/** Counts what came of offers, and tells when that changes. */
function outcomes(app: FastifyInstance): (witness: string, outcome: OfferOutcome) => void {
  const counter = new Counter({
    name: 'callward_ledger_offers_total',
    help: 'Offers of checkpoints to witnesses by outcome: cosigned, refused, unreachable, ahead (the witness has seen more than the hub has).',
    labelNames: ['witness', 'outcome'],
    registers: [app.telemetry.registry],
  })
  const told = new Map<string, string>()
  return (witness, outcome) => {
    if (outcome.kind === 'nothing') return
    counter.inc({ witness, outcome: outcome.kind })
    const before = told.get(witness)
    told.set(witness, outcome.kind)
    if (before === outcome.kind) return
    if (outcome.kind === 'cosigned') app.log.info({ witness }, 'a witness cosigned the ledger')
    else if (outcome.kind === 'ahead')
      app.log.error(
        { witness, size: outcome.size },
        'a witness has seen more entries than the ledger has: the records were put back, or this is a copy',
      )
    else app.log.error({ witness, reason: outcome.reason }, 'a witness did not cosign the ledger')
  }
}
