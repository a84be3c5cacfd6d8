import { join } from 'node:path'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import { prometheusMetadata, storedOwnNames } from '../dashboards/catalogue.ts'
import { alertmanagerPlugin } from './alertmanager/plugin.ts'
import { approvalsPlugin } from './approvals/plugin.ts'
import { attachmentsFolder, attachmentsPlugin } from './attachments/plugin.ts'
import { backupPlugin } from './backup/plugin.ts'
import { baselinesPlugin } from './baselines/plugin.ts'
import { boardsPlugin } from './boards/plugin.ts'
import { canaryPlugin } from './canary/plugin.ts'
import { changesPlugin } from './changes/plugin.ts'
import type { Clock } from './clock.ts'
import { clocksPlugin } from './clocks/plugin.ts'
import { communicationPlugin } from './communication/plugin.ts'
import { type HubConfig, publicUrl } from './config.ts'
import { consolePlugin } from './console/plugin.ts'
import { deadlinesPlugin } from './deadlines/plugin.ts'
import { dispatchPlugin } from './dispatch/plugin.ts'
import { enrolmentPlugin } from './enrolment/plugin.ts'
import { answerErrors } from './error-answers.ts'
import { evidencePlugin } from './evidence/plugin.ts'
import { figuresPlugin } from './figures/plugin.ts'
import { heartbeatPlugin } from './heartbeat/plugin.ts'
import { holdsPlugin } from './holds/plugin.ts'
import { incidentFilesPlugin } from './incidents/files-plugin.ts'
import { incidentPanelsPlugin } from './incidents/panels-plugin.ts'
import { incidentsPlugin } from './incidents/plugin.ts'
import { ingestPlugin } from './ingest/plugin.ts'
import { writeRoutes } from './ingest/write-plugin.ts'
import { inventoryPlugin, prometheusTargets } from './inventory/plugin.ts'
import { knowledgePlugin } from './knowledge/plugin.ts'
import { ledgerPlugin } from './ledger/plugin.ts'
import { ledgerRoutes } from './ledger/routes.ts'
import { witnessesPlugin } from './ledger/witnesses-plugin.ts'
import { livePlugin } from './live/plugin.ts'
import { loggerOptions } from './logging.ts'
import { notifyPlugin } from './notify/plugin.ts'
import { obligationsPlugin } from './obligations/plugin.ts'
import { oncallPlugin } from './oncall/plugin.ts'
import { openApi, openApiRoute } from './openapi.ts'
import { pagingPlugin } from './paging/plugin.ts'
import { peoplePlugin } from './people/plugin.ts'
import { privacyPlugin } from './privacy/plugin.ts'
import { promqlPlugin } from './promql/plugin.ts'
import { recordsPlugin } from './records/plugin.ts'
import { routingPlugin } from './routing/plugin.ts'
import { prometheusAlerts, prometheusRules, rulesPlugin } from './rules/plugin.ts'
import { compileSchemasWhenUsed } from './schema-compilers.ts'
import { searchPlugin } from './search/plugin.ts'
import { securityHeaders } from './security-headers.ts'
import { storePlugin } from './store/plugin.ts'
import { ownSeriesPlugin } from './telemetry/own-series-plugin.ts'
import { telemetryPlugin, telemetryRoutes } from './telemetry/plugin.ts'
import { keepTlsFresh, readTlsFiles } from './tls.ts'
import { upgradesPlugin } from './upgrades.ts'
import { webhooksPlugin } from './webhooks/plugin.ts'

/**
 * The hub: one plugin a capability, in the order they need each other. Does not listen. `before` sees the
 * instance while it is still empty (tests list the routes).
 */
export async function buildApp(
  config: HubConfig,
  clock: Clock,
  before: (app: FastifyInstance) => void = () => undefined,
): Promise<FastifyInstance> {
  const app = Fastify({
    logger: loggerOptions(config),
    bodyLimit: 1024 * 1024,
    routerOptions: { maxParamLength: 1024 },
    requestIdHeader: false,
    // Opening a large store or migrating records takes as long as it takes.
    pluginTimeout: 0,
    // Requests are counted at /metrics; the log tells what failed.
    logController: new LogController({ disableRequestLogging: true }),
    ...(config.tls === undefined ? {} : { https: readTlsFiles(config.tls) }),
  }) as FastifyInstance
  answerErrors(app)
  compileSchemasWhenUsed(app)
  before(app)
  try {
    await registerAll(app, config, clock)
  } catch (error) {
    // What was opened before (records, store) is closed in its order.
    await app.close()
    throw error
  }
  return app
}

async function registerAll(app: FastifyInstance, config: HubConfig, clock: Clock): Promise<void> {
  const folder = join(config.data, 'hub')

  app.addHook('onRequest', securityHeaders(config))
  await app.register(swagger, openApi(config))
  await app.register(telemetryPlugin)
  keepTlsFresh(app, config)
  await app.register(upgradesPlugin, { maxSockets: config.maxSessions + 2000 })
  await app.register(recordsPlugin, {
    folder,
    ...(config.recordsUrl === undefined ? {} : { url: config.recordsUrl }),
  })
  await app.register(storePlugin, {
    folder: join(folder, 'store'),
    retentionDays: config.retentionDays,
    victoria: config.store,
    influx: config.influx,
    clock,
    // Until the holds are read everything is kept.
    keepFrom: () => (app.hasDecorator('holds') ? app.holds.keepFrom() : Number.NEGATIVE_INFINITY),
  })
  await app.register(ownSeriesPlugin, { clock, names: storedOwnNames() })
  await app.register(ledgerPlugin, { clock, folder })
  await app.register(peoplePlugin, { clock, config })
  await app.register(telemetryRoutes)
  await app.register(ledgerRoutes, { clock, attachments: attachmentsFolder(config.data) })
  await app.register(livePlugin, { clock, simulated: config.demo })
  await app.register(approvalsPlugin, { clock })
  await app.register(obligationsPlugin, { clock })
  await app.register(knowledgePlugin, { clock })
  await app.register(searchPlugin)
  await app.register(oncallPlugin, { clock })
  await app.register(clocksPlugin, { clock, folder: config.regimesFolder })
  await app.register(holdsPlugin, { clock })
  await app.register(incidentsPlugin, {
    ...{ clock, pdf: config.incidents?.pdf, externalUrl: publicUrl(config) },
  })
  await app.register(attachmentsPlugin, { clock, folder: attachmentsFolder(config.data) })
  await app.register(privacyPlugin, { clock })
  await app.register(incidentFilesPlugin)
  await app.register(promqlPlugin, {
    ...(config.queryWorkers === undefined ? {} : { workers: config.queryWorkers }),
    clock,
    metadata: prometheusMetadata(),
    rules: () => prometheusRules(app.rules.groups()),
    alerts: () => prometheusAlerts(app.rules.activeAlerts()),
    targets: () => prometheusTargets(app.inventory),
  })
  await app.register(boardsPlugin, { clock })
  await app.register(incidentPanelsPlugin, { clock })
  await app.register(rulesPlugin, { clock, config, externalUrl: publicUrl(config) })
  await app.register(notifyPlugin, { clock, config })
  await app.register(witnessesPlugin, { clock, witnesses: config.witnesses })
  await app.register(pagingPlugin, { clock, config })
  await app.register(deadlinesPlugin, { clock, config })
  await app.register(communicationPlugin, { clock, config })
  await app.register(dispatchPlugin, { clock, config })
  await app.register(routingPlugin, { clock, config })
  await app.register(alertmanagerPlugin, { clock, config })
  await app.register(heartbeatPlugin, { clock, config })
  await app.register(canaryPlugin, { clock, config })
  await app.register(inventoryPlugin, {
    clock,
    factsLimits: { versions: config.factsVersions, days: config.factsDays },
  })
  await app.register(changesPlugin, { clock, graceMinutes: config.changeGraceMinutes })
  await app.register(baselinesPlugin, {
    clock,
    folder: config.baselinesFolder,
    twoPersons: config.twoPersonBaselines,
  })
  await app.register(evidencePlugin, { clock })
  await app.register(figuresPlugin, { clock })
  await app.register(webhooksPlugin, { clock, config })
  await app.register(enrolmentPlugin, { clock, config })
  await app.register(ingestPlugin, { clock, config })
  await app.register(writeRoutes, { clock, otlp: config.otlp })
  await app.register(backupPlugin, { clock, config })
  await app.register(consolePlugin)
  openApiRoute(app)
}
