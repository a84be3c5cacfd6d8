import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { readDoraImpact } from '../../clocks/dora-classification.ts'
import { instantOf } from '../../clocks/read-case.ts'
import type { Regime } from '../../clocks/regime.ts'
import { inForce, type Regimes, type Supposition } from '../../deadlines/standing.ts'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { incidentIdOf } from '../incident-id.ts'
import { doraDraft } from './dora-draft.ts'
import { doraForm } from './dora-form.ts'
import { previewDora } from './dora-preview.ts'
import { draftMarkdown } from './draft-document.ts'
import {
  ClocksQuery,
  DraftAnswer,
  DraftQuery,
  DueList,
  DueQuery,
  IncidentClocks,
  PreviewAnswer,
  PreviewBody,
} from './schema.ts'
import { clocksView, dueView } from './views.ts'

const access = { owner: 'deadlines', roles: ['admin', 'operator', 'auditor'] } as const
const IncidentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
const previewBytes = 16 * 1024

/** Where the clocks of incidents stand, and what regulators want of them. Nothing here is written. */
export const deadlineRoutes: FastifyPluginAsyncTypebox<{ readonly clock: Clock }> = async (
  app,
  { clock },
) => {
  const db = app.records.read
  const incident = async (name: string) => app.incidents.picture(await incidentIdOf(db, name))

  app.get(
    '/api/v1/incidents/:id/clocks',
    {
      config: { access },
      schema: {
        ...{ params: IncidentParams, querystring: ClocksQuery },
        response: { 200: IncidentClocks },
      },
    },
    async (request) => {
      const { picture } = await incident(request.params.id)
      const query = request.query as Readonly<Record<string, string>>
      const regimes = app.deadlines.regimes()
      const more = await regimeNamed(query['regime'])
      const force = inForce(picture, regimes)
      const supposed = suppositions(query, more === undefined ? force : [...force, more])
      return clocksView(picture, regimes, more, supposed, clock.now())
    },
  )

  app.get(
    '/api/v1/clocks/due',
    { config: { access }, schema: { querystring: DueQuery, response: { 200: DueList } } },
    async (request) => dueView(db, app.deadlines.regimes(), request.query.limit, clock.now()),
  )

  app.get(
    '/api/v1/incidents/:id/drafts/dora',
    {
      config: { access },
      schema: {
        ...{ params: IncidentParams, querystring: DraftQuery },
        response: { 200: Type.Union([DraftAnswer, Type.String()]) },
      },
    },
    async (request, reply) => {
      const { stage, language, format } = request.query
      const { row, picture } = await incident(request.params.id)
      const named = { id: row.id, number: Number(row.number), title: row.title }
      const fields = doraDraft(picture, named, stage)
      const made = rfc3339(clock.now())
      if (format === 'markdown') {
        const draft = { stage, source: doraForm.source, incident: named, made, fields }
        return reply
          .type('text/markdown; charset=utf-8')
          .serializer((text: string) => text)
          .send(draftMarkdown(draft, language))
      }
      const count = (state: string) => fields.filter((one) => one.state === state).length
      return {
        ...{ form: doraForm.form, source: doraForm.source, stage, incident: named, made },
        counts: {
          ...{ known: count('known'), estimated: count('estimated') },
          ...{ missing: count('missing'), conditional: count('conditional') },
        },
        fields: fields.map((field) => ({
          ...field,
          value: Array.isArray(field.value) ? [...field.value] : (field.value as string | null),
          facts: [...field.facts],
        })),
      }
    },
  )

  app.post(
    '/api/v1/incidents/:id/classification/preview',
    {
      config: { access },
      bodyLimit: previewBytes,
      schema: { params: IncidentParams, body: PreviewBody, response: { 200: PreviewAnswer } },
    },
    async (request) => {
      const { picture } = await incident(request.params.id)
      const { value, faults } = readDoraImpact(request.body.impact ?? {})
      if (value === undefined)
        throw new CallwardError('bad_request', faults.map(({ message }) => message).join('\n'))
      const { major, gate, alone, criteria, unknown, ...rest } = previewDora(
        picture,
        value,
        clock.now(),
      )
      const shown = (one: typeof gate) => ({ ...one, met: one.met ?? null })
      return {
        ...{ ...rest, suggestion: true as const, major: major ?? null, unknown: [...unknown] },
        ...{ gate: shown(gate), alone: shown(alone), criteria: criteria.map(shown) },
      }
    },
  )

  async function regimeNamed(name: string | undefined): Promise<Regime | undefined> {
    if (name === undefined) return undefined
    const { serviceLevels, regulators }: Regimes = app.deadlines.regimes()
    const own = [serviceLevels, ...regulators].find((regime) => regime.name === name)
    if (own !== undefined) return own
    const { byName } = await app.clocks.regimes()
    const regime = byName.get(name)?.regime
    if (regime !== undefined) return regime
    const known = [...byName.keys()].join(', ')
    throw new CallwardError('not_found', `There is no regime "${name}"; known are ${known}.`)
  }
}

/** `suppose.classified=2026-03-06T18:00:00+01:00`. */
function suppositions(
  query: Readonly<Record<string, string>>,
  regimes: readonly Regime[],
): Supposition[] {
  const known = new Set(regimes.flatMap(({ facts }) => Object.keys(facts)))
  return Object.entries(query)
    .filter(([key]) => key.startsWith('suppose.'))
    .map(([key, text]) => {
      const name = key.slice('suppose.'.length)
      const at = instantOf(text)
      if (!known.has(name))
        throw new CallwardError(
          'bad_request',
          `${key}: no regime that is looked at knows "${name}"; known are ${[...known].join(', ')}. Another regime is looked at with regime=NAME.`,
        )
      if (at === undefined)
        throw new CallwardError(
          'bad_request',
          `${key}: write an instant with its zone; example: 2026-03-06T18:00:00+01:00`,
        )
      return { name, at }
    })
}
