import { formatMatchers } from '../../alerts/matchers.ts'
import type { Route, RoutingConfig } from '../../alerts/routing-config.ts'

/**
 * The routing tree as an Alertmanager configuration, for clients that read it (Grafana, `amtool config routes`). Without
 * the settings of channels, which may be secret, and with the names of time intervals only.
 */
export function routingDocument(routing: RoutingConfig): object {
  const { root, receivers, inhibitRules, calendars } = routing
  return {
    route: routeOf(root),
    receivers: [...receivers.keys()].map((name) => ({ name })),
    ...(inhibitRules.length === 0
      ? {}
      : {
          inhibit_rules: inhibitRules.map(({ source, target, equal }) => ({
            source_matchers: source.map((made) => one(made)),
            target_matchers: target.map((made) => one(made)),
            equal,
          })),
        }),
    ...(calendars.size === 0
      ? {}
      : {
          time_intervals: [...calendars.keys()].map((name) => ({
            name,
            time_intervals: [{ times: [{ start_time: '00:00', end_time: '24:00' }] }],
          })),
        }),
  }
}

function routeOf(route: Route): object {
  const { receiver, groupBy, groupWait, groupInterval, repeatInterval, matchers, routes } = route
  return {
    receiver,
    ...(matchers.length === 0 ? {} : { matchers: matchers.map((made) => one(made)) }),
    ...(route.continue ? { continue: true } : {}),
    group_by: groupBy === 'all' ? ['...'] : groupBy,
    group_wait: `${groupWait}ms`,
    group_interval: `${groupInterval}ms`,
    repeat_interval: `${repeatInterval}ms`,
    ...(route.muteDuring.length === 0 ? {} : { mute_time_intervals: route.muteDuring }),
    ...(route.activeDuring.length === 0 ? {} : { active_time_intervals: route.activeDuring }),
    ...(routes.length === 0 ? {} : { routes: routes.map(routeOf) }),
  }
}

function one(made: Parameters<typeof formatMatchers>[0][number]): string {
  return formatMatchers([made]).slice(1, -1)
}
