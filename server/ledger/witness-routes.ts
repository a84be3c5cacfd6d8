import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { RouteAccess } from '../people/plugin.ts'
import type { WitnessDesk, WitnessState } from './witness-desk.ts'

const auditors: RouteAccess = { owner: 'ledger', roles: ['admin', 'auditor'] }
const OrNull = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])

const WitnessView = Type.Object({
  name: Type.String(),
  verifierKey: Type.String({ description: 'Key as C2SP signed-note writes it.' }),
  offered: Type.Boolean({ description: 'Offered checkpoints by the hub; else it fetches them.' }),
  since: Type.String(),
  last: OrNull(
    Type.Object({ epoch: Type.Integer(), size: Type.Integer(), witnessedAt: Type.String() }),
  ),
})

const Cosignature = Type.Object(
  {
    origin: Type.String({ minLength: 1, maxLength: 300 }),
    size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    cosignature: Type.String({
      maxLength: 8192,
      description: 'Signature lines (C2SP tlog-cosignature).',
    }),
  },
  { additionalProperties: false },
)

/** How the witnesses stand, and where those that fetch bring their word. */
export const witnessRoutes: FastifyPluginAsyncTypebox<{ desk: WitnessDesk }> = async (
  app,
  { desk },
) => {
  const { read } = app.records

  app.get(
    '/api/v1/ledger/witnesses',
    {
      config: { access: auditors },
      schema: { response: { 200: Type.Object({ witnesses: Type.Array(WitnessView) }) } },
    },
    async () => ({ witnesses: desk.states().map(view) }),
  )

  app.post(
    '/api/v1/ledger/cosignatures',
    {
      config: { access: auditors },
      schema: {
        summary: 'Brings the cosignature of a configured witness.',
        body: Cosignature,
        response: { 200: WitnessView },
      },
    },
    async (request) => {
      const { origin, size, cosignature } = request.body
      const row = await read
        .selectFrom('ledger_checkpoints')
        .innerJoin('ledger_epochs', 'ledger_epochs.number', 'ledger_checkpoints.epoch')
        .select(['ledger_checkpoints.epoch', 'ledger_checkpoints.note'])
        .where('ledger_epochs.origin', '=', origin)
        .where('ledger_checkpoints.size', '=', size)
        .executeTakeFirst()
      if (row === undefined)
        throw new CallwardError('not_found', `No checkpoint of ${size} entries was signed.`)
      return view(await desk.take({ epoch: row.epoch, size, note: row.note }, cosignature))
    },
  )
}

function view({ name, key, url, since, last }: WitnessState) {
  return {
    name,
    verifierKey: key,
    offered: url !== undefined,
    since: rfc3339(since),
    last: last === undefined ? null : { ...last, witnessedAt: rfc3339(last.witnessedAt) },
  }
}
