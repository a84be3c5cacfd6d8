import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Static } from 'typebox'
import type { NewFact } from '../../incidents/facts.ts'
import { type AttachedPanel, attachedPanels, courseOf, mostPanels } from '../../incidents/panels.ts'
import { current, type Picture } from '../../incidents/picture.ts'
import type { Attachment } from '../attachments/plugin.ts'
import type { FrozenPanel } from '../boards/plugin.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { incidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentRow } from '../records/schema.ts'
import { PanelAnswer, PanelBody, PanelList, type PanelView } from './panels-schema.ts'
import { IncidentParams } from './schema.ts'

const readers = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'incidents', roles: ['admin', 'operator'] } as const

const minute = 60_000
/** Servers of an incident that a picture is asked for. */
const mostServers = 50

/** Panels of boards over the time of an incident, kept with it as they stood. */
export const incidentPanelsPlugin = fp(
  async (app, { clock }: { readonly clock: Clock }) => {
    const db = app.records.read

    app.get<{ Params: { id: string } }>(
      '/api/v1/incidents/:id/panels',
      {
        config: { access: readers },
        schema: {
          summary: 'Panels that were attached, in the order they came.',
          params: IncidentParams,
          response: { 200: PanelList },
        },
      },
      async (request) => {
        const { picture } = await app.incidents.picture(await incidentIdOf(db, request.params.id))
        return { panels: attachedPanels(picture).map(viewOf) }
      },
    )

    app.post<{ Params: { id: string }; Body: Static<typeof PanelBody> }>(
      '/api/v1/incidents/:id/panels',
      {
        config: { access: writers, rateLimit: { max: 30, timeWindow: minute } },
        schema: {
          summary:
            'Attaches a panel of a board over the time of the incident: its picture (PNG) and its figures (JSON), as they stand now.',
          params: IncidentParams,
          body: PanelBody,
          response: { 201: PanelAnswer },
        },
      },
      async (request, reply) => {
        const id = await incidentIdOf(db, request.params.id)
        const { name } = request.principal as Principal
        const { attached, frozen } = await attach(app, clock, { id, by: name, ...request.body })
        reply.code(201)
        return { panel: viewOf(attached), series: frozen.series }
      },
    )
  },
  {
    name: 'callward-incident-panels',
    dependencies: ['callward-incidents', 'callward-attachments', 'callward-boards'],
  },
)

type Wish = Static<typeof PanelBody> & { readonly id: string; readonly by: string }

async function attach(app: FastifyInstance, clock: Clock, wish: Wish) {
  const { id, by, board, panel } = wish
  const { row, picture } = await app.incidents.picture(id)
  checkRoom(picture)
  const times = { openedAt: Number(row.opened_at), resolvedAt: millisOf(row.resolved_at) }
  const course = courseOf(picture, times, clock.now())
  const frozen = await app.boards.freeze({
    ...{ board, panel, choices: wish.choices },
    from: course.from - wish.beforeMinutes * minute,
    to: course.to + wish.afterMinutes * minute,
    usual: { server: await serversOf(app, row, picture) },
  })
  const name = `${board}-${panel}`
  const files = [
    { name: `${name}.json`, mediaType: 'application/json', content: frozen.data },
    { name: `${name}.png`, mediaType: 'image/png', content: frozen.png },
  ]
  const [, drawn] = await app.attachments.attach(id, by, files, async (tx, [figures, image]) => {
    checkRoom((await app.incidents.picture(id, tx)).picture)
    await tell(app, tx, frozen, figures!, image!)
  })
  app.incidents.committed()
  const attached = attachedPanels((await app.incidents.picture(id)).picture).find(
    ({ file }) => file === drawn?.id,
  )
  if (attached === undefined) throw new Error(`BUG: no fact of the panel ${drawn?.id}`)
  return { attached, frozen }
}

function checkRoom(picture: Picture): void {
  if (attachedPanels(picture).length >= mostPanels)
    throw new CallwardError(
      'unprocessable',
      `An incident takes ${mostPanels} panels: choose those that show the most.`,
    )
}

/** One fact a file: the figures first, then the picture that names them. */
async function tell(
  app: FastifyInstance,
  tx: RecordsTransaction,
  { board, panel, chosen, from, to }: FrozenPanel,
  data: Attachment,
  drawn: Attachment,
): Promise<void> {
  const caption = [board, panel, ...(chosen === '' ? [] : [chosen])].join(' · ')
  const factOf = (file: Attachment, text: string, more: object = {}): NewFact => ({
    kind: 'attachment',
    value: { text, name: file.name, hash: file.sha256, bytes: file.bytes, ...more },
    ...{ certainty: 'actual', occurredAt: file.addedAt, recordedBy: file.addedBy },
    supersedes: null,
  })
  await app.incidents.write(tx, drawn.incidentId, [
    factOf(data, data.name),
    factOf(drawn, caption, { file: drawn.id, board, panel, from, to, data: data.id }),
  ])
}

/** Servers of its alerts, of what it was opened for, and those people named. */
async function serversOf(
  app: FastifyInstance,
  row: IncidentRow,
  picture: Picture,
): Promise<readonly string[]> {
  const alerts = await app.records.read
    .selectFrom('alerts')
    .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'alerts.id')
    .select('alerts.labels')
    .where('incident_alerts.incident_id', '=', row.id)
    .orderBy('incident_alerts.joined_at')
    .limit(1000)
    .execute()
  const named = alerts.map(({ labels }) => {
    const { server, instance } = JSON.parse(labels) as Record<string, string | undefined>
    return server ?? instance ?? ''
  })
  const hosts = current(picture, 'impact')?.value.hosts ?? []
  const all = [row.server, ...named, ...hosts].filter((server) => server !== '')
  return [...new Set(all)].slice(0, mostServers)
}

function millisOf(at: Millis | null): Millis | null {
  return at === null ? null : Number(at)
}

function viewOf({ fact, hash, ...panel }: AttachedPanel): Static<typeof PanelView> {
  return {
    ...{ fact: fact.id, file: panel.file, data: panel.data, text: fact.value.text },
    ...{ board: panel.board, panel: panel.panel, sha256: hash ?? null },
    ...{ from: rfc3339(panel.from), to: rfc3339(panel.to) },
    ...{ addedAt: rfc3339(fact.recordedAt), addedBy: fact.recordedBy },
  }
}
