import { generateKeyPairSync } from 'node:crypto'
import type { AlertView } from '../../alerts/alert.ts'
import { IncidentAlerts } from '../../server/incidents/incident-alerts.ts'
import { type Asked, planBundle } from '../../server/ledger/bundle.ts'
import { bundleBytes } from '../../server/ledger/bundle-bytes.ts'
import { rawPublicKey, readCheckpoint, verifierKeyText } from '../../server/ledger/checkpoint.ts'
import { LedgerLog } from '../../server/ledger/ledger-log.ts'
import type { LedgerEntry, LedgerInside } from '../../server/ledger/plugin.ts'
import { Sequencer } from '../../server/ledger/sequencer.ts'
import { edgeTiles, tileWidth } from '../../server/ledger/tiles.ts'
import type { Records, RecordsTransaction } from '../../server/records/records.ts'
import { ledgerEntryOf } from '../../server/rules/ledgered.ts'
import { type Bundle, readBundle } from '../../verifier/bundle.ts'
import {
  type Report,
  readVerifierKey,
  type Trust,
  readCheckpoint as verifierCheckpoint,
  verifyBundle,
} from '../../verifier/verify.ts'
import { HandTime } from '../helpers/hand-time.ts'
import type { Door, DoorRow } from './door.ts'
import { Duties } from './duties.ts'

const begin = Date.UTC(2026, 4, 1)
const day = 86_400_000
/** Notes of one incident; with its states, alerts, facts and duties about 40 entries. */
const notes = 14
const entriesOfIncident = notes + 30
/** Incidents whose entries lie between each other's. */
const together = 8
const holdsMost = 480
const quiet = { error: () => {}, info: () => {} }
const by = { name: 'ines', role: 'auditor' }

/** A hub's records with a ledger of any size, filled by the hub's own code, and the auditor who kept key and checkpoint. */
export class TamperWorld {
  readonly records: Records
  readonly clock = new HandTime(begin)
  readonly #key = generateKeyPairSync('ed25519').privateKey
  readonly #log: LedgerLog
  #entries = 0
  #alerts = 0
  #edges: DoorRow[] = []
  trust: Trust = {}
  /** What the auditor wrote down, as text: a key, a signed note. */
  kept = { key: '', note: '' }

  private constructor(records: Records) {
    this.records = records
    const key = { privateKey: this.#key, publicKey: rawPublicKey(this.#key) }
    this.#log = new LedgerLog(records, this.clock, key)
  }

  /** Entries of the ledger as the auditor knows it. */
  get size(): number {
    return this.#entries
  }

  /** A ledger of exactly so many entries. */
  static async fill(records: Records, entries: number): Promise<TamperWorld> {
    const world = new TamperWorld(records)
    await world.#log.begin(undefined)
    world.#entries = 2
    const ledger = {
      append: (tx: RecordsTransaction, entry: LedgerEntry) => world.#append(tx, entry),
      waitingSeconds: () => 0,
      knows: async () => false,
    }
    const duties = await Duties.begin(records, world.clock, ledger)
    while (entries - world.#entries >= entriesOfIncident * together) await world.#incidents(duties)
    await world.#others(entries - world.#entries)
    await world.#sequencer().sequence()
    await world.#keep()
    return world
  }

  /** What the auditor writes down: the key, and a checkpoint. */
  async #keep(): Promise<void> {
    const made = await this.#sequencer().checkpoint()
    if (made.kind !== 'checkpoint' || made.size !== this.#entries)
      throw new Error(`${this.#entries} entries were written: ${JSON.stringify(made)}`)
    const { origin, number } = await this.#log.epoch()
    const key = verifierKeyText(origin, rawPublicKey(this.#key))
    this.kept = { key, note: made.note }
    this.trust = { key: readVerifierKey(key)!, older: verifierCheckpoint(made.note)! }
    this.#edges = await this.records.read
      .selectFrom('ledger_tiles')
      .select(['level', 'tile', 'hashes'])
      .where('epoch', '=', number)
      .execute()
      .then((tiles) =>
        tiles
          .map(({ level, tile, hashes }) => ({ level: Number(level), tile: Number(tile), hashes }))
          .filter((tile) =>
            edgeTiles(this.#entries).some(
              ({ level, index }) => level === tile.level && index === tile.tile,
            ),
          ),
      )
  }

  /** As after a start of the hub: it knows of no checkpoint but those of the database. */
  #sequencer(): Sequencer {
    return new Sequencer({
      ...{ log: this.#log, clock: this.clock, logger: quiet, lastSigned: undefined },
      keepSigned: async (note) => readCheckpoint(note)!,
    })
  }

  async #append(tx: RecordsTransaction, entry: LedgerEntry): Promise<void> {
    await this.#log.append(tx, entry)
    this.#entries++
  }

  /** The whole life of some incidents of some hosts, each step of all before the next. */
  async #incidents(duties: Duties): Promise<void> {
    const { store } = duties
    const joining = new IncidentAlerts(this.clock, store)
    const alerts = Array.from({ length: together }, () => this.#alert())
    const numbers = await this.#each(alerts, async (tx, alert) => {
      const row = rowOf(alert)
      await tx.insertInto('alerts').values(row).execute()
      await tx.insertInto('routing_holds').values(heldBack(alert)).execute()
      const change = { kind: 'firing', alert, at: alert.firedAt! } as const
      const { id, number } = await joining.open(tx, change, undefined, openedBy(alert))
      await this.#append(tx, ledgerEntryOf(change, number))
      return { id, number, alert }
    })
    for (let note = 0; note < notes; note++)
      await this.#each(numbers, async (tx, { id, number }) =>
        store.add(tx, await store.byId(tx, id), [
          {
            kind: 'note',
            value: { text: `Port ${note} of incident ${number} answers again; Nguyễn looks on.` },
            certainty: 'actual',
            occurredAt: this.clock.now(),
            recordedBy: note % 3 === 0 ? 'mai' : 'olga',
            supersedes: null,
          },
        ]),
      )
    await this.#each(numbers, async (tx, { id }) =>
      store.acknowledge(tx, await store.byId(tx, id), 'mai', this.clock.now(), 'on it'),
    )
    await this.#each(numbers, (tx, { id }) => duties.assign(tx, id))
    await this.#each(numbers, (tx, { id }) => duties.accept(tx, id))
    for (const { id } of numbers) await duties.notice(id)
    // Of holds not many stand at a time.
    if (this.#alerts <= holdsMost) await this.#each(numbers, (tx, { id }) => duties.hold(tx, id))
    // Whether it is restored is for the hub's recovery duty; the rows of a proof need no end.
    await this.#each(numbers, async (tx, { id, number, alert }) => {
      const at = this.clock.now()
      const over = { kind: 'resolved', alert, at } as const
      await tx
        .updateTable('alerts')
        .set({ state: 'resolved', resolved_at: at })
        .where('id', '=', alert.id)
        .execute()
      await this.#append(tx, ledgerEntryOf(over, number))
      await joining.join(tx, id, over, false)
    })
    await this.#others(together)
  }

  /** Each in a transaction of its own, a second after the one before. */
  #each<T, R>(items: readonly T[], work: (tx: RecordsTransaction, item: T) => Promise<R>) {
    return this.records.write(async (tx) => {
      const done: R[] = []
      for (const item of items) {
        this.clock.move(1000)
        done.push(await work(tx, item))
      }
      return done
    })
  }

  #alert(): AlertView {
    const number = this.#alerts++
    const instance = `pbx-${number}`
    const at = this.clock.now()
    return {
      ...{ id: `alert-${number}`, fingerprint: `f${number}`, rule: 'TrunkDown', group: 'trunks' },
      ...{ severity: 'critical', instance, state: 'firing', value: '1', activeAt: at, firedAt: at },
      labels: { alertname: 'TrunkDown', instance, severity: 'critical', server: instance },
      annotations: { summary: `The trunk of ${instance} is down` },
    }
  }

  /** Entries that no row of a bundle is about. */
  async #others(count: number): Promise<void> {
    await this.#each(Array.from({ length: count }), (tx) =>
      this.#append(tx, {
        action: 'silence.set',
        object: { type: 'silence', id: `s${this.#entries}` },
        actor: 'olga',
        occurredAt: this.clock.now(),
        content: { matchers: [{ name: 'server', value: `pbx-${this.#entries}` }], forced: false },
      }),
    )
  }

  /** A new bundle, as the route makes it. */
  async bundle(asked: Asked): Promise<Uint8Array> {
    const ledger: LedgerInside = {
      log: this.#log,
      sequencer: this.#sequencer(),
      waitingSeconds: () => 0,
      append: (tx, entry) => this.#log.append(tx, entry),
      erase: async () => [],
      knows: async () => true,
    }
    const { records, clock } = this
    // No file is attached in this world.
    const attachments = '/nonexistent'
    const plan = await planBundle(
      { records, ledger, clock, attachments },
      asked,
      by,
      this.trust.older?.size,
    )
    const parts: Buffer[] = []
    for await (const part of bundleBytes(records.read, plan)) parts.push(part)
    return Buffer.concat(parts)
  }

  /** The whole ledger and all rows, or one incident, judged by what the auditor kept. */
  async judge(incident?: number): Promise<Report> {
    const asked = incident === undefined ? this.#all() : await this.#incident(incident)
    return verifyBundle(await this.bundle(asked), this.trust)
  }

  /** Rows by table, as a bundle of all shows them. */
  async shown(): Promise<Bundle['tables']> {
    return readBundle(await this.bundle(this.#all())).tables
  }

  #all(): Asked {
    return { kind: 'period', from: begin - day, to: this.clock.now() + day }
  }

  /** The bundle of one incident. */
  async bundleOf(incident: number): Promise<Uint8Array> {
    return this.bundle(await this.#incident(incident))
  }

  async #incident(number: number): Promise<Asked> {
    const query = this.records.read.selectFrom('incidents').select('id')
    const { id } = await query.where('number', '=', number).executeTakeFirstOrThrow()
    return { kind: 'incident', number, id }
  }

  /** Takes out what was written since the auditor kept her checkpoint. */
  async reset(door: Door): Promise<void> {
    await door.run('delete from ledger_entries where number >= ?', [this.#entries])
    await door.run('delete from ledger_checkpoints where size > ?', [this.#entries])
    await door.run('update ledger_epochs set size = ?', [this.#entries])
    for (let level = 0, count = this.#entries; level < 4; level++) {
      const tiles = Math.ceil(count / tileWidth)
      await door.run('delete from ledger_tiles where level = ? and tile >= ?', [level, tiles])
      count = Math.floor(count / tileWidth)
    }
    for (const { level = 0, tile = 0, hashes = '' } of this.#edges)
      await door.run('update ledger_tiles set hashes = ? where level = ? and tile = ?', [
        ...[hashes, level, tile],
      ])
  }
}

/** Nobody is paged in this world: why stands where the hub says it. */
function heldBack({ id, firedAt }: AlertView) {
  const [stage, because] = ['silenced', 'planned work on the trunks']
  return {
    ...{ key: `hold ${id}`, alert_id: id, at: firedAt!, stage, receiver: null, because },
    until_at: null,
  }
}

function rowOf(alert: AlertView) {
  return {
    ...{ id: alert.id, fingerprint: alert.fingerprint, rule: alert.rule, rule_group: alert.group },
    ...{ severity: alert.severity, instance: alert.instance ?? null, value: alert.value },
    labels: JSON.stringify(alert.labels),
    annotations: JSON.stringify(alert.annotations),
    ...{ state: alert.state, active_at: alert.activeAt, fired_at: alert.firedAt ?? null },
    ...{ keep_firing_since: null, resolved_at: null, acknowledged_at: null },
    ...{ acknowledged_by: null, updated_at: alert.activeAt },
  }
}

/** As the built-in rules open one. */
function openedBy({ instance = '' }: AlertView) {
  return { key: instance, opening: { severity: 'sev2', major: false, services: [] } } as const
}
