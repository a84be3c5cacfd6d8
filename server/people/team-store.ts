import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'

export const teamsKept = 1_000
export const membersKept = 1_000

/** The team that everybody on staff belongs to; no other may take its name. */
export const staffTeam = 'staff'

export interface TeamMember {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
}

export interface Team {
  readonly id: string
  readonly name: string
  readonly members: readonly TeamMember[]
}

/** Teams and who is in them; also in memory, for whoever must know at once. */
export class TeamStore {
  readonly #records: Records
  readonly #clock: Clock
  readonly #ledger: Ledger
  #teams: ReadonlyMap<string, Team> = new Map()
  #loading: Promise<void> | undefined

  constructor(records: Records, clock: Clock, ledger: Ledger) {
    this.#records = records
    this.#clock = clock
    this.#ledger = ledger
  }

  all(): readonly Team[] {
    return [...this.#teams.values()]
  }

  find(id: string): Team | undefined {
    return this.#teams.get(id)
  }

  /** Reads all again: after each change of teams or people; one reading after the other, the newest last. */
  async load(): Promise<void> {
    const before = this.#loading
    const reading = (async () => {
      await before?.catch(() => undefined)
      this.#teams = await this.#read()
    })()
    this.#loading = reading
    await reading
  }

  /** Makes a team, or changes its name and members. Throws bad_request, unprocessable, conflict. */
  async put(id: string, name: string, named: readonly string[], by: string): Promise<void> {
    if (id === staffTeam)
      throw new CallwardError(
        'conflict',
        'The team "staff" is everybody who may act, and cannot be changed; choose another id.',
      )
    await this.#records.write(async (tx) => {
      const before = await this.#find(tx, id)
      if (before === undefined) await this.#make(tx, id, name)
      else await tx.updateTable('teams').set({ name }).where('id', '=', id).execute()
      const ids = await peopleOf(tx, named)
      await tx.deleteFrom('team_members').where('team_id', '=', id).execute()
      const added_at = this.#clock.now()
      const rows = ids.map((principal_id) => ({ team_id: id, principal_id, added_at }))
      if (rows.length > 0) await tx.insertInto('team_members').values(rows).execute()
      const after = { name, members: ids }
      await this.#note(tx, id, by, before === undefined ? 'created' : 'changed', before, after)
    })
    await this.load()
  }

  /** Throws not_found, conflict while it owns contact points. */
  async remove(id: string, by: string): Promise<void> {
    await this.#records.write(async (tx) => {
      const before = await this.#find(tx, id)
      if (before === undefined)
        throw new CallwardError('not_found', `There is no team "${id}"; see: callward teams`)
      // A team of the same id would take over where the old one was told.
      const point = await tx
        .selectFrom('contact_points')
        .select('id')
        .where('owner_kind', '=', 'team')
        .where('owner_id', '=', id)
        .limit(1)
        .executeTakeFirst()
      if (point !== undefined)
        throw new CallwardError(
          'conflict',
          `The team "${id}" has contact points; remove them first: callward notify list`,
        )
      await tx.deleteFrom('team_members').where('team_id', '=', id).execute()
      await tx.deleteFrom('teams').where('id', '=', id).execute()
      await this.#note(tx, id, by, 'removed', before, undefined)
    })
    await this.load()
  }

  async #make(tx: RecordsTransaction, id: string, name: string): Promise<void> {
    const { count } = await tx
      .selectFrom('teams')
      .select(({ fn }) => fn.countAll().as('count'))
      .executeTakeFirstOrThrow()
    if (Number(count) >= teamsKept)
      throw new CallwardError('unprocessable', `There are ${teamsKept} teams; remove one first.`)
    await tx.insertInto('teams').values({ id, name, created_at: this.#clock.now() }).execute()
  }

  async #find(tx: RecordsTransaction, id: string): Promise<TeamContent | undefined> {
    const team = await tx.selectFrom('teams').select('name').where('id', '=', id).executeTakeFirst()
    if (team === undefined) return undefined
    const rows = await tx
      .selectFrom('team_members')
      .select('principal_id')
      .where('team_id', '=', id)
      .orderBy('principal_id')
      .execute()
    return { name: team.name, members: rows.map(({ principal_id }) => principal_id) }
  }

  async #read(): Promise<ReadonlyMap<string, Team>> {
    const { read } = this.#records
    const teams = await read.selectFrom('teams').selectAll().orderBy('id').execute()
    const members = await read
      .selectFrom('team_members')
      .innerJoin('principals', 'principals.id', 'team_members.principal_id')
      .select(['team_members.team_id', 'principals.id', 'principals.name'])
      .select('principals.disabled_at')
      .orderBy('principals.name')
      .execute()
    const byTeam = new Map<string, TeamMember[]>(teams.map(({ id }) => [id, []]))
    for (const { team_id, id, name, disabled_at } of members)
      byTeam.get(team_id)?.push({ id, name, enabled: disabled_at === null })
    return new Map(teams.map(({ id, name }) => [id, { id, name, members: byTeam.get(id) ?? [] }]))
  }

  async #note(
    tx: RecordsTransaction,
    id: string,
    actor: string,
    change: 'created' | 'changed' | 'removed',
    before: TeamContent | undefined,
    after: TeamContent | undefined,
  ): Promise<void> {
    await this.#ledger.append(tx, {
      action: 'people.team',
      object: { type: 'team', id },
      actor,
      occurredAt: this.#clock.now(),
      content: { change, before: before ?? null, after: after ?? null },
    })
  }
}

interface TeamContent {
  readonly name: string
  readonly members: readonly string[]
}

/** Ids of people given by id or by name, each once. Throws unprocessable. */
async function peopleOf(tx: RecordsTransaction, named: readonly string[]): Promise<string[]> {
  if (named.length === 0) return []
  const rows = await tx
    .selectFrom('principals')
    .select(['id', 'name'])
    .where('kind', '=', 'person')
    .where((is) => is.or([is('id', 'in', [...named]), is('name', 'in', [...named])]))
    .execute()
  const ids = named.map((one) => {
    const row = rows.find(({ id, name }) => id === one || name === one)
    if (row === undefined)
      throw new CallwardError('unprocessable', `There is no person "${one}"; see: callward people`)
    return row.id
  })
  return [...new Set(ids)].sort()
}
