import type { Static } from 'typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { People, Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import { channelOf } from './channels/all.ts'
import {
  type ContactPoint,
  isChannelName,
  needsLending,
  type Owner,
  type Settings,
  settingsFaults,
} from './contact-point.ts'
import { type ContactStore, type OpenPoint, pointsKept } from './contact-store.ts'
import { isTimeZone } from './message.ts'
import type { ContactPointChange, ContactPointRequest, ContactPointView } from './schema.ts'

/** Contact points of one owner. */
const pointsOfOwner = 50

/** Writes a change into the ledger, where there is one. */
export type LedgerEntry = (
  tx: RecordsTransaction,
  change: 'created' | 'changed' | 'removed',
  point: Pick<ContactPoint, 'id' | 'owner' | 'channel'>,
  by: Principal,
) => Promise<void>

type View = Static<typeof ContactPointView>

/** What people may do with contact points: their own and their teams', an administrator all; an auditor sees them without their settings. */
export class ContactDesk {
  readonly #store: ContactStore
  readonly #records: Records
  readonly #ledger: LedgerEntry
  readonly #people: People

  constructor(store: ContactStore, records: Records, ledger: LedgerEntry, people: People) {
    this.#store = store
    this.#records = records
    this.#ledger = ledger
    this.#people = people
  }

  async list(who: Principal): Promise<View[]> {
    const names = await this.#names()
    const seen = this.#store.all().filter(({ point }) => maySee(who, point))
    return seen.map((open) => viewOf(open, this.#mayChange(who, open.point), names))
  }

  /** Throws bad_request, forbidden, unprocessable. */
  async create(request: Static<typeof ContactPointRequest>, who: Principal): Promise<View> {
    const { channel, label, language = 'en', timeZone = 'UTC', settings } = request
    if (!isChannelName(channel))
      throw new CallwardError('bad_request', `There is no channel ${channel}.`)
    const owner = await this.#owner(request.owner, who)
    checkZone(timeZone)
    this.#checkSettings(channel, settings, owner)
    this.#checkRoom(owner)
    const point = { owner, channel, label, language, timeZone, settings }
    const row = await this.#records.write(async (tx) => {
      const added = await this.#store.add(tx, point, who.name)
      await this.#ledger(tx, 'created', { id: added.id, owner, channel }, who)
      return added
    })
    this.#store.remember(row)
    return this.#view(row.id, who)
  }

  /** Throws bad_request, forbidden, not_found. */
  async change(
    id: string,
    request: Static<typeof ContactPointChange>,
    who: Principal,
  ): Promise<View> {
    const { point, own } = this.mine(id, who)
    const { settings: changed, ...rest } = request
    if (rest.timeZone !== undefined) checkZone(rest.timeZone)
    const settings = changed === undefined ? undefined : merged(own ?? {}, changed)
    if (settings !== undefined) this.#checkSettings(point.channel, settings, point.owner)
    const row = await this.#records.write(async (tx) => {
      const after = await this.#store.change(tx, id, {
        ...rest,
        ...(settings === undefined ? {} : { settings }),
      })
      if (after === undefined) throw missing(id)
      await this.#ledger(tx, 'changed', point, who)
      return after
    })
    this.#store.remember(row)
    return this.#view(id, who)
  }

  /** Throws forbidden, not_found. */
  async remove(id: string, who: Principal): Promise<void> {
    const { point } = this.mine(id, who)
    await this.#records.write(async (tx) => {
      await this.#store.remove(tx, id)
      await this.#ledger(tx, 'removed', point, who)
    })
    this.#store.forget(id)
  }

  /** The contact point, when the caller may change it. Throws forbidden, and not_found for what the caller may not see. */
  mine(id: string, who: Principal): OpenPoint {
    const open = this.#store.find(id)
    if (open === undefined || !maySee(who, open.point)) throw missing(id)
    if (!this.#mayChange(who, open.point)) {
      const { owner } = open.point
      throw new CallwardError(
        'forbidden',
        owner.kind === 'team'
          ? foreignTeam(owner.id)
          : 'This contact point is not yours; an administrator may change it.',
      )
    }
    return open
  }

  /** Their own, their teams'; administrators all. */
  #mayChange(who: Principal, { owner }: ContactPoint): boolean {
    if (who.role === 'admin') return true
    if (who.role !== 'operator') return false
    if (owner.kind === 'team') return this.#people.isMember(owner.id, who.id)
    return owner.kind === 'person' && owner.id === who.id
  }

  /** Throws bad_request, not_found unless the caller may read what was sent there. */
  mayReadAttempts(id: string | undefined, who: Principal): void {
    if (who.role !== 'operator') return
    if (id === undefined)
      throw new CallwardError(
        'bad_request',
        'Name one of your own contact points, or a shared one: ?contactPoint=ID',
      )
    const point = this.#store.find(id)?.point
    if (point === undefined || !maySee(who, point)) throw missing(id)
  }

  async #view(id: string, who: Principal): Promise<View> {
    return viewOf(this.mine(id, who), true, await this.#names())
  }

  async #names(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#records.read
      .selectFrom('principals')
      .select(['id', 'name'])
      .limit(100_000)
      .execute()
    return new Map(rows.map(({ id, name }) => [id, name]))
  }

  async #owner(
    wanted: Static<typeof ContactPointRequest>['owner'],
    who: Principal,
  ): Promise<Owner> {
    const { kind, id } = wanted ?? { kind: 'person' as const, id: undefined }
    if (kind === 'person' && (id === undefined || id === who.id)) return { kind, id: who.id }
    if (kind === 'team' && id !== undefined) return this.#team(id, who)
    if (who.role !== 'admin')
      throw new CallwardError(
        'forbidden',
        'You may make contact points of your own and of your teams; an administrator makes those of others and shared ones.',
      )
    if (kind === 'shared') return { kind, id: '' }
    if (id === undefined)
      throw new CallwardError(
        'bad_request',
        'Say whose it is. Example: "owner": {"kind": "team", "id": "voice"}',
      )
    if (kind === 'person' && !(await this.#names()).has(id))
      throw new CallwardError('unprocessable', `There is no person with the id "${id}".`)
    return { kind, id }
  }

  #team(id: string, who: Principal): Owner {
    if (who.role !== 'admin' && !this.#people.isMember(id, who.id))
      throw new CallwardError('forbidden', foreignTeam(id))
    if (id !== 'staff' && this.#people.teamMembers(id) === undefined)
      throw new CallwardError(
        'unprocessable',
        `There is no team "${id}"; an administrator makes it: callward teams set ${id} --name … --members …`,
      )
    return { kind: 'team', id }
  }

  #checkSettings(name: string, settings: Settings, owner: Owner): void {
    const channel = channelOf(name)
    if (channel === undefined) {
      if (Object.keys(settings).length === 0) return
      throw new CallwardError(
        'bad_request',
        'The channel live has no settings: the hub’s own push serves it.',
      )
    }
    const lends = owner.kind !== 'shared' && needsLending(channel, settings)
    const lent = lends ? this.#store.lender(name) : undefined
    const faults = settingsFaults(channel, { ...lent, ...settings })
    if (faults.length === 0) return
    const keys = channel.personal.join(', ')
    const hint =
      channel.personal.length > 0 && lent === undefined
        ? ` Or an administrator makes a shared contact point of ${name}; then ${keys} is enough.`
        : ''
    throw new CallwardError(
      'bad_request',
      `The settings cannot be used: ${faults.join('; ')}.${hint}`,
    )
  }

  #checkRoom(owner: Owner): void {
    const all = this.#store.all().map(({ point }) => point.owner)
    const theirs = all.filter(({ kind, id }) => kind === owner.kind && id === owner.id).length
    if (theirs >= pointsOfOwner || all.length >= pointsKept)
      throw new CallwardError(
        'unprocessable',
        `There are ${theirs} contact points already (${pointsOfOwner} may be); remove what is not used.`,
      )
  }
}

function viewOf(
  { point, own }: OpenPoint,
  isMine: boolean,
  names: ReadonlyMap<string, string>,
): View {
  const channel = channelOf(point.channel)
  const time = (at: number | null) => (at === null ? null : rfc3339(at))
  const { id, label, language, timeZone, owner, testOutcome, testReason } = point
  return {
    ...{ id, label, language, timeZone, testOutcome, testReason },
    channel: point.channel,
    owner: { ...owner, name: names.get(owner.id) ?? owner.id },
    settings: isMine ? { ...point.settings } : {},
    secrets: [...point.secrets],
    lent:
      channel !== undefined &&
      own !== undefined &&
      owner.kind !== 'shared' &&
      needsLending(channel, own),
    testedAt: time(point.testedAt),
    disabledAt: time(point.disabledAt),
    createdAt: rfc3339(point.createdAt),
    mine: isMine,
  }
}

function missing(id: string): CallwardError {
  return new CallwardError('not_found', `There is no contact point "${id}" of yours.`)
}

/** Their own, teams' and shared ones; administrators and auditors all. */
function maySee(who: Principal, { owner }: ContactPoint): boolean {
  return who.role !== 'operator' || owner.kind !== 'person' || owner.id === who.id
}

function foreignTeam(id: string): string {
  return `You are not in the team "${id}"; its members and administrators keep its contact points. An administrator can add you: callward teams`
}

/** `null` takes a key out. */
function merged(before: Settings, changed: Settings): Settings {
  const entries = Object.entries({ ...before, ...changed })
  return Object.fromEntries(entries.filter(([, value]) => value !== null))
}

function checkZone(timeZone: string): void {
  if (isTimeZone(timeZone)) return
  throw new CallwardError(
    'bad_request',
    `timeZone: "${timeZone}" is no time zone. Example: Asia/Ho_Chi_Minh`,
  )
}
