import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { styleHash, toHtml } from '../../incidents/html.ts'
import { toMarkdown } from '../../incidents/markdown.ts'
import { postMortem } from '../../incidents/postmortem.ts'
import { workflowJson } from '../../incidents/published.ts'
import { describe } from '../../incidents/replay.ts'
import { type Language, words } from '../../incidents/words.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { incidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import { mergedInto } from './merged.ts'
import { addressesOf, contentsOf } from './panel-pictures.ts'
import type { PdfPrinter } from './pdf.ts'
import { IncidentParams } from './schema.ts'
import { PostMortemQuery, WorkflowAnswer } from './workflow-schema.ts'
import { workflowView } from './workflow-view.ts'

const access = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const

const documentPolicy = `default-src 'none'; img-src data:; style-src '${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The published workflow, where an incident stands in it, and its post-mortem. */
export const workflowRoutes: FastifyPluginAsyncTypebox<{
  readonly clock: Clock
  readonly printer: PdfPrinter
  /** Where people reach the hub; pictures of a Markdown document are read there. */
  readonly externalUrl: string
}> = async (app, { clock, printer, externalUrl }) => {
  const db = app.records.read

  app.get('/api/v1/workflow', { config: { access } }, async (_request, reply) =>
    reply.type('application/json').send(workflowJson()),
  )

  app.get(
    '/api/v1/incidents/:id/workflow',
    { config: { access }, schema: { params: IncidentParams, response: { 200: WorkflowAnswer } } },
    async (request) => {
      const { picture } = await app.incidents.picture(await incidentIdOf(db, request.params.id))
      const { name } = request.principal as Principal
      return { workflow: workflowView(picture, name, clock.now()) }
    },
  )

  app.get(
    '/api/v1/incidents/:id/post-mortem',
    { config: { access }, schema: { params: IncidentParams, querystring: PostMortemQuery } },
    async (request, reply) => {
      const { format, language, zone = 'UTC', download } = request.query
      const { row, picture } = await app.incidents.picture(
        await incidentIdOf(db, request.params.id),
      )
      const now = clock.now()
      const document = postMortem({
        number: Number(row.number),
        title: row.title,
        replayed: describe(picture, now),
        merged: await mergedInto(db, row.id),
        now,
      })
      const reader = {
        ...{ words: words[language as Language], timeZone: checkedZone(zone) },
        pictures: await (format === 'markdown'
          ? addressesOf(picture, row.id, externalUrl)
          : contentsOf(app, picture, row.id)),
      }
      const [body, type, extension] =
        format === 'markdown'
          ? [toMarkdown(document, reader), 'text/markdown; charset=utf-8', 'md']
          : format === 'json'
            ? [JSON.stringify(document), 'application/json', 'json']
            : format === 'pdf'
              ? [await printer.print(toHtml(document, reader)), 'application/pdf', 'pdf']
              : [toHtml(document, reader), 'text/html; charset=utf-8', 'html']
      if (download === true)
        reply.header(
          'content-disposition',
          `attachment; filename="incident-${row.number}-${language}.${extension}"`,
        )
      // The page runs nothing and fetches nothing; of styles only its own.
      reply.header('content-security-policy', documentPolicy)
      return reply.type(type).send(body)
    },
  )
}

function checkedZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch {
    throw new CallwardError(
      'bad_request',
      `zone: "${zone}" is not a time zone; write an IANA name like Asia/Shanghai.`,
    )
  }
}
