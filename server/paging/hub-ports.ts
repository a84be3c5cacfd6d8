import type { FastifyInstance } from 'fastify'
import type { Kysely } from 'kysely'
import type { Counter } from 'prom-client'
import type { Millis } from '../clock.ts'
import type { PolicySnapshot, Recipient, ResolveTarget, Target } from '../oncall/plugin.ts'
import { RecordsError } from '../records/records-error.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { policyOfEverybody, staffTeam } from './page.ts'
import type { Reading } from './paging-store.ts'
import type { PagingPorts } from './ports.ts'
import { screen, type Way } from './ways.ts'

/** The label or annotation-made label of a rule that names its escalation policy. */
const policyLabel = 'callward_policy'
/** Roles that may take a page. */
const actingRoles = ['admin', 'operator'] as const

/** Wires paging to on-call duty, channels and screens. */
export function hubPorts(
  app: FastifyInstance,
  defaultPolicy: string | undefined,
): PagingPorts & { attempts?: Counter<'channel' | 'outcome'> } {
  const { notify, live, ledger } = app
  const ports: PagingPorts & { attempts?: Counter<'channel' | 'outcome'> } = {
    async policy(tx, labels, named) {
      for (const name of [named, labels[policyLabel], defaultPolicy]) {
        if (name === undefined || name === '') continue
        const snapshot = await snapshotOf(app, tx, name)
        if (snapshot !== undefined) return snapshot
      }
      return policyOfEverybody
    },
    async resolver(database, at) {
      const resolve = await dutyAt(app, database, at)
      const staff = await staffOf(database)
      return (target: Target) =>
        target.kind === 'team' && target.id === staffTeam
          ? staff.length > 0
            ? { recipients: staff }
            : { recipients: [], reason: 'nobody on staff has an account that may act' }
          : resolve(target)
    },
    async nameOf(database, { kind, id }) {
      if (kind === 'contact') return notify.contactPoint(id)?.label ?? id
      const row = await (database as Kysely<RecordsSchema>)
        .selectFrom('principals')
        .select('name')
        .where('id', '=', id)
        .executeTakeFirst()
      return row?.name ?? id
    },
    async waysTo(_database, { kind, id }) {
      if (kind === 'contact') {
        const point = notify.contactPoint(id)
        return point === undefined || point.disabledAt !== null
          ? []
          : [{ id: point.id, channel: point.channel }]
      }
      const points = notify.contactPointsOf({ kind: 'person', id })
      const others: Way[] = points
        .filter((point) => point.disabledAt === null && point.channel !== 'live')
        .map((point) => ({ id: point.id, channel: point.channel }))
      return [{ id: screen, channel: screen }, ...others]
    },
    watching: (principalId) =>
      live.listeners().some((listener) => listener.principalId === principalId),
    show(tx, principalId, body, at) {
      ports.attempts?.inc({ channel: screen, outcome: 'queued' })
      return live.publishTo(tx, [principalId], { kind: 'page', at, body })
    },
    shown: (principalId) => live.flush([principalId]),
    ledger: (tx, action, id, actor, occurredAt, content, sensitive = {}) =>
      ledger.append(tx, {
        ...{ action, object: { type: 'page', id }, actor, occurredAt, content, sensitive },
      }),
    unheard(from, page, alerts) {
      ports.attempts?.inc({ channel: 'notice', outcome: 'nobody' })
      app.log.error({ from, page, alerts }, 'a notice reached nobody; a page asks instead')
    },
    async send(contactPoint, message, idempotencyKey, signal) {
      const sent = await notify.send({ contactPoint, message, idempotencyKey, signal })
      ports.attempts?.inc({
        channel: notify.contactPoint(contactPoint)?.channel ?? 'unknown',
        outcome: sent.outcome,
      })
      return { outcome: sent.outcome, reason: sent.reason }
    },
  }
  return ports
}

/** Duty that cannot be read must not keep people from being told who need no schedule. */
async function dutyAt(app: FastifyInstance, database: Reading, at: Millis): Promise<ResolveTarget> {
  try {
    const resolve = await app.oncall.resolverAt(database, at)
    return (target) => {
      try {
        return resolve(target)
      } catch (err) {
        app.log.error({ err, target }, 'a target of an escalation cannot be resolved')
        return { recipients: [], reason: `${target.kind} ${target.id} cannot be read` }
      }
    }
  } catch (err) {
    if (err instanceof RecordsError) throw err
    app.log.error({ err }, 'on-call duty cannot be read; only people and contacts are told')
    return ({ kind, id }) =>
      kind === 'person' || kind === 'contact'
        ? { recipients: [{ kind, id }] }
        : { recipients: [], reason: 'on-call duty cannot be read' }
  }
}

/** A policy that was removed must not keep an alert from paging: everybody is told instead. */
async function snapshotOf(
  app: FastifyInstance,
  tx: Reading,
  name: string,
): Promise<PolicySnapshot | undefined> {
  try {
    return await app.oncall.snapshot(tx, name)
  } catch (error) {
    if (error instanceof RecordsError) throw error
    app.log.error({ err: error, policy: name }, 'an escalation policy is missing or unreadable')
    return undefined
  }
}

async function staffOf(database: Reading): Promise<Recipient[]> {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom('principals')
    .select('id')
    .where('kind', '=', 'person')
    .where('role', 'in', [...actingRoles])
    .where('disabled_at', 'is', null)
    .orderBy('name')
    .execute()
  return rows.map(({ id }) => ({ kind: 'person', id }))
}
