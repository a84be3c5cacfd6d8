import type { FastifyInstance, FastifyRequest } from 'fastify'
import { version } from '../assets.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { shownError } from '../error-answers.ts'
import { CallwardError } from '../errors.ts'
import { readAlertWishes, readFilters } from './alert-query.ts'
import {
  alertGroups,
  byFingerprint,
  gettableAlert,
  type ShownAlert,
  wished,
} from './alert-views.ts'
import { readGrafanaWebhook } from './grafana-webhook.ts'
import { readPostedSilence, silenceFiltered, silenceOrder } from './silence-views.ts'
import type { Silencing } from './silencing.ts'
import { answerInV2 } from './v2-answers.ts'

export interface V2RoutesOptions {
  readonly clock: Clock
  readonly silencing: Silencing
  /** Firing alerts, of the hub's rules and posted ones. */
  readonly shown: () => readonly ShownAlert[]
  readonly take: (alerts: readonly unknown[], by: string) => Promise<void>
  readonly truncated: (count: number) => void
}

/** Bytes of one post: 10,000 alerts of a kilobyte and a half. */
export const postBytes = 16 * 1024 * 1024
/** Posts read at the same time. */
export const postsMax = 16
const silenceBytes = 256 * 1024
/** The Alertmanager whose API this is; amtool compares it with its own. */
const spoken = '0.25.0'

const senders = {
  owner: 'alertmanager',
  roles: ['admin', 'operator', 'collector', 'grafana'],
} as const
const readers = {
  owner: 'alertmanager',
  roles: ['admin', 'operator', 'auditor', 'grafana'],
} as const
const silencers = { owner: 'alertmanager', roles: ['admin', 'operator'] } as const
const everybody = {
  owner: 'alertmanager',
  roles: ['admin', 'operator', 'auditor', 'collector', 'grafana'],
} as const

/** Alertmanager's API v2 (api/v2/openapi.yaml of Alertmanager 0.25) under `/am`, and the webhook of Grafana. */
export async function v2Routes(app: FastifyInstance, options: V2RoutesOptions): Promise<void> {
  answerInV2(app, shownError)
  alertRoutes(app, options)
  silenceRoutes(app, options.silencing)
  statusRoutes(app, options)
}

function alertRoutes(app: FastifyInstance, options: V2RoutesOptions): void {
  const { clock, shown, silencing, take, truncated } = options
  let posts = 0

  /** Refuses before a body too many is read into memory. */
  const onRequest = async () => {
    if (posts >= postsMax)
      throw new CallwardError('unavailable', `${postsMax} posts are being taken; post again.`)
  }
  const counted = async (work: () => Promise<void>) => {
    posts++
    await work().finally(() => posts--)
  }
  const post = { config: { access: senders }, bodyLimit: postBytes, onRequest }

  app.post('/am/api/v2/alerts', post, async (request, reply) => {
    const { body } = request
    if (!Array.isArray(body))
      throw new CallwardError('bad_request', 'The body must be a list of alerts.')
    await counted(() => take(body, nameOf(request)))
    return reply.code(200).send()
  })

  app.post('/am/grafana', post, async (request) => {
    const delivery = readGrafanaWebhook(request.body, clock.now())
    if (delivery.truncated > 0) {
      truncated(delivery.truncated)
      request.log.warn(
        { truncated: delivery.truncated },
        'a webhook left alerts out; raise "Max alerts" of the contact point',
      )
    }
    await counted(() => take(delivery.alerts, nameOf(request)))
    return { taken: delivery.alerts.length }
  })

  app.get('/am/api/v2/alerts', { config: { access: readers } }, async (request) => {
    const wishes = readAlertWishes(request.query as Record<string, unknown>)
    const state = await silencing.newest()
    return shown()
      .map((one) => gettableAlert(one, state))
      .filter((alert) => wished(wishes, alert))
      .sort(byFingerprint)
  })

  app.get('/am/api/v2/alerts/groups', { config: { access: readers } }, async (request) => {
    const wishes = readAlertWishes(request.query as Record<string, unknown>)
    return alertGroups(shown(), await silencing.newest(), wishes)
  })
}

function silenceRoutes(app: FastifyInstance, silencing: Silencing): void {
  app.get('/am/api/v2/silences', { config: { access: readers } }, async (request) => {
    const filters = readFilters((request.query as Record<string, unknown>)['filter'])
    return silencing
      .all()
      .filter((silence) => silenceFiltered(filters, silence))
      .sort(silenceOrder)
  })

  app.post(
    '/am/api/v2/silences',
    { config: { access: silencers }, bodyLimit: silenceBytes },
    async (request) => {
      const posted = readPostedSilence(request.body)
      return { silenceID: await silencing.post(posted, personOf(request)).catch(inWords) }
    },
  )

  app.get('/am/api/v2/silence/:id', { config: { access: readers } }, async (request) =>
    silencing.find(idOf(request)),
  )

  app.delete(
    '/am/api/v2/silence/:id',
    { config: { access: silencers } },
    async (request, reply) => {
      await silencing.end(idOf(request), personOf(request))
      return reply.code(200).send()
    },
  )
}

function statusRoutes(app: FastifyInstance, { clock, silencing }: V2RoutesOptions): void {
  const startedAt: Millis = clock.now()

  app.get('/am/api/v2/status', { config: { access: everybody } }, async (request) => ({
    cluster: { name: 'callward', peers: [], status: 'disabled' },
    versionInfo: {
      branch: '',
      buildDate: '',
      buildUser: '',
      goVersion: `node ${process.versions.node}`,
      revision: `callward ${version}`,
      version: spoken,
    },
    // Whoever only posts alerts need not know who is told of them.
    config: { original: request.principal?.role === 'collector' ? '' : silencing.original() },
    uptime: rfc3339(startedAt),
  }))

  app.get('/am/api/v2/receivers', { config: { access: readers } }, async () =>
    silencing.receivers().map((name) => ({ name })),
  )

  for (const path of ['/am/-/healthy', '/am/-/ready'])
    app.get(path, { config: { access: everybody } }, async (_request, reply) =>
      reply.type('text/plain').send('OK'),
    )
}

/** Clients show the text of a 400 only. Only a person with a reason may force what is too broad, at /api/v1/silences. */
function inWords(error: unknown): never {
  if (!(error instanceof CallwardError) || error.code !== 'conflict') throw error
  throw new CallwardError('bad_request', error.message)
}

function nameOf(request: FastifyRequest): string {
  return personOf(request).name
}

function personOf({ principal }: FastifyRequest) {
  if (principal === undefined) throw new CallwardError('unauthorized')
  return principal
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id
}
