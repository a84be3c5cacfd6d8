import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { type HubConfig, publicUrl } from '../config.ts'
import { uuid } from '../ids.ts'
import type {} from '../rules/plugin.ts'
import type {} from '../store/plugin.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { ShownAlert } from './alert-views.ts'
import { externalGroup } from './external-alert.ts'
import { ExternalAlerts } from './external-alerts.ts'
import { loadEnded, loadExternal } from './external-store.ts'
import { takeAlerts } from './intake.ts'
import { alertmanagerMetrics } from './metrics.ts'
import { PostedSeries, postedSeriesLimits } from './posted-series.ts'
import { routingDoor } from './routing-door.ts'
import { silenceRoutes } from './silence-routes.ts'
import { Silencing } from './silencing.ts'
import { v2Routes } from './v2-routes.ts'

export interface AlertmanagerOptions {
  readonly clock: Clock
  readonly timers?: Timers
  readonly config: HubConfig
}

/** An alert that ended longer ago is over for PromQL too, whether its series was ended or not. */
const endedBeforeMillis = 10 * 60_000

/** Alerts that others post, and the hub as an Alertmanager for Prometheus, vmalert, Grafana and amtool. */
export const alertmanagerPlugin = fp(
  async (app, { clock, config, timers = systemTimers }: AlertmanagerOptions) => {
    const resolveTimeoutMillis = config.alertResolveSeconds * 1000
    const activeMax = config.externalAlertsMax
    const newId = () => uuid(clock.now())
    const alerts = new ExternalAlerts({
      clock,
      timers,
      newId,
      activeMax,
      resolveTimeoutMillis,
      saved: await loadExternal(app.records),
      onError: (err) => app.log.error({ err }, 'posted alerts could not be ended'),
    })
    const intake = app.rules.provideAlerts(alerts)
    const series = new PostedSeries({
      clock,
      timers,
      store: app.store,
      active: () => alerts.active(),
      endedBefore: await loadEnded(
        app.records,
        externalGroup,
        clock.now() - endedBeforeMillis,
        postedSeriesLimits.atOnce,
      ),
      onError: (err) => app.log.warn({ err }, 'posted alerts could not be stored as series'),
    })
    const registry = app.telemetry.registry
    const metrics = alertmanagerMetrics(registry, {
      active: () => alerts.count,
      activeMax,
      withoutSeries: () => series.left,
    })
    app.rules.watchFigure('callward_external_alerts', () => alerts.count)
    app.rules.watchFigure('callward_external_alerts_limit', () => activeMax)
    const silencing = new Silencing(routingDoor(app), clock, newId)

    const firing = () => app.rules.activeAlerts().filter(({ state }) => state === 'firing')
    function shown(): ShownAlert[] {
      const now = clock.now()
      return firing().map((alert) => {
        const external = alerts.external(alert.fingerprint)
        return {
          alert,
          endsAt: external?.endsAt ?? now + resolveTimeoutMillis,
          updatedAt: now,
          generatorUrl: external?.generatorUrl ?? `${publicUrl(config)}/alerts`,
        }
      })
    }

    await app.register(v2Routes, {
      clock,
      silencing,
      shown,
      take: (given, by) => takeAlerts({ clock, alerts, metrics }, given, by),
      truncated: (count) => metrics.truncated(count),
    })
    await app.register(silenceRoutes, { clock, silencing, newId, firing })
    app.addHook('onReady', async () => {
      alerts.start(intake)
      series.start()
    })
    app.addHook('preClose', async () => {
      alerts.stop()
      await series.stop()
    })
  },
  {
    name: 'callward-alertmanager',
    dependencies: [
      'callward-access',
      'callward-rules',
      'callward-routing',
      'callward-store',
      'callward-telemetry',
    ],
  },
)
