import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { type Subject, subjectOf, subjectOfLabels } from '../../../alerts/correlation.ts'
import { type Clock, type Millis, rfc3339 } from '../../clock.ts'
import { CallwardError } from '../../errors.ts'
import type { Principal } from '../../people/plugin.ts'
import { alertViewOf } from '../../records/alert-view.ts'
import type { RecordsSchema } from '../../records/schema.ts'
import { Correlator } from './correlator.ts'
import { readDocument } from './document.ts'
import { type CorrelationDocument, type DocumentStore, faultyDocument } from './document-store.ts'
import { explain } from './explain.ts'
import { livesMax, pastLives, tryRules } from './history.ts'
import {
  CheckAnswer,
  CheckBody,
  DocumentView,
  ExplainAnswer,
  ExplainBody,
  PutBody,
  TryAnswer,
  TryBody,
  VersionList,
  VersionParams,
} from './schema.ts'

const readers = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const
const admins = { owner: 'incidents', roles: ['admin'] } as const
const bodyLimit = 1024 * 1024
const day = 86_400_000
const daysUnlessSaid = 30
/** Looks back at one time; each holds up to `livesMax` alerts in memory. */
const triesAtOnce = 2

export interface CorrelationRoutesOptions {
  readonly documents: DocumentStore
  readonly clock: Clock
}

/** The rules by which alerts open incidents: read, check, store, explain, try on the past. */
export const correlationRoutes: FastifyPluginAsyncTypebox<CorrelationRoutesOptions> = async (
  app,
  { documents, clock },
) => {
  const db = app.records.read
  const correlator = new Correlator(clock)
  let tries = 0

  app.get(
    '/api/v1/correlation',
    { config: { access: readers }, schema: { response: { 200: DocumentView } } },
    async () => viewOf(documents.current),
  )
  app.put(
    '/api/v1/correlation',
    {
      config: { access: admins },
      bodyLimit,
      schema: { body: PutBody, response: { 200: DocumentView } },
    },
    async ({ body: { document, madeFrom }, principal }) =>
      viewOf(await documents.put(document, madeFrom, (principal as Principal).name)),
  )
  app.get(
    '/api/v1/correlation/versions',
    { config: { access: readers }, schema: { response: { 200: VersionList } } },
    async () => ({
      versions: (await documents.versions()).map((one) => ({
        ...one,
        storedAt: rfc3339(one.storedAt),
      })),
    }),
  )
  app.get(
    '/api/v1/correlation/versions/:version',
    {
      config: { access: readers },
      schema: { params: VersionParams, response: { 200: DocumentView } },
    },
    async ({ params: { version } }) => viewOf(await documents.version(version)),
  )
  app.post(
    '/api/v1/correlation/check',
    {
      config: { access: readers },
      bodyLimit,
      schema: { body: CheckBody, response: { 200: CheckAnswer } },
    },
    async ({ body }) => {
      const { rules, faults } = readDocument(body.document)
      return { rules: rules?.length ?? 0, faults: faults.map((fault) => ({ ...fault })) }
    },
  )
  app.post(
    '/api/v1/correlation/explain',
    {
      config: { access: readers },
      bodyLimit,
      schema: { body: ExplainBody, response: { 200: ExplainAnswer } },
    },
    async ({ body: { labels, alert, document } }) => {
      const { subject, at } = await asked(db, labels, alert, clock.now())
      return explain(correlator, db, chosen(documents.current, document), subject, at)
    },
  )
  app.post(
    '/api/v1/correlation/try',
    {
      config: { access: readers },
      bodyLimit,
      schema: { body: TryBody, response: { 200: TryAnswer } },
    },
    async ({ body: { document, days = daysUnlessSaid } }) => {
      const { current } = documents
      const tried = document === undefined ? undefined : chosen(current, document)
      if (tries >= triesAtOnce)
        throw new CallwardError('too_many_requests', 'Others look back just now; try again soon.')
      tries++
      try {
        const to = clock.now()
        const from = to - days * day
        const { lives, cut } = await pastLives(db, from)
        return {
          ...{
            from: rfc3339(from),
            to: rfc3339(to),
            alerts: Math.min(lives.length, livesMax),
            cut,
          },
          now: await tryRules(current.rules, lives),
          tried: tried === undefined ? null : await tryRules(tried.rules, lives),
        }
      } finally {
        tries--
      }
    },
  )
}

function viewOf({ version, text, storedAt, storedBy, faults }: CorrelationDocument) {
  return {
    ...{ version, document: text, storedBy: storedBy ?? null },
    storedAt: storedAt === undefined ? null : rfc3339(storedAt),
    faults: faults.map((fault) => ({ ...fault })),
  }
}

/** The document that was sent, judged as the next version; without one, the current. Throws unprocessable with its faults. */
function chosen(current: CorrelationDocument, text: string | undefined): CorrelationDocument {
  if (text === undefined) return current
  const { rules, faults } = readDocument(text)
  if (rules === undefined) throw faultyDocument(faults)
  return { ...current, version: current.version + 1, text, rules, faults: [] }
}

async function asked(
  db: Kysely<RecordsSchema>,
  labels: Readonly<Record<string, string>> | undefined,
  alert: string | undefined,
  now: Millis,
): Promise<{ readonly subject: Subject; readonly at: Millis }> {
  if ((labels === undefined) === (alert === undefined))
    throw new CallwardError(
      'bad_request',
      'Send either labels or alert. Example: {"labels":{"alertname":"HostSilent","severity":"critical"}}',
    )
  if (labels !== undefined) return { subject: subjectOfLabels(labels), at: now }
  const row = await db
    .selectFrom('alerts')
    .selectAll()
    .where((is) => is.or([is('id', '=', alert!), is('fingerprint', '=', alert!)]))
    .orderBy('active_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row === undefined)
    throw new CallwardError(
      'not_found',
      `There is no alert "${alert}". Find ids and fingerprints with: callward alerts --json`,
    )
  const view = alertViewOf(row)
  return { subject: subjectOf(view), at: view.firedAt ?? now }
}
