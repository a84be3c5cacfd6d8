import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { StartError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type {} from '../ledger/plugin.ts'
import { openSealer } from '../sealing.ts'
import { channels } from './channels/all.ts'
import { ContactDesk, type LedgerEntry } from './contact-desk.ts'
import type { ContactPoint, Owner } from './contact-point.ts'
import { ContactStore } from './contact-store.ts'
import { Guard, parseAllowed, type Resolver } from './guard.ts'
import { guardedRequest, type HttpAnswer, type HttpRequest } from './http.ts'
import { NotifyLog } from './log-store.ts'
import { languages, manyLines, messageKinds, oneLine } from './message.ts'
import { notifyMetrics } from './metrics.ts'
import type { Outcome } from './outcome.ts'
import { previewRoutes } from './preview-routes.ts'
import { attemptRoutes, contactPointRoutes } from './routes.ts'
import { sampleMessage } from './sample-message.ts'
import { Sender, type SendRequest } from './sender.ts'
import { readTemplateFolder } from './template-files.ts'
import { TemplateFault, Templates, type TextRequest } from './templates.ts'

export type { ChannelName, ContactPoint, Owner } from './contact-point.ts'
export type { HttpAnswer, HttpRequest } from './http.ts'
export type { Language, Message, MessageAlert, MessageKind } from './message.ts'
export type { Outcome } from './outcome.ts'
export type { SendRequest } from './sender.ts'

/** Sends messages to people. */
export interface Notify {
  /**
   * One attempt to one contact point. Never throws and never lasts longer than 25 s; whoever needs the message to arrive
   * tries again with the same key.
   */
  send(request: SendRequest): Promise<Outcome>
  /**
   * One request to an address that people configured, to where the hub may connect only. Rejects with what was wrong, in words for
   * people; ends when the signal does.
   */
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>
  /** Contact points in use and out of use, without secrets; a person has the built-in `live:ID` first. */
  contactPointsOf(owner: Owner): readonly ContactPoint[]
  /** Undefined when there is none. */
  contactPoint(id: string): ContactPoint | undefined
  /** By its label or its id; the first of those that bear the label. */
  contactPointNamed(name: string): ContactPoint | undefined
  /** Renders a text of another capability in the sandbox of templates. Never throws for an own template. */
  text(request: TextRequest): { readonly text: string; readonly faults: readonly string[] }
  /** A title and a text as a message carries them: cleaned, and cut where they are too long. */
  asSent(title: string, text: string): { readonly title: string; readonly text: string }
  /** Resolves when every attempt so far is written down, or its write has failed. */
  settled(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    notify: Notify
  }
}

export interface NotifyOptions {
  readonly clock: Clock
  readonly config: HubConfig
  /** Another resolver and a shorter deadline, for tests. */
  readonly resolve?: Resolver
  readonly deadlineMillis?: number
}

const longestMillis = 25_000
const sweepEveryMillis = 3_600_000

export const notifyPlugin = fp(
  async (app, { clock, config, resolve, deadlineMillis = longestMillis }: NotifyOptions) => {
    const { sealer } = openSealer(join(config.data, 'hub', 'notify.key'))
    const templates = readTemplates(config.notifyTemplatesFolder)
    const guard = new Guard(readAllowed(config.notifyAllow), resolve)
    const store = new ContactStore(app.records, clock, sealer)
    await store.load()
    if (store.unreadable > 0)
      app.log.error(
        { count: store.unreadable },
        'contact points cannot be opened: they were sealed with another hub/notify.key. Bring it back from a backup, or enter them anew',
      )
    const log = new NotifyLog(app.records, clock, config.notifyLogDays, (err) =>
      app.log.warn({ err }, 'attempts to send not written down yet'),
    )
    const metrics = notifyMetrics(app.telemetry.registry, {
      points: () => statesOf(store),
      logDropped: () => log.dropped,
    })
    if (config.notifyTemplatesFolder !== undefined)
      for (const fault of trialFaults(templates, publicUrl(config), clock.now())) {
        metrics.templateFaults.inc()
        app.log.error({ fault }, 'a template of messages fails; the default text is sent instead')
      }
    const sender = new Sender({
      ...{ store, templates, guard, log, metrics, clock, deadlineMillis },
      warn: (fields, text) => app.log.warn(fields, text),
    })

    app.decorate('notify', {
      send: (request) => sender.send(request),
      request: (request, signal) => guardedRequest(guard, request, signal),
      contactPointsOf: (owner) => [
        ...(owner.kind === 'person' ? [builtIn(owner)] : []),
        ...store
          .all()
          .map(({ point }) => point)
          .filter((point) => point.owner.kind === owner.kind && point.owner.id === owner.id),
      ],
      contactPoint: (id) => store.find(id)?.point,
      contactPointNamed: (name) =>
        store.find(name)?.point ?? store.all().find(({ point }) => point.label === name)?.point,
      text: (request) => templates.text(request),
      asSent: (title, text) => ({ title: oneLine(title), text: manyLines(text) }),
      settled: () => log.settled(),
    })

    const url = publicUrl(config)
    for (const { name } of channels)
      app.rules.watchFigure(
        'callward_notify_channel_failing',
        () => sender.health.failing(name, clock.monotonic()),
        { channel: name },
      )
    const ledger: LedgerEntry = (tx, change, { id, owner, channel }, by) =>
      app.ledger.append(tx, {
        action: 'notify.contact_point',
        object: { type: 'contact-point', id },
        actor: by.name,
        occurredAt: clock.now(),
        content: { change, owner, channel },
      })
    const desk = new ContactDesk(store, app.records, ledger, app.people)
    await app.register(contactPointRoutes, { desk, store })
    await app.register(attemptRoutes, {
      ...{ desk, store, log, clock },
      test: (id) => sender.send(testOf(id, url, clock.now())),
    })
    await app.register(previewRoutes, { templates, clock, url })

    let timer: NodeJS.Timeout | undefined
    const sweep = () =>
      log
        .sweep(app.holds.keepFrom())
        .catch((err: unknown) => app.log.warn({ err }, 'old attempts not removed'))
    let sweeping = Promise.resolve()
    app.addHook('onReady', async () => {
      timer = setInterval(() => {
        sweeping = sweep()
      }, sweepEveryMillis)
      timer.unref()
      sweeping = sweep()
    })
    app.addHook('preClose', async () => {
      clearInterval(timer)
      await sweeping
      await log.settled()
    })
  },
  {
    name: 'callward-notify',
    dependencies: ['callward-records', 'callward-telemetry', 'callward-access', 'callward-rules'],
  },
)

function testOf(id: string, url: string, now: number): SendRequest {
  return {
    contactPoint: id,
    message: { kind: 'test', title: 'Callward', url, startedAt: now },
    idempotencyKey: `test-${uuid(now)}`,
  }
}

/** The hub's own push, which serves everybody who is signed in. */
function builtIn(owner: Owner): ContactPoint {
  return {
    id: `live:${owner.id}`,
    owner,
    channel: 'live',
    label: 'live',
    language: 'en',
    timeZone: 'UTC',
    settings: {},
    secrets: [],
    testedAt: null,
    testOutcome: null,
    testReason: null,
    disabledAt: null,
    createdAt: 0,
  }
}

function statesOf(store: ContactStore): Record<string, number> {
  const states = { tested: 0, untested: 0, disabled: 0, unreadable: 0 }
  for (const { point, own } of store.all())
    states[
      own === undefined
        ? 'unreadable'
        : point.disabledAt !== null
          ? 'disabled'
          : point.testedAt === null
            ? 'untested'
            : 'tested'
    ]++
  return states
}

function readAllowed(entries: readonly string[]) {
  return entries.map((entry) => {
    const allowed = parseAllowed(entry)
    if (allowed === undefined)
      throw new StartError(
        `notifyAllow: "${entry}" is no address or network. Names are not taken: what a name means can change.\nExample: notifyAllow: ['10.20.0.25:587', '10.30.0.0/24', '[fd00::25]:587']`,
      )
    return allowed
  })
}

function readTemplates(folder: string | undefined): Templates {
  try {
    return folder === undefined
      ? new Templates()
      : new Templates(
          readTemplateFolder(folder),
          channels.map(({ name }) => name),
        )
  } catch (error) {
    if (error instanceof TemplateFault)
      throw new StartError(`A template of messages cannot be used: ${error.message}`)
    throw error
  }
}

/** Faults that only show when a message is made: an invented one of each kind, for every channel and language. */
function trialFaults(templates: Templates, url: string, now: number): ReadonlySet<string> {
  const made = messageKinds.flatMap((kind) =>
    channels.flatMap(({ name }) =>
      languages.map((language) => {
        const message = sampleMessage(kind, now, url)
        return { message, language, channel: name, timeZone: 'UTC', reference: '00000000', now }
      }),
    ),
  )
  return new Set(made.flatMap((request) => templates.render(request).faults))
}
